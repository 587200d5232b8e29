"""One contract over every kind of input: what its `Modality` says of a small input is so."""

import numpy as np
import pytest
import torch
from torch import Tensor

from autosynth.composite.layout import Layouts
from autosynth.modality import MODALITIES, SEVERITIES, Modality, Picture
from autosynth.piece import Grid, n_tokens
from autosynth.spec import InputSpec
from autosynth.strategy import parse
from autosynth.testing import INPUTS, raw_rows

ROWS, WIDTH = 6, 4
Example = tuple[Modality, InputSpec, Tensor]


@pytest.fixture(params=INPUTS)
def example(request: pytest.FixtureRequest) -> Example:
    spec = INPUTS[request.param]
    return MODALITIES[spec.kind], spec, raw_rows(spec, ROWS)


def shown(modality: Modality, spec: InputSpec, raw: Tensor) -> Tensor:
    """What stems read."""
    picture = modality.picture(spec)
    if picture is None:
        return raw
    module = picture[1].make()
    assert isinstance(module, Picture)
    module.fit(raw)
    found = module(raw)
    for level in ("none", "light", "strong"):
        changed = module.augment(found, level)
        assert changed.shape == found.shape
        assert torch.equal(changed.nan_to_num(), found.nan_to_num()) == (level == "none")
    return found


def grids(modality: Modality, spec: InputSpec) -> list[Grid]:
    return list(dict.fromkeys(modality.grid(spec, plane) for plane in (False, True)))


@pytest.mark.parametrize("patch", [1, 2])
def test_a_stem_leaves_the_grid_and_has_the_parameters_that_are_declared(
    example: Example, patch: int
) -> None:
    modality, spec, raw = example
    for uncut in grids(modality, spec):
        piece, grid = modality.stem(spec, uncut, patch, WIDTH)
        stem, values = piece.make(), shown(modality, spec, raw)
        stem.fit(values)
        tokens, mask = stem(values)
        assert tokens.shape == (ROWS, n_tokens(grid), WIDTH)
        assert tokens.isfinite().all()
        assert mask is None or mask.shape == tokens.shape[:2]
        assert sum(p.numel() for p in stem.parameters()) == piece.params
        assert (grid == uncut) == (patch == 1 or not modality.most_a_side)


def test_augmentation_keeps_the_form_of_a_batch(example: Example) -> None:
    modality, spec, raw = example
    for level in ("light", "strong"):
        changed = modality.augment(raw.clone(), spec, level)
        assert (changed.shape, changed.dtype) == (raw.shape, raw.dtype)


def test_what_is_hidden_is_restored_and_nothing_else_changes(example: Example) -> None:
    modality, spec, raw = example
    torch.manual_seed(0)
    masked = modality.mask(raw, spec)
    assert (masked.shape, masked.dtype) == (raw.shape, torch.bool)
    assert 0 < masked.float().mean() < 1
    hidden = modality.conceal(raw, masked)
    assert hidden.shape == raw.shape
    same = (hidden == raw) | (hidden.isnan() & raw.isnan())
    assert same[~masked].all()
    assert not same[masked].all()
    values = shown(modality, spec, raw)
    for grid in (*grids(modality, spec), (1,)):  # its own, and another's
        piece = modality.reconstruct(spec, grid, WIDTH)
        module = piece.make()
        tokens = torch.randn(ROWS, n_tokens(grid), WIDTH, requires_grad=True)
        loss = module((tokens, None), values, masked)
        loss.backward()
        assert loss.ndim == 0
        assert tokens.grad is not None
        assert tokens.grad.isfinite().all()
        assert tokens.grad.any()
        assert sum(p.numel() for p in module.parameters()) == piece.params


def test_damage_keeps_the_form_of_rows_and_a_blank_row_is_one(example: Example) -> None:
    modality, spec, raw = example
    x = raw.numpy()
    blank = modality.blank(x, spec)
    assert (blank.shape, blank.dtype) == (x.shape[1:], x.dtype)
    names = [each.name for each in modality.corruptions]
    assert len(set(names)) == len(names) > 0
    if modality.in_cells:  # which are texts, and not their codes: test_corruption.py
        return
    for corruption in modality.corruptions:
        worst = modality.corrupt(x, spec, corruption.name, SEVERITIES[-1])
        assert (worst.shape, worst.dtype) == (x.shape, x.dtype)
        assert not np.array_equal(worst, x, equal_nan=x.dtype.kind == "f") or not corruption.fits(
            spec
        )


def test_a_strategy_reads_the_grid_that_its_kind_declares(example: Example) -> None:
    modality, spec, _ = example
    for text, plane in (("cnn", True), ("gru", False)):
        root = parse(text).root
        layouts = Layouts(root, "none", {spec.name: spec})
        assert layouts.grid(root, spec) == modality.grid(spec, plane)
