"""What a kind of input is to the networks: stem, augmentation, masking, damage, in one class.

An `Encoder` makes the array of an input; its `Modality` says what is done with it from there: the
tokens that a network reads, how a training changes and hides its values, how it is damaged to see
what a model bears, and what is said of it. `autosynth.modality.MODALITIES` has one of each kind.

A network also learns without targets: values are hidden, and restored from what is left. Masked
autoencoding (He et al., 2022, arXiv:2111.06377; for tables VIME, Yoon et al., 2020). A modality
chooses the values of a batch and puts others in their place; a module such as `Reconstruct` reads
the part's tokens and gives the loss on those values. None of it stays in the composite.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import ClassVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from autosynth.errors import ConfigError, lookup
from autosynth.piece import Grid, Piece, Stem, Tokens, coarser, linear_piece, n_tokens
from autosynth.spec import Array, InputSpec

SEVERITIES = (1, 2, 3, 4, 5)
MAX_FEATURES = 4096
"""What parts that are no networks read of more values is averaged over neighbours."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a corruption may know beside the rows: their spec, and a row that holds nothing."""

    spec: InputSpec
    blank: Array
    rng: np.random.Generator


Damage = Callable[[Array, float, Given], Array]
"""Rows (as `InputSpec` says; of a text, the texts themselves) and an amount to damaged rows."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One way to damage rows.

    `amounts` are those of severities 1 to 5, in the unit that `about` says. `fits` says whether an
    input holds what would be damaged.
    """

    name: str
    about: str
    amounts: tuple[float, float, float, float, float]
    damage: Damage
    fits: Callable[[InputSpec], bool] = lambda spec: True


@dataclass(frozen=True, kw_only=True)
class TrainingLength:
    """How long a network trains on inputs of a kind, and on how many rows a step.

    `epochs`, and the fewest and the most steps that they may come to, but no more epochs than
    `most_epochs`, or `most_epochs_of_classes` where the target has classes. A batch is at most one
    part in `batches` of the rows. Of several inputs the shortest schedule holds.
    """

    epochs: int = 40
    # On SwedishLeaf 300 steps gave .83 to .89 on rows held out, 1,000 .91 to .93, and 2,000 no
    # more; on MedicalImages 300 .64 to .67, 1,000 .68 to .71, 2,000 .70.
    least_steps: int = 1_000
    # What gains by more is lengthened by the search, which knows how good it is.
    most_steps: int = 1_500
    # Of very few rows: a thousand steps would be hundreds of epochs of them.
    most_epochs: int = 100
    most_epochs_of_classes: int = 100
    # On few rows, many steps of few of them teach as much as as many steps of more, at a fraction
    # of the time: 1,000 steps of 16 and of 32 rows score the same (SwedishLeaf and MedicalImages,
    # three folds of the training part).
    batches: int = 24


class Picture(Stem):
    """What all stems of an input read in the place of its raw values, such as a log-mel picture.

    It is computed once a row for all trainings, so that augmentation changes it, and not the
    values that it is made of.
    """

    @abstractmethod
    def augment(self, x: Tensor, level: str) -> Tensor:
        """Changed pictures (B, ...) of the same shape; `level` is none, light or strong."""


