"""A piece of a network: its arithmetic now, its module later. And the grid that tokens stand on.

Tokens are `(x, mask)`: `x` of shape (batch, tokens, width), `mask` of shape (batch, tokens), True
where a token is real, or None where all are. They stand on a static grid: `(height, width)` of an
image, `(steps,)` of a series, `(columns,)` of a table, a `Plane` or `(frames,)` of a sound, a
`Film` or `(steps,)` of pictures in a row. A piece takes and gives tokens. It states its
multiply-adds and parameters as plain integers: a composite is costed before it is built.

On a line most modules also take the first tokens alone, where all others are masked, and give the
same. Those that are made for every place of the grid say so by an attribute `whole`, True.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Grid = tuple[int, ...]


class Plane(tuple[int, ...]):
    """The grid of a sound: `(frames, bands)`, in time first. Cut, it is a plane still."""

    __slots__ = ()


class Film(Plane):
    """The grid of a film: `(steps, height, width)`. Cut, its pictures are smaller, and as many."""

    __slots__ = ()


Tokens = tuple[Tensor, Tensor | None]


Learns = Literal["gradient", "fit", "held out", "out of fold", "never"]
"""How a piece learns: by steps of a `gradient`; by one `fit` to all training rows; after the
training, by rows `held out` of it or `out of fold`. One that learns `never` comes as it is: what
it gives of raw values is computed once."""


class Piece(NamedTuple):
    """What one step of a composite costs and how it is built.

    `flops` is per sample at inference, 2 a multiply-add; elementwise work is not counted, as in
    PyTorch's own counter. `params` counts the module's parameters. `make` builds the module.
    `place` are grids that the module is told at every call, after its values: shared, it stands in
    several places. `tied` is what it is made for beside its parameters; to be shared, it is equal.
    `learns` says how the module comes to what it is.
    """

    make: Callable[[], nn.Module]
    flops: int = 0
    params: int = 0
    place: tuple[Grid, ...] = ()
    tied: tuple[int, ...] = ()
    learns: Learns = "gradient"

    @property
    def is_post_hoc(self) -> bool:
        """Whether it is fitted after the training, to rows that its parts have not learnt from."""
        return self.learns in ("held out", "out of fold")


class Stem(nn.Module, ABC):
    """Raw values of one input to tokens, or to a picture that stems read.

    One that `cuts` reads codes, and gives the same without what lies behind the ends of all rows.
    """

    cuts = False

    @abstractmethod
    def fit(self, raw: Tensor) -> None:
        """Take what it needs before a training from the raw values of training rows.

        Statistics, and weights that come from elsewhere. They are saved with the composite, and
        this is not called again.
        """

    def initialise_from_targets(self, raw: Tensor, indicators: Tensor) -> None:  # noqa: B027
        """Take how raw values go with outcomes (B, columns), 0 and 1, of the same training rows.

        Called after `fit`, where there are outcomes; most stems have no use for them.
        """

    @abstractmethod
    def forward(self, raw: Tensor) -> Tokens | Tensor:
        """Tokens, or the picture, of a batch of raw values."""


def zeroed(x: Tensor, mask: Tensor | None) -> Tensor:
    """Tokens (B, T, D) with zeros where they are masked."""
    return x if mask is None else x * mask.unsqueeze(-1).to(x.dtype)


def whole_mask(tokens: Tokens) -> Tensor:
    """The mask of tokens, all True where there is none."""
    x, mask = tokens
    return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask


def n_tokens(grid: Grid) -> int:
    """The number of tokens on a grid."""
    return prod(grid)


def sides(grid: Grid) -> Grid:
    """The axes that are convolved and cut: all of them, but of a film those of its pictures."""
    return grid[1:] if isinstance(grid, Film) else grid


def coarser(grid: Grid, factor: int) -> Grid:
    """The grid that windows of `factor` on every side leave, the last window maybe short."""
    cut = [-(-size // factor) for size in sides(grid)]
    return type(grid)((*grid[: len(grid) - len(cut)], *cut))


def to_map(x: Tensor, grid: Grid) -> Tensor:
    """Tokens (B, T, D) as a map (B, D, H, W), H = 1 on a line. A view, channels last in memory.

    Each picture of a film is a map of its own: (B * steps, D, H, W).
    """
    if isinstance(grid, Film):
        x = torch.unflatten(x, 1, (grid[0], -1)).flatten(0, 1)
    # The line may be cut behind the end of all its rows.
    height, width = (1, -1) if len(grid) == 1 else sides(grid)
    return torch.unflatten(x, 1, (height, width)).permute(0, 3, 1, 2)


def to_tokens(x: Tensor, grid: Grid = ()) -> Tensor:
    """A map (B, D, H, W) as tokens (B, H * W, D). A view where the map is channels last.

    Those of a film stand one picture after another; `grid` says of how many.
    """
    tokens = x.permute(0, 2, 3, 1).flatten(1, 2)
    if isinstance(grid, Film):
        tokens = torch.unflatten(tokens, 0, (-1, grid[0])).flatten(1, 2)
    return tokens


class Regrid(nn.Module):
    """Means over windows that bring tokens from one grid to another; masked tokens do not count.

    Where one grid is the other one cut, windows are fixed, or tokens repeated: padding a series at
    its end moves none. Between other grids windows are those of adaptive pooling. `factor` says by
    how much it is cut; without it, it is the smallest that fits.
    """

    def __init__(self, grid: Grid, to: Grid, factor: int = 0) -> None:
        super().__init__()
        self.grid, self.to_grid = grid, to
        films = isinstance(grid, Film) and isinstance(to, Film)
        if len(grid) != len(to) or (films and grid[0] != to[0]):
            self.grid, self.to_grid = (n_tokens(grid),), (n_tokens(to),)
        self.factor = factor or _factor(self.grid, self.to_grid)
        self.repeat = 0 if self.factor else _factor(self.to_grid, self.grid)
        self.whole = not self.factor and self.grid != self.to_grid

    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens on the other grid; one is masked where its whole window is."""
        x, mask = tokens
        if self.grid == self.to_grid:
            return tokens
        if mask is None:
            return self._pool(x), None
        weight = mask.to(x.dtype).unsqueeze(-1)
        share = self._pool(weight)
        return self._pool(x * weight) / share.clamp(min=1e-6), share.squeeze(-1) > 0

    def _pool(self, x: Tensor) -> Tensor:
        spatial = to_map(x, self.grid)
        line = len(self.grid) == 1
        if self.factor:
            window = (1, self.factor) if line else self.factor
            return to_tokens(
                F.avg_pool2d(spatial, window, ceil_mode=True, count_include_pad=False), self.grid
            )
        height, width = (1, self.to_grid[0]) if line else sides(self.to_grid)
        if self.repeat:
            spatial = spatial.repeat_interleave(self.repeat, 3)
            spatial = spatial if line else spatial.repeat_interleave(self.repeat, 2)
            return to_tokens(spatial[:, :, :height, :width], self.grid)
        if torch.are_deterministic_algorithms_enabled():  # adaptive pooling has no such gradient
            rows, columns = _windows(spatial, 2, height), _windows(spatial, 3, width)
            means = torch.einsum("bdhw,yh,xw->bdyx", spatial, rows, columns)
            return to_tokens(means, self.grid)
        return to_tokens(F.adaptive_avg_pool2d(spatial, (height, width)), self.grid)


