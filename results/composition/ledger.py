"""What one training of the study gave: a line of JSON, added to a file when it ends, and back.

What is in the file is not trained again. Which test rows were hit is kept, a bit a row, so that
any two strategies can be compared row by row later.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.errors import RunError


@dataclass(frozen=True, kw_only=True)
class Run:
    """One strategy under one seed. Scores by metric name, higher is better.

    `flops` are those expected of a sample at inference, `train_flops` the whole training's. `hits`
    are the test rows that were right, `packed`; of two classes `odds` are the log odds, half
    precision, `packed` too.
    """

    strategy: str
    seed: int
    select: Mapping[str, float]
    test: Mapping[str, float]
    flops: int
    worst_flops: int
    params: int
    train_flops: float
    train_seconds: float
    hits: str
    odds: str = ""


def read(path: Path) -> list[Run]:
    """All runs of a file; none where there is no file.

    Raises:
        RunError: a line is not a run, and not the last one, which may have been cut off.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Run(**json.loads(line)))
        except (ValueError, TypeError) as error:
            if number < len(lines):
                raise RunError(f"{path}:{number} is not a run of this study; delete it") from error
    return found


def append(path: Path, run: Run) -> None:
    """Add a run as a line of its own; what a run that was killed left of a line is dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def pack(values: NDArray[Any]) -> str:
    """Bits, or half-precision numbers, as text."""
    raw = np.packbits(values) if values.dtype == bool else values.astype("<f2")
    return base64.b64encode(raw.tobytes()).decode("ascii")


def unpack_bits(text: str, n: int) -> NDArray[np.bool_]:
    """The first `n` bits of what `pack` gave."""
    raw = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    return np.unpackbits(raw, count=n).astype(bool)


def unpack_numbers(text: str) -> NDArray[np.float64]:
    """The numbers of what `pack` gave."""
    return np.frombuffer(base64.b64decode(text), dtype="<f2").astype(np.float64)


def by_strategy(runs: Sequence[Run]) -> dict[str, dict[int, Run]]:
    """The runs of each strategy by seed."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(run.strategy, {})[run.seed] = run
    return found
