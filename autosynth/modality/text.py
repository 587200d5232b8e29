"""Texts as codes of tokens (B, T): embedded, some are hidden, and in the world mistyped.

Hidden tokens are restored as which of some hundred buckets each one's code falls in. That is
BERT's task (Devlin et al., 2019, arXiv:1810.04805) with fewer classes than there are tokens: codes
count up from the frequent ones, so these have a bucket of their own, which rare ones fall into
(Weinberger et al., 2009, "Feature hashing", arXiv:0902.2206). Damage is made in the texts
themselves, before they are cut into tokens.
"""

import re
import string
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.data.encoder.text import MASK, START
from autosynth.modality.modality import Corruption, Given, Modality, TrainingLength
from autosynth.piece import Grid, Piece, Regrid, Stem, Tokens, coarser, linear_piece, n_tokens
from autosynth.spec import Array, InputSpec

# Buckets of each hidden token, at most and at least, and outputs of one linear map: where a token
# restores many, or all tokens are restored at once, each has fewer buckets.
MOST_BUCKETS, LEAST_BUCKETS, MOST_OUTPUTS = 1024, 32, 2**15
# Dimensions that the tokens of a text are embedded in: words want more than what is made of them.
INNER = 256
# The share of the tokens that is hidden, by level of augmentation. BERT hides .15 to restore them;
# a short sentence loses the word that matters by less, so that spaces of texts begin with none.
HIDDEN = {"light": 0.05, "strong": 0.15}
Change = Callable[[str, np.random.Generator], str]
_KINDS = 4  # of typos
_LETTERS = string.ascii_lowercase


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


class ReconstructText(nn.Module):
    """Tokens and codes (B, T) to the mean cross entropy over the picked tokens, a scalar.

    Tokens that stand on the text's grid, or on one cut from it, each restore their own window;
    others restore all of it together.
    """

    def __init__(self, spec: InputSpec, grid: Grid, width: int) -> None:
        super().__init__()
        inputs, self.cells, self.buckets = reconstruction_sizes(spec, grid, width)
        self.whole = inputs > width
        self.linear = nn.Linear(inputs, self.cells * self.buckets)

    def forward(self, tokens: Tokens, raw: Tensor, masked: Tensor) -> Tensor:
        """The loss; 0 where nothing is picked."""
        x = tokens[0].flatten(1) if self.whole else tokens[0]
        guess = self.linear(x).reshape(len(raw), -1, self.buckets)[:, : raw.shape[1]]
        hidden = masked & (raw > MASK)
        codes = (raw % self.buckets).long().flatten()
        # One cell a row: that of two axes has no deterministic kernel on a GPU.
        loss = F.cross_entropy(guess.flatten(0, 1), codes, reduction="none").view(raw.shape)
        return (loss * hidden).sum() / hidden.sum().clamp(min=1)


