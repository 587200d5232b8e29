"""Contract tests for those who write a component: give it in, get an AssertionError or nothing."""

from autosynth.testing.family import FAMILY_CHECKS, FamilyCase, check_family
from autosynth.testing.inputs import INPUTS, TARGET, raw_rows

__all__ = ["FAMILY_CHECKS", "INPUTS", "TARGET", "FamilyCase", "check_family", "raw_rows"]
