"""Multi-layer perceptron: all tokens flattened to one, then residual channel MLPs."""

from torch import nn

from autosynth.components.family import Config, Family, Hyperparameter, block_options
from autosynth.piece import Grid, Piece, Tokens, linear_piece, n_tokens, zeroed


class Flatten(nn.Module):
    """All tokens side by side through one linear map: (B, T, D) to (B, 1, width)."""

    whole = True

    def __init__(self, grid: Grid, width: int, to: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_tokens(grid) * width, to)

    def forward(self, tokens: Tokens) -> Tokens:
        """One token; masked ones enter as zeros."""
        return self.linear(zeroed(*tokens).flatten(1)).unsqueeze(1), None


class MLP(Family):
    """A multi-layer perceptron with residual blocks (Gorishniy et al., 2021, arXiv:2106.11959)."""

    name = "mlp"
    about = "all tokens flattened into one, then residual channel MLPs"
    options = block_options(
        expand_by=2,
        pooled=False,
        # All tokens are flattened: every channel more is a row of weights for each of them.
        embed=Hyperparameter(about="width of the tokens it flattens", default=8, low=1, high=256),
    )

    def problem(self, config: Config) -> str | None:
        """Its blocks are channel MLPs and nothing else."""
        if config["expand"] == 0:
            return "expand=0 leaves an mlp without layers; give 1 or more"
        return None

    def leaves(self, config: Config, grid: Grid) -> Grid:
        """One token."""
        return (1,)

    def entry_width(self, config: Config, width: int | None) -> int:
        """A narrow stem of its own, or what stands before it as it is."""
        return int(config["embed"]) if width is None else width

    def opening(self, config: Config, grid: Grid, width: int) -> tuple[Piece, Grid]:
        """The flattening."""
        inputs, to = n_tokens(grid) * width, int(config["width"])
        return linear_piece(lambda: Flatten(grid, width, to), 1, inputs, to), (1,)

    def mixer(self, config: Config, index: int, grid: Grid) -> None:
        """None: one token has nothing to mix with."""
