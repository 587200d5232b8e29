"""The contract of parts that are no networks: fitted to all training rows at once, by no gradient.

Such a part reads raw values and gives outputs, as a network with its head does: logits of classes
and labels, standardised values. So it stands alone, or beside other parts under a fusion of
outputs. Its weights are tensors like any other's. What is known of its sizes only after the fit
takes the shape of what is loaded.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from autosynth.budget import NEVER, Deadline
from autosynth.components.family import Config, Family
from autosynth.piece import Grid, Piece
from autosynth.spec import InputSpec, TargetSpec

# Rows whose features are made at once: of 4,096 columns they take 128 MB.
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class FitRows:
    """Training rows: raw values `(rows, ...)` of each input that is read, and true values.

    `y` are codes of classes (rows,), labels (rows, n) of 0 and 1, or standardised values (rows,)
    or (rows, n), of which some may be missing (NaN). `weights` (rows,) multiply the loss of each
    row, 0 or more, on any scale; None where all count alike. A fit that would not end by the
    deadline is cut short. `threads` is how many it may use.
    """

    raw: tuple[Tensor, ...]
    y: Tensor
    weights: Tensor | None = None
    seed: int = 0
    threads: int = 1
    deadline: Deadline = NEVER

    def parts(self) -> Iterator[list[Tensor]]:
        """The raw values on the host, so many rows at once."""
        for start in range(0, len(self.y), _ROWS_AT_ONCE):
            yield [x[start : start + _ROWS_AT_ONCE].cpu() for x in self.raw]


class FittedModel(nn.Module, ABC):
    """A part that is fitted at once.

    `grown` names its own tensors whose sizes follow from the fit: they take those of what is
    loaded, as any module's does that has such names. `takes_weights` says that its fit looks at
    `FitRows.weights`: one that does not is not fitted to rows that have some.
    """

    grown: ClassVar[tuple[str, ...]] = ()
    takes_weights: bool = False

    @abstractmethod
    def fit(self, it: FitRows) -> str:
        """Fit it; gives what it was cut short of for want of time, empty for a whole fit.

        Raises:
            TrialError: these rows cannot be fitted.
        """

    @property
    @abstractmethod
    def flops(self) -> int:
        """Of one row, as it is fitted: 2 a multiply-add, 1 a comparison."""

    @property
    @abstractmethod
    def n_fitted(self) -> int:
        """How many numbers were fitted: what parameters are to a network."""

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Let what was grown take the size of what comes."""
        for name in self.grown:
            coming, here = state.get(prefix + name), getattr(self, name)
            if isinstance(coming, Tensor) and coming.dim() == here.dim():
                shaped = here.new_empty(coming.shape)
                kept = nn.Parameter(shaped) if isinstance(here, nn.Parameter) else shaped
                setattr(self, name, kept)
        super()._load_from_state_dict(state, prefix, *rest)


class FittedFeatures(nn.Module, ABC):
    """Features (B, n) of raw values, by what is drawn or taken from training rows.

    Another part reads them, as those of a frozen network.
    """

    @abstractmethod
    def fit_features(self, it: FitRows) -> tuple[FitRows, str]:
        """Fit it; gives the features of the rows, and what it was cut short of.

        There may be fewer rows than were given, for want of time: their true values stand beside
        them, and the time that is left.
        """

    @property
    @abstractmethod
    def feature_flops(self) -> int:
        """Of one row: 2 a multiply-add, 1 any other operation."""


class FeaturePiece(NamedTuple):
    """How `FittedFeatures` are made, how many features a row has, and what they cost."""

    make: Callable[[], FittedFeatures]
    width: int
    flops: int


class FittedFamily(Family):
    """A family of parts that are no networks.

    `kinds` are the inputs that it reads, all that are there together or some that are named;
    `tasks` those that it is fitted to. One that `features_for` names tasks gives features, which
    another part may read that is fitted to such a task. Two equal parts of one that `draws`, by a
    seed, differ; of others they come to the same.
    """

    is_fitted = True
    draws: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]]
    tasks: ClassVar[tuple[str, ...]]
    features_for: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """The `FittedModel` of these inputs, with its cost, or an upper bound of it."""

    def features(self, config: Config, inputs: Sequence[InputSpec]) -> FeaturePiece:
        """The features of these inputs, for a part that stands after it in a chain."""
        raise NotImplementedError(f"{self.name} gives no features")

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """None: it has no tokens."""

    def default_patch(self, grid: Grid) -> int:
        """It cuts nothing."""
        return 1
