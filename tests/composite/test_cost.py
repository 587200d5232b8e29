"""Costs of fusions and of sharing worked out by hand, and counted by PyTorch on what is built."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from autosynth.composite import build, cost, resolve
from autosynth.errors import StrategyError
from autosynth.spec import DATE, InputSpec, TargetSpec
from autosynth.strategy import parse

TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
SERIES = InputSpec(name="x", kind="series", shape=(2, 10))
SPECS = (
    InputSpec(name="x", kind="image", shape=(1, 6, 8)),
    SERIES,
    InputSpec(name="x", kind="series", shape=(2, 10), masked=True),
    InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, 0, 4, 0, 3)),
    InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, DATE, 4, DATE, 3)),
    InputSpec(name="x", kind="audio", shape=(300,), masked=True, rate=2000),
    InputSpec(name="x", kind="frames", shape=(1, 3, 6, 8), masked=True),
)
TINY = (  # PyTorch's counter takes a recurrence apart, step by step
    InputSpec(name="x", kind="image", shape=(1, 3, 4)),
    InputSpec(name="x", kind="series", shape=(2, 7), masked=True),
    SPECS[3],
    SPECS[4],
    InputSpec(name="x", kind="audio", shape=(60,), masked=True, rate=2000),  # of 3 frames
    InputSpec(name="x", kind="frames", shape=(1, 2, 3, 5)),
)

# On a series (2, 10), without a head, worked out in tests/components/test_cost.py:
GRU = "gru[width=4, depth=1, expand=2, patch=2]"  # 1760 FLOPs, 240 parameters
MLP = "mlp[width=4, depth=1, embed=2, expand=2, patch=2]"  # 408, 158
# Stem 2*5*60 = 600, 66; 5 tokens * 3*6*6 = 108 weights: 1080, 12 + 114; last norm 12: 1680, 204.
CNN = "cnn[width=6, depth=1, kernel=3, stages=0, expand=0, patch=2]"
TAIL = "mlp[width=4, depth=1, expand=2, patch=1]"

FUSED = [
    # Outputs: 1760 + 408, and two heads of 24 and 15: 2216 FLOPs, 240 + 158 + 30 = 428 parameters.
    (f"sum({GRU}, {MLP})", 2216, 428),
    (f"mean({GRU}, {MLP})", 2216, 428),
    # Two weights of three outputs: 2*2*3 = 12.
    (f"weighted({GRU}, {MLP})", 2228, 430),
    (f"weighted[0.7, 0.3]({GRU}, {MLP})", 2228, 428),
    # Scores and a weighted sum: 2 * 2*2*3 = 24; 2*3 weights, 2 biases.
    (f"attend({GRU}, {MLP})", 2240, 436),
    # Features: one head of 8 to 3, and of 8 to 4 to 3 beside it: 2*(24 + 44) = 136; 68 + 3 + 4.
    (f"concat({GRU}, {MLP})", 2304, 473),
    # Gates of 8 by 8: 2*(64 + 8) = 144, 72; a head of 4 to 3, and of 4 to 4 to 3 beside it:
    # 2*(12 + 28) = 80, 47.
    (f"gated({GRU}, {MLP})", 2392, 517),
    # Two maps of 4 to 3, one of 3 to 4: 2*36 = 72, 36 + 4; the head as above: 80, 47.
    (f"bilinear[rank=3]({GRU}, {MLP})", 2320, 485),
    # Fitted afterwards: two weights of three outputs, which count as no trained ones.
    (f"weighted[fit]({GRU}, {MLP})", 2228, 428),
    # 6 to 3: 2*18 = 36, 21; with a layer of 16 beside it: 2*(96 + 48) = 288, 96 + 16 + 48.
    (f"stack[linear]({GRU}, {MLP})", 2252, 449),
    (f"stack({GRU}, {MLP})", 2540, 609),
    # 408 + 24 for all rows, 1760 + 24 for a quarter of them.
    (f"cascade[0.25]({MLP}, {GRU})", 878, 428),
    # In a chain: 1760 + 1680, tokens of 6 brought to 4: 2*5*24 = 240, 28; then the tail: flattened
    # 20 to 4: 160, 84; 128, 8 + 76; 8; 24, 15: 312, 191.  240 + 204 + 28 + 191 = 663.
    (f"sum({GRU}, {CNN}) > {TAIL}", 3992, 663),
    (f"mean({GRU}, {CNN}) > {TAIL}", 3992, 663),
    # Two weights on 5 tokens of 4: 2*5*2*4 = 80, 2.
    (f"weighted({GRU}, {CNN}) > {TAIL}", 4072, 665),
    # 4*5*2*4 = 160; 8 + 2.
    (f"attend({GRU}, {CNN}) > {TAIL}", 4152, 673),
    # No adapter; 5 tokens of 10 to 4: 400, 204: 1760 + 1680 + 400 + 128 + 24;
    # 240 + 204 + 204 + 107.
    (f"concat({GRU}, {CNN}) > {TAIL}", 3992, 755),
    # 2*5*(64 + 8) = 720, 72.
    (f"gated({GRU}, {CNN}) > {TAIL}", 4712, 735),
]
SHARED = [
    # One GRU twice: stem 400; 1360 a block, twice; 24. The parameters of one: 255.
    (f"{GRU} > {GRU.replace('patch=2', 'patch=1')} share=full", 3144, 255),
    # One stem, uncut, kernel 3: 2*10*24 = 480, 28. cnn: 2*10*48 = 960, 8 + 52 + 8; 24, 15. The GRU
    # reads means of two steps: 1360, 8 + 96 + 8 + 76 + 8; 24, 15.
    (
        f"mean(cnn[width=4, depth=1, kernel=3, stages=0, expand=0, patch=1], {GRU}) share=stem",
        2848,
        322,
    ),
    # Norms and channel MLP once: 28 + 8 + 8 + 76. cnn: 960, 10*128 = 1280; 52 + 8; 24, 15. GRU:
    # 720, 640; 96 + 8; 24, 15.
    (
        f"mean(cnn[width=4, depth=1, kernel=3, stages=0, patch=1], {GRU}) share=layers",
        4128,
        314,
    ),
]


@pytest.mark.parametrize(("text", "flops", "params"), FUSED + SHARED)
def test_cost_of_a_composite_is_the_number_worked_out_by_hand(
    text: str, flops: int, params: int
) -> None:
    found = cost(resolve(parse(text), (SERIES,), TARGET))
    assert (found.flops, found.params) == (flops, params)


def _part(family: str, draw: st.DrawFn, small: bool) -> str:
    options = {"width": 4 if small else draw(st.sampled_from([4, 8])), "depth": 1}
    if family == "cnn":
        options["stages"] = draw(st.integers(0, 1))
    elif family in ("transformer", "attention"):
        options["heads"] = 2
    if family != "mlp":
        options["expand"] = draw(st.integers(0, 2))
    return f"{family}[{', '.join(f'{k}={v}' for k, v in options.items())}]"


FAMILIES = ("cnn", "gru", "lstm", "transformer", "attention", "mlp")


@st.composite
def trees(draw: st.DrawFn, fusions: tuple[str, ...], depth: int = 2, small: bool = False) -> str:
    """Any strategy of small parts, two fusions deep."""
    kind = draw(st.sampled_from(("part", "chain", "fusion") if depth else ("part",)))
    below = trees(fusions, depth - 1, small)
    if kind == "part":
        return _part(draw(st.sampled_from(FAMILIES)), draw, small)
    if kind == "chain":
        steps = draw(st.lists(below, min_size=2, max_size=2))
        return " > ".join(steps)
    joined = ", ".join(draw(st.lists(below, min_size=2, max_size=3)))
    return f"{draw(st.sampled_from(fusions))}({joined})"


def batch(spec: InputSpec) -> torch.Tensor:
    return torch.randint(0, 3, (3, *spec.shape)).float()


@contextmanager
def without_onednn() -> Iterator[None]:
    before = torch.backends.mkldnn.set_flags(_enabled=False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before[0])


# PyTorch counts no products of vectors elementwise, as `weighted`, `attend` and `gated` make them.
@settings(max_examples=20)
@given(text=trees(("sum", "mean", "concat")), spec=st.sampled_from(TINY))
def test_flops_are_those_that_pytorch_counts_on_what_is_built(text: str, spec: InputSpec) -> None:
    resolved = resolve(parse(text), (spec,), TARGET)
    model = build(resolved).eval()
    x = batch(spec)
    # The fused kernels of attention and of an LSTM escape its counter.
    with (
        torch.no_grad(),
        without_onednn(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model({"x": x})
    # Nor does it count Fourier transforms: 3 frames, 2.5 N log2 N of 64 points.
    uncounted = 3 * 960 if spec.kind == "audio" else 0
    assert cost(resolved).flops * len(x) == counter.get_total_flops() + uncounted * len(x)


@settings(max_examples=60)
@given(
    text=trees(("sum", "mean", "weighted", "attend", "concat", "gated", "bilinear")),
    share=st.sampled_from(["none", "stem", "layers", "full"]),
    spec=st.sampled_from(SPECS),
)
def test_params_are_those_of_the_module(text: str, share: str, spec: InputSpec) -> None:
    try:
        resolved = resolve(parse(f"{text} share={share}"), (spec,), TARGET)
    except StrategyError:
        assume(share == "none")  # what cannot be shared is refused
        raise
    model = build(resolved)
    assert cost(resolved).params == sum(value.numel() for value in model.parameters())
    assert resolve(resolved.strategy, (spec,), TARGET).strategy == resolved.strategy


@settings(max_examples=60)
@given(
    text=trees(("sum", "mean", "concat"), small=True),
    share=st.sampled_from(["stem", "layers", "full"]),
    spec=st.sampled_from(SPECS),
)
def test_sharing_never_adds_parameters(text: str, share: str, spec: InputSpec) -> None:
    # Norm and expand written out: they have other defaults where layers are shared.
    text = text.replace("depth=1", "depth=1, norm=layer")
    if share == "layers":
        text = text.replace("expand=0", "expand=2").replace("expand=1", "expand=2")
    text = text.replace("mlp[width=4", "mlp[embed=4, width=4")
    alone = cost(resolve(parse(text), (spec,), TARGET))
    try:
        shared = cost(resolve(parse(f"{text} share={share}"), (spec,), TARGET))
    except StrategyError:
        assume(False)
    assert shared.params <= alone.params


def test_sharing_a_stem_or_layers_saves_parameters_on_every_kind_of_input() -> None:
    for spec in SPECS:
        for share in ("stem", "layers"):
            text = "mean(gru[width=4], transformer[width=4])"
            alone = cost(resolve(parse(text), (spec,), TARGET)).params
            assert cost(resolve(parse(f"{text} share={share}"), (spec,), TARGET)).params < alone
