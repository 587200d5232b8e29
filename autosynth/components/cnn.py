"""Convolution: a full 1-D or 2-D convolution over the grid, with stages that halve it.

Pre-activation residual blocks (He et al., 2016, arXiv:1603.05027) on one width. The first block of
every stage has stride 2, so that most of the work is done on small grids.
"""

from torch import nn
from torch.nn import functional as F

from autosynth.components.family import Config, Family, Hyperparameter, block_options
from autosynth.piece import (
    Film,
    Grid,
    Piece,
    Plane,
    Tokens,
    coarser,
    n_tokens,
    sides,
    to_map,
    to_tokens,
    zeroed,
)


class Convolution(nn.Module):
    """GELU and a convolution on a line, a plane or each picture; masked tokens enter as zeros."""

    def __init__(self, line: bool, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        # A 1-D convolution is a 2-D one of height 1: its channels-last kernels are twice as fast.
        self.conv = nn.Conv2d(
            width,
            width,
            (1, kernel) if line else kernel,
            stride=(1, stride) if line else stride,
            padding=(0, kernel // 2) if line else kernel // 2,
        )

    def forward(self, tokens: Tokens, grid: Grid) -> Tokens:
        """The change of tokens that stand on `grid`; shared, it meets several."""
        x, mask = tokens
        x = zeroed(F.gelu(x), mask)
        return to_tokens(self.conv(to_map(x, grid)), grid), mask


class CNN(Family):
    """Convolutional residual blocks."""

    name = "cnn"
    about = "full convolutions over images, sounds, series, neighbouring columns or each frame"
    plane = True
    options = block_options(
        expand_by=0,
        norm="batch",
        kernel=Hyperparameter(about="odd size of the kernel", default=None, low=1, high=63),
        stages=Hyperparameter(about="how often the grid is halved", default=2, low=0, high=6),
    )

    def problem(self, config: Config) -> str | None:
        """The kernel is odd, and every stage has a block."""
        if int(config["kernel"]) % 2 == 0:
            return f"kernel={config['kernel']} must be odd"
        if int(config["stages"]) > int(config["depth"]):
            return (
                f"stages={config['stages']} needs as many blocks, but depth={config['depth']}; "
                "raise depth or lower stages"
            )
        return None

    def default_patch(self, grid: Grid) -> int:
        """Fine: 16 to 32 cells an axis of an image, 64 to 128 frames, 128 to 256 steps."""
        # Convolutions are cheap a token, and lose what is small where the cut is coarse: on
        # mnist1d a learned pooling pays over every step, and costs up to 5 points where steps are
        # cut in pairs (results/composition).
        sound = isinstance(grid, Plane) and not isinstance(grid, Film)
        limit = 256 if len(grid) == 1 else 128 if sound else 16
        patch = 1
        while max(sides(grid)) > limit * patch:
            patch *= 2
        return patch

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """The grid halved as often as there are stages, unless it is pooled."""
        return super().leaves(config, coarser(grid, 2 ** int(config["stages"])))

    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid]:
        """A convolution, of stride 2 where a stage begins."""
        width, kernel = int(config["width"]), int(config["kernel"])
        stride = 2 if index in _halving(int(config["depth"]), int(config["stages"])) else 1
        to = coarser(grid, stride)
        weights = kernel ** len(sides(grid)) * width * width
        make = lambda: Convolution(len(grid) == 1, width, kernel, stride)  # noqa: E731
        return Piece(make, 2 * n_tokens(to) * weights, weights + width, (grid,)), to


def _halving(depth: int, stages: int) -> tuple[int, ...]:
    """The blocks that halve: the first of each of `stages` groups, later groups the longer."""
    return tuple(stage * depth // stages for stage in range(stages))
