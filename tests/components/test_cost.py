"""Costs of every family worked out by hand, with literal numbers, on an image, a series, a table.

All parts have width 4 and three classes. Terms below are in the order of the network: stem,
blocks, ending, head. Norms have 2 * 4 parameters and no multiply-adds; two FLOPs are one
multiply-add.
"""

import pytest

from autosynth.composite import cost, resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

CNN = "cnn[width=4, depth=2, kernel=3, stages=1, expand=0, patch=1, norm=batch]"
CNN5 = "cnn[width=4, depth=2, kernel=5, stages=1, expand=0, patch=1, norm=batch]"
GRU = "gru[width=4, depth=1, expand=2, patch=2]"
LSTM = "lstm[width=4, depth=1, expand=2, patch=2]"
TRANSFORMER = "transformer[width=4, depth=1, heads=2, expand=2, patch=2]"
ATTENTION = "attention[width=4, depth=1, heads=2, queries=2, expand=0, patch=2]"
MLP = "mlp[width=4, depth=1, embed=2, expand=2, patch=2]"


def whole(text: str) -> str:
    """The same part with the grid uncut."""
    return text.replace("patch=2", "patch=1")


# Everywhere: the head is 4*3 weights + 3 biases: 2*12 = 24 FLOPs, 15 parameters. The channel MLP
# is 4*8 + 8*4 = 64 weights + 8 + 4 biases = 76 parameters, 2*64 = 128 FLOPs a token. A GRU of
# hidden size 2 a direction: 2 directions * 3 gates * 2 * (4 + 2) = 72 weights, 2 * 3 * 2 * 2 = 24
# biases; an LSTM with 4 gates: 96 and 32. Self-attention: 4*12 + 4*4 = 64 weights
# + 12 + 4 biases = 80. Queries: 2*4 + (4*8 + 8) + (4*4 + 4) = 68 parameters.
CASES = [
    # Image (1, 6, 8). Stem: patch 1, kernel 3*3, 36 weights on 48 pixels; patch 2, kernel 5*5,
    # 100 weights on 3*4 = 12 tokens: 2*12*100 = 2400 FLOPs, 104 parameters.
    # cnn: 2*48*36 = 3456; the first block halves: 3*4 = 12 tokens * 9*4*4 = 144 weights:
    # 2*12*144 = 3456, twice; 24.  Parameters 40 + (8 + 148) * 2 + 8 + 15.
    ("image", CNN, 10392, 375),
    # 2400 + 2*12*72 = 1728 + 12*128 = 1536 + 24.  104 + 8 + 96 + 8 + 76 + 8 + 15.
    ("image", GRU, 5688, 315),
    # 2400 + 2*12*96 = 2304 + 1536 + 24.  104 + 8 + 128 + 8 + 76 + 8 + 15.
    ("image", LSTM, 6264, 347),
    # 2400 + (2*12*64 = 1536 + two products of 12*12 pairs of width 4: 2*2*144*4 = 2304) + 1536
    # + 24.  104 + positions (3 + 4)*4 = 28 + 8 + 80 + 8 + 76 + 8 + 15.
    ("image", TRANSFORMER, 7800, 327),
    # 2400 + 3840 + (keys and values 2*12*4*8 = 768, products of 2*12 pairs 2*2*24*4 = 384, out
    # 2*2*16 = 64) + 24.  104 + 28 + 8 + 80 + 8 + 68 + 8 + 15.
    ("image", ATTENTION, 7480, 319),
    # Stem of 2 channels: 2*12*50 = 1200; flattened 12*2 = 24 to 4: 2*96 = 192; 128; 24.
    # 52 + 100 + 8 + 76 + 8 + 15.
    ("image", MLP, 1544, 259),
    # Series (2, 10). Stem: patch 1, kernel 3, 3*2*4 = 24 weights on 10 steps; patch 2, kernel 5,
    # 40 weights on 5 tokens: 2*5*40 = 400 FLOPs, 44 parameters.
    # cnn, kernel 5: 2*10*24 = 480; 5 tokens * 5*4*4 = 80 weights: 2*5*80 = 800, twice; 24.
    # 28 + (8 + 84) * 2 + 8 + 15.
    ("series", CNN5, 2104, 235),
    # 400 + 2*5*72 = 720 + 5*128 = 640 + 24.  44 + 8 + 96 + 8 + 76 + 8 + 15.
    ("series", GRU, 1784, 255),
    # 400 + 2*5*96 = 960 + 640 + 24.  44 + 8 + 128 + 8 + 76 + 8 + 15.
    ("series", LSTM, 2024, 287),
    # 400 + (2*5*64 = 640 + 2*2*25*4 = 400) + 640 + 24.  44 + 5*4 + 8 + 80 + 8 + 76 + 8 + 15.
    ("series", TRANSFORMER, 2104, 259),
    # 400 + 1040 + (2*5*32 = 320 + 2*2*10*4 = 160 + 64) + 24.  44 + 20 + 8 + 80 + 8 + 68 + 8 + 15.
    ("series", ATTENTION, 2008, 251),
    # 2*5*20 = 200; flattened 10 to 4: 80; 128; 24.  22 + 44 + 8 + 76 + 8 + 15.
    ("series", MLP, 432, 173),
    # Table of 3 numbers, categories of 4 and of 3 codes; one token a column. Stem: 16 bins a
    # number: 2*3*16*4 = 384 FLOPs; (3*16 weights + 3 missing + 7 codes + 5 biases) * 4 = 252.
    # cnn, kernel 3: 384; 3 tokens * 3*4*4 = 48 weights: 2*3*48 = 288, twice; 24.
    # 252 + (8 + 52) * 2 + 8 + 15.
    ("table", CNN, 984, 395),
    # 384 + 720 + 640 + 24.  252 + 8 + 96 + 8 + 76 + 8 + 15.
    ("table", whole(GRU), 1768, 463),
    # 384 + 960 + 640 + 24.  252 + 8 + 128 + 8 + 76 + 8 + 15.
    ("table", whole(LSTM), 2008, 495),
    # 384 + 1040 + 640 + 24.  252 + 20 + 8 + 80 + 8 + 76 + 8 + 15.
    ("table", whole(TRANSFORMER), 2088, 467),
    # 384 + 1040 + 320 + 160 + 64 + 24.  252 + 20 + 8 + 80 + 8 + 68 + 8 + 15.
    ("table", whole(ATTENTION), 1992, 459),
    # Stem of 2 channels: 192; flattened 10 to 4: 80; 128; 24.  126 + 44 + 8 + 76 + 8 + 15.
    ("table", whole(MLP), 424, 277),
    # An attention pooling: 400; 320 + 160 + 64; 24.  44 + 20 + 8 + 68 + 8 + 15.
    ("series", ATTENTION.replace("depth=1", "depth=0"), 968, 163),
]


@pytest.mark.parametrize(("kind", "text", "flops", "params"), CASES)
def test_cost_of_a_family_is_the_number_worked_out_by_hand(
    kind: str,
    text: str,
    flops: int,
    params: int,
    specs: dict[str, InputSpec],
    target: TargetSpec,
) -> None:
    found = cost(resolve(parse(text), (specs[kind],), target))
    assert (found.flops, found.params) == (flops, params)


def test_a_mask_costs_nothing(specs: dict[str, InputSpec], target: TargetSpec) -> None:
    found = cost(resolve(parse(GRU), (specs["masked"],), target))
    assert (found.flops, found.params) == (1784, 255)


def test_a_regression_has_one_output(specs: dict[str, InputSpec]) -> None:
    price = TargetSpec(name="price", task="regression")
    found = cost(resolve(parse(GRU), (specs["series"],), price))
    # As above with a head of 4 weights and one bias: 1784 - 24 + 8, 255 - 15 + 5.
    assert (found.flops, found.params) == (1768, 245)