class Modality(ABC):
    """One kind of input. Stateless: everything follows from an `InputSpec` and from values.

    `name` is the kind. `space` is the built-in search space for such inputs, and `leads` says that
    it is so whatever stands beside them. A stem cuts at most `most_a_side` patches a side; 0 where
    it cuts none. `is_coded` inputs hold codes, 0 after the end of a row, and may be cut there.
    `mask_ratio` is the share of the values that is hidden where a network learns without targets.

    Of its `corruptions` some are made `in_cells`: in the raw cells of a table, before these are
    encoded. A row `blank_in_cells` is what the encoder makes of cells that hold nothing. `unit` is
    what one number of the shape counts, as a model's card says it. `examples` are small inputs by
    name, on which contracts are tested.
    """

    name: ClassVar[str]
    space: ClassVar[str] = ""
    leads: ClassVar[bool] = False
    most_a_side: ClassVar[int] = 256
    is_coded: ClassVar[bool] = False
    mask_ratio: ClassVar[float] = 0.3
    schedule: ClassVar[TrainingLength] = TrainingLength()
    corruptions: ClassVar[Sequence[Corruption]] = ()
    in_cells: ClassVar[bool] = False
    blank_in_cells: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    examples: ClassVar[Mapping[str, InputSpec]]

    # What a network reads.

    def grid(self, spec: InputSpec, plane: bool) -> Grid:
        """What its stem cuts; a `Plane` where there is one and the part can read it."""
        return spec.grid

    def picture(self, spec: InputSpec) -> tuple[str, Piece] | None:
        """A name and a `Picture` that all stems read in the place of raw values, if any."""
        return None

    @abstractmethod
    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """The stem, a `Stem`, for an uncut grid, a patch and a width; and the grid it leaves."""

    def features(self, x: Tensor, spec: InputSpec) -> Tensor:
        """What parts that are no networks read of what stems read: (B, ...) to (B, columns).

        Numbers, of which those that are missing are NaN, and codes of categories. Of many values
        on a grid they are the means of neighbours.
        """
        return neighbour_means(x, spec).flatten(1).float()

    def cards(self, spec: InputSpec) -> tuple[int, ...]:
        """Of each column of the features, how many codes it may hold; 0 of numbers."""
        size = self.features(torch.zeros(1, *spec.shape), spec).shape[1]
        return (0,) * size

    # How it is learnt from.

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """Lightly changed raw values of a batch, `level` light or strong; as they are, if left."""
        return x

    def mask(self, raw: Tensor, spec: InputSpec) -> Tensor:
        """True where a value (B, ...) is hidden, by a choice of its own for each row."""
        return torch.rand(raw.shape, device=raw.device) < self.mask_ratio

    def conceal(self, raw: Tensor, masked: Tensor) -> Tensor:
        """Raw values with others in the masked places: those of another row. Gaps stay gaps."""
        other = raw[torch.randint(0, len(raw), (len(raw),), device=raw.device)]
        return torch.where(masked, other, raw)

    def reconstruct(self, spec: InputSpec, grid: Grid, width: int) -> Piece:
        """Tokens, what stems read and the mask to the loss of restoring what is hidden."""
        return reconstruct_values(spec, grid, width)

    # What the world does to it.

    def blank(self, x: Array, spec: InputSpec) -> Array:
        """A row that holds nothing, of the shape of one row of `x`: black, silent, no thing."""
        return np.zeros(x.shape[1:], x.dtype)

    def corrupt(
        self,
        x: Array,
        spec: InputSpec,
        name: str,
        severity: int,
        *,
        seed: int = 0,
        blank: Array | None = None,
    ) -> Array:
        """Rows of an input, damaged; those of severity 0 are as they were.

        Args:
            x: encoded rows, as `spec` says; raw cells (n,) of a kind that is damaged `in_cells`.
            spec: of the input.
            name: of one of the `corruptions`.
            severity: 0 to 5.
            seed: of all randomness. One seed damages the same places at every severity, more of
                them.
            blank: a row that holds nothing, which missing cells of a table are taken from.

        Raises:
            UnknownNameError: no such corruption of that kind.
            ConfigError: no such severity.
        """
        named = {each.name: each for each in self.corruptions}
        found = lookup(named, name, "corruption", f"of {self.name}")
        if severity not in (0, *SEVERITIES):
            raise ConfigError(f"a severity is a whole number from 0 to 5, not {severity!r}")
        if severity == 0 or not len(x):
            return x
        rng = np.random.default_rng((seed, crc32(f"{spec.name}.{name}".encode())))
        blank = self.blank(x, spec) if blank is None else blank
        return found.damage(x, found.amounts[severity - 1], Given(spec=spec, blank=blank, rng=rng))

    # What is said of it, and what it is tested on.

    def about_row(self, spec: InputSpec) -> str:
        """The size of a row, as a model's card says it."""
        return f"{' x '.join(map(str, spec.shape))}{self.unit} a row"

    def limit(self, specs: Sequence[InputSpec]) -> str:
        """What a model's card says that it cannot do with such inputs; empty for nothing."""
        return ""

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Raw values (rows, *shape) as a data set may have them: far from standardised."""
        return 3 + 2 * torch.randn(rows, *spec.shape, generator=generator)


def moments(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Mean and deviation along an axis of the values that are known; 0 where none is."""
    known = ~x.isnan()
    n = known.sum(axis, keepdim=True).clamp(min=1)
    mean = x.nan_to_num().sum(axis, keepdim=True) / n
    square = torch.where(known, (x - mean).square(), torch.zeros((), device=x.device))
    return mean.squeeze(axis), (square.sum(axis, keepdim=True) / n).sqrt().squeeze(axis)


