"""Fusions: several parts' tokens, outputs or pooled features to one. One explicit dict.

Inside a chain a fusion joins tokens on the first part's grid. At the root, those that join
`outputs` give each part a head of its own (`mean` joins probabilities, the others logits), and
those that join `features` put one non-linear head over all. What is `fitted` is not trained with
the network but fitted after it, on rows that the parts have not learnt from: it stands at the root
alone, and each part is trained by a loss of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autosynth.composite.join import (
    STACK_HIDDEN,
    Attend,
    Bilinear,
    Concat,
    Gated,
    MeanProbability,
    PostHocSum,
    Stack,
    Sum,
)
from autosynth.errors import StrategyError
from autosynth.piece import Piece
from autosynth.spec import TargetSpec
from autosynth.strategy import Scalar

Args = tuple[tuple[str | None, Scalar], ...]
# As many as a part has channels where nothing is said.
DEFAULT_RANK = 32
# The share of the rows that go on in a cascade: on mnist1d one with .3 was .8 of a point above the
# best single component at 36 % of its FLOPs (five seeds, results/composition).
DEFAULT_GO_ON = 0.3
STACKS = ("mlp", "linear")


@dataclass(frozen=True, kw_only=True)
class FusionInputs:
    """What is joined: `n` parts of `rows` vectors of `width`; outputs of a `target`, if any."""

    n: int
    rows: int
    width: int
    args: Args = ()
    target: TargetSpec | None = None


@dataclass(frozen=True, kw_only=True)
class FusionMethod:
    """One method.

    `joins` says what it joins at the root; `inside` whether it joins tokens, too; `equal` that all
    widths must be one; `ordered` that the order of its parts matters. `arguments` fills and checks
    what stands in its brackets, and `piece` is the joint.
    """

    name: str
    about: str
    piece: Callable[[FusionInputs], Piece]
    arguments: Callable[[str, Args, int], Args]
    joins: str = "outputs"
    inside: bool = True
    equal: bool = True
    ordered: bool = False

    def is_post_hoc(self, args: Args) -> bool:
        """Whether it is fitted after the parts are trained."""
        return not self.inside or (None, "fit") in args

    def weighs(self, args: Args) -> bool:
        """Whether its arguments are one weight a part, which moves with it."""
        return self.name == "weighted" and len(args) > 1


def weights_of(args: Args) -> list[float]:
    """The numbers among a fusion's arguments: weights, or shares of rows that go on."""
    return [
        float(value)
        for key, value in args
        if key is None and isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _nothing(name: str, args: Args, n: int) -> Args:
    if args:
        raise StrategyError(f"{name} takes no arguments in brackets; leave them out")
    return ()


def _weights(name: str, args: Args, n: int) -> Args:
    if not args or args == ((None, "fit"),):
        return args
    values = weights_of(args)
    if len(values) != n or len(args) != n:
        raise StrategyError(
            f"weighted[...] needs one number a part: {n} parts, {len(args)} arguments; leave the "
            "brackets out to have the weights learned, or write weighted[fit] to have them fitted "
            "after the training"
        )
    return tuple((None, value) for value in values)


def _rank(name: str, args: Args, n: int) -> Args:
    rank = dict(args).get("rank", DEFAULT_RANK)
    right = isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= 4096
    if not right or len(args) > 1 or any(key != "rank" for key, _ in args):
        raise StrategyError(f"{name} takes [rank=N], a whole number from 1 to 4096, or nothing")
    return (("rank", rank),)


def _model(name: str, args: Args, n: int) -> Args:
    args = args or ((None, STACKS[0]),)
    if len(args) > 1 or args[0][0] is not None or args[0][1] not in STACKS:
        raise StrategyError(f"{name} takes the model over the outputs: one of {', '.join(STACKS)}")
    return args


def _shares(name: str, args: Args, n: int) -> Args:
    values = weights_of(args) if args else [DEFAULT_GO_ON]
    values = values * (n - 1) if len(values) == 1 else values
    inside = all(0 < value < 1 for value in values)
    if len(values) != n - 1 or (args and len(args) not in (1, n - 1)) or not inside:
        raise StrategyError(
            f"{name}[...] takes the share of rows, between 0 and 1, that go on to the next part: "
            f"one number for all, or one for each of the {n - 1} steps to a next part"
        )
    return tuple((None, value) for value in values)


def _sum(it: FusionInputs) -> Piece:
    return Piece(lambda: Sum([1.0] * it.n, learned=False))


def _mean(it: FusionInputs) -> Piece:
    target = it.target
    if target is not None:
        return Piece(lambda: MeanProbability(target))
    return Piece(lambda: Sum([1 / it.n] * it.n, learned=False))


def _weighted(it: FusionInputs) -> Piece:
    flops = 2 * it.rows * it.n * it.width
    target = it.target
    if it.args == ((None, "fit"),) and target is not None:
        return Piece(lambda: PostHocSum(it.n, target), flops, learns="held out")
    alpha = weights_of(it.args)
    if alpha:
        return Piece(lambda: Sum(alpha, learned=False), flops)
    return Piece(lambda: Sum([1 / it.n] * it.n, learned=True), flops, it.n)


def _attend(it: FusionInputs) -> Piece:
    flops = 4 * it.rows * it.n * it.width
    return Piece(lambda: Attend(it.n, it.width), flops, it.n * it.width + it.n)


def _concat(it: FusionInputs) -> Piece:
    return Piece(Concat)


def _gated(it: FusionInputs) -> Piece:
    width = it.n * it.width
    flops = 2 * it.rows * (width**2 + width)
    return Piece(lambda: Gated(it.n, it.width), flops, width**2 + width)


def _bilinear(it: FusionInputs) -> Piece:
    rank = int(dict(it.args)["rank"])
    weights = (it.n + 1) * it.width * rank
    return Piece(lambda: Bilinear(it.n, it.width, rank), 2 * it.rows * weights, weights + it.width)


def _stack(it: FusionInputs) -> Piece:
    hidden, target = it.args[0][1] == "mlp", it.target
    assert target is not None, "a stack joins outputs alone"
    inputs, out = it.n * it.width, it.width
    weights = inputs * out + (STACK_HIDDEN * (inputs + out) if hidden else 0)
    params = weights + out + (STACK_HIDDEN if hidden else 0)
    return Piece(lambda: Stack(it.n, target, hidden), 2 * weights, params, learns="out of fold")


def _none(it: FusionInputs) -> Piece:
    raise AssertionError("a cascade is compiled step by step")


FUSIONS: Mapping[str, FusionMethod] = {
    fusion.name: fusion
    for fusion in (
        FusionMethod(name="sum", about="sum of outputs (logits)", piece=_sum, arguments=_nothing),
        FusionMethod(
            name="mean", about="mean of outputs (probabilities)", piece=_mean, arguments=_nothing
        ),
        FusionMethod(
            name="weighted",
            about="weighted sum of outputs; weights learned, given, or fitted afterwards: [fit]",
            piece=_weighted,
            arguments=_weights,
        ),
        FusionMethod(
            name="attend", about="attention over the outputs", piece=_attend, arguments=_nothing
        ),
        FusionMethod(
            name="concat",
            about="features side by side, one head",
            piece=_concat,
            arguments=_nothing,
            joins="features",
            equal=False,
        ),
        FusionMethod(
            name="gated",
            about="features times gates that read all of them",
            piece=_gated,
            arguments=_nothing,
            joins="features",
        ),
        FusionMethod(
            name="bilinear",
            about="products of low-rank projections of features: [rank=32]",
            piece=_bilinear,
            arguments=_rank,
            joins="features",
        ),
        FusionMethod(
            name="stack",
            about="a small model over the outputs, fitted out of fold: [mlp]",
            piece=_stack,
            arguments=_model,
            inside=False,
        ),
        FusionMethod(
            name="cascade",
            about="the next part runs for the unsure share of the rows alone: [0.3]",
            piece=_none,
            arguments=_shares,
            inside=False,
            ordered=True,
        ),
    )
}
