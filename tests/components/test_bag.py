"""A bag of tokens and phrases: what its vectors start from, and what its order means."""

from math import log

import numpy as np
import pytest
import torch

from autosynth.components.bag import BUCKETS, Bag
from autosynth.composite import build, cost, resolve
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

TEXT = InputSpec(name="x", kind="text", shape=(6,), cardinalities=(50,))
CLASSES = TargetSpec(name="y", task="classification", classes=("no", "yes"))


def codes(*texts: tuple[int, ...]) -> torch.Tensor:
    found = torch.zeros(len(texts), 6, dtype=torch.int32)
    for row, text in enumerate(texts):
        found[row, : len(text)] = torch.tensor(text)
    return found


def related(ngram: int, width: int = 4) -> Bag:
    """Of two texts of either class: token 7 stands in two of the second, 8 in one of each."""
    torch.manual_seed(0)
    bag = Bag(50, width, ngram)
    raw = codes((7, 8), (7,), (8, 9), (9,))
    bag.initialise_from_targets(raw, torch.tensor([[0.0, 1], [0, 1], [1, 0], [1, 0]]))
    return bag.requires_grad_(False)


def test_vectors_start_from_the_log_ratio_of_smoothed_counts() -> None:
    bag = related(1)
    # Of class 1: 7 twice, 8 once, and one more of each of the 50 codes.
    of_one, of_other = (2 + 1) / (3 + 50), (0 + 1) / (3 + 50)
    assert float(bag.vectors[7, 1]) == pytest.approx(log(of_one / of_other))
    assert float(bag.vectors[7, 0]) == pytest.approx(-log(of_one / of_other))
    assert float(bag.vectors[8, 1]) == pytest.approx(0.0)
    assert not bag.vectors[[10, 20]].any()  # never met
    assert not bag.vectors[:, 2:].any()  # there are two columns


def test_a_text_is_the_sum_over_the_root_of_what_is_in_it() -> None:
    bag = related(1)
    (token,), mask = bag(codes((7, 9, 7)))
    assert mask is None
    expected = (2 * bag.vectors[7] + bag.vectors[9]) / 3**0.5
    torch.testing.assert_close(token, expected.unsqueeze(0))
    assert not bag(codes(()))[0].any()


def test_the_order_counts_with_phrases_alone() -> None:
    one, two = codes((3, 4, 5)), codes((5, 4, 3))
    torch.manual_seed(0)
    single, pairs = Bag(50, 4, 1), Bag(50, 4, 2)
    torch.testing.assert_close(single(one)[0], single(two)[0])
    assert (pairs(one)[0] - pairs(two)[0]).abs().max() > 1e-3
    assert len(pairs.vectors) == len(single.vectors) + BUCKETS


def test_what_lies_behind_the_end_changes_nothing() -> None:
    bag = related(3)
    raw = codes((7, 8, 9), (9,))
    torch.testing.assert_close(bag(raw)[0], bag(raw[:, :3])[0])


def test_more_columns_than_channels_are_summed_at_random() -> None:
    torch.manual_seed(0)
    bag = Bag(50, 4, 2)
    raw = torch.from_numpy(np.random.default_rng(0).integers(3, 50, (90, 6)))
    bag.initialise_from_targets(raw, torch.eye(9).repeat(10, 1))
    assert bag.vectors[3:50].abs().min() > 0
    assert bag.vectors.isfinite().all()
    again = Bag(50, 4, 2)
    again.initialise_from_targets(raw, torch.eye(9).repeat(10, 1))
    assert torch.equal(bag.vectors, again.vectors)


def test_it_costs_its_head_alone_and_reads_text_alone() -> None:
    resolved = resolve(parse("bag[width=8, ngram=1]"), (TEXT,), CLASSES)
    assert cost(resolved).flops == 2 * 8 * 2
    assert cost(resolved).params == 50 * 8 + 8 * 2 + 2
    assert sum(p.numel() for p in build(resolved).parameters()) == 50 * 8 + 8 * 2 + 2
    image = InputSpec(name="x", kind="image", shape=(1, 8, 8))
    with pytest.raises(StrategyError, match="reads one text, not image"):
        resolve(parse("bag"), (image,), CLASSES)
    with pytest.raises(StrategyError, match="cannot read another part"):
        resolve(parse("cnn > bag"), (TEXT,), CLASSES)
