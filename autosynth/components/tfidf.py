"""The family `tfidf`: how often a text holds each token and pair of them, into a linear model.

With `chars` also each n-gram of letters within a token: what a word that is new or rare has in
common with others.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.components.letters import LEAST_GRAM, MOST_GRAM, Letters, n_grams
from autosynth.components.linearfit import fit_linear
from autosynth.exportable import searched
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec

# Of a key, for the second token of a pair, and for the text that it is of: vocabularies are far
# smaller, and all of it fits into 63 bits.
_TOKEN_BITS, _PAIR_BITS = 21, 42
# Of a key of letters, which takes 54 bits: above all others, and the text that it is of.
_LETTERS_FROM, _LETTER_BITS = 1 << 62, 54
# The most tokens, pairs and n-grams that are told apart: the most frequent ones.
MOST_KEYS = 2**18
# Rows whose keys are made at once: of 512 tokens they take 70 MB, with letters 500.
_ROWS, _ROWS_OF_LETTERS = 4096, 1024
_NO_KEY = -1


class TfidfModel(FittedModel):
    """TF-IDF weights of tokens and neighbouring pairs (Salton and Buckley, 1988), a map of them.

    As scikit-learn's `TfidfVectorizer` with `sublinear_tf`: 1 + log(count), times the logarithm of
    how rare a key is among training rows, each row of length 1. N-grams of up to `chars` letters
    are a row of their own beside it, of the same length.
    """

    grown = ("keys", "idf", "weight")
    takes_weights = True
    keys: Tensor
    idf: Tensor

    def __init__(
        self, inputs: Sequence[InputSpec], target: TargetSpec, grams: int, chars: int = 0
    ) -> None:
        super().__init__()
        self.inputs, self.target, self.grams, self.chars = tuple(inputs), target, grams, chars
        self.letters = nn.ModuleList(
            Letters(spec.spellings, spec.cardinalities[0], chars) for spec in inputs if chars
        )
        # Ascending; one that no row has.
        self.register_buffer("keys", torch.full((1,), _NO_KEY - 1))
        self.register_buffer("idf", torch.zeros(1))
        self.weight = nn.Parameter(torch.zeros(1, target.n_outputs))
        self.bias = nn.Parameter(torch.zeros(target.n_outputs))

    def forward(self, *raw: Tensor) -> Tensor:
        """Outputs (B, n_outputs) of the codes of each text (B, length)."""
        places, values = self._weighted(raw)
        return (self.weight[places] * values.unsqueeze(-1)).sum(1) + self.bias

    def _keys(self, raw: Sequence[Tensor]) -> Tensor:
        """The keys of all tokens and pairs (B, n), ascending in a row; `_NO_KEY` after an end."""
        found = []
        for number, codes in enumerate(raw):
            tokens = codes.long()
            text = number << _PAIR_BITS
            found.append(torch.where(tokens > 0, tokens + text, _NO_KEY))
            if self.grams > 1:
                first, second = tokens[:, :-1], tokens[:, 1:]
                pair = (first << _TOKEN_BITS) + second + text
                found.append(torch.where((first > 0) & (second > 0), pair, _NO_KEY))
        for number, (letters, codes) in enumerate(zip(self.letters, raw, strict=False)):
            own = letters(codes)
            start = _LETTERS_FROM + (number << _LETTER_BITS)
            found.append(torch.where(own > 0, own + start, _NO_KEY))
        return torch.cat(found, 1).sort(1).values

    def _weighted(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """For every key of a row its place and its share of the row's weight for that place."""
        keys = self._keys(raw)
        count = searched(keys, keys, right=True) - searched(keys, keys)
        places = searched(self.keys, keys).clamp(max=len(self.keys) - 1)
        known = self.keys[places] == keys
        count = count.to(self.idf.dtype)
        weight = torch.where(known, (1 + count.log()) * self.idf[places], 0.0)
        length = _length(weight.square() / count)
        if self.letters:
            is_letters, squares = keys >= _LETTERS_FROM, weight.square() / count
            of_letters = _length(torch.where(is_letters, squares, 0.0))
            of_tokens = _length(torch.where(is_letters, 0.0, squares))
            length = torch.where(is_letters, of_letters, of_tokens)
        return places, weight / count / length

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Take the keys of training rows and how rare they are, and fit the map.

        How rare a key is follows from all rows alike; weights are of the map's loss.
        """
        raw = [codes.cpu() for codes in it.raw]
        weights = None if it.weights is None else it.weights.cpu()
        n = len(it.y)
        keys, rows = self._counted(raw)
        self.keys = torch.from_numpy(keys)
        self.idf = torch.from_numpy(np.log((1 + n) / (1 + rows)).astype(np.float32) + 1)
        with torch.enable_grad():
            found = fit_linear(
                self._features(raw),
                it.y.cpu(),
                self.target,
                seed=it.seed,
                deadline=it.deadline,
                weights=weights,
            )
        self.weight = nn.Parameter(torch.from_numpy(found.weight).float())
        self.bias.copy_(torch.from_numpy(found.bias))
        return found.cut

    def _parts(self, raw: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        rows = _ROWS_OF_LETTERS if self.letters else _ROWS
        for start in range(0, len(raw[0]), rows):
            yield [codes[start : start + rows] for codes in raw]

    def _counted(self, raw: Sequence[Tensor]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Keys, ascending, and in how many rows each is: those of two rows and more, if any."""
        keys, rows = np.zeros(0, np.int64), np.zeros(0, np.int64)
        for part in self._parts(raw):
            here = self._keys(part).numpy()
            is_first = np.diff(here, axis=1, prepend=_NO_KEY) > 0
            new, counts = np.unique(here[is_first], return_counts=True)
            both, places = np.unique(np.concatenate([keys, new]), return_inverse=True)
            rows = np.bincount(places, np.concatenate([rows, counts]), len(both)).astype(np.int64)
            keys = both
        kept = np.flatnonzero(rows > 1) if (rows > 1).any() else np.arange(len(keys))
        kept = np.sort(kept[np.argsort(-rows[kept], kind="stable")[:MOST_KEYS]])
        if not len(kept):  # of texts without a token
            return np.array([_NO_KEY - 1]), np.zeros(1, np.int64)
        return keys[kept], rows[kept]

    def _features(self, raw: Sequence[Tensor]) -> csr_array:
        """Rows times keys, sparse."""
        values, columns, ends = [], [], [np.zeros(1, np.int64)]
        for part in self._parts(raw):
            places, weights = self._weighted(part)
            there = weights > 0
            values.append(weights[there].numpy())
            columns.append(places[there].numpy())
            ends.append(ends[-1][-1] + there.sum(1).cumsum(0).numpy())
        shape = (len(raw[0]), len(self.keys))
        found = csr_array((*(map(np.concatenate, (values, columns, ends))),), shape=shape)
        found.sum_duplicates()
        return found

    @property
    def flops(self) -> int:
        """Of a row as long as can be."""
        return _flops(self.inputs, self.target, self.grams, self.chars, len(self.keys))

    @property
    def n_fitted(self) -> int:
        """Rarities, weights and the bias."""
        return self.idf.numel() + self.weight.numel() + self.bias.numel()


