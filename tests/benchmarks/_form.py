"""A form of data to `mutate.py`: a good file of it, what it stands beside, and what reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autosynth.data import read_dataset
from autosynth.data.load import encode_parts
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.options import DataConfig

Step = Callable[[], object]
PIECES = Batching(most_bytes=1_000, rows=30)


def _nothing(folder: Path) -> None:
    """A file that stands alone."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form of data.

    What is damaged is `data`; `pack` makes the file `name` of it, so that damage may lie inside a
    shell that is whole. `prepare` puts into a folder what the file stands beside. `steps` are what
    is done with the folder when the good file is in it: each is done again with every mutant, as
    a user does, to learn of it and to predict.
    """

    name: str
    data: Callable[[], bytes]
    steps: Callable[[Path], Sequence[Step]]
    pack: Callable[[bytes], bytes] = bytes
    prepare: Callable[[Path], object] = _nothing


def reading(name: str, whole_only: bool = False, **asked: Any) -> Callable[[Path], list[Step]]:
    """Read to learn, whole and piece by piece, and to predict with the encoders of the good file.

    Args:
        name: of the file or the folder inside the folder of the mutant.
        whole_only: it has no pieces.
        asked: options.
    """

    def steps(folder: Path) -> list[Step]:
        path = folder / name
        config = DataConfig.from_arguments({**asked, "seed": 0})
        encoders = read_dataset(path, config).encoders

        def learn(batching: Batching) -> Step:
            return lambda: read_dataset(path, config, batching)

        found = [learn(each) for each in (BY_SIZE, *([] if whole_only else [PIECES]))]
        return [*found, lambda: list(encode_parts(path, encoders))]

    return steps
