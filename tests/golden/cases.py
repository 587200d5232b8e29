"""What the goldens are of: small synthetic data, and a search or training of it, by case.

Takes a generator; gives files as a user has them (a table, a folder of pictures, ...), to train on
or, without their target, to predict. Every `Case` names what is read specially and what is saved
specially in it. `make.py` makes the goldens from it, once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
from PIL import Image

Rng = np.random.Generator
Write = Callable[[Rng, int, Path, bool], Path]
"""Writes so many rows under a stem of a path, with their target or without; gives the path."""
NEW = 8  # rows to predict


@dataclass(frozen=True, kw_only=True)
class Case:
    """One golden: so many `rows` are written and searched; one strategy is a bundle by itself.

    That is the first of `composites`, which the best of the run need not be: it is exported from
    the run. Where there is `trained`, it takes that place, and `train` makes its bundle: no search
    suggests it, or its weights should be kept once. `singles` are what the search trains of a
    family alone, where that is not its default.
    """

    write: Write
    rows: int
    families: tuple[str, ...]
    composites: tuple[str, ...]
    trained: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    singles: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = 200_000


def _table(rng: Rng, n: int) -> pd.DataFrame:
    """Numbers, some missing, categories, dates written in two ways, yes and no."""
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    frame = pd.DataFrame(
        {
            "size": rng.normal(80, 20, n).round(1),
            "age": rng.gamma(2.0, 8.0, n).round(2),
            "town": rng.choice(["Bern", "Lyon", "Oslo", "Turin"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "zip": rng.choice([3000, 4000, 5000], n),
            "garden": rng.choice(["yes", "no"], n),
            "built": days.strftime("%Y-%m-%d"),
            "sold": (days + pd.Timedelta(days=40)).strftime("%d.%m.%Y"),
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    frame.loc[rng.random(n) < 0.1, "town"] = None
    return frame


def _signal(frame: pd.DataFrame) -> pd.Series:
    """What is to be learnt of `_table`; about of spread 1."""
    town = frame["town"].map({"Bern": 0.8, "Oslo": -0.8}).fillna(0.0)
    age = frame["age"].fillna(30.0)
    return (frame["size"] - 80) / 30 - (age - 16) / 24 + town + 0.5 * (frame["garden"] == "yes")


def _saved(frame: pd.DataFrame, stem: Path, target: list[str], labelled: bool) -> Path:
    """The table as CSV, without its target where rows are to be predicted."""
    path = stem.with_suffix(".csv")
    (frame if labelled else frame.drop(columns=target)).to_csv(path, index=False)
    return path


def _prices(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    frame = _table(rng, n)
    price = np.exp(4 + 1.5 * _signal(frame) + rng.normal(0, 0.2, n))
    if not labelled:
        frame.loc[0, ["town", "size"]] = ["Rome", 400.0]  # never seen, and far outside
    return _saved(frame.assign(price=price.round(2)), stem, ["price"], labelled)


def _churn(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    frame = _table(rng, n)
    left = _signal(frame) + rng.normal(0, 0.5, n) > 1.0
    frame = frame.assign(left=np.where(left, "gone", "stays"))
    return _saved(frame, stem, ["left"], labelled)


def _households(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    frame = _table(rng, n)
    signal = _signal(frame)
    frame = frame.assign(
        kind=np.where(signal + rng.normal(0, 0.3, n) > 0.5, "owner", "tenant"),
        income=np.exp(7 + 1.5 * signal + rng.normal(0, 0.2, n)).round(1),
        hours=(30 + 6 * signal + rng.normal(0, 1, n)).round(1),
    )
    return _saved(frame, stem, ["kind", "income", "hours"], labelled)


_WORDS = {
    "good": "fine lovely warm quick friendly bright clean",
    "bad": "cold rude slow broken dirty noisy dull",
    "odd": "strange sideways purple seven upside hollow",
}
_OTHERS = "the room was and we found it staff food very"


def _sentence(rng: Rng, kind: str) -> str:
    own, rest = _WORDS[kind].split(), _OTHERS.split()
    words = [*rng.choice(own, 2), *rng.choice(rest, rng.integers(4, 9))]
    return " ".join(rng.permutation(words))


def _reviews(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    mood = rng.choice(["good", "bad"], n)
    frame = pd.DataFrame({"review": [_sentence(rng, kind) for kind in mood], "mood": mood})
    return _saved(frame, stem, ["mood"], labelled)


def _tickets(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A text beside numbers and a category: some classes are told by one alone."""
    mood, size = rng.choice(list(_WORDS), n), rng.normal(0, 1, n).round(3)
    frame = pd.DataFrame(
        {
            "note": [_sentence(rng, kind) for kind in mood],
            "size": size,
            "floor": rng.choice(["cellar", "ground", "roof"], n),
            "queue": np.where(size > 0.8, "large", mood),
        }
    )
    return _saved(frame, stem, ["queue"], labelled)


