"""What a kind of input is to the networks: stem, augmentation, masking, damage, in one class.

An `Encoder` makes the array of an input; its `Modality` says what is done with it from there: the
tokens that a network reads, how a training changes and hides its values, how it is damaged to see
what a model bears, and what is said of it. `autosynth.modality.MODALITIES` has one of each kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from autosynth.errors import ConfigError, lookup
from autosynth.modality.masking import reconstruct_values
from autosynth.piece import Grid, Piece, Stem
from autosynth.spec import Array, InputSpec

SEVERITIES = (1, 2, 3, 4, 5)


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

    On SwedishLeaf 300 steps gave .83 to .89 on rows held out, 1,000 .91 to .93, and 2,000 no more;
    on MedicalImages 300 .64 to .67, 1,000 .68 to .71, 2,000 .70. A twenty-fourth: on few rows,
    many steps of few of them teach as much as as many steps of more, at a fraction of the time
    (both sets, three folds of the training part: 1,000 steps of 16 and of 32 rows score the same).
    """

    epochs: int = 40
    least_steps: int = 1_000
    most_steps: int = 1_500
    most_epochs: int = 100
    most_epochs_of_classes: int = 100
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
