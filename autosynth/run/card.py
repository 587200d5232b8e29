"""What the card of a bundle says of its model: data, trial, rows, scores and costs.

Takes what a search or a training knows; gives the mapping that `write_bundle` puts into
`model.json`, whose keys are the fields here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autosynth.data.spec import Splits
from autosynth.record import Record


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Where the model of a bundle comes from; what is None is not known, and left out.

    `refit` says whether the weights saw more rows than the search's own model, whose test scores
    are `search_test` then. `n_train` and the like are rows; `n_fit` those of `calibration`, and
    `n_select` those of `validation`.
    """

    dataset: str
    fingerprint: str
    metric: str
    seed: int
    val: Mapping[str, float]
    test: Mapping[str, float]
    flops: int | None
    params: int | None
    latency_ms: float | None = None
    trial: int | None = None
    refit: bool = False
    search_test: Mapping[str, float] | None = None
    n_train: int | None = None
    n_fit: int | None = None
    n_select: int | None = None
    n_test: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """What is known, JSON-able."""
        known = {name: value for name, value in vars(self).items() if value is not None}
        return {n: dict(v) if isinstance(v, Mapping) else v for n, v in known.items()}


def card_of_trial(
    record: Record, *, dataset: str, fingerprint: str, metric: str, **more: Any
) -> dict[str, Any]:
    """The card of a trial's model, with `more` fields of `ModelCard` or others in their place."""
    known = {name: getattr(record, name) for name in ("trial", "seed", "val", "test")}
    known |= {name: getattr(record, name) for name in ("flops", "params", "latency_ms")}
    card = ModelCard(dataset=dataset, fingerprint=fingerprint, metric=metric, **{**known, **more})
    return card.to_dict()


def row_counts(splits: Splits) -> dict[str, Any]:
    """The rows of each split, by the fields of `ModelCard`."""
    return {
        "n_train": len(splits.train),
        "n_fit": len(splits.calibration),
        "n_select": len(splits.validation),
        "n_test": len(splits.test),
    }
