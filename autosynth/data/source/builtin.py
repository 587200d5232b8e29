"""The sets that come with AutoSynth: no file and no network needed.

Gives them as a reader would, so that they take the same way as a user's own data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autosynth.data.source import mnist1d
from autosynth.data.source.arrays import make_rows
from autosynth.data.source.raw import Raw, RawRows


@dataclass(frozen=True, kw_only=True)
class Builtin:
    """A built-in set: its name, one line about it, and what reads it."""

    name: str
    description: str
    read: Callable[[], Raw]


def _sklearn() -> Any:
    # Late: it brings scipy.stats, and takes 0.6 s of a processor where own data need neither.
    return import_module("sklearn.datasets")


def _digits() -> Raw:
    # The file itself, a picture a line and its digit last: who searches pictures needs no more.
    place = find_spec("sklearn")
    assert place is not None
    assert place.submodule_search_locations
    path = Path(place.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    cells = np.loadtxt(path, delimiter=",")
    main = make_rows(cells[:, :-1].reshape(-1, 8, 8), cells[:, -1].astype(np.int64), "digits")
    return Raw(
        name="digits", source="digits", target="digit", main=main, kind="image", labels=True
    )


def _mnist1d() -> Raw:
    x, y, x_test, y_test = mnist1d.generate()
    return Raw(
        name="mnist1d",
        source="mnist1d",
        target="digit",
        main=make_rows(x, y, "mnist1d"),
        test=make_rows(x_test, y_test, "mnist1d"),
        kind="series",
        labels=True,
    )


def _table(name: str, target: str, bunch: Any) -> Raw:
    frame = bunch.data
    y: pd.Series[Any] = bunch.target
    if "target_names" in bunch:
        y = y.map(dict(enumerate(str(label) for label in bunch.target_names)))
    main = RawRows(x=frame, y=y.rename(target), index=range(len(frame)))
    return Raw(name=name, source=name, target=target, main=main, kind="table")


def _breast_cancer() -> Raw:
    return _table("breast_cancer", "diagnosis", _sklearn().load_breast_cancer(as_frame=True))


def _wine() -> Raw:
    return _table("wine", "cultivar", _sklearn().load_wine(as_frame=True))


def _iris() -> Raw:
    return _table("iris", "species", _sklearn().load_iris(as_frame=True))


def _diabetes() -> Raw:
    bunch = _sklearn().load_diabetes(as_frame=True, scaled=False)
    return _table("diabetes", "progression", bunch)


BUILTIN: dict[str, Builtin] = {
    builtin.name: builtin
    for builtin in (
        Builtin(
            name="digits",
            description="1,797 grey images of handwritten digits, 8x8, 10 classes",
            read=_digits,
        ),
        Builtin(
            name="mnist1d",
            description="5,000 series of 40 steps, digit-like shapes, 10 classes, official test",
            read=_mnist1d,
        ),
        Builtin(
            name="breast_cancer",
            description="569 tumours, 30 numbers each, malignant or benign",
            read=_breast_cancer,
        ),
        Builtin(name="wine", description="178 wines, 13 numbers each, 3 cultivars", read=_wine),
        Builtin(name="iris", description="150 flowers, 4 numbers each, 3 species", read=_iris),
        Builtin(
            name="diabetes",
            description="442 patients, 10 numbers each; regression of the disease's progression",
            read=_diabetes,
        ),
    )
}
