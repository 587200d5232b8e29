"""What a part's stem stands on before it is cut: the input's grid, or a picture of its sound.

A sound is a plane of frames and bands for a family that convolves over both, and a line of frames
for the others. Parts that share a stem read the line, unless all of them read the plane; so does a
part that reads several inputs, whose tokens stand in one line. After a plane in a chain, it reads
the bands of each frame side by side: `Fold`.
"""

from collections.abc import Mapping

import torch
from torch import nn

from autosynth.components import FAMILIES, Grid
from autosynth.components.piece import Piece, Plane, Tokens, n_tokens
from autosynth.composite.tokenisation import readers, sources
from autosynth.data.encoder.mel import frames_of
from autosynth.spec import InputSpec
from autosynth.strategy import Node, Part


class Layouts:
    """The grids of the inputs of one strategy, filled or not."""

    def __init__(self, root: Node, share: str, inputs: Mapping[str, InputSpec]) -> None:
        there = tuple(sources(inputs))
        self.share, self.lines = share, set[str]()
        for part in readers(root):
            named = part.inputs or there
            if len(named) > 1 or not _plane(part):
                self.lines.update(named)

    def grid(self, part: Part, spec: InputSpec, *, alone: bool = True) -> Grid:
        """The uncut grid of an input that a part reads, `alone` or beside others."""
        if spec.kind != "audio":
            return spec.grid
        frames = frames_of(spec)
        shared = self.share in ("stem", "layers") and spec.name in self.lines
        if alone and _plane(part) and not shared:
            return Plane((frames.count, frames.bands))
        return (frames.count,)


def folded(part: Part, grid: Grid) -> Grid:
    """The grid that a part in a chain reads: a plane as a line, if its family takes no planes."""
    return grid[:1] if isinstance(grid, Plane) and not _plane(part) else grid


class Fold(nn.Module):
    """A linear map of all bands of each frame to one token, from a plane to a line."""

    def __init__(self, frames: int, inputs: int, to: int) -> None:
        super().__init__()
        self.frames, self.linear = frames, nn.Linear(inputs, to)

    def forward(self, tokens: Tokens) -> Tokens:
        """A token a frame; one is masked where all its bands are, which enter as zeros."""
        x, mask = tokens
        if mask is not None:
            x = x * mask.unsqueeze(-1).to(x.dtype)
            mask = torch.unflatten(mask, 1, (self.frames, -1)).any(2)
        return self.linear(torch.unflatten(x, 1, (self.frames, -1)).flatten(2)), mask


def fold(grid: Grid, inputs: int, to: int) -> Piece:
    """`Fold` to the line `grid`, of frames that have `inputs` values in all bands together."""
    return Piece(
        lambda: Fold(grid[0], inputs, to), 2 * n_tokens(grid) * inputs * to, inputs * to + to
    )


def _plane(part: Part) -> bool:
    return part.family in FAMILIES and FAMILIES[part.family].plane
