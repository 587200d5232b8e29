"""What users had before: out of the loss, and out of every ranking."""

import numpy as np
import pytest
import torch
from torch import nn

from autosynth.composite.objective import mask_seen
from autosynth.modality import augment
from autosynth.spec import Dataset, InputSpec, SeenItems, Splits, TargetSpec
from autosynth.task.loss import loss_of
from autosynth.training.devicedataset import history_mask, to_device
from autosynth.training.output import outputs

SEEN = SeenItems(
    codes=np.array([3, 0, 2, 1, 4, 0]), start=np.array([0, 0, 4, 4]), stop=np.array([1, 3, 5, 6])
)
HAD = [{3}, {3, 0, 2}, {4}, {4, 0}]
TARGET = TargetSpec(name="item", task="ranking", classes=tuple("abcde"))


class Same(nn.Module):
    """The same logits for all rows."""

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.arange(5.0).repeat(len(inputs["history"]), 1)


def test_what_was_seen_is_hidden_on_the_device_as_on_the_host() -> None:
    out = torch.randn(3, 5, requires_grad=True)
    rows = torch.tensor([3, 0, 1])
    left = history_mask(SEEN, torch.device("cpu")).mask_logits(out, rows)
    gone = [{i for i, value in enumerate(row) if value == -torch.inf} for row in left.tolist()]
    assert gone == [HAD[row] for row in rows.tolist()]
    assert torch.equal(left, mask_seen(out, SEEN.only(rows.numpy())))
    loss_of(TARGET, left, torch.tensor([1, 1, 4]), smoothing=0.3).backward()
    assert out.grad is not None
    assert out.grad.isfinite().all()
    assert (out.grad == 0).tolist() == [[i in had for i in range(5)] for had in
                                        (HAD[row] for row in rows.tolist())]  # fmt: skip


def test_of_long_histories_the_newest_are_left_out_of_the_loss() -> None:
    mask = history_mask(SEEN, torch.device("cpu"), max_masked=2)
    left = mask.mask_logits(torch.zeros(1, 5), torch.tensor([1]))
    assert (left == -torch.inf).tolist() == [[True, False, True, False, False]]


def test_outputs_give_what_was_seen_no_probability() -> None:
    rows = np.arange(4)
    data = Dataset(
        name="made", source="made", target=TARGET, encoders={}, fingerprint="", seen=SEEN,
        inputs=(InputSpec(name="history", kind="ids", shape=(3,), cardinalities=(8,)),),
        x={"history": np.ones((4, 3), np.int32)}, y=np.array([1, 1, 0, 1]),
        splits=Splits(train=rows, calibration=rows[:0], validation=rows, test=rows),
    )  # fmt: skip
    found = outputs(Same(), to_device(data, torch.device("cpu"), rows), np.array([2, 1, 3]), 2)
    assert found.sum(1) == pytest.approx(np.ones(3))
    assert [set(np.flatnonzero(row == 0)) for row in found] == [HAD[2], HAD[1], HAD[3]]
    # Among what is left, shares are those of the network.
    assert found[2, 3] / found[2, 2] == pytest.approx(np.e)


def test_items_of_a_history_are_hidden_and_its_end_stays() -> None:
    spec = InputSpec(name="x", kind="ids", shape=(20,), cardinalities=(50,), masked=True)
    x = torch.randint(3, 50, (500, 20), dtype=torch.int32) * (torch.arange(20) < 12)
    for level, share in (("light", 0.05), ("strong", 0.15)):
        out = augment({"x": x}, (spec,), level)["x"]
        changed = out != x
        assert (out[changed] == 2).all()
        assert not changed[:, 12:].any()
        assert share * 0.8 < changed[:, :12].float().mean() < share * 1.2