def neighbour_means(x: Tensor, spec: InputSpec) -> Tensor:
    """Values (B, channels, ...) as they are, or means of neighbours on their grid.

    What is left over at an end is cut.
    """
    axes = len(spec.shape) - 1
    excess = prod(spec.shape) / MAX_FEATURES
    if not axes or excess <= 1:
        return x
    step = ceil(excess ** (1 / axes))
    for axis in range(x.dim() - axes, x.dim()):
        stride = min(step, x.shape[axis])
        count = x.shape[axis] // stride
        cut = x.float().narrow(axis, 0, count * stride)
        x = torch.unflatten(cut, axis, (count, stride)).mean(axis + 1)
    return x


def mask_spans(raw: Tensor, most: int, ratio: float) -> Tensor:
    """Hidden patches of images or stretches of series (B, C, ...), the same for all channels.

    The longest side has at most so many of them.
    """
    patch = -(-max(raw.shape[2:]) // most)
    grid = coarser(tuple(raw.shape[2:]), patch)
    masked = torch.rand(raw.shape[0], 1, *grid, device=raw.device) < ratio
    for axis, size in enumerate(raw.shape[2:], start=2):
        masked = masked.repeat_interleave(patch, axis).narrow(axis, 0, size)
    return masked.expand_as(raw)


def conceal_by_mean(raw: Tensor, masked: Tensor) -> Tensor:
    """Values with the batch's mean in the hidden places, as floating numbers. Gaps stay gaps."""
    mean, _ = statistics(raw)
    return torch.where(masked & ~raw.isnan(), mean, raw.float())


class Reconstruct(nn.Module):
    """Tokens and raw values to the loss on the picked values, a scalar.

    Numbers are standardised by the batch and scored by squared error. Tokens that stand on the
    input's grid, or on one cut from it, each restore their own window; others restore all of it
    together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        self.grid, self.spec = grid, spec
        self.factor = window(spec, grid)
        self.linear = nn.Linear(*sizes(spec, grid, width))

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The mean loss over picked values that are known."""
        x = tokens[0]
        mean, scale = statistics(raw)
        target = ((raw - mean) / scale).nan_to_num()
        known = (masked & ~raw.isnan()).float()
        if self.factor:
            guess = self._windows(self.linear(x))
        else:
            guess = torch.unflatten(self.linear(x.flatten(1)), 1, self.spec.shape)
        return ((guess - target).square() * known).sum() / known.sum().clamp(min=1)

    def _windows(self, x: Tensor) -> Tensor:
        """A token's window of every channel, put together and cut to the input's size."""
        channels, shape, factor = self.spec.shape[0], self.spec.shape[1:], self.factor
        if len(shape) == 1:
            x = torch.unflatten(x, 2, (channels, factor)).permute(0, 2, 1, 3).flatten(2)
            return x[:, :, : shape[0]]
        x = torch.unflatten(torch.unflatten(x, 1, self.grid), 3, (channels, factor, factor))
        x = x.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        return x[:, :, : shape[0], : shape[1]]


def statistics(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of what is known in a batch, of each channel or column."""
    axes = (0, *range(2, raw.ndim))
    x = raw.float()
    known = ~x.isnan()
    n = known.sum(axes, keepdim=True).clamp(min=1)
    mean = torch.nansum(x, axes, keepdim=True) / n
    square = torch.where(known, (x - mean).square(), torch.zeros((), device=x.device))
    return mean, (square.sum(axes, keepdim=True) / n).sqrt().clamp(min=1e-6)


def window(spec: InputSpec, grid: Grid) -> int:
    """By how much `grid` is cut from that of an input with channels; 0 where it is not."""
    shape = spec.shape[1:]
    return next((f for f in range(1, max(shape, default=0) + 1) if coarser(shape, f) == grid), 0)


def sizes(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int]:
    """Inputs and outputs of the linear map that restores."""
    factor = window(spec, grid)
    if factor:
        return width, spec.shape[0] * factor ** len(grid)
    return n_tokens(grid) * width, prod(spec.shape)


def reconstruct_values(
    spec: InputSpec, grid: Grid, width: int, make: Callable[[], nn.Module] | None = None
) -> Piece:
    """`Reconstruct`, or what `make` builds in its place, with its cost."""
    times = n_tokens(grid) if window(spec, grid) else 1
    make = make or (lambda: Reconstruct(spec, grid, width))
    return linear_piece(make, times, *sizes(spec, grid, width))
