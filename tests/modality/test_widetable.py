"""Columns of a wide table share tokens; narrow tables and old ones have a token a column."""

import numpy as np
import pandas as pd
import pytest
import torch

from autosynth.composite import build, cost, resolve
from autosynth.data import encode, load_dataset
from autosynth.data.column.column import Column
from autosynth.data.encoder.table import TableEncoder
from autosynth.modality.widetable import WideTableStem
from autosynth.spec import Dataset, InputSpec, TargetSpec
from autosynth.strategy import parse


@pytest.fixture(scope="module")
def wide() -> Dataset:
    rng = np.random.default_rng(0)
    columns = {f"gene {chr(97 + i % 26)}{i * 7 % 1009}x": rng.normal(size=60) for i in range(300)}
    columns["town"] = rng.choice(["north", "south", "east"], 60)
    columns["y"] = rng.choice(["p", "q"], 60)
    return load_dataset(pd.DataFrame(columns), target="y")


@pytest.mark.parametrize(
    ("columns", "tokens"), [(128, 0), (129, 43), (200, 50), (1_000, 63), (20_000, 64)]
)
def test_from_129_columns_on_at_most_64_tokens(columns: int, tokens: int) -> None:
    cells = [Column(name=f"q{i}w", kind="number") for i in range(columns)]
    x = np.random.default_rng(0).normal(size=(9, columns))
    spec = TableEncoder.fit(cells, x, "table").spec
    assert spec.tokens == tokens
    assert spec.grid == (tokens or columns,)


def test_a_transformer_over_them_costs_what_64_tokens_do(wide: Dataset) -> None:
    resolved = resolve(parse("transformer[width=16, depth=1]"), wide.inputs, wide.target)
    model = build(resolved)
    assert cost(resolved).params == sum(p.numel() for p in model.parameters())
    out = model({"table": torch.from_numpy(wide.x["table"][:5])})
    assert torch.isfinite(out).all()
    assert any("read as 61 tokens of neighbours" in line for line in wide.summary)


def test_every_column_is_read_and_each_row_by_itself(wide: Dataset) -> None:
    stem = WideTableStem(wide.inputs[0], 8)
    x = torch.from_numpy(wide.x["table"])
    stem.fit(x)
    tokens, mask = stem(x[:4])
    assert mask is None
    assert tokens.shape == (4, 61, 8)
    torch.testing.assert_close(stem(x[1:2])[0], tokens[1:2])
    place = wide.inputs[0].cardinalities.index(max(wide.inputs[0].cardinalities))
    for column in (0, 150, 300, place):
        changed = x[:4].clone()
        changed[:, column] = 2 if column == place else x[:, column].max()
        assert bool((stem(changed)[0] != tokens).flatten(1).any(1).sum() >= 2), column
        changed[:, column] = 1 if column == place else torch.nan
        assert bool((stem(changed)[0] != tokens).flatten(1).any(1).all()), column


def test_tables_that_were_saved_before_have_a_token_a_column(wide: Dataset) -> None:
    plain = dict(wide.encoders["inputs"][0])
    assert TableEncoder.from_dict(plain).spec == wide.inputs[0]
    del plain["tokens"]
    assert TableEncoder.from_dict(plain).spec.grid == (301,)


def test_a_wide_table_is_encoded_again_in_any_order(wide: Dataset) -> None:
    columns = [column["name"] for column in wide.encoders["inputs"][0]["columns"]]
    row = {name: ["north" if name == "town" else "0.5"] for name in sorted(columns)}
    assert encode(pd.DataFrame(row), wide.encoders).x["table"].shape == (1, 301)


def test_categories_alone_share_tokens_too() -> None:
    spec = InputSpec(name="table", kind="table", shape=(130,), cardinalities=(5,) * 130, tokens=44)
    target = TargetSpec(name="y", task="classification", classes=("a", "b"))
    model = build(resolve(parse("mlp[width=8]"), (spec,), target))
    out = model({"table": torch.randint(0, 5, (3, 130)).float()})
    out.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
