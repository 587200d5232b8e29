"""What every benchmark shares: options, the machine it ran on, interleaved repetitions, a table.

Nothing is measured against a clock of another day or machine: a benchmark runs its arms in turn,
A B B A A B ..., and reports the median of the paired ratios with the least and the largest.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from autosynth import __version__

_PACKAGES = ("torch", "numpy", "optuna", "scikit-learn", "pandas")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Repetitions of one measure: their median, the least, the largest, how many."""

    median: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 2, scale: float = 1.0) -> str:
        """The median, and the range in brackets."""
        middle, low, high = (f"{v * scale:.{digits}f}" for v in (self.median, self.low, self.high))
        return f"{middle} ({low}-{high})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of some repetitions."""
    return Spread(
        median=statistics.median(values), low=min(values), high=max(values), n=len(values)
    )


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The spread of quotients of repetitions that were run side by side."""
    return spread([a / b for a, b in zip(above, below, strict=True)])


def interleave(
    arms: Mapping[str, Callable[[], float]], repeats: int, *, warm: bool = True
) -> dict[str, list[float]]:
    """Run every arm in turn, and the turns backwards each second time.

    Args:
        arms: each gives the measure of one repetition.
        repeats: of each arm.
        warm: run each once before, unmeasured.
    """
    names = list(arms)
    found: dict[str, list[float]] = {name: [] for name in names}
    for name in names if warm else ():
        arms[name]()
    for number in range(repeats):
        for name in names if number % 2 == 0 else reversed(names):
            found[name].append(arms[name]())
    return found


def make_parser(about: str, *, repeats: int = 5) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny: shows that it runs, no more")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"of each arm ({repeats})")
    parser.add_argument("--threads", type=int, help="of PyTorch (its own choice)")
    parser.add_argument("--seed", type=int, default=0, help="(0)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON too")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments, with the threads set."""
    args = parser.parse_args()
    if args.quick:
        args.repeats = min(args.repeats, 2)
    if args.threads:
        torch.set_num_threads(args.threads)
    return args


def machine(device: str = "cpu") -> dict[str, Any]:
    """Where it runs: processor, cores, threads, load, versions."""
    cuda = device.startswith("cuda")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "environment": {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "MKL_"))},
        "device": torch.cuda.get_device_name(torch.device(device)) if cuda else "cpu",
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {"autosynth": __version__, **{name: version(name) for name in _PACKAGES}},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def put(*lines: str) -> None:
    """Lines on standard output, at once."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def put_machine(found: Mapping[str, Any]) -> None:
    """Two lines about the machine, and a warning where it has other work."""
    versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
    put(
        f"machine   {found['processor']}, {found['cores']} cores, {found['threads']} threads, "
        f"device {found['device']}, {found['system']}",
        f"versions  python {found['python']}, {versions}",
    )
    if found["load_at_start"] > 0.5:
        put(f"warning   the load was {found['load_at_start']} at the start: figures may be off")
    put("")


def put_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as what stands in them; the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        first, *rest = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        put("  ".join([first.strip().ljust(widths[0]), *rest]))
    put("")


def save(
    args: argparse.Namespace, benchmark: str, where: Mapping[str, Any], results: Mapping[str, Any]
) -> None:
    """Write everything that was measured, where `--out` asks for it."""
    if args.out is None:
        return
    content = {
        "benchmark": benchmark,
        "made": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        "options": {k: v for k, v in vars(args).items() if k != "out"},
        "machine": where,
        "results": results,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    put(f"written   {args.out}")


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Spread) else str(value)