def reconstruction_sizes(spec: InputSpec, grid: Grid, width: int) -> tuple[int, int, int]:
    """Of the linear map: its inputs, the codes that it restores at once, and buckets of each."""
    length = spec.shape[0]
    factor = next((f for f in range(1, length + 1) if coarser((length,), f) == grid), 0)
    inputs, cells = (width, factor) if factor else (n_tokens(grid) * width, length)
    buckets = max(LEAST_BUCKETS, min(MOST_BUCKETS, MOST_OUTPUTS // cells))
    return inputs, cells, min(buckets, spec.cardinalities[0])


def _typos(texts: Array, amount: float, given: Given) -> Array:
    return _each(texts, given, lambda text, rng: _mistyped(text, amount, rng))


def _mistyped(text: str, amount: float, rng: np.random.Generator) -> str:
    """That share of the letters is lost, doubled, another, or behind the next one."""
    chance = rng.random(len(text))
    kind, letter = (
        rng.integers(_KINDS, size=len(text)),
        rng.integers(len(_LETTERS), size=len(text)),
    )
    out: list[str] = []
    late = ""  # a letter that its neighbour has overtaken
    for i, own in enumerate(text):
        if late or not own.isalpha() or chance[i] >= amount:
            out.append(own + late)
            late = ""
        elif kind[i] == 0:
            late = own
        else:
            out.append(("", own + own, _LETTERS[letter[i]])[kind[i] - 1])
    return "".join(out) + late


def _dropped(texts: Array, amount: float, given: Given) -> Array:
    return _each(texts, given, lambda text, rng: _without(text, amount, rng))


def _without(text: str, amount: float, rng: np.random.Generator) -> str:
    words = re.findall(r"\S+\s*", text)
    kept = rng.random(len(words)) >= amount
    return "".join(word for word, is_kept in zip(words, kept, strict=True) if is_kept).strip()


def _each(texts: Array, given: Given, change: Change) -> Array:
    """Every text changed with randomness of its own: one more draw moves no other text's."""
    seeds = given.rng.integers(2**63, size=len(texts))
    pairs = zip(texts, seeds, strict=True)
    changed = [change(text, np.random.default_rng(int(seed))) for text, seed in pairs]
    out = np.empty(len(texts), dtype=object)
    out[:] = changed
    return out


_CORRUPTIONS: tuple[Corruption, ...] = (
    Corruption(
        name="typos",
        about="share of the letters that are mistyped",
        amounts=(0.01, 0.03, 0.06, 0.1, 0.15),
        damage=_typos,
    ),
    Corruption(
        name="dropped",
        about="share of the words that are dropped",
        amounts=(0.1, 0.2, 0.3, 0.4, 0.5),
        damage=_dropped,
    ),
)


class TextModality(Modality):
    """Tokens of a text; codes that count up from the frequent ones, in general."""

    name = "text"
    space = "text"
    is_coded = True
    mask_ratio = 0.2
    # Texts are learnt by heart soon after, the bag first: 300 steps of 64 were best on validation
    # rows of sst2 (a bag .814, a cnn .770; at 970 steps .783, .765), and 300 to 450 on those of
    # trec (bag .804 to .813, cnn .828 to .820; at 680 .811, .822). A word is in few rows, and its
    # embedding moves by a learning rate a step, however many of them are in it: large batches.
    schedule = TrainingLength(epochs=4, least_steps=400, most_steps=600, batches=64)
    corruptions = _CORRUPTIONS
    in_cells = True
    blank_in_cells = True
    unit = " tokens at most"
    examples = {
        "text": InputSpec(
            name="x",
            kind="text",
            shape=(9,),
            cardinalities=(20,),
            masked=True,
            spellings=("",) * 3 + tuple(" " * (n % 2) + "stones"[n % 5 :] for n in range(17)),
        )
    }

    def stem(self, spec: InputSpec, uncut: Grid, patch: int, width: int) -> tuple[Piece, Grid]:
        """An embedding, and a linear map to the width."""
        codes, weights = spec.cardinalities, INNER * width
        piece = Piece(
            lambda: TextStem(spec, patch, width, INNER),
            2 * n_tokens(spec.grid) * weights,
            codes[0] * INNER + weights,
            tied=codes,
        )
        return piece, coarser(uncut, patch)

    def augment(self, x: Tensor, spec: InputSpec, level: str) -> Tensor:
        """A share of the tokens is hidden (word dropout, Iyyer et al., 2015)."""
        hide = torch.rand(x.shape, device=x.device) < HIDDEN[level]
        return torch.where(hide & (x > START), MASK, x)

    def conceal(self, raw: Tensor, masked: Tensor) -> Tensor:
        """The code of a hidden token; the start of a text stays."""
        return torch.where(masked & (raw > START), MASK, raw)

    def reconstruct(self, spec: InputSpec, grid: Grid, width: int) -> Piece:
        """`ReconstructText` with its cost."""
        inputs, cells, buckets = reconstruction_sizes(spec, grid, width)
        times = n_tokens(grid) if inputs == width else 1
        make = lambda: ReconstructText(spec, grid, width)  # noqa: E731
        return linear_piece(make, times, inputs, cells * buckets)

    def example_rows(self, spec: InputSpec, rows: int, generator: torch.Generator) -> Tensor:
        """Codes, of rows that end early."""
        most, length = spec.cardinalities[0], spec.shape[0]
        size = (rows, length)
        codes = torch.randint(1, most, size, generator=generator, dtype=torch.int32)
        ends = torch.arange(rows)[:, None] % length + 1
        return codes * (torch.arange(length) < ends)
