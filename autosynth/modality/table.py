"""Tables (B, columns): a token a column, cells are hidden, and in the world some are missing."""

from collections.abc import Sequence
from math import pi

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.modality.binning import quantile_edges
from autosynth.modality.modality import (
    Corruption,
    Given,
    Modality,
    TrainingLength,
    statistics,
)
from autosynth.modality.widetable import wide_table
from autosynth.piece import Grid, Piece, Stem, Tokens, linear_piece, n_tokens
from autosynth.spec import DATE, Array, InputSpec

# Of a numeric column, by quantiles of training rows.
N_BINS = 16
PERIODS = (365.2425, 7.0, 1.0)
"""Days of a year, of a week and of a day: of each a date has a sine and a cosine."""
# The share of the cells that another row's value stands in for, by level of augmentation. Of
# twenty columns that is one cell a row, or three.
SWAPPED = {"light": 0.05, "strong": 0.15}


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
                self.edges[row] = quantile_edges(values, N_BINS).to(self.edges)
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


class ReconstructTable(nn.Module):
    """Tokens and raw cells to the loss on the hidden ones, a scalar.

    Numbers are standardised by the batch and scored by squared error, categories by cross entropy.
    """

    def __init__(self, cards: tuple[int, ...], inputs: int) -> None:
        super().__init__()
        self.cards = cards
        self.linear = nn.Linear(inputs, _outputs(cards))

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean over columns of the loss over hidden cells that are known."""
        guess = self.linear(tokens[0].flatten(1))
        total: Tensor = guess.new_zeros(())
        start = 0
        mean, scale = statistics(raw)
        target = ((raw - mean) / scale).clamp(-3, 3)
        for column, card in enumerate(self.cards):
            known = masked[:, column] & ~raw[:, column].isnan()
            part = guess[:, start : start + max(1, card)]
            if card > 0:
                codes = raw[:, column].nan_to_num().long()
                loss = F.cross_entropy(part, codes, reduction="none")
            else:
                loss = (part[:, 0] - target[:, column].nan_to_num()).square()
            total = total + (loss * known).sum() / known.sum().clamp(min=1)
            start += max(1, card)
        return total / len(self.cards)


def _outputs(cards: tuple[int, ...]) -> int:
    """One of a number, and one a category, for all columns."""
    return sum(max(1, card) for card in cards)


def _missing(x: Array, amount: float, given: Given) -> Array:
    return np.where(given.rng.random(x.shape) < amount, given.blank, x).astype(x.dtype)


def _noise(x: Array, amount: float, given: Given) -> Array:
    out = x.copy()
    noise = given.rng.standard_normal(x.shape, dtype=np.float32)
    for column, cardinality in enumerate(given.spec.cardinalities):
        known = x[:, column][np.isfinite(x[:, column])]
        if cardinality <= 0 and known.size:  # numbers and dates
            out[:, column] += noise[:, column] * np.float32(amount * known.std())
    return out


def _unknown(x: Array, amount: float, given: Given) -> Array:
    categories = np.array(given.spec.cardinalities) > 0
    hit = (given.rng.random(x.shape) < amount) & categories
    return np.where(hit, 0, x).astype(x.dtype)


_CORRUPTIONS = (
    Corruption(
        name="missing",
        about="share of the cells that are missing",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_missing,
    ),
    Corruption(
        name="noise",
        about="deviation of Gaussian noise on numbers, in theirs",
        amounts=(0.1, 0.2, 0.4, 0.7, 1.0),
        damage=_noise,
        fits=lambda spec: min(spec.cardinalities) <= 0,
    ),
    Corruption(
        name="unknown",
        about="share of the categories that training never saw",
        amounts=(0.05, 0.1, 0.2, 0.3, 0.5),
        damage=_unknown,
        fits=lambda spec: max(spec.cardinalities) > 0,
    ),
)


class TableModality(Modality):
    """Numbers, categories and dates, a column each."""

    name = "table"
    space = "table"
    most_a_side = 0  # a column is a token
    # Networks learn the rows of classes by heart soon after; numbers are learnt for longer.
    schedule = TrainingLength(most_epochs_of_classes=25)
    corruptions = _CORRUPTIONS
    blank_in_cells = True
    unit = " columns"
    examples = {
        "table": InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, 0, 4, 0, 3)),
        "wide": InputSpec(
            name="x",
            kind="table",
            shape=(11,),
            cardinalities=(0, 0, 4, 0, 3, 0, 0, DATE, 0, 0, 5),
            tokens=4,
        ),
    }

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """A token a column, whatever the patch; some columns a token where they are many."""
        if spec.tokens:
            return wide_table(spec, width), uncut
        columns = len(spec.cardinalities)
        numeric = sum(1 for card in spec.cardinalities if card <= 0)
        phases = 2 * len(PERIODS) * spec.cardinalities.count(DATE)
        codes = sum(card for card in spec.cardinalities if card > 0)
        rows = numeric * N_BINS + phases + numeric + codes + columns
        make = lambda: TableStem(spec, patch, width)  # noqa: E731
        # Shared, it is for columns of one kind alone.
        flops = 2 * (numeric * N_BINS + phases) * width
        return Piece(make, flops, rows * width, tied=spec.cardinalities), uncut

    def features(self, x: Tensor, spec: InputSpec) -> Tensor:
        """The cells."""
        return x.float()

    def cards(self, spec: InputSpec) -> tuple[int, ...]:
        """Those of the columns; a date is a number of days."""
        return tuple(max(0, card) for card in spec.cardinalities)

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """A share of the cells takes the value of another row (swap noise, Yoon et al., 2020)."""
        swap = torch.rand(x.shape, device=x.device) < SWAPPED[level]
        other = torch.randint(0, x.shape[0], x.shape, device=x.device)
        return torch.where(swap, x.gather(0, other), x)

    def reconstruct(self, spec: InputSpec, grid: Grid, width: int) -> Piece:
        """All tokens together restore all columns."""
        cards, inputs = spec.cardinalities, n_tokens(grid) * width
        return linear_piece(lambda: ReconstructTable(cards, inputs), 1, inputs, _outputs(cards))

    def blank(self, x: Array, spec: InputSpec) -> Array:
        """NaN for numbers, and the code of what is unknown for categories."""
        numeric = np.array(spec.cardinalities) <= 0
        return np.where(numeric, np.nan, 0).astype(x.dtype)

    def limit(self, specs: Sequence[InputSpec]) -> str:
        """New categories."""
        return "Categories never seen in training count as missing."

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Numbers, a third of them missing, and codes."""
        x = super().example_rows(spec, rows, generator)
        for column, codes_of in enumerate(spec.cardinalities):
            if codes_of > 0:
                x[:, column] = torch.randint(0, codes_of, (rows,), generator=generator).float()
            else:
                x[torch.rand(rows, generator=generator) < 0.3, column] = torch.nan
        return x
