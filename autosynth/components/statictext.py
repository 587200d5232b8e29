"""Static embeddings of a text's tokens: a matrix that was trained on other texts, and no more.

Takes codes of the model's own tokens (its ids plus one, 0 after the end), gives each one's vector.
Their mean, which is what is made of tokens at the end, is a sentence's embedding as WordLlama
computes it (github.com/dleemiller/WordLlama): rows of a large language model's input embeddings,
brought to few dimensions by contrastive training. Nothing is multiplied, so that it costs no
FLOPs. The matrix is read when a training starts; no code of the package is run.
"""

import torch
from torch import Tensor, nn

from autosynth.components.checkpoint import State, load_checkpoint
from autosynth.components.family import Config
from autosynth.data.encoder.modelfolder import (
    MODELS_ENV,
    STATIC_EMBEDDINGS,
    StaticEmbedding,
    static_files,
)
from autosynth.errors import StrategyError, TrialError
from autosynth.piece import Grid, Piece, Stem, Tokens
from autosynth.spec import InputSpec

STATIC_CURE = (
    "pip install 'autosynth[pretrained-more]' (which brings wordllama), or put its two files, "
    f"tokenizer and weights, in a folder wordllama inside the one that {MODELS_ENV} names"
)


class StaticText(Stem):
    """Codes of tokens (B, T) to their vectors (B, T, D), 0 where masked.

    What begins a text is masked, too; of a text of no other token it stays, as zeros.
    """

    def __init__(self, name: str, model: StaticEmbedding) -> None:
        super().__init__()
        self.name, self.start = name, model.start + 1
        self.embedding = nn.Embedding(model.codes, model.width)

    def fit(self, raw: Tensor) -> None:
        """Take the matrix from its file.

        Raises:
            TrialError: it is not there, or is not this one.
        """
        if self.name not in (files := static_files()):
            raise TrialError(f"the matrix of {self.name} is not on this machine: {STATIC_CURE}")
        load_checkpoint(self.embedding, files[self.name].weights, _of_embedding)

    def forward(self, raw: Tensor) -> Tokens:
        """Vectors, and which of them stand for a token."""
        seen = (raw > 0) & (raw != self.start)
        x = self.embedding((raw - 1).clamp(min=0).long()) * seen.unsqueeze(-1)
        first = torch.arange(raw.shape[1], device=raw.device) == 0
        return x, seen | (first & ~seen.any(1, keepdim=True))


def _of_embedding(found: State) -> State:
    """The matrix by the module's name for it."""
    return {name.removeprefix("embedding."): value for name, value in found.items()}


def static_stem(config: Config, spec: InputSpec) -> tuple[Piece, Grid, int]:
    """The matrix that a configuration names, with the grid and width of what it leaves.

    Raises:
        StrategyError: the text has other tokens than the model.
    """
    name = str(config["model"])
    model = STATIC_EMBEDDINGS[name]
    if spec.cardinalities[0] > model.codes + 1:
        raise StrategyError(
            f"pretrained: {spec.name!r} has tokens up to number {spec.cardinalities[0] - 2}, and "
            f"{name} knows {model.codes}; read the data again with the package's own tokenizer"
        )
    piece = Piece(
        lambda: StaticText(name, model),
        0,
        model.codes * model.width,
        learns="never" if config["tune"] == "frozen" else "gradient",
    )
    return piece, spec.shape, model.width
