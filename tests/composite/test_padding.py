"""Padding a series at its end changes nothing: the same weights on a longer spec, the same output.

Positions keep their first rows, and a flattening its columns of the first tokens; what they have
for the steps beyond is drawn at random, and must not matter.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autosynth.composite import Composite, build, resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

Raw = Callable[[InputSpec, int], Tensor]
SMALL = "width=4, depth=2"
TEXTS = [
    f"cnn[{SMALL}, stages=2]",
    f"cnn[{SMALL}, stages=1, norm=layer, patch=3]",
    f"gru[{SMALL}]",
    f"gru[{SMALL}, norm=batch, patch=4]",
    "lstm[width=4, depth=1]",
    f"transformer[{SMALL}]",
    f"transformer[{SMALL}, patch=9]",
    f"attention[{SMALL}]",
    "attention[width=4, depth=0]",
    f"mlp[{SMALL}]",
    f"cnn[{SMALL}] > gru[{SMALL}]",
    f"gru[{SMALL}] > gru[{SMALL}, patch=4] > mlp[{SMALL}]",
    f"cnn[{SMALL}, stages=1] > cnn[{SMALL}, stages=1] share=full",
    f"mean(cnn[{SMALL}], gru[{SMALL}])",
    f"sum(transformer[{SMALL}, patch=12], cnn[{SMALL}, patch=1]) share=stem",
    f"mean(cnn[{SMALL}], gru[{SMALL}]) share=layers",
    f"gated(cnn[{SMALL}] > gru[{SMALL}], mlp[{SMALL}])",
    f"concat(cnn[{SMALL}], gru[{SMALL}]) > transformer[{SMALL}]",
    f"sum(gru[{SMALL}], cnn[{SMALL}]) > transformer[{SMALL}]",
    f"attend(mlp[{SMALL}], gru[{SMALL}]) > mlp[{SMALL}]",
]


def padded_copy(model: Composite, longer: Composite) -> None:
    """The weights of `model` in one for longer series."""
    state = longer.state_dict()
    for name, value in model.state_dict().items():
        there = state[name]
        if value.shape == there.shape:
            there.copy_(value)
        elif "axes" in name:  # positions: (steps, width)
            there[: len(value)] = value
        else:  # a flattening: (to, steps * width)
            there[:, : value.shape[1]] = value


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("steps", "longer"), [(10, 17), (22, 32)])
def test_padding_at_the_end_changes_nothing(
    text: str, steps: int, longer: int, raw: Raw, target: TargetSpec
) -> None:
    spec = InputSpec(name="x", kind="series", shape=(2, steps), masked=True)
    wide = InputSpec(name="x", kind="series", shape=(2, longer), masked=True)
    resolved = resolve(parse(text), (spec,), target)
    models = build(resolved, 1), build(resolve(resolved.strategy, (wide,), target), 2)
    x = raw(spec, 6)
    padded = torch.cat([x, torch.full((6, 2, longer - steps), torch.nan)], 2)
    models[0].fit_inputs({"x": x})
    padded_copy(*models)
    with torch.no_grad():
        # In training batch normalisation takes statistics; they must not see the padding either.
        trained = models[0]({"x": x}), models[1]({"x": padded})
        torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-5)
        models[0].eval(), models[1].eval()
        evaluated = models[0]({"x": x}), models[1]({"x": padded})
    torch.testing.assert_close(*evaluated, rtol=1e-4, atol=1e-5)
    # And a real value in the place of the padding does change it.
    padded[:, :, steps] = 5.0
    assert not torch.allclose(models[1]({"x": padded}), evaluated[0], atol=1e-4)


def test_values_of_masked_steps_are_not_looked_at(target: TargetSpec, raw: Raw) -> None:
    # A step where one channel is known is real; where none is, it is masked.
    spec = InputSpec(name="x", kind="series", shape=(2, 10), masked=True)
    model = build(resolve(parse("gru[width=4]"), (spec,), target)).eval()
    x = torch.randn(3, 2, 10)
    x[:, :, 7:] = torch.nan
    out = model({"x": x})
    x[:, 0, 7] = 0.0
    assert not torch.allclose(model({"x": x}), out, atol=1e-5)


def test_a_series_without_any_value_still_has_an_output(target: TargetSpec) -> None:
    spec = InputSpec(name="x", kind="series", shape=(1, 6), masked=True)
    for text in ("cnn", "gru", "transformer", "attention", "mlp", "mean(cnn, gru) share=layers"):
        model = build(resolve(parse(text), (spec,), target)).eval()
        assert model({"x": torch.full((2, 1, 6), torch.nan)}).isfinite().all()
