"""Parts that are no networks as exported programs, against the library that fitted them.

Why: a forest in `model.pt2` is worth having where it says what scikit-learn's says, and is not
slower than it; and so for a linear map on Rocket's features.

How: `python tests/benchmarks/exported.py [--quick] [--threads N] [--out FILE]`

A made table of ten numbers, some missing, and two categories; made series of 150 steps. Each part
is fitted to 4,000 rows, and its program is held against the library's own model, fitted with the
same settings to the same features, on 1,000 others: the largest difference of a probability, and
the median time for 1,000 rows and for one. What Rocket's features are held against is in
`tests/components/test_rocket.py`; here its program is held against the live model.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from _common import interleave, machine, make_parser, parse, put_machine, put_table, save, spread
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from torch import Tensor, nn
from torch.export import Dim

from autosynth.composite import Composite, build, resolve
from autosynth.modality.registry import features_of
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse as parse_strategy
from autosynth.testing.fitted import fit_parts

TABLE = InputSpec(name="x", kind="table", shape=(12,), cardinalities=(0,) * 10 + (6, 40))
SERIES = InputSpec(name="x", kind="series", shape=(1, 150))
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
TRAIN, TEST = 4_000, 1_000


class Probabilities(nn.Module):
    """A composite that takes its one input without a name, and gives probabilities."""

    def __init__(self, model: Composite) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(batch, classes)."""
        found: Tensor = self.model({"x": x}).softmax(1)
        return found


@dataclass(frozen=True, kw_only=True)
class Case:
    """A strategy on an input, and the library's model of the same; None for the live one.

    Where the part counts one vote more, shared by all classes, `votes` are those of the library.
    """

    strategy: str
    spec: InputSpec
    library: Callable[[], HistGradientBoostingClassifier | ExtraTreesClassifier] | None = None
    votes: int = 0


CATEGORIES = [card > 0 for card in TABLE.cardinalities]
CASES = (
    Case(
        strategy="boosting",
        spec=TABLE,
        library=lambda: HistGradientBoostingClassifier(
            categorical_features=CATEGORIES, random_state=0, early_stopping=False
        ),
    ),
    Case(
        strategy="trees",
        spec=TABLE,
        library=lambda: ExtraTreesClassifier(
            n_estimators=100, max_depth=20, min_samples_leaf=3, random_state=0, n_jobs=1
        ),
        votes=100,
    ),
    Case(strategy="rocket[features=2000, groups=8]", spec=SERIES),
)


def rows(spec: InputSpec, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Made rows of an input, and classes that go with them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    if spec.kind == "series":
        phase = rng.uniform(0, 6, (n, 1, 1))
        steps = np.arange(spec.shape[1]) * (0.2 + 0.1 * y[:, None, None]) + phase
        x = np.sin(steps) + rng.normal(0, 1, (n, *spec.shape))
    else:
        x = rng.normal(y[:, None] * rng.uniform(0, 0.5, 12), 1, (n, 12))
        x[rng.random(x.shape) < 0.05] = np.nan
        x[:, 10] = (rng.integers(0, 4, n) + y) % 6
        x[:, 11] = rng.integers(0, 40, n)
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)


def program_of(case: Case) -> tuple[Composite, nn.Module]:
    """The part, fitted; and its exported program."""
    x, y = rows(case.spec, TRAIN, 0)
    model = build(resolve(parse_strategy(case.strategy), (case.spec,), TARGET))
    model.fit_inputs({"x": x})
    fit_parts(model, {"x": x}, y)
    live = Probabilities(model.eval().requires_grad_(False))
    free = {0: Dim("batch", min=1)}
    program = torch.export.export(live, (x[:2],), dynamic_shapes=(free,))
    module: nn.Module = program.module()
    return model, module


def library_of(case: Case, model: Composite) -> Callable[[Tensor], np.ndarray]:
    """The library's model on what it reads: probabilities of rows."""
    if case.library is None:
        live = Probabilities(model)
        return lambda x: live(x).numpy()
    fitted = case.library()

    def read(x: Tensor) -> np.ndarray:
        return features_of((x,), (case.spec,)).numpy()

    x, y = rows(case.spec, TRAIN, 0)
    fitted.fit(read(x), y.numpy())
    if not case.votes:
        return lambda x: fitted.predict_proba(read(x))
    even, most = 1 / len(TARGET.classes), case.votes + 1
    return lambda x: (fitted.predict_proba(read(x)) * case.votes + even) / most


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Measure every case, and print a table."""
    args = parse(make_parser(__doc__, repeats=15))
    found = machine("cpu")
    put_machine(found)
    table = []
    for case in CASES:
        model, program = program_of(case)
        library = library_of(case, model)
        x, _ = rows(case.spec, TEST, 1)
        with torch.inference_mode():
            off = float(np.abs(program(x).numpy() - library(x)).max())
            cells = [case.strategy, f"{off:.1e}"]
            for n in (TEST, 1):
                arms = {
                    "program": partial(timed, partial(program, x[:n])),
                    "library": partial(timed, partial(library, x[:n])),
                }
                times = interleave(arms, 2 if args.quick else args.repeats)
                cells += [spread(times[name]).text(2) for name in arms]
        table.append(tuple(cells))
    put_table(
        ("part", "largest difference", "1,000 rows, ms", "library", "one row, ms", "library"),
        table,
    )
    save(args, "exported", found, {"rows": table})


if __name__ == "__main__":
    main()
