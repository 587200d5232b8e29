"""Contract tests for those who write a component or an encoder: an AssertionError, or nothing."""

from autosynth.testing.encoder import ENCODER_CHECKS, EncoderCase, check_encoder
from autosynth.testing.family import (
    FAMILY_CHECKS,
    INPUTS,
    TARGET,
    FamilyCase,
    check_family,
    raw_rows,
)

__all__ = [
    "ENCODER_CHECKS",
    "FAMILY_CHECKS",
    "INPUTS",
    "TARGET",
    "EncoderCase",
    "FamilyCase",
    "check_encoder",
    "check_family",
    "raw_rows",
]
