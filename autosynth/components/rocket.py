"""Rocket: fixed convolutions of series, summed up by how often and how far they pass thresholds.

Takes series (B, steps, channels); gives features (B, n) for a linear model. Nothing is learnt by
gradients: kernels are fixed, dilations follow from the number of steps, and thresholds are
quantiles of what the kernels give of training rows. MiniRocket keeps the share of steps above each
threshold (Dempster, Schmidt and Webb, 2021, arXiv:2012.08791); MultiRocket three numbers more, and
all of them of first differences, too (Tan et al., 2022, arXiv:2102.00457).

With the same channels and thresholds features equal those of the package aeon, which are the
authors': `tests/components/test_rocket.py`. All additions have one order and all products are
exact, so that a step that equals a threshold in training is no other one in another batch.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.exportable import running_max

# Of nine weights three are 2 and the others -1: all 84 ways to place them.
_TRIPLES = tuple(combinations(range(9), 3))
N_KERNELS = len(_TRIPLES)
# Fewer steps have no room for nine taps, those of differences neither: zeros stand behind them.
LEAST_LENGTH = 10
# Both of the papers: what a kernel gives is cut at so many dilations at the most.
_MOST_DILATIONS = 32
_MOST_CHANNELS = 9  # that are added up under one kernel
# What leaves a core's cache costs the time again. Measured on CricketX (300 steps), of 1 to 16
# rows and 2, 4 and all thresholds at once: 4 to 8 rows by 4 are fastest, 16 by all take twice
# as long.
_THRESHOLDS_AT_ONCE = 4
_BYTES_AT_ONCE = 2**21
_GOLDEN = (5**0.5 + 1) / 2


class Dilation(NamedTuple):
    """One dilation in steps, and the number of thresholds that each kernel has at it."""

    steps: int
    thresholds: int


def dilations(steps: int, thresholds: int) -> tuple[Dilation, ...]:
    """The dilations for series of so many steps, and the thresholds of a kernel dealt to them.

    Dilations grow exponentially up to where a kernel is as long as the series.
    """
    spread = min(thresholds, _MOST_DILATIONS)
    largest = np.log2((steps - 1) / 8)
    exponents = np.logspace(0, largest, spread, base=2).astype(np.int64)
    sizes, counts = np.unique(exponents, return_counts=True)
    counts = (counts * (thresholds / spread)).astype(np.int64)
    for place in range(thresholds - int(counts.sum())):
        counts[place % len(counts)] += 1
    pairs = zip(sizes.tolist(), counts.tolist(), strict=True)
    return tuple(Dilation(*pair) for pair in pairs)


def without_gaps(x: Tensor) -> Tensor:
    """Series (B, steps, channels), where steps that are missing (NaN) take the row's mean.

    That of the channel; 0 where all of them are missing.
    """
    known = ~x.isnan()
    values = torch.where(known, x, 0.0)
    mean = values.sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    return torch.where(known, x, mean)


class Convolutions(nn.Module):
    """The 84 kernels at every dilation over (B, channels, steps), and what is kept of each.

    `thresholds` is how many a kernel has over all dilations. `pools` is 1, the share of steps
    above the threshold, or 4: after it the longest stretch that never falls below it, the mean
    above it (of value and threshold, as the authors sum them up), and the mean step above it, or
    -1 where there is none. Features stand by number kept, then dilation, kernel and threshold.

    `nearer` moves the four taps before a step one step nearer to it: so the authors' code has it
    over differences, and so published scores were made.
    """

    places: Tensor
    weights: Tensor
    channels: Tensor
    thresholds: Tensor

    def __init__(
        self, steps: int, channels: int, thresholds: int, *, pools: int = 1, nearer: int = 0
    ) -> None:
        super().__init__()
        self.steps, self.n_channels, self.pools, self.nearer = steps, channels, pools, nearer
        self.dilations = dilations(steps, thresholds)
        several = (len(self.dilations), N_KERNELS, channels) if channels > 1 else (0,)
        self.register_buffer("channels", torch.zeros(several))
        self.register_buffer("thresholds", torch.zeros(N_KERNELS * thresholds))
        pairs = list(combinations(range(8), 2))
        places = [pairs.index((a, b)) for a, b, _ in _TRIPLES]
        last = [c for _, _, c in _TRIPLES]
        first, second = zip(*pairs, strict=True)
        padded = [list(row) + [0] * (N_KERNELS - len(pairs)) for row in (first, second)]
        self.n_pairs = len(pairs)
        self.register_buffer("places", torch.tensor([*padded, places, last]), persistent=False)
        weights = -torch.ones(9, N_KERNELS, 1)
        for kernel, triple in enumerate(_TRIPLES):
            weights[list(triple), kernel] = 2.0
        self.register_buffer("weights", weights, persistent=False)

    def fit(self, x: Tensor, generator: torch.Generator) -> None:
        """Draw channels, and thresholds from the convolutions of rows drawn from `x`.

        Args:
            x: training rows (B, channels, steps), float32.
            generator: of the central processor; decides all that is drawn.
        """
        if self.n_channels > 1:
            self.channels.copy_(self._drawn_channels(generator))
        start = 0
        for index, each in enumerate(self.dilations):
            stop = start + each.thresholds * N_KERNELS
            order = torch.arange(start + 1, stop + 1, dtype=torch.float64)
            shares = (order * _GOLDEN % 1).view(N_KERNELS, -1)
            rows = torch.randint(len(x), (N_KERNELS,), generator=generator)
            lines = [self._convolved(x[row : row + 1], index)[0, k] for k, row in enumerate(rows)]
            found = _quantiles(torch.stack(lines).cpu(), shares)
            self.thresholds[start:stop] = found.flatten().to(self.thresholds.device)
            start = stop

    def _drawn_channels(self, generator: torch.Generator) -> Tensor:
        """Which channels each kernel adds up: few more often than many, as in MiniRocket."""
        chosen = torch.zeros(self.channels.shape)
        top = np.log2(min(self.n_channels, _MOST_CHANNELS) + 1)
        for row in chosen.view(-1, self.n_channels):
            count = int(2 ** (torch.rand(1, generator=generator).item() * top))
            row[torch.randperm(self.n_channels, generator=generator)[:count]] = 1.0
        return chosen

    def rows_at_once(self) -> int:
        """How many rows keep the work inside a core's cache."""
        row = 4 * N_KERNELS // 2 * self.steps * _THRESHOLDS_AT_ONCE
        return max(1, _BYTES_AT_ONCE // row)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, 84 * thresholds * pools) of series (B, channels, steps)."""
        found: list[list[Tensor]] = [[] for _ in range(self.pools)]
        start = 0
        for index, each in enumerate(self.dilations):
            stop = start + each.thresholds * N_KERNELS
            limits = self.thresholds[start:stop].view(N_KERNELS, -1)
            convolved = self._convolved(x, index)
            # Every other kernel is kept where it lies inside the series, the others everywhere.
            halves = []
            for odd in (0, 1):
                cut = 4 * each.steps if (index + odd) % 2 else 0
                part = convolved[:, odd::2, cut : self.steps - cut].contiguous()
                halves.append(self._pooled(part, limits[odd::2]))
            for pool, pair in zip(found, zip(*halves, strict=True), strict=True):
                pool.append(torch.stack(pair, 2).flatten(1))
            start = stop
        return torch.cat([feature for pool in found for feature in pool], 1)

    def _pooled(self, x: Tensor, limits: Tensor) -> list[Tensor]:
        """Each pool (B, kernels, thresholds) of convolutions (B, kernels, steps)."""
        pool = _share_above if self.pools == 1 else _four_pools
        parts = [pool(x, part) for part in torch.split(limits, _THRESHOLDS_AT_ONCE, dim=1)]
        return [torch.cat(each, 2) for each in zip(*parts, strict=True)]

    def _convolved(self, x: Tensor, index: int) -> Tensor:
        """All kernels at one dilation, (B, 84, steps), zeros beyond both ends."""
        reach, dilation = 4 * self.dilations[index].steps, self.dilations[index].steps
        if self.n_channels > 1:
            x = torch.matmul(self.channels[index], x)
        wide = F.pad(x, (reach, reach))
        starts = [tap * dilation + (self.nearer if tap < 4 else 0) for tap in range(9)]
        taps = [wide[..., start : start + self.steps] for start in starts]
        if self.n_channels > 1:
            total = self.weights[0] * taps[0]
            for weight, tap in zip(self.weights[1:], taps[1:], strict=True):
                total = torch.addcmul(total, weight, tap)
            return total
        # -1 everywhere and 3 more at each triple: pairs of them are common to many kernels.
        base = -taps[4]
        for tap in (*taps[:4], *taps[5:]):
            base = base - tap
        threes = 3 * torch.cat(taps, 1)
        first, second = self.places[0, : self.n_pairs], self.places[1, : self.n_pairs]
        pairs = (base + threes[:, :7]).index_select(1, first) + threes.index_select(1, second)
        return pairs.index_select(1, self.places[2]) + threes.index_select(1, self.places[3])


def _quantiles(x: Tensor, shares: Tensor) -> Tensor:
    """Of each row of `x` (n, steps) the quantiles of its own shares (n, k), between two values."""
    place = shares * (x.shape[1] - 1)
    low = place.floor().long()
    ordered = x.sort(1).values.double()
    below = ordered.gather(1, low)
    above = ordered.gather(1, (low + 1).clamp(max=x.shape[1] - 1))
    return (below + (above - below) * (place - low)).float()


def _share_above(x: Tensor, limits: Tensor) -> tuple[Tensor]:
    """The share of steps above each limit. Signs are summed up faster than truths, threefold."""
    above = (x.unsqueeze(2) - limits.unsqueeze(2)).relu_().sign_()
    return (above.sum(-1) / x.shape[-1],)


def _four_pools(x: Tensor, limits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The share above, the longest stretch not below, the mean above, the mean step above."""
    steps = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
    over = x.unsqueeze(2) - limits.unsqueeze(2)
    sign = over.sign()
    counts = torch.matmul(sign.relu(), torch.stack((torch.ones_like(steps), steps), 1))
    count, places = counts.unbind(-1)
    some, least = count > 0, count.clamp(min=1)
    mean = torch.where(some, over.relu().sum(-1) / least + 2 * limits, 0.0)
    # The last step below so far; what is above counts as less than the first one.
    last = running_max(sign * -steps)
    stretch = (steps[1:] - last[..., :-1]).amax(-1) if len(steps) > 1 else torch.zeros_like(mean)
    return count / len(steps), stretch, mean, torch.where(some, places / least, -1.0)


class Rocket(nn.Module):
    """Features (B, n_features) of series (B, steps, channels), float32; NaN where a step lacks.

    `features` is rounded down to whole kernels, 84 at the least for each thing that is kept;
    `multi` makes it MultiRocket, which keeps four of the series and four of its differences.
    """

    def __init__(
        self, steps: int, channels: int, features: int = 10_000, *, multi: bool = False
    ) -> None:
        super().__init__()
        self.steps, self.length = steps, max(steps, LEAST_LENGTH)
        pools, series = (4, 2) if multi else (1, 1)
        each = max(1, features // (pools * series * N_KERNELS))
        self.n_features = each * pools * series * N_KERNELS
        self.parts = nn.ModuleList(
            Convolutions(self.length - order, channels, each, pools=pools, nearer=order)
            for order in range(series)
        )

    def fit(self, x: Tensor, seed: int = 0) -> None:
        """Draw channels and thresholds from training rows (B, steps, channels)."""
        generator = torch.Generator().manual_seed(seed)
        for part, series in zip(self._convolutions(), self._series(x), strict=True):
            part.fit(series, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch; its memory is that of the largest dilation."""
        pairs = zip(self._convolutions(), self._series(x), strict=True)
        return torch.cat([part(series) for part, series in pairs], 1)

    def rows_at_once(self) -> int:
        """How many rows are done fastest in one batch."""
        return self._convolutions()[0].rows_at_once()

    def _convolutions(self) -> list[Convolutions]:
        return [part for part in self.parts if isinstance(part, Convolutions)]

    def _series(self, x: Tensor) -> list[Tensor]:
        line = without_gaps(x).transpose(1, 2)
        line = F.pad(line, (0, self.length - self.steps)).contiguous()
        return [line, line.diff(dim=-1)][: len(self.parts)]


def rocket_flops(steps: int, channels: int, features: int = 10_000, *, multi: bool = False) -> int:
    """Operations for one row, exact, from the sizes alone: 2 a multiply-add, 1 any other.

    At every dilation and step: of one channel 8 additions and 9 products that all kernels share,
    7 and 28 additions of their first two taps, and one for each kernel's last; of several, for
    each kernel a multiply-add a channel, and nine for its taps. For every threshold and step that
    is kept: a comparison and an addition; with four pools the comparisons above and below, three
    additions (the count, the values, the length of a stretch), a multiply-add (the steps), and two
    comparisons of stretches. Not counted: filling gaps, differences, and divisions, which come
    once a step or once a feature.
    """
    pools, series = (4, 2) if multi else (1, 1)
    thresholds = max(1, features // (pools * series * N_KERNELS))
    shared = 8 + 9 + 7 + 28 + N_KERNELS if channels == 1 else 2 * N_KERNELS * (channels + 9)
    kept = 2 if pools == 1 else 9
    found = 0
    for order in range(series):
        length = max(steps, LEAST_LENGTH) - order
        for each in dilations(length, thresholds):
            inside = N_KERNELS // 2 * (2 * length - 8 * each.steps)
            found += shared * length + kept * each.thresholds * inside
    return found
