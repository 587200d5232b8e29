"""Encoders, one kind a file: what is fitted on training rows, and the arrays that it makes."""

from autosynth.data.encoder.encoder import Encoder

__all__ = ["Encoder"]
