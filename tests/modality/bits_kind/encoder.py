"""A column of hexadecimal fingerprints to bits: 0 or 1, (n, bits)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from autosynth.cell import text_of
from autosynth.data.encoder.encoder import Encoder, Transformed
from autosynth.spec import InputSpec

DIGITS = {digit: [int(bit) for bit in f"{i:04b}"] for i, digit in enumerate("0123456789abcdef")}


@dataclass(frozen=True, kw_only=True)
class BitsEncoder(Encoder):
    """Reads as many bits as the longest fingerprint of training rows has; longer ones are cut."""

    kind = "bits"
    reads_column = True
    column: str
    shape: tuple

    @classmethod
    def fit(cls, values, train, name, width=None):
        sizes = values.iloc[train].dropna().map(text_of).str.len()
        return cls(name=name, column=str(values.name), shape=(4 * int(sizes.max()),), width=width)

    def transform(self, rows, place="", folders=""):
        x = np.zeros((len(rows), *self.shape), np.float32)
        for row, value in enumerate(rows[self.column]):
            text = "" if pd.isna(value) else text_of(value).lower()
            bits = [bit for digit in text for bit in DIGITS.get(digit, [0] * 4)][: self.shape[0]]
            x[row, : len(bits)] = bits
        return Transformed(values=x)

    @property
    def spec(self):
        return InputSpec(name=self.name, kind=self.kind, shape=self.shape)

    def describe(self, x, train):
        yield f"input       {self.name}: {self.shape[0]} bits, {x.mean():.0%} of them set"

    @property
    def columns(self):
        return (self.column,)
