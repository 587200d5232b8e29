"""The contract of a component family, as checks that take one and raise an AssertionError.

What the rest of the house counts on: a part leaves the grid that its family declares, its output
is finite, every parameter learns, a row depends on no other row and on no padding, saved and
loaded weights give the same outputs, and declared FLOPs and parameters are those of the module.
The tests of this package run these very checks over every family there is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from autosynth.components import FAMILIES, Family
from autosynth.composite import Composite, Resolved, build, cost, resolve
from autosynth.composite.layout import config_of
from autosynth.modality import MODALITIES
from autosynth.piece import coarser, n_tokens
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import Part, parse
from autosynth.training.weights import load_weights, save_weights

ROWS = 12
_Case = TypeVar("_Case")
# Of the largest gradient: what is smaller is rounding, and does not learn.
LEAST = 1e-6
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
INPUTS: Mapping[str, InputSpec] = MappingProxyType(
    {name: spec for kind in MODALITIES.values() for name, spec in kind.examples.items()}
)
"""Small inputs of every kind that a part reads."""


def raw_rows(spec: InputSpec, rows: int) -> Tensor:
    """Raw values (rows, *shape) of an input, as a dataset has them.

    Numbers are far from standardised, categories are codes, series and sounds end early, and what
    is missing is NaN: what a part must put up with.
    """
    generator = torch.Generator().manual_seed(1)
    return MODALITIES[spec.kind].example_rows(spec, rows, generator)


@dataclass(frozen=True, kw_only=True)
class FamilyCase:
    """One family with its options, on one input.

    `options` are written as in a strategy: `width=4, depth=2`. `unused` is a pattern of parameters
    that no output depends on, such as a bias that batch normalisation takes out again.
    """

    family: Family
    spec: InputSpec
    options: str = ""
    unused: str = ""

    def __str__(self) -> str:
        """The strategy, and what it reads."""
        masked = "masked " if self.spec.masked else ""
        return f"{self.strategy} on {masked}{self.spec.kind} {self.spec.shape}"

    @property
    def strategy(self) -> str:
        """The family alone, as a strategy."""
        return f"{self.family.name}[{self.options}]" if self.options else self.family.name

    @property
    def resolved(self) -> Resolved:
        """The strategy, for three classes."""
        return resolve(parse(self.strategy), (self.spec,), TARGET)

    def fitted(self) -> tuple[Composite, dict[str, Tensor]]:
        """A network that has seen its inputs, and these."""
        model, raw = build(self.resolved, seed=3), {self.spec.name: raw_rows(self.spec, ROWS)}
        model.fit_inputs(raw)
        return model, raw


def check_output(case: FamilyCase) -> None:
    """One finite output a class and row, in float32, that is not the same for all rows."""
    model, raw = case.fitted()
    out = model(raw).detach()
    must(out.shape == (ROWS, TARGET.n_outputs), f"outputs have shape {tuple(out.shape)}")
    must(out.dtype == torch.float32, f"outputs are {out.dtype}, not float32")
    must(bool(out.isfinite().all()), "an output is not finite")
    must(float(out.std(0).min()) > 0, "an output is the same for all rows")


def check_gradients(case: FamilyCase) -> None:
    """Every parameter has a gradient that is not next to nothing."""
    model, raw = case.fitted()
    model(raw).square().sum().backward()
    sizes = {
        name: 0.0 if p.grad is None else float(p.grad.abs().max())
        for name, p in model.named_parameters()
        if not (case.unused and re.search(case.unused, name))
    }
    still = [name for name, size in sizes.items() if size < LEAST * max(sizes.values())]
    must(not still, f"no gradient reaches {', '.join(still)}")


def check_grid(case: FamilyCase) -> None:
    """It leaves as many tokens as `leaves` says, of its own width where that is an option."""
    part = case.resolved.strategy.root
    assert isinstance(part, Part)
    config = dict(part.config)
    uncut = MODALITIES[case.spec.kind].grid(case.spec, case.family.plane)
    if case.family.reads:
        uncut = case.family.stem_grid(config_of(part), case.spec)
    declared = case.family.leaves(config_of(part), coarser(uncut, int(config.get("patch", 1))))
    model, raw = case.fitted()
    ending = "_out" if "norm" in config else f"_stem_{case.spec.name}"
    (last,) = [name for name in model.modules_by_name if name.endswith(ending)]
    seen: list[Tensor] = []

    def look(_: nn.Module, inputs: object, output: tuple[Tensor, Tensor | None]) -> None:
        seen.append(output[0])

    model.modules_by_name[last].register_forward_hook(look)
    model(raw)
    shape = tuple(seen[0].shape[1:])
    wanted = (n_tokens(declared), config.get("width", shape[-1]))
    must(shape == wanted, f"leaves tokens of shape {shape}, and declares {wanted}")


def check_rows(case: FamilyCase) -> None:
    """In use a row has the same output alone and among others."""
    model, raw = case.fitted()
    model(raw)  # batch normalisation takes statistics
    model.eval()
    x = raw[case.spec.name]
    with torch.no_grad():
        together = model(raw)[:4]
        alone = torch.cat([model({case.spec.name: x[i : i + 1]}) for i in range(4)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def check_padding(case: FamilyCase) -> None:
    """The same weights on more steps or pictures give the same outputs: the end is padding.

    What has weights for every place keeps those of the first; the others must not matter.
    """
    if not (case.spec.masked and len(case.spec.shape) > 1):
        return
    channels, steps, *sides = case.spec.shape
    longer = steps + 7
    wide = replace(case, spec=replace(case.spec, shape=(channels, longer, *sides)))
    model, raw = case.fitted()
    other = build(resolve(case.resolved.strategy, (wide.spec,), TARGET), seed=4)
    there = other.state_dict()
    for name, value in model.state_dict().items():
        there[name][tuple(slice(size) for size in value.shape)].copy_(value)
    x = raw[case.spec.name]
    padding = torch.full((len(x), channels, longer - steps, *sides), torch.nan)
    padded = {case.spec.name: torch.cat([x, padding], 2)}
    with torch.no_grad():
        # Batch normalisation takes statistics in training; they must not see the padding either.
        for _ in ("training", "use"):
            torch.testing.assert_close(model(raw), other(padded), rtol=1e-4, atol=1e-5)
            model.eval(), other.eval()


def check_saved(case: FamilyCase) -> None:
    """Weights that are saved, and loaded into another network, give the same outputs."""
    model, raw = case.fitted()
    model(raw)  # what a training changes beside the weights is saved, too
    again = build(case.resolved, seed=5)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(model, path)
        load_weights(again, path)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(raw), model.eval()(raw), rtol=0, atol=1e-6)


def check_cost(case: FamilyCase) -> None:
    """Declared parameters are those of the modules, declared FLOPs those that PyTorch counts.

    PyTorch's counter knows no Fourier transform, which the picture of a sound is made by: where
    there is a picture, parameters alone are counted.
    """
    model, raw = case.fitted()
    declared, params = cost(case.resolved), sum(p.numel() for p in model.parameters())
    must(declared.params == params, f"declares {declared.params} parameters, and has {params}")
    if MODALITIES[case.spec.kind].picture(case.spec):
        return
    with (
        torch.no_grad(),
        _plain_kernels(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model.eval()(raw)
    counted = counter.get_total_flops() / ROWS
    must(declared.flops == counted, f"declares {declared.flops} FLOPs; counted: {counted}")


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Without the fused kernels that escape PyTorch's counter."""
    (before, *_) = torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before)  # type: ignore[no-untyped-call]


