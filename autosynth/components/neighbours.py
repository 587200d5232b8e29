"""The family `neighbours`: what is had soon after the things that a history holds.

Item-based collaborative filtering (Sarwar et al., 2001), with the two things that sequences have
and sets have not: what is new counts more than what is old, and what follows more than what came
before (compare Jannach and Ludewig, 2017, on nearest neighbours against recurrent networks).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array, diags_array
from torch import Tensor
from torch.nn import functional as F

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.data.encoder.ids import FIRST_ITEM
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec
from autosynth.task.ranking import item_ranks

# Of ml100k, NDCG@10 on validation rows: .136 with both of these and .5 of the way back, .080 with
# neither, .056 with cosines of items over all users, as it is mostly done. The best guesses first.
_COUNTED_HALF = (20.0, 5.0)
"""Places of a history after which a pair of things counts half as much."""
_READ_HALF = (3.0, 10.0, 1.0)
"""Places after which what a row has counts half as much."""
_BACK = (0.5, 1.0)
"""How much a pair counts the other way round."""
_PLAIN = (0.5, 0.7, 0.3)
"""The power of how often a thing is had, by which it is held back."""
_HELD = 1_000
"""Training rows at most that choose among them; a fifth of fewer than five times as many."""
# Of how often a thing is had at all, beside what goes with a history: none is impossible.
_POPULARITY = 0.01
_FACTORS = (math.log(0.1), math.log(10.0))
_FIRST = 10  # places of a ranking that count


class _Weighing(NamedTuple):
    """How pairs are counted and read."""

    counted_half: float
    back: float
    power: float
    read_half: float


_WEIGHINGS = tuple(_Weighing(*each) for each in product(_COUNTED_HALF, _BACK, _PLAIN, _READ_HALF))
# Of the time, for the choice: what is left counts pairs in all rows.
_CHOICE = 0.7


class NeighboursModel(FittedModel):
    """The things nearest to each thing; a history gives the sum of what is near its own."""

    nearest: Tensor
    similarity: Tensor
    popularity: Tensor
    place: Tensor
    factor: Tensor

    def __init__(self, spec: InputSpec, n_items: int, nearest: int) -> None:
        super().__init__()
        n = min(nearest, n_items)
        for name, tensor in (
            ("nearest", torch.zeros(n_items, n, dtype=torch.long)),
            ("similarity", torch.zeros(n_items, n)),
            ("popularity", torch.full((n_items,), 1 / n_items)),
            ("place", torch.ones(spec.shape[0])),
            ("factor", torch.ones(())),
        ):
            self.register_buffer(name, tensor)

    def forward(self, *raw: Tensor) -> Tensor:
        """A logit a thing, (B, n_outputs), of histories (B, places), the newest first."""
        return self.factor * self._shares(raw[0]).log()

    def _shares(self, codes: Tensor) -> Tensor:
        """How near each thing is to a history: positive, the sum about 1."""
        there = codes >= FIRST_ITEM
        at = (codes - FIRST_ITEM).clamp(min=0).long()
        weight = there * self.place
        weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-12)
        near = self.similarity[at] * weight.unsqueeze(2)
        found = weight.new_zeros(weight.shape[0], self.popularity.shape[0])
        found = found.scatter_add(1, self.nearest[at].flatten(1), near.flatten(1))
        return found + _POPULARITY * self.popularity

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Choose how pairs are weighed on rows held out, and count them on all."""
        history, y = it.raw[0].cpu().numpy(), it.y.cpu().numpy()
        order = np.random.default_rng(it.seed).permutation(len(y))
        n_held = min(_HELD, max(1, len(y) // 5))
        held, inside = order[:n_held], order[n_held:]
        x, until = torch.from_numpy(history[held]), it.deadline.within(_CHOICE * it.deadline.left)
        chosen, best, tried, logs = _WEIGHINGS[0], -math.inf, 0, torch.zeros(0)
        taken: _Weighing | None = None
        for weighing in _WEIGHINGS:
            if taken and until.over:
                break
            if taken is None or weighing.counted_half != taken.counted_half:
                pairs = self._counted(history[inside], y[inside], weighing.counted_half)
            if taken is None or weighing[:3] != taken[:3]:
                self._take(pairs, y[inside], weighing)
            taken, tried = weighing, tried + 1
            self._read(weighing)
            shares = self._shares(x)
            score = _score(shares, x, y[held])
            if score > best:
                chosen, best, logs = weighing, score, shares.log()
        self._take(self._counted(history, y, chosen.counted_half), y, chosen)
        self._read(chosen)
        self.factor.fill_(_factor(logs, torch.from_numpy(y[held])))
        return f"{tried} of {len(_WEIGHINGS)} weighings" if tried < len(_WEIGHINGS) else ""

    def _counted(self, history: NDArray[np.int32], y: NDArray[np.int64], half: float) -> csr_array:
        """How often a thing (a row) had the other (a column) after it, the sooner the more."""
        n = len(self.popularity)
        total = csr_array((n, n), dtype=np.float64)
        for place in range(history.shape[1]):
            rows = np.flatnonzero(history[:, place] >= FIRST_ITEM)
            values = np.full(len(rows), 0.5 ** (place / half))
            total += csr_array(
                (values, (history[rows, place] - FIRST_ITEM, y[rows])), shape=(n, n)
            )
        return total

    def _take(self, pairs: csr_array, y: NDArray[np.int64], weighing: _Weighing) -> None:
        """Have what is near each thing be that of these pairs, weighed so."""
        n, width = self.similarity.shape
        often = np.bincount(y, minlength=n)
        both = csr_array(pairs + weighing.back * pairs.T)
        both.setdiag(0.0)
        similarity = csr_array(
            diags_array((often + 1) ** -0.5) @ both @ diags_array((often + 1.0) ** -weighing.power)
        )
        largest = max(1e-12, float(similarity.sum(1).max()))
        self.nearest.zero_()
        self.similarity.zero_()
        for at, (near, values) in enumerate(_rows(similarity)):
            best = np.argsort(-values, kind="stable")[:width]
            self.nearest[at, : len(best)] = torch.from_numpy(near[best].astype(np.int64))
            self.similarity[at, : len(best)] = torch.from_numpy(values[best] / largest)
        self.popularity.copy_(torch.from_numpy((often + 1) / (often + 1).sum()))

    def _read(self, weighing: _Weighing) -> None:
        """Have old things count so much."""
        self.place.copy_(0.5 ** (torch.arange(len(self.place)) / weighing.read_half))

    @property
    def flops(self) -> int:
        """Of a history as long as can be."""
        return _flops(len(self.place), *self.similarity.shape)

    @property
    def n_fitted(self) -> int:
        """Similarities, how often each thing is had, and how old things count."""
        return self.similarity.numel() + self.popularity.numel() + self.place.numel() + 1


def _rows(matrix: csr_array) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Columns and values of each row."""
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        yield matrix.indices[start:stop], matrix.data[start:stop]


def _score(shares: Tensor, history: Tensor, y: NDArray[np.int64]) -> float:
    """NDCG of the first ten places; what a history holds is not ranked."""
    found = shares.numpy().copy()
    rows, places = np.nonzero(history.numpy() >= FIRST_ITEM)
    found[rows, history.numpy()[rows, places] - FIRST_ITEM] = -1.0
    rank = item_ranks(y, found)
    return float(np.where(rank <= _FIRST, 1 / np.log2(1 + rank), 0.0).mean())


def _factor(logs: Tensor, y: Tensor) -> float:
    """By what logarithms of shares (n, things) are multiplied to be logits of least log loss."""

    def loss(log_factor: float) -> float:
        return float(F.cross_entropy(logs * math.exp(log_factor), y))

    return math.exp(float(minimize_scalar(loss, bounds=_FACTORS, method="bounded").x))


def _flops(places: int, n_items: int, nearest: int) -> int:
    """2 a multiply-add of what is near each place; popularity and a logarithm for every thing."""
    return 2 * places * nearest + 3 * n_items


class Neighbours(FittedFamily):
    """Things by what was had soon before them."""

    name = "neighbours"
    about = "what is had soon after the things in a history, by counting pairs of them"
    options = {
        "nearest": Hyperparameter(
            about="things that are kept as near to each", default=200, low=1, high=2000
        )
    }
    kinds = ("ids",)
    tasks = ("ranking",)

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model, whose cost is known before the fit."""
        (spec, *_), n = inputs, target.n_outputs
        nearest = min(int(config["nearest"]), n)
        make = lambda: NeighboursModel(spec, n, nearest)  # noqa: E731
        flops = _flops(spec.shape[0], n, nearest)
        return Piece(make, flops, n * (nearest + 1) + spec.shape[0] + 1, learns="fit")