def _length(squares: Tensor) -> Tensor:
    """The length of each row (B, 1), of the squares of its weights."""
    return squares.sum(1, keepdim=True).sqrt().clamp(min=1e-12)


def _flops(
    inputs: Sequence[InputSpec], target: TargetSpec, grams: int, chars: int, keys: int
) -> int:
    """2 a multiply-add of a weight, 1 a comparison on the way to its place, for every key."""
    n = sum(spec.shape[0] + (spec.shape[0] - 1) * (grams > 1) for spec in inputs)
    n += n_grams(chars) * sum(spec.shape[0] for spec in inputs)
    return n * (2 * target.n_outputs + math.ceil(math.log2(keys + 1)))


class Tfidf(FittedFamily):
    """TF-IDF weights of tokens and pairs into a linear model."""

    name = "tfidf"
    about = "weights of a text's tokens, pairs and letters (TF-IDF) into a linear model"
    # On rows held out from two splits each, five letters gain .020 of accuracy on sst2 (standard
    # error .006), .015 (.004) on airline_tweets, .004 (.005) on trec; four about as much. None is
    # the default for the sake of saved models; spaces of texts begin with five.
    options = {
        "grams": Hyperparameter(
            about="neighbouring tokens that are counted together: 1, or 2 as well",
            default=2,
            low=1,
            high=2,
        ),
        "chars": Hyperparameter(
            about="letters of the longest n-grams within tokens that are counted, too, from 3; "
            "0: none",
            default=0,
            low=0,
            high=MOST_GRAM,
        ),
    }
    kinds = ("text",)
    tasks = ("classification", "regression", "multilabel", "multitask")

    def problem(self, config: Config) -> str | None:
        """Single letters and pairs of them say nothing."""
        if 0 < int(config["chars"]) < LEAST_GRAM:
            return f"chars must be 0, or {LEAST_GRAM} and more, not {config['chars']}"
        return None

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model; how many keys there are is known only after the fit."""
        grams, chars, k = int(config["grams"]), int(config["chars"]), target.n_outputs
        make = lambda: TfidfModel(inputs, target, grams, chars)  # noqa: E731
        flops = _flops(inputs, target, grams, chars, MOST_KEYS)
        return Piece(make, flops, MOST_KEYS * (k + 1) + k, learns="fit")
