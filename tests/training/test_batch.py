"""Texts cut behind their ends: composites give the same, and batches hold like lengths."""

import numpy as np
import pytest
import torch

from autosynth.composite import build, resolve
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse
from autosynth.training.batch import BATCHES_A_BUCKET, bucket_by_length, cut, lengths_of
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs

N, LENGTH = 320, 27
FAMILIES = {
    "cnn[width=16, depth=2, stages=1, kernel=5]": True,
    "cnn[width=16, depth=1, stages=0, patch=4, pool=max]": True,
    "gru[width=16]": True,
    "lstm[width=16, patch=2]": True,
    "transformer[width=16, depth=2, heads=2]": True,
    "attention[width=16, depth=1, patch=2]": True,
    "mlp[width=16]": False,
    "cnn[width=16] > attention[width=16]": True,
    "gru[width=16] > cnn[width=16, patch=2, pool=max]": True,
    "cnn[width=16] > mlp[width=16]": False,
    "sum(cnn[width=16, patch=2], transformer[width=16, patch=4]) > gru[width=16]": True,
    "sum(cnn[width=16, patch=2], transformer[width=16, patch=3]) > gru[width=16]": False,
    "cascade[0.3](attention[width=16], cnn[width=16])": True,
    "sum(cnn[width=16, depth=1, stages=0, expand=2], gru[width=16, depth=1]) share=layers": True,
}


@pytest.fixture(scope="module")
def texts() -> Dataset:
    """Codes of texts of 1 to 27 tokens, beside a table; the class is whether a 7 is among them."""
    rng = np.random.default_rng(0)
    codes = rng.integers(3, 20, (N, LENGTH))
    sizes = np.minimum(rng.geometric(0.15, N), LENGTH)
    codes[np.arange(LENGTH) >= sizes[:, None]] = 0
    codes[:, 0] = 1
    return Dataset(
        name="toy", source="toy", fingerprint="", encoders={},
        inputs=(
            InputSpec(
                name="text", kind="text", shape=(LENGTH,), cardinalities=(20,), masked=True
            ),
            InputSpec(name="table", kind="table", shape=(2,), cardinalities=(0, 0)),
        ),
        target=TargetSpec(name="has", task="classification", classes=("no", "yes")),
        x={"text": codes.astype(np.int32), "table": rng.normal(size=(N, 2)).astype(np.float32)},
        y=(codes == 7).any(1).astype(np.int64),
        splits=Splits(
            train=np.arange(200), calibration=np.arange(200, 240), validation=np.arange(240, 280),
            test=np.arange(280, N),
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(texts: Dataset) -> DeviceDataset:
    return to_device(texts, torch.device("cpu"), texts.splits.train)


@pytest.mark.parametrize(("text", "cuts"), FAMILIES.items())
def test_a_composite_gives_the_same_without_the_padding(
    texts: Dataset, data: DeviceDataset, text: str, cuts: bool
) -> None:
    only = {spec.name: spec for spec in texts.inputs[:1]}
    model = build(resolve(parse(text), tuple(only.values()), texts.target), seed=1).eval()
    assert model.cuts == (("text",) if cuts else ())
    if not cuts:
        return
    rows = np.flatnonzero((texts.x["text"] > 0).sum(1) <= 8)
    inputs = {"text": data.inputs["text"][torch.from_numpy(rows)]}
    longest = data.lengths.longest(model.cuts, rows)
    assert longest == {"text": 8}
    with torch.no_grad():
        whole, short = model(inputs), model(cut(inputs, longest))
    assert torch.allclose(whole, short, atol=1e-5)


def test_a_table_beside_a_text_may_be_read_whole(texts: Dataset) -> None:
    def cuts(text: str) -> tuple[str, ...]:
        return build(resolve(parse(text), texts.inputs, texts.target)).cuts

    assert cuts("mean(cnn[width=16]:text, mlp[width=16]:table)") == ("text",)
    assert cuts("mean(mlp[width=16]:text, mlp[width=16]:table)") == ()
    assert cuts("transformer[width=16]") == ()  # the table's tokens stand behind the text's


def test_batches_hold_texts_of_a_like_length(texts: Dataset) -> None:
    found = lengths_of(texts)
    assert list(found.by_input) == ["text"]
    sizes = found.total(np.arange(N))
    assert np.array_equal(sizes, (texts.x["text"] > 0).sum(1))
    batch, many = 4, 4 * BATCHES_A_BUCKET * 3 + 3
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(many, generator=generator)
    places = bucket_by_length(order, sizes[:many], batch, generator)
    assert sorted(places.tolist()) == list(range(many))
    assert places[-3:].tolist() == order[-3:].tolist()  # a short last batch stays there
    of_batches = sizes[places[:-3].numpy()].reshape(-1, batch)
    at_random = sizes[order[:-3].numpy()].reshape(-1, batch)
    assert np.ptp(of_batches, axis=1).mean() < 0.3 * np.ptp(at_random, axis=1).mean()
    assert (np.diff(of_batches.mean(1)) < 0).any()  # short and long ones in turn
    near = sizes[found.typical(np.arange(N))]
    assert (np.diff(np.abs(near - sizes.mean())) >= 0).all()


@pytest.mark.parametrize(
    "text",
    [
        "mean(cnn[width=16]:text, mlp[width=16]:table) | average=none",
        "sum(cnn[width=16]:text, gru[width=16]:text) > attention[width=16] train=staged",
        "cnn[width=16]:text init=masked | augment=strong",
    ],
)
def test_trainings_with_texts_cut_give_outputs_in_the_order_asked(
    texts: Dataset, data: DeviceDataset, text: str
) -> None:
    resolved = resolve(parse(text), texts.inputs, texts.target)
    rows = TrainingRows(train=texts.splits.train, calibration=texts.splits.calibration[:0])
    found = train(
        resolved, data, rows, TrainerConfig(device="cpu", batch_size=16, steps=12), seed=0
    )
    model = found.model.eval()
    asked = np.random.default_rng(1).permutation(texts.splits.test)
    with torch.no_grad():
        one_by_one = [
            model({name: x[torch.tensor([row])] for name, x in data.inputs.items()}).softmax(1)
            for row in asked.tolist()
        ]
    assert np.allclose(outputs(model, data, asked, batch_size=8), torch.cat(one_by_one), atol=1e-5)


def test_batches_come_in_few_lengths(texts: Dataset) -> None:
    lengths = lengths_of(texts)
    for rows in np.split(np.arange(N), 64):
        (longest,) = lengths.longest(["text"], rows).values()
        real = (texts.x["text"][rows] > 0).sum(1).max()
        assert longest % 8 == 0  # a length of its own a batch would be planned for anew
        assert real <= longest < real + 8
