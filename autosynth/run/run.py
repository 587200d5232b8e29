"""What can be read from a run's folder, and a bundle of any strategy in it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.bundle import export as export_bundle
from autosynth.bundle import write_bundle
from autosynth.bundle.info import card_of_trial
from autosynth.composite import Resolved, build, resolve
from autosynth.data.encoder.registry import input_spec
from autosynth.errors import RunError
from autosynth.leaderboard import build_leaderboard, composing_sentence, remarks
from autosynth.leaderboard import pick as pick_of
from autosynth.record import Record, read_records, weights_path
from autosynth.run.folder import latest
from autosynth.run.state import RUN_FILE, json_object, read_run, read_state, reading
from autosynth.run.why import SearchReasons, search_reasons
from autosynth.scale import scales_from
from autosynth.scratch import scratch
from autosynth.spec import TargetSpec
from autosynth.strategy import parse
from autosynth.study.shelf import KEPT_WEIGHTS
from autosynth.training.weights import load_tensors, load_weights

_AGAIN = "type the run's search again, which makes it anew"


@dataclass(frozen=True)
class Run:
    """A run's folder, and what can be read from it."""

    folder: Path

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What run.toml says."""
        return read_run(self.folder)

    @property
    def metric(self) -> str:
        """The metric that ranks."""
        return str(self.asked["search"]["metric"])

    @property
    def cost(self) -> str:
        """The cost on the other axis."""
        return str(self.asked["search"]["cost"])

    @property
    def records(self) -> list[Record]:
        """The baseline and all trials whose records can be read, by number."""
        return read_records(self.folder)[0]

    @property
    def damage(self) -> tuple[str, ...]:
        """What of this run is damaged and was done without, a sentence each."""
        found = [damage.text for damage in read_records(self.folder)[1]]
        try:
            _ = self._composing
        except RunError as problem:
            found.append(str(problem))
        return tuple(found)

    @property
    def leaderboard(self) -> pd.DataFrame:
        """The ranked table, best first."""
        return build_leaderboard(self.records, metric=self.metric, cost=self.cost)

    @property
    def reasons(self) -> SearchReasons:
        """Why it found what it found: what mattered, and what its time went into."""
        return search_reasons(self.folder, self.asked, self.records)

    @property
    def sentence(self) -> str:
        """Whether composing paid here; not known where that file is damaged."""
        try:
            return self._composing
        except RunError:
            return composing_sentence(None)

    @property
    def _composing(self) -> str:
        path = self.folder / "composing.json"
        if not path.exists():
            return composing_sentence(None)
        with reading(path, _AGAIN):
            return composing_sentence(json_object(path))

    @property
    def finished(self) -> bool:
        """Whether it came to its end; a run that was broken off goes on when asked for again."""
        return read_state(self.folder).finished

    @property
    def best(self) -> Record:
        """The strategy that was chosen. Raises RunError where nothing is complete."""
        return pick_of(self.records, "best", metric=self.metric, cost=self.cost)

    @property
    def warning(self) -> str:
        """What a user should know of the chosen strategy; empty where nothing."""
        return "\n".join(remarks(self.records, metric=self.metric, cost=self.cost))

    @property
    def exported(self) -> str:
        """The strategy that the bundle holds, and its score on test."""
        best = self.best
        scores = best.refit_test or best.test
        again = ", trained again on all rows but test" if best.refit_test else ""
        text = " | ".join(filter(None, (best.strategy, best.settings)))
        said = f"test {self.metric} {scores[self.metric]:.4f}" if self.metric in scores else ""
        return "; ".join(filter(None, (text, said + again)))

    def export(
        self,
        path: str | os.PathLike[str] | None = None,
        pick: str | int = "best",
        max_flops: int | None = None,
        *,
        forms: Sequence[str] = ("pt2",),
        force: bool = False,
    ) -> Path:
        """A bundle with `model.pt2`, compared with the live model on held-out rows.

        Args:
            path: the folder to make; `export` in the run's folder if left out.
            pick: best, cheapest, knee, or the number of a trial; see `leaderboard.pick`.
            max_flops: strategies of more are not considered.
            forms: which files to add: pt2 (`model.pt2`), onnx (`model.onnx`, the extra `onnx`).
            force: whether a bundle of another model in that folder is replaced.
        """
        record = pick_of(
            self.records, pick, metric=self.metric, cost=self.cost, max_flops=max_flops
        )
        target = Path(path) if path is not None else self.folder / "export"
        with scratch("export") as folder:
            source = self.folder / "bundle"
            if record.trial != self.best.trial or not source.is_dir():
                source = self._bundle_of(record, folder / "bundle")
            sample = load_tensors(self.folder / "sample.safetensors")
            export_bundle(source, target, sample=sample, forms=forms, force=force)
        return target

    def _bundle_of(self, record: Record, folder: Path) -> Path:
        """A bundle of any complete trial, from the weights that the search kept."""
        with reading(self.folder / "data.json", _AGAIN):
            data = json_object(self.folder / "data.json")
            resolved, scales = _resolved(data, record), scales_from(data)
            dataset, fingerprint = str(data["name"]), str(data["fingerprint"])
            saved = data.get("card", {})
            facts = {name: saved[name] for name in ("weight", "class_weights") if name in saved}
        model = build(resolved, record.seed)
        weights = weights_path(self.folder, record.trial)
        if not weights.exists():
            why = (
                f"the disk's limit {KEPT_WEIGHTS.variable}" if record.weights_dropped else "a loss"
            )
            raise RunError(
                f"the weights of trial {record.trial} are gone, by {why}; pick another, or train "
                "its strategy with `autosynth train`"
            )
        load_weights(model, weights)
        return write_bundle(
            folder,
            resolved=resolved,
            model=model,
            encoders=data["encoders"],
            scales=scales,
            calibration=record.calibration,
            card=card_of_trial(
                record,
                dataset=dataset,
                fingerprint=fingerprint,
                metric=self.metric,
                **facts,
            ),
        )


def _resolved(data: dict[str, Any], record: Record) -> Resolved:
    inputs = [input_spec(fitted) for fitted in data["encoders"]["inputs"]]
    target = TargetSpec.from_dict(data["target"])
    return resolve(parse(record.canonical), inputs, target)


def open_run(path: str | os.PathLike[str] | None = None) -> Run:
    """The run in a folder, or the one that was worked on last."""
    folder = latest() if path is None else Path(path)
    if not (folder / RUN_FILE).exists():
        read_run(folder)
    return Run(folder)