def _windows(x: Tensor, axis: int, size: int) -> Tensor:
    """A row of weights for each window of adaptive pooling along an axis: its mean."""
    length = x.shape[axis]
    to = torch.arange(size, device=x.device)[:, None]
    at = torch.arange(length, device=x.device)
    # From the floor of its share of the axis to the ceiling of the next one's, as PyTorch's.
    inside = (at >= to * length // size) & (at < -((to + 1) * -length // size))
    return (inside / inside.sum(1, keepdim=True)).to(x.dtype)


def _factor(grid: Grid, to: Grid) -> int:
    """The smallest factor above 1 by which `grid` is cut to `to`; 0 if there is none."""
    fits = (factor for factor in range(2, max(grid) + 1) if coarser(grid, factor) == to)
    return next(fits, 0)


class Positions(nn.Module):
    """Adds a learned vector for the place on each axis of the grid."""

    def __init__(self, grid: Grid, width: int) -> None:
        super().__init__()
        self.grid = grid
        # The scale of BERT's.
        self.axes = nn.ParameterList(torch.randn(size, width) * 0.02 for size in grid)

    def forward(self, tokens: Tokens) -> Tokens:
        """The tokens, each moved by its place."""
        x, mask = tokens
        if len(self.grid) == 2:
            places = (self.axes[0][:, None] + self.axes[1][None]).flatten(0, 1)
        else:
            places = self.axes[0][: x.shape[1]]
        return x + places.to(x.dtype), mask


def positions(grid: Grid, width: int) -> Piece:
    """`Positions` with its cost: sum(grid) * width parameters."""
    return Piece(lambda: Positions(grid, width), 0, sum(grid) * width, tied=grid)


class Largest(nn.Module):
    """One token: the largest value of each channel (Collobert et al., 2011, arXiv:1103.0398)."""

    def forward(self, tokens: Tokens) -> Tokens:
        """(B, T, D) to (B, 1, D), over all real tokens; nothing is masked."""
        x, mask = tokens
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), torch.finfo(x.dtype).min)
        return x.amax(1, keepdim=True), None


class Projection(nn.Module):
    """A linear map of every token to another width."""

    def __init__(self, width: int, to: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, to)

    def forward(self, tokens: Tokens) -> Tokens:
        """The tokens, each at the other width."""
        return self.linear(tokens[0]), tokens[1]


def linear_piece(make: Callable[[], nn.Module], times: int, inputs: int, outputs: int) -> Piece:
    """A module whose cost is that of one linear map, applied so many times."""
    return Piece(make, 2 * times * inputs * outputs, inputs * outputs + outputs)


def projection(grid: Grid, width: int, to: int) -> Piece:
    """`Projection` of every token of a grid."""
    return linear_piece(lambda: Projection(width, to), n_tokens(grid), width, to)


class Slice(nn.Module):
    """The first channels of every token, without a copy."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, tokens: Tokens) -> Tokens:
        """Tokens of the first `width` channels."""
        return tokens[0][..., : self.width], tokens[1]
