"""The sets of the benchmark, of every kind: where they are, and what a search would be asked."""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from autosynth.data import read_dataset
from autosynth.options import Options
from autosynth.run.prepare import prepare_metric, prepare_space
from autosynth.spec import Dataset
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.probe import fixed_plan
from autosynth.training.devicedataset import to_device

sys.path.append(str(Path(__file__).resolve().parents[1]))
from prepared import AIRLINE_DROPPED, PREPARED, prepared

SETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "digits": ("digits", {}),
    "mnist1d": ("mnist1d/mnist1d.npz", {}),
    "CricketX": ("ucr/CricketX", {}),
    "adult": ("adult", {"target": "column15", "metric": "roc_auc"}),
    "credit_taiwan": (
        "credit_taiwan/UCI_Credit_Card.csv",
        {"target": "Default", "metric": "roc_auc"},
    ),
    "diamonds": ("diamonds/diamonds.csv", {"target": "price"}),
    "trec": ("trec", {}),
    "airline_tweets": (
        "airline_tweets/Tweets.csv",
        {"target": "airline_sentiment", "drop": AIRLINE_DROPPED},
    ),
    "pneumonia": ("pneumonia_mnist/pneumoniamnist.npz", {"metric": "roc_auc"}),
    "fsdd": ("fsdd_table", {"target": "digit", "drop": ("speaker",)}),
    "ETTh1": ("ett/ETTh1.csv", {"task": "forecasting", "target": "OT", "horizon": 24}),
    "JapaneseVowels": ("uea/JapaneseVowels", {}),
}
"""Below a folder of public sets (or built in), and options; splits are those of seed 0."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkSet:
    """One set, as a search would see it, on the processor."""

    name: str
    data: Path

    @cached_property
    def options(self) -> Options:
        """As a search is asked, by arguments."""
        return Options.from_arguments({**SETS[self.name][1], "device": "cpu", "seed": 0})

    @cached_property
    def dataset(self) -> Dataset:
        """Read and split."""
        source = SETS[self.name][0]
        if source in PREPARED:
            folder = prepared(source, self.data, Path(tempfile.gettempdir()))
            return read_dataset(str(folder), self.options)
        known = self.data / source
        return read_dataset(
            source if source == self.name == "digits" else str(known), self.options
        )

    @cached_property
    def context(self) -> RunContext:
        """What a trial would have, with the schedule that the data asks for."""
        dataset = self.dataset
        metric = prepare_metric(dataset, self.options)
        n_train = len(dataset.splits.train)
        return RunContext(
            dataset=dataset,
            device_dataset=to_device(dataset, torch.device("cpu"), dataset.splits.train),
            space=prepare_space(dataset, self.options),
            trainer_config=fixed_plan(
                "cpu", n_train, inputs=dataset.inputs, target=dataset.target
            ),
            metric=metric,
            trivial_score=trivial_score(dataset, metric),
            folder=Path(tempfile.gettempdir()),
            seed=0,
        )
