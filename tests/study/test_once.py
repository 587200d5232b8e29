"""Trials on a frozen network: it runs once over the rows, in time that is foreseen."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.budget import Deadline
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.plugin import TASKS
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.job import Job
from autosynth.study.probe import probe
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space
from autosynth.study.trial import run_trial
from autosynth.training.devicedataset import to_device

transformers = pytest.importorskip("transformers", reason="needs autosynth[pretrained]")

SPACE = """
extends = "pretrained"
name = "mine"
families = ["pretrained", "mlp"]
composites = ["pretrained > mlp[width=64]"]
[family.pretrained]
model = ["tiny"]
tune = ["frozen"]
stop = [1, 2]
[defaults.pretrained]
model = "tiny"
tune = "frozen"
stop = 2
[ladder]
pretrained = ["pretrained[stop=1]", "pretrained[stop=2]"]
"""


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    """A probed bench on texts whose class is whether a token is in them."""
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=9,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(tmp_path / "tiny")
    (tmp_path / "tiny" / "tokenizer.json").write_text("{}")
    codes = np.random.default_rng(0).integers(2, 21, (400, 9), dtype=np.int32)
    specs = [
        InputSpec(name=name, of=of, kind="text", shape=(9,), cardinalities=(21,))
        for name, of in (("text", ""), ("text.tiny", "text"))
    ]
    order = np.arange(400)
    dataset = Dataset(
        name="toy", source="toy", inputs=tuple(specs),
        target=TargetSpec(name="y", task="classification", classes=("a", "b")),
        x={spec.name: codes for spec in specs}, y=(codes == 5).any(1).astype(np.int64),
        splits=Splits(train=order[:250], calibration=order[250:300], validation=order[300:350],
                      test=order[350:]),
        encoders={}, fingerprint="",
    )  # fmt: skip
    (tmp_path / "mine.toml").write_text(SPACE)
    space = restrict(load_space(tmp_path / "mine.toml"), dataset.inputs, "classification")
    data = to_device(dataset, torch.device("cpu"), order[:250])
    metric = TASKS["classification"].metrics["accuracy"]
    plan = probe(dataset, data, space, device="cpu", deadline=Deadline.after(38.0), budget=38.0)
    plan = replace(plan, ceiling_seconds=60.0)  # the machine may have other work
    (tmp_path / "trials").mkdir()
    return RunContext(
        dataset=dataset, device_dataset=data, space=space, trainer_config=plan, metric=metric,
        folder=tmp_path, trivial_score=trivial_score(dataset, metric), seed=0,
    )  # fmt: skip


def test_one_trial_pays_for_all_and_it_was_foreseen(context: RunContext) -> None:
    texts = tuple(
        f"pretrained[model=tiny, stop={stop}]{rest}"
        for stop, rest in ((2, " > mlp[width=4]"), (2, ""), (1, ""))
    )
    jobs = [
        Job(number=number, strategy=str(context.resolved(text).strategy))
        for number, text in enumerate(texts)
    ]
    resolved = [context.resolved(job.strategy) for job in jobs]
    assert context.trainer_config.once_seconds["pretrained"] > 0
    assert 0 < context.once_seconds(resolved[0]) < math.inf
    late = replace(jobs[0], number=9, deadline=Deadline.after(-1))
    stopped = run_trial(context, late).record
    assert stopped.state == "stopped"
    assert "before the budget" in stopped.reason
    assert stopped.once_seconds is not None
    records = [run_trial(context, job).record for job in jobs]
    assert [record.state for record in records] == ["complete"] * 3
    # What the stopped one computed stays: the two on the same layers compute nothing.
    assert [record.once_seconds is not None for record in records] == [False, False, True]
    assert [context.once_seconds(each) for each in resolved] == [0.0] * 3