FAMILY_CHECKS: tuple[Callable[[FamilyCase], None], ...] = (
    check_output,
    check_gradients,
    check_grid,
    check_rows,
    check_padding,
    check_saved,
    check_cost,
)


def check_family(
    family: Family,
    *,
    options: str = "",
    inputs: Iterable[InputSpec] = tuple(INPUTS.values()),
    unused: str = "",
) -> None:
    """Hold a component family to its contract, on a small input of every kind that it reads.

    Args:
        family: what an entry point of the group `autosynth.components` names; it need not be
            installed.
        options: as in a strategy (`width=4, depth=2`); by default those of the family.
        inputs: others than `INPUTS`, such as those of the data that it is for.
        unused: a pattern of parameters that no output depends on.

    Raises:
        AssertionError: the contract is broken; a note says on which input, and in which check.
    """
    with registered(family):
        for spec in inputs:
            if family.reads and spec.kind not in family.reads:
                continue
            case = FamilyCase(family=family, spec=spec, options=options, unused=unused)
            run_checks(FAMILY_CHECKS, case)


def run_checks(checks: Iterable[Callable[[_Case], None]], case: _Case) -> None:
    """Hold a case to each check; what one raises has a note of the check and the case."""
    for check in checks:
        try:
            check(case)
        except Exception as error:
            error.add_note(f"{check.__name__}: {case}")
            raise


@contextmanager
def registered(family: Family) -> Iterator[None]:
    """A strategy may name the family, as when its package is installed."""
    before = FAMILIES.get(family.name)
    FAMILIES[family.name] = family
    try:
        yield
    finally:
        if before is None:
            del FAMILIES[family.name]
        else:
            FAMILIES[family.name] = before


def must(holds: bool, otherwise: str) -> None:
    """Raise an AssertionError that says what does not hold."""
    if not holds:
        raise AssertionError(otherwise)