def _waves(rng: Rng, n: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Sines of 1 to 3 periods in noise, from any phase; and their periods."""
    periods = rng.integers(1, 4, n)
    phase, at = rng.uniform(0, 6.28, (n, 1)), np.linspace(0, 6.28, steps)
    x = np.sin(periods[:, None] * at + phase) + rng.normal(0, 0.15, (n, steps))
    return x.round(3), periods


def _bills(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """Twelve numbered columns, which become a series, beside a table; labels in one cell."""
    x, periods = _waves(rng, n, 36)
    frame = pd.DataFrame(x[:, :12], columns=[f"bill{i}" for i in range(1, 13)])
    frame["rooms"] = rng.normal(3, 1, n).round(2)
    frame["town"] = rng.choice(["Bern", "Lyon"], n)
    labels = {"wavy": periods > 1, "wide": frame["rooms"] > 3, "north": frame["town"] == "Bern"}
    frame["tags"] = ["|".join(k for k, held in labels.items() if held[i]) for i in range(n)]
    return _saved(frame, stem, ["tags"], labelled)


def _gestures(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """`.ts`: two channels, unequal lengths."""
    lines = ["@univariate false", "@dimensions 2", "@equalLength false"]
    lines += ["@classLabel true one two three" if labelled else "@classLabel false", "@data"]
    for _ in range(n):
        x, periods = _waves(rng, 1, int(rng.integers(20, 31)))
        channels = [x[0], np.roll(x[0], 3).round(3)]
        row = [",".join(map(str, channel)) for channel in channels]
        lines.append(":".join([*row, *([("one", "two", "three")[periods[0] - 1]] * labelled)]))
    path = stem.with_suffix(".ts")
    path.write_text("\n".join(lines) + "\n")
    return path


def _beats(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A table of UCR, without header: a class and 24 steps a line, or the steps alone."""
    x, periods = _waves(rng, n, 24)
    y = np.where(periods > 2, 2, 1)
    rows = np.column_stack([y, x]) if labelled else x
    path = stem.with_suffix(".tsv")
    pd.DataFrame(rows).to_csv(path, sep="\t", header=False, index=False)
    return path


def _springs(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """Arrays: series, and how strong they are."""
    x, periods = _waves(rng, n, 24)
    strength = rng.uniform(0.5, 2.0, n)
    x = (x * strength[:, None]).astype(np.float32)
    path = stem.with_suffix(".npz")
    y = (strength * 10 + periods).astype(np.float32)
    np.savez_compressed(path, **({"x": x, "y": y} if labelled else {"x": x}))
    return path


def _picture(rng: Rng, lines: bool, bright: float) -> np.ndarray:
    """8 by 8 pixels of 3 colours: rows or columns of light."""
    light = np.zeros((8, 8))
    light[rng.integers(0, 2) :: 2] = bright
    light = light if lines else light.T
    noise = rng.normal(0, 20, (8, 8, 3))
    return np.clip(light[..., None] * [1.0, 0.7, 0.4] + noise, 0, 255).astype(np.uint8)


def _shapes(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A folder of pictures with a sub-folder a class; without classes, flat."""
    for number in range(n):
        kind = ("rows", "columns", "dark")[rng.integers(0, 3)]
        folder = stem / kind if labelled else stem
        folder.mkdir(parents=True, exist_ok=True)
        bright = 20.0 if kind == "dark" else 200.0
        picture = _picture(rng, kind == "rows", bright)
        Image.fromarray(picture).save(folder / f"{number:03}.png")
    return stem


def _flats(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A folder with a table, and pictures that an id of it names; tails on both sides of 1000."""
    (stem / "photos").mkdir(parents=True)
    bright, rooms = rng.uniform(20, 240, n), rng.normal(0, 1, n).round(3)
    for number in range(n):
        picture = _picture(rng, True, float(bright[number]))
        Image.fromarray(picture).save(stem / "photos" / f"{number + 1000}.png")
    gain = np.sinh(1.5 * rooms + (bright - 130) / 200 + rng.normal(0, 0.05, n))
    gain = (1000 + gain).round(4)
    frame = pd.DataFrame({"photo": [f"photos/{i + 1000}.png" for i in range(n)], "rooms": rooms})
    _saved(frame.assign(gain=gain), stem / "flats", ["gain"], labelled)
    return stem


def _sounds(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A quarter of a second at 4 kHz, a low or a high tone."""
    for number in range(n):
        kind = ("low", "high")[number % 2]
        folder = stem / kind if labelled else stem
        folder.mkdir(parents=True, exist_ok=True)
        hertz = rng.uniform(200, 500) if kind == "low" else rng.uniform(900, 1500)
        at = np.arange(int(rng.integers(800, 1001))) / 4000
        tone = 0.4 * np.sin(2 * np.pi * hertz * at) + rng.normal(0, 0.03, len(at))
        soundfile.write(folder / f"{number:03}.wav", tone, 4000, subtype="PCM_16")
    return stem


def _films(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A bright spot goes to the left or to the right, in three to five pictures of 10 x 10."""
    for number in range(n):
        kind = ("left", "right")[number % 2]
        folder = (stem / kind if labelled else stem) / f"{number:03}"
        folder.mkdir(parents=True, exist_ok=True)
        places = np.linspace(1, 8, int(rng.integers(3, 6))).round().astype(int)
        for step, place in enumerate(places if kind == "right" else places[::-1]):
            pixels = rng.integers(0, 40, (10, 10), np.uint8)
            pixels[rng.integers(3, 7), place] = 230
            Image.fromarray(pixels).save(folder / f"{step}.png")
    return stem


def _visits(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """Everybody goes on to the next of 14 pages, from anywhere; of a page a column is known."""
    rows = [
        {"visitor": f"v{user:03}", "page": f"p{(start + step) % 14}", "at": 100 * user + step}
        for user, start in enumerate(rng.integers(0, 14, n))
        for step in range(rng.integers(5, 9))
    ]
    if labelled:
        pages = pd.DataFrame({"page": [f"p{i}" for i in range(14)], "length": range(14)})
        pages.to_csv(stem.with_name("pages.csv"), index=False)
    frame = pd.DataFrame(rows).sample(frac=1, random_state=0)
    return _saved(frame, stem, [], labelled)


def _sales(rng: Rng, n: int, stem: Path, labelled: bool) -> Path:
    """A week's pattern on a growing level, the weather beside it; to predict, the last 8 weeks."""
    steps = np.arange(n if labelled else 336)
    warm = np.sin(steps / 30) + rng.normal(0, 0.1, len(steps))
    sold = 50 + 0.1 * steps + 12 * (steps % 7 > 4) + 4 * warm + rng.normal(0, 0.5, len(steps))
    days = pd.date_range("2023-01-02", periods=len(steps)).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"day": days, "sold": sold.round(2), "warm": warm.round(3)})
    return _saved(frame if labelled else frame.tail(56), stem, [], labelled)


CASES: Mapping[str, Case] = {
    # Numbers, gaps, categories, two ways of dates; a target of heavy tails; a number by word.
    "table_regression": Case(
        write=_prices, rows=240, families=("mlp", "transformer"),
        composites=("weighted(mlp, transformer)", "mlp[width=16] > mlp"),
        asked={"target": "price", "columns": {"zip": "category"}},
    ),
    # A stack, fitted out of fold; a temperature, and a bias for a metric of thresholds.
    "table_binary": Case(
        write=_churn, rows=2600, families=("mlp", "transformer"),
        composites=("stack[mlp](mlp, transformer)", "mean(mlp, transformer)"),
        asked={"target": "left", "metric": "f1"},
    ),
    # Two kinds of input in one table; a temperature alone.
    "table_text_multiclass": Case(
        write=_tickets, rows=2600, families=("mlp", "bag"),
        composites=("concat(bag:text, mlp:table)",), asked={"target": "queue"},
        singles={"mlp": "mlp:table"},
    ),
    # Columns that become a series; weights that are fitted; labels in one cell.
    "table_series_multilabel": Case(
        write=_bills, rows=240, families=("mlp", "cnn"),
        composites=("weighted[fit](cnn:series, mlp:table)",),
        asked={"target": "tags", "task": "multilabel"},
    ),
    # A head each for a class, a value of heavy tails, and one as it is.
    "table_targets": Case(
        write=_households, rows=240, families=("mlp", "transformer"),
        composites=("concat(mlp, transformer)",),
        asked={"target": ["kind", "income", "hours"]},
    ),
    # Pictures in sub-folders; a cascade and its threshold.
    "image_multiclass": Case(
        write=_shapes, rows=180, families=("mlp", "cnn"),
        composites=("cascade[0.3](mlp, cnn)", "mean(cnn, mlp)"),
    ),
    # Pictures that a table names; a target of heavy tails on both sides.
    "image_table_regression": Case(
        write=_flats, rows=240, families=("mlp", "cnn"),
        composites=("concat(cnn:image, mlp:table)",), asked={"target": "gain"},
    ),
    # Several channels, unequal lengths; one set of parameters in two places.
    "series_multiclass": Case(
        write=_gestures, rows=150, families=("cnn", "gru"),
        composites=("cnn > gru",),
        trained="sum(gru[depth=1, width=8]@a, "
        "cnn[depth=1, stages=1, width=8] > gru[depth=1, width=8]@a)",
    ),
    # A table of UCR; branches of different length on one stem.
    "series_binary": Case(
        write=_beats, rows=150, families=("cnn", "gru"),
        composites=("attend(cnn > gru, cnn) share=stem", "cnn > gru train=staged"),
    ),
    # Arrays; channel MLPs and norms that are shared.
    "series_regression": Case(
        write=_springs, rows=150, families=("cnn", "gru"),
        composites=("mean(cnn[width=8, expand=2], gru[width=8, expand=2]) share=layers",),
    ),
    # Tokens and their embedding, whose size is fixed: alone it has 350 kB, and stands here once.
    "text_binary": Case(
        write=_reviews, rows=240, families=("bag",), composites=("mean(bag, bag)",),
        trained="mean(bag[ngram=1], attention[width=8, depth=0, heads=2])",
        asked={"target": "mood"}, most_bytes=480_000,
    ),
    "audio_binary": Case(
        write=_sounds, rows=60, families=("cnn",), composites=("cnn > cnn",),
    ),
    # Of the commit that brought them; all others are older.
    "frames_binary": Case(
        write=_films, rows=60, families=("cnn", "gru"), composites=("cnn > gru",),
    ),
    # Histories of items, and what is known of these.
    "ranking": Case(
        write=_visits, rows=200, families=("attention", "gru"),
        composites=("mean(attention, gru)",),
        asked={"target": "page", "user": "visitor", "time": "at", "task": "ranking",
               "features": ["pages.csv"]},
    ),
    # Windows on a level that no training row had; a calendar, and a series beside.
    "forecasting": Case(
        write=_sales, rows=280, families=("mlp", "cnn"),
        composites=("mean(mlp, cnn:series)",),
        asked={"target": "sold", "task": "forecasting", "horizon": 5, "history": 14},
    ),
}  # fmt: skip
