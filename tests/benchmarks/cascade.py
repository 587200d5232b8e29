"""The time a cascade takes for a batch, as a ratio to what its parts should take.

Why: a cascade must skip the work of the rows that it is sure of, in eager and in exported form.
With a fifth of the rows going on to a part at least four times as dear, it may take at most 1.25
times what the first part takes for all rows and the second for a fifth of them.

How: `python tests/benchmarks/cascade.py [--quick] [--threads N] [--out FILE]`

A batch of 256 random images; the threshold is set so that a fifth go on. t1 and t2 are the parts
alone on all 256 rows; the figure is t / (t1 + .2 t2), each the median of several calls, in turn.
"""

import argparse
import time
from collections.abc import Callable

import torch
from _common import (
    interleave,
    machine,
    make_parser,
    parse,
    put,
    put_machine,
    put_table,
    save,
    spread,
)
from torch import Tensor, nn
from torch.export import Dim

from autosynth.composite import Composite, build, resolve
from autosynth.composite.join import Gate
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse as parse_strategy

SPEC = InputSpec(name="x", kind="image", shape=(1, 28, 28))
TARGET = TargetSpec(name="y", task="classification", classes=tuple("0123456789"))
ROWS, GOING, MOST = 256, 0.2, 1.25
PAIRS = (
    ("cnn[width=16, depth=3]", "cnn[width=48, depth=4, patch=1]"),
    ("mlp[width=64]", "cnn[width=32, depth=3]"),
    ("cnn[width=8, depth=3, patch=4]", "transformer[width=64, depth=3]"),
)


class Raw(nn.Module):
    """A composite that takes its one input without a name."""

    def __init__(self, model: Composite) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, classes)."""
        outputs: Tensor = self.model({"x": x})
        return outputs


def exported(model: nn.Module) -> nn.Module:
    free = {0: Dim("batch", min=1)}
    program = torch.export.export(model, (torch.zeros(2, *SPEC.shape),), dynamic_shapes=(free,))
    module: nn.Module = program.module()
    return module


def network(text: str, x: Tensor) -> Raw:
    model = build(resolve(parse_strategy(text), (SPEC,), TARGET)).eval().requires_grad_(False)
    for at, step in enumerate(model.program.steps, start=len(model.inputs)):
        gate = model.modules_by_name[step.name]
        if isinstance(gate, Gate):
            gate.fit_post_hoc(
                model.values({0: x}, model.program.step(at).args), torch.zeros(len(x))
            )
    return Raw(model)


def seconds(module: nn.Module, x: Tensor) -> Callable[[], float]:
    def call() -> float:
        start = time.perf_counter()
        module(x)
        return time.perf_counter() - start

    for _ in range(2):
        call()
    return call


def compared(pair: tuple[str, str], args: argparse.Namespace) -> list[dict[str, object]]:
    x = torch.randn(ROWS, *SPEC.shape)
    texts = (*pair, f"cascade[{GOING}]({pair[0]}, {pair[1]})")
    found = []
    with torch.no_grad():
        networks = [network(text, x) for text in texts]
        for form, modules in (("eager", networks), ("exported", list(map(exported, networks)))):
            names = ("first", "second", "both")
            arms = {n: seconds(m, x) for n, m in zip(names, modules, strict=True)}
            times = {n: spread(v).median for n, v in interleave(arms, args.repeats).items()}
            should = times["first"] + GOING * times["second"]
            found.append(
                {"cascade": texts[-1], "form": form, **times, "ratio": times["both"] / should}
            )
    return found


def main() -> None:
    parser = make_parser(__doc__ or "", repeats=15)
    args = parse(parser)
    where = machine()
    put_machine(where)
    found = [each for pair in PAIRS[: 1 if args.quick else None] for each in compared(pair, args)]
    heads = ("cascade", "form", "t1 ms", "t2 ms", "t ms", "t / (t1 + .2 t2)")
    put_table(heads, [
        (str(e["cascade"]), str(e["form"]),
         *(f"{1000 * float(str(e[n])):.1f}" for n in ("first", "second", "both")),
         f"{float(str(e['ratio'])):.2f}")
        for e in found
    ])  # fmt: skip
    worst = max(float(str(e["ratio"])) for e in found)
    put(f"target    at most {MOST}: the largest is {worst:.2f}")
    save(args, "cascade", where, {"cascades": found})


if __name__ == "__main__":
    main()
