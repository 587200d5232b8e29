"""Whether a bundle is as it was written: the sums of its files, and that it opens."""

from dataclasses import dataclass
from pathlib import Path

from autosynth.bundle.folder import CARD, MODEL, find, sha256_of
from autosynth.bundle.info import read_info
from autosynth.bundle.model import load
from autosynth.errors import BundleError


@dataclass(frozen=True, kw_only=True)
class Verified:
    """A bundle that opens, and the files whose sums were compared; none of an earlier format."""

    folder: Path
    files: tuple[str, ...]


def verify(bundle: str | Path) -> Verified:
    """Compare the files of a bundle with the sums in its `model.json`, and open it.

    Args:
        bundle: its folder, or that of a run that holds it.

    Raises:
        BundleError: a file is missing, was changed or is none of the bundle's; all are named. Or
            the bundle cannot be opened.
    """
    folder = find(bundle)
    known = read_info(folder).files
    there = {path.name for path in folder.iterdir()}
    wrong = [f"{name} is missing" for name in known if name not in there]
    wrong += [
        f"{name} is not what was written"
        for name, expected in known.items()
        if name in there and sha256_of(folder / name) != expected
    ]
    if known:
        own = {*known, MODEL, CARD}
        wrong += [f"{name} is none of its files" for name in sorted(there - own)]
    if wrong:
        raise BundleError(
            f"{str(folder)!r} is not the bundle that was written: {'; '.join(wrong)}. Copy the "
            "whole folder again, or export it again"
        )
    load(folder)
    return Verified(folder=folder, files=tuple(known))
