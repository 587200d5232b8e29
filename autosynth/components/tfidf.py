"""The family `tfidf`: how often a text holds each token and pair of them, into a linear model."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.components.linearfit import fit_linear
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec

# Of a key, for the second token of a pair, and for the text that it is of: vocabularies are far
# smaller, and all of it fits into 63 bits.
_TOKEN_BITS, _PAIR_BITS = 21, 42
# The most tokens and pairs that are told apart: the most frequent ones.
MOST_KEYS = 2**18
# Rows whose keys are made at once: of 512 tokens they take 70 MB.
_ROWS = 4096
_NO_KEY = -1


class TfidfModel(FittedModel):
    """TF-IDF weights of tokens and neighbouring pairs (Salton and Buckley, 1988), a map of them.

    As scikit-learn's `TfidfVectorizer` with `sublinear_tf`: 1 + log(count), times the logarithm of
    how rare a key is among training rows, each row of length 1.
    """

    grown = ("keys", "idf", "weight")
    takes_weights = True
    keys: Tensor
    idf: Tensor

    def __init__(self, inputs: Sequence[InputSpec], target: TargetSpec, grams: int) -> None:
        super().__init__()
        self.inputs, self.target, self.grams = tuple(inputs), target, grams
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
        return torch.cat(found, 1).sort(1).values

    def _weighted(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """For every key of a row its place and its share of the row's weight for that place."""
        keys = self._keys(raw)
        count = torch.searchsorted(keys, keys, right=True) - torch.searchsorted(keys, keys)
        places = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        known = self.keys[places] == keys
        count = count.to(self.idf.dtype)
        weight = torch.where(known, (1 + count.log()) * self.idf[places], 0.0)
        length = (weight.square() / count).sum(1, keepdim=True).sqrt().clamp(min=1e-12)
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
        for start in range(0, len(raw[0]), _ROWS):
            yield [codes[start : start + _ROWS] for codes in raw]

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
        return _flops(self.inputs, self.target, self.grams, len(self.keys))

    @property
    def n_fitted(self) -> int:
        """Rarities, weights and the bias."""
        return self.idf.numel() + self.weight.numel() + self.bias.numel()


def _flops(inputs: Sequence[InputSpec], target: TargetSpec, grams: int, keys: int) -> int:
    """2 a multiply-add of a weight, 1 a comparison on the way to its place, for every key."""
    n = sum(spec.shape[0] + (spec.shape[0] - 1) * (grams > 1) for spec in inputs)
    return n * (2 * target.n_outputs + math.ceil(math.log2(keys + 1)))


class Tfidf(FittedFamily):
    """TF-IDF weights of tokens and pairs into a linear model."""

    name = "tfidf"
    about = "weights of a text's tokens and pairs of them (TF-IDF) into a linear model"
    options = {
        "grams": Hyperparameter(
            about="neighbouring tokens that are counted together: 1, or 2 as well",
            default=2,
            low=1,
            high=2,
        )
    }
    kinds = ("text",)
    tasks = ("classification", "regression", "multilabel", "multitask")

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model; how many keys there are is known only after the fit."""
        grams, k = int(config["grams"]), target.n_outputs
        make = lambda: TfidfModel(inputs, target, grams)  # noqa: E731
        flops = _flops(inputs, target, grams, MOST_KEYS)
        return Piece(make, flops, MOST_KEYS * (k + 1) + k, learns="fit")
