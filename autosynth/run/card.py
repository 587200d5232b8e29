"""What the card of a bundle says of its model, from what a search or a training knows of it."""

from typing import Any

from autosynth.bundle import ModelCard
from autosynth.record import Record
from autosynth.spec import Splits


def card_of_trial(
    record: Record, *, dataset: str, fingerprint: str, metric: str, **more: Any
) -> ModelCard:
    """The card of a trial's model, with `more` fields of `ModelCard` or others in their place."""
    known = {name: getattr(record, name) for name in ("trial", "seed", "val", "test")}
    known |= {name: getattr(record, name) for name in ("flops", "params", "latency_ms")}
    return ModelCard(dataset=dataset, fingerprint=fingerprint, metric=metric, **{**known, **more})


def row_counts(splits: Splits) -> dict[str, Any]:
    """The rows of each split, by the fields of `ModelCard`."""
    return {
        "n_train": len(splits.train),
        "n_calibration": len(splits.calibration),
        "n_validation": len(splits.validation),
        "n_test": len(splits.test),
    }
