"""The contract of a family whose parts are no networks, as checks like those of `family.py`.

What the rest of the house counts on: fitted to rows, a part has one finite output a class and
row; fitted again, it is the same to the bit; a row depends on no other; rows that weigh more are
learnt rather, where it takes weights; saved, and loaded into a part of other sizes, it gives the
same; it is exported with any number of rows; and as it is fitted it costs no more than its family
said before.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.components.linear import Linear
from autosynth.composite import Composite, Resolved, build, cost, resolve
from autosynth.modality import MODALITIES
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.task.loss import loss_of
from autosynth.testing.family import INPUTS, must, raw_rows, registered, run_checks
from autosynth.training.weights import load_weights, save_weights

FITTED_ROWS = 120
_LABELS = ("a", "b", "c")
_NUMBER = TargetSpec(name="n", task="regression")
_CODES = TargetSpec(name="y", task="classification", classes=_LABELS)
TARGETS = (
    _CODES,
    TargetSpec(name="y", task="classification", classes=_LABELS[:2]),
    _NUMBER,
    TargetSpec(name="y", task="multilabel", classes=_LABELS),
    TargetSpec(name="y", task="multitask", parts=(_NUMBER, _CODES)),
    TargetSpec(name="y", task="forecasting", steps=3, base="past"),
    TargetSpec(name="y", task="ranking", classes=tuple(map(str, range(17)))),
)
PAST_INPUT = InputSpec(name="past", kind="series", shape=(2, 24), anchored=True)
"""What a forecast is made from."""


@dataclass(frozen=True, kw_only=True)
class FittedCase:
    """One family with its options, on one input and for one target.

    Of a part that stands after another, `before` is that one, as a strategy writes it: it reads
    the input.
    """

    family: FittedFamily
    spec: InputSpec
    target: TargetSpec = _CODES
    options: str = ""
    before: str = ""

    def __str__(self) -> str:
        """The strategy, what it reads and what it is for."""
        return f"{self.strategy} on {self.spec.kind} {self.spec.shape}, {self.target.task}"

    @property
    def strategy(self) -> str:
        """The family alone, or after what it reads, as a strategy."""
        own = f"{self.family.name}[{self.options}]" if self.options else self.family.name
        return f"{self.before} > {own}" if self.before else own

    @property
    def resolved(self) -> Resolved:
        """The strategy, for its target."""
        return resolve(parse(self.strategy), (self.spec,), self.target)

    def fitted(self, seed: int = 3) -> tuple[Composite, dict[str, Tensor]]:
        """A composite of the part alone that is fitted to its inputs, and these."""
        model, raw = (
            build(self.resolved, seed=seed),
            {self.spec.name: raw_rows(self.spec, FITTED_ROWS)},
        )
        model.fit_inputs(raw)
        fit_parts(model, raw, true_values(self.target, raw[self.spec.name]))
        return model.eval(), raw


def true_values(target: TargetSpec, raw: Tensor) -> Tensor:
    """True values, as a training has them, that go with how much the values of a row differ."""
    spread = raw.float().nan_to_num().flatten(1).std(1)
    place = spread.argsort().argsort() / len(raw)  # from 0 to 1, by rank
    if target.is_coded:
        return (place * target.n_outputs).long()
    if target.base:
        return 2 * (place.unsqueeze(1) > torch.linspace(0.2, 0.8, target.steps)).float() - 1
    if target.parts:
        columns = [true_values(part, raw).reshape(len(raw), -1).float() for part in target.parts]
        return torch.cat(columns, 1)
    if target.classes:
        cuts = torch.arange(1, target.n_outputs + 1) / (target.n_outputs + 1)
        return (place.unsqueeze(1) > cuts).float()
    return 2 * place - 1


def _opposite(target: TargetSpec, y: Tensor) -> Tensor:
    """True values that say the opposite of these."""
    if target.parts:
        return torch.cat([_opposite(part, y[:, at]) for part, _, at in target.fields], 1)
    if target.is_coded:
        return target.n_outputs - 1 - y
    return 1 - y if target.classes else -y


def fit_parts(
    model: Composite, raw: dict[str, Tensor], y: Tensor, weights: Tensor | None = None
) -> None:
    """Fit the parts of a composite that are no networks to all rows given, with their weights."""
    known = {i: raw[name] for i, name in enumerate(model.inputs)}
    for step in model.steps:
        module = model.modules_by_name[step.name]
        if isinstance(module, FittedModel):
            module.fit(FitRows(raw=tuple(model.values(known, step.args)), y=y, weights=weights))


def check_fitted_output(case: FittedCase) -> None:
    """One finite output a class and row, in float32, that is not the same for all rows."""
    model, raw = case.fitted()
    with torch.no_grad():
        out = model(raw)
    must(
        out.shape == (FITTED_ROWS, case.target.n_outputs), f"outputs have shape {tuple(out.shape)}"
    )
    must(out.dtype == torch.float32, f"outputs are {out.dtype}, not float32")
    must(bool(out.isfinite().all()), "an output is not finite")
    must(float(out.std(0).max()) > 0, "the outputs are the same for all rows")


def check_fitted_twice(case: FittedCase) -> None:
    """Fitted to the same rows with the same seed, it is the same."""
    (one, raw), (other, _) = case.fitted(), case.fitted()
    with torch.no_grad():
        torch.testing.assert_close(other(raw), one(raw), rtol=0, atol=0)


def check_fitted_rows(case: FittedCase) -> None:
    """A row has the same output alone and among others; there may be none, in a cascade."""
    model, raw = case.fitted()
    x = raw[case.spec.name]
    with torch.no_grad():
        together = model(raw)[:4]
        alone = torch.cat([model({case.spec.name: x[i : i + 1]}) for i in range(4)])
        if not MODALITIES[case.spec.kind].picture(case.spec):  # which is made before rows part
            none = model({case.spec.name: x[:0]})
            must(none.shape == (0, case.target.n_outputs), f"of no row: {tuple(none.shape)}")
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


def check_fitted_weights(case: FittedCase) -> None:
    """Of rows that stand twice, with values that contradict each other, the heavy ones are learnt.

    Not of a part that takes no weights: it is not fitted to rows that have some.
    """
    raw = {case.spec.name: raw_rows(case.spec, FITTED_ROWS)}
    y = true_values(case.target, raw[case.spec.name])
    other = _opposite(case.target, y)
    twice = {name: torch.cat([x, x]) for name, x in raw.items()}
    heavy = torch.cat([torch.ones(FITTED_ROWS), torch.full((FITTED_ROWS,), 0.02)])
    losses = []
    for weights in (heavy, heavy.flip(0)):
        model = build(case.resolved, seed=3)
        model.fit_inputs(raw)
        if not any(getattr(m, "takes_weights", False) for m in model.modules_by_name.values()):
            return
        fit_parts(model, twice, torch.cat([y, other]), weights)
        with torch.no_grad():
            losses.append(float(loss_of(case.target, model.eval()(raw), y)))
    must(losses[0] < 0.99 * losses[1], f"losses on the heavy and the light rows: {losses}")


def check_fitted_saved(case: FittedCase) -> None:
    """What is saved, and loaded into a part that was never fitted, gives the same outputs."""
    model, raw = case.fitted()
    again = build(case.resolved, seed=5)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(model, path)
        load_weights(again, path)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(raw), model(raw), rtol=0, atol=0)
    must(cost(case.resolved, again) == cost(case.resolved, model), "loaded, it costs otherwise")


def check_fitted_cost(case: FittedCase) -> None:
    """As fitted it costs something, and no more than was said before."""
    model, _ = case.fitted()
    before, after = cost(case.resolved), cost(case.resolved, model)
    must(0 < after.flops <= before.flops, f"{after.flops} FLOPs, declared {before.flops}")
    must(0 < after.params <= before.params, f"{after.params} numbers, declared {before.params}")


def check_fitted_export(case: FittedCase) -> None:
    """Exported for any number of rows, it gives what it gives."""
    model, raw = case.fitted()
    rows = {case.spec.name: {0: torch.export.Dim("rows", min=1)}}
    program = torch.export.export(model, (raw,), dynamic_shapes=(rows,)).module()
    for size in (1, 7, FITTED_ROWS):
        some = {name: x[:size] for name, x in raw.items()}
        with torch.no_grad():
            torch.testing.assert_close(program(some), model(some), rtol=1e-5, atol=1e-5)


FITTED_CHECKS: tuple[Callable[[FittedCase], None], ...] = (
    check_fitted_output,
    check_fitted_twice,
    check_fitted_rows,
    check_fitted_weights,
    check_fitted_saved,
    check_fitted_cost,
    check_fitted_export,
)


def check_fitted_family(
    family: FittedFamily,
    *,
    options: str = "",
    inputs: Iterable[InputSpec] = (*INPUTS.values(), PAST_INPUT),
    targets: Iterable[TargetSpec] = TARGETS,
) -> None:
    """Hold a family of parts that are no networks to its contract, and features that it gives.

    Args:
        family: what an entry point of the group `autosynth.components` names; it need not be
            installed.
        options: as in a strategy (`trees=5, depth=3`); by default those of the family.
        inputs: others than `INPUTS`, such as those of the data that it is for.
        targets: others than small ones of every task that it is fitted to.

    Raises:
        AssertionError: the contract is broken; a note says on which input, and in which check.
    """
    with registered(family):
        able = [spec for spec in inputs if spec.kind in family.kinds]
        for spec, target in [(s, t) for s in able for t in targets]:
            if bool(target.base) != spec.anchored:
                continue
            case = FittedCase(family=family, spec=spec, target=target, options=options)
            if target.task in family.tasks:
                run_checks(FITTED_CHECKS, case)
            if target.task in family.features_for:
                reader = replace(case, family=Linear(), options="", before=case.strategy)
                run_checks(FITTED_CHECKS, reader)
