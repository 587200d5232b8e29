"""Stems: raw values of one input in, tokens out. One a kind of input, in one dict.

Standardisation happens here, inside the network, from statistics of training rows that `fit`
takes: so an exported model reads raw numbers. Statistics are buffers, saved with the weights.
"""

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor, nn

from autosynth.components.piece import (
    Grid,
    Piece,
    Regrid,
    Stem,
    Tokens,
    coarser,
    n_tokens,
    to_tokens,
)
from autosynth.composite.logmel import picture_of
from autosynth.composite.objective import last_known
from autosynth.spec import DATE, InputSpec

N_BINS = 16
MOST_BINS = 2
"""Of a numeric column, that one value takes, however often it stands there."""
INNER = 256
"""Dimensions that the tokens of a text are embedded in."""
PERIODS = (365.2425, 7.0, 1.0)
"""Days of a year, of a week and of a day: of each a date has a sine and a cosine."""


class ConvolutionStem(Stem):
    """An image (B, C, H, W) or series (B, C, L): standardised, then convolved at stride `patch`.

    Its kernel is 2 * patch + 1, so that neighbouring tokens overlap (Xiao et al., 2021, "Early
    convolutions help transformers see better", arXiv:2106.14881). A series to forecast is read as
    its change from the last known value of each channel (NLinear: Zeng et al., 2023, "Are
    transformers effective for time series forecasting?", arXiv:2205.13504): levels seldom return.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, spec: InputSpec, patch: int, width: int) -> None:
        super().__init__()
        line = spec.kind == "series"
        self.line, self.masked, self.patch = line, spec.masked, patch
        self.anchored = spec.anchored
        kernel = 2 * patch + 1
        self.conv = nn.Conv2d(
            spec.shape[0],
            width,
            (1, kernel) if line else kernel,
            stride=(1, patch) if line else patch,
            padding=(0, patch) if line else patch,
        )
        self.register_buffer("mean", torch.zeros(spec.shape[0], 1, 1))
        self.register_buffer("scale", torch.ones(spec.shape[0], 1, 1))

    def fit(self, raw: Tensor) -> None:
        """The mean and standard deviation of every channel, missing steps left out."""
        raw = raw - last_known(raw) if self.anchored else raw
        for channel in range(raw.shape[1]):
            values = raw[:, channel].flatten()
            if values.is_floating_point():
                values = values[~values.isnan()]
            if values.numel():
                var, mean = torch.var_mean(values.float(), correction=0)
                self.mean[channel] = mean
                self.scale[channel] = 1 / var.sqrt().clamp(min=1e-6)

    def forward(self, raw: Tensor) -> Tokens:
        """A token a patch, masked where the patch has no value."""
        x = (raw - last_known(raw) if self.anchored else raw).to(self.mean.dtype)
        x = x.unsqueeze(2) if self.line else x
        mask = None
        if self.masked:
            known = ~x.isnan()
            x = torch.where(known, x, self.mean)
            steps = known.any(1, keepdim=True).to(x.dtype)
            window = (1, self.patch) if self.line else self.patch
            mask = nn.functional.max_pool2d(steps, window, ceil_mode=True).flatten(1) > 0
        x = ((x - self.mean) * self.scale).contiguous(memory_format=torch.channels_last)
        return to_tokens(self.conv(x)), mask


class TableStem(Stem):
    """A table (B, columns): one token a column.

    Numbers go through a piecewise linear encoding over quantiles (Gorishniy et al., 2022,
    arXiv:2203.05556) and a linear map of their own; categories and missing values are embedded.
    One value takes two bins at most, so that a column which is mostly zero has bins for the rest.
    Dates are numbers that also have the phase of the year, the week and the day, each as sine and
    cosine; that of the day only where training rows have times of day.
    """

    edges: Tensor
    numeric: Tensor
    categorical: Tensor
    offsets: Tensor
    order: Tensor
    dates: Tensor
    used: Tensor

    def __init__(self, spec: InputSpec, patch: int, width: int) -> None:
        super().__init__()
        cards = spec.cardinalities
        numeric = [i for i, card in enumerate(cards) if card <= 0]
        categorical = [i for i, card in enumerate(cards) if card > 0]
        dates = [row for row, i in enumerate(numeric) if cards[i] == DATE]
        starts, total = [], 0
        for i in categorical:
            starts.append(total)
            total += cards[i]
        for name, values in (
            ("numeric", numeric),
            ("categorical", categorical),
            ("offsets", starts),
            ("dates", dates),
            ("order", sorted(range(len(cards)), key=(numeric + categorical).__getitem__)),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.long), persistent=False)
        self.register_buffer("edges", torch.linspace(0, 1, N_BINS + 1).repeat(len(numeric), 1))
        self.weight = nn.Parameter(torch.randn(len(numeric), N_BINS, width) * N_BINS**-0.5)
        if dates:
            shape = (len(dates), 2 * len(PERIODS))
            self.register_buffer("used", torch.ones(shape))
            self.phase = nn.Parameter(torch.randn(*shape, width) * N_BINS**-0.5)
        self.missing = nn.Parameter(torch.randn(len(numeric), width) * 0.5)
        self.embedding = nn.Parameter(torch.randn(total, width) * 0.5)
        # Categories never seen say nothing until training rows have some.
        self.embedding.data[starts] = 0
        self.bias = nn.Parameter(torch.zeros(len(cards), width))

    def fit(self, raw: Tensor) -> None:
        """The quantiles of known values of every numeric column; which dates have times."""
        for row, column in enumerate(self.numeric.tolist()):
            values = raw[:, column].double().cpu()
            values = values[~values.isnan()]
            if values.numel():
                self.edges[row] = _edges(values).to(self.edges)
        for row, column in enumerate(self.numeric[self.dates].tolist()):
            days = raw[:, column]
            self.used[row, -2:] = float((days[~days.isnan()] % 1 != 0).any())

    def forward(self, raw: Tensor) -> Tokens:
        """A token a column, in the order of the columns."""
        numbers = raw[:, self.numeric].unsqueeze(-1)
        known = ~numbers.isnan()
        low, high = self.edges[:, :-1], self.edges[:, 1:]
        filled = torch.where(known, numbers, low[:, :1])
        # A bin without width (a repeated value) is a step at that value.
        share = ((filled - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
        encoded = torch.einsum("bfk,fkd->bfd", share.to(self.weight.dtype), self.weight)
        if len(self.dates):
            encoded = encoded.index_add(1, self.dates, self._phases(filled[:, self.dates]))
        encoded = torch.where(known, encoded, self.missing.to(encoded.dtype))
        codes = raw[:, self.categorical].long() + self.offsets
        tokens = torch.cat((encoded, self.embedding[codes].to(encoded.dtype)), 1)
        return tokens[:, self.order] + self.bias.to(encoded.dtype), None

    def _phases(self, days: Tensor) -> Tensor:
        """What the phases of dates (B, dates, 1) add to their tokens."""
        angle = torch.cat([days / period % 1 for period in PERIODS], -1) * (2 * pi)
        seen = torch.stack((angle.sin(), angle.cos()), -1).flatten(2) * self.used
        return torch.einsum("bpk,pkd->bpd", seen.to(self.phase.dtype), self.phase)


def _edges(values: Tensor) -> Tensor:
    """The edges of bins that hold equal shares of `values`, those of one value cut."""
    found, counts = torch.unique(values, return_counts=True)
    weights: Tensor = counts.double()
    for _ in range(N_BINS):  # a share that is cut leaves less for others to be over
        weights = weights.clamp(max=float(weights.sum()) * MOST_BINS / N_BINS)
    below = weights.cumsum(0) - weights
    steps = torch.linspace(0, 1, N_BINS + 1, dtype=torch.double) * weights.sum()
    at = torch.searchsorted(below, steps, right=True) - 1
    at[-1] = len(found) - 1
    edges: Tensor = found[at]
    return edges


class TextStem(Stem):
    """Codes of tokens (B, T): embedded, and the means of `patch` neighbours taken.

    With `inner` they are embedded in so many dimensions, and brought to the width by a linear map:
    words want more of them than what is made of words.
    """

    cuts = True

    def __init__(self, spec: InputSpec, patch: int, width: int, inner: int = 0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.cardinalities[0], inner or width)
        # Small: a rare token moves by a few steps of the learning rate in all.
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.linear = nn.Linear(inner, width, bias=False) if inner else None
        self.regrid = Regrid(spec.grid, coarser(spec.grid, patch), patch if patch > 1 else 0)

    def fit(self, raw: Tensor) -> None:
        """Nothing: codes have no scale."""

    def forward(self, raw: Tensor) -> Tokens:
        """A token a patch, masked where it lies behind the end of the text."""
        x = self.embedding(raw.long())
        tokens: Tokens = self.regrid((x if self.linear is None else self.linear(x), raw > 0))
        return tokens


class PictureStem(ConvolutionStem):
    """A log-mel picture (B, frames, bands), standardised already, convolved at stride `patch`.

    On a plane its tokens stand for some frames and some bands; on a line for some frames, with all
    bands in their channels.
    """

    def fit(self, raw: Tensor) -> None:
        """Nothing: a picture has no scale."""

    def forward(self, raw: Tensor) -> Tokens:
        """A token a patch, masked where it lies behind the end of the sound."""
        return super().forward(raw.transpose(1, 2) if self.line else raw.unsqueeze(1))


def _convolution(spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
    grid = coarser(uncut, patch)
    weights = spec.shape[0] * (2 * patch + 1) ** len(grid) * width
    make = lambda: ConvolutionStem(spec, patch, width)  # noqa: E731
    return Piece(make, 2 * n_tokens(grid) * weights, weights + width), grid


def _table(spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
    columns = len(spec.cardinalities)
    numeric = sum(1 for card in spec.cardinalities if card <= 0)
    phases = 2 * len(PERIODS) * spec.cardinalities.count(DATE)
    codes = sum(card for card in spec.cardinalities if card > 0)
    rows = numeric * N_BINS + phases + numeric + codes + columns
    make = lambda: TableStem(spec, patch, width)  # noqa: E731
    # Shared, it is for columns of one kind alone.
    flops = 2 * (numeric * N_BINS + phases) * width
    piece = Piece(make, flops, rows * width, tied=spec.cardinalities)
    return piece, uncut


def _text(spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
    codes = spec.cardinalities
    grid = coarser(uncut, patch)
    if spec.kind == "ids":
        return Piece(lambda: TextStem(spec, patch, width), 0, codes[0] * width, tied=codes), grid
    weights = INNER * width
    piece = Piece(
        lambda: TextStem(spec, patch, width, INNER),
        2 * n_tokens(spec.grid) * weights,
        codes[0] * INNER + weights,
        tied=codes,
    )
    return piece, grid


def _picture(spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
    picture = picture_of(spec, uncut)
    piece, grid = _convolution(picture, uncut, patch, width)
    return piece._replace(make=lambda: PictureStem(picture, patch, width)), grid


STEMS: dict[str, Callable[[InputSpec, Grid, int, int], tuple[Piece, Grid]]] = {
    "image": _convolution,
    "series": _convolution,
    "table": _table,
    "text": _text,
    "ids": _text,
    "audio": _picture,
}
"""Of an input, its uncut grid, the patch and the width: the stem, and the grid it leaves."""
