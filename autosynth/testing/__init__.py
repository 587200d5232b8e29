"""Contract tests of components, encoders and sources: an AssertionError, or nothing."""

from autosynth.testing.encoder import ENCODER_CHECKS, EncoderCase, check_encoder
from autosynth.testing.family import (
    FAMILY_CHECKS,
    INPUTS,
    TARGET,
    FamilyCase,
    check_family,
    raw_rows,
)
from autosynth.testing.fitted import FITTED_CHECKS, FittedCase, check_fitted_family
from autosynth.testing.source import check_source

__all__ = [
    "ENCODER_CHECKS",
    "FAMILY_CHECKS",
    "FITTED_CHECKS",
    "INPUTS",
    "TARGET",
    "EncoderCase",
    "FamilyCase",
    "FittedCase",
    "check_encoder",
    "check_family",
    "check_fitted_family",
    "check_source",
    "raw_rows",
]
