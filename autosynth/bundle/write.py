"""Writes a bundle: a trained composite and what it needs to predict, as a folder of data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autosynth.bundle.card import card_text
from autosynth.bundle.folder import (
    CARD,
    ENCODERS,
    MODEL,
    STRATEGY,
    WEIGHTS,
    plainly,
    replacing,
    write_object,
)
from autosynth.bundle.info import Info, to_plain
from autosynth.composite import Composite, Resolved, cost
from autosynth.training.weights import save_weights


def write(
    folder: str | Path,
    *,
    resolved: Resolved,
    model: Composite,
    encoders: Mapping[str, Any],
    center: float = 0.0,
    spread: float = 1.0,
    class_bias: Sequence[float] | None = None,
    card: Mapping[str, Any],
) -> Path:
    """Write a bundle in one step; gives its folder.

    Args:
        folder: where; a bundle that is there already is replaced, anything else never is.
        resolved: the strategy of `model`, with inputs and target.
        model: the trained composite.
        encoders: `Dataset.encoders`.
        center: a regression target's mean over training rows.
        spread: its standard deviation there.
        class_bias: one a class, added to log probabilities where the class is chosen.
        card: what is known of data, training and scores: JSON-able, every key optional.
            `dataset` (its name), `fingerprint`, `n_train`, `n_select`, `n_test` (rows), `metric`,
            `seed`, `trial`, `val` and `test` (score by metric), `refit` (whether these weights saw
            more rows than the search's own model, whose test scores are `search_test` then),
            `latency_ms`, `device`.

    Raises:
        BundleError: the folder holds something else, or cannot be written.
    """
    costs = cost(resolved)
    info = Info(
        strategy=resolved.strategy,
        brief=str(resolved.brief),
        inputs=resolved.inputs,
        target=resolved.target,
        center=float(center),
        spread=float(spread),
        class_bias=None if class_bias is None else tuple(float(value) for value in class_bias),
        flops=costs.flops,
        params=costs.params,
        card=plainly(card),
    )
    place = Path(folder)
    with replacing(place) as temporary:
        write_info(info, temporary)
        write_object(temporary / ENCODERS, encoders)
        save_weights(model, temporary / WEIGHTS)
    return place


def write_info(info: Info, folder: Path) -> None:
    """The files of a bundle that people read: `model.json`, `strategy.txt` and `card.md`."""
    write_object(folder / MODEL, to_plain(info))
    (folder / STRATEGY).write_text(f"{info.strategy}\n", encoding="utf-8")
    (folder / CARD).write_text(card_text(info), encoding="utf-8")
