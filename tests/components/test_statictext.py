"""Static embeddings: the mean of a text's vectors is its known embedding; cost, and refusals."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autosynth.bundle import load, write_bundle
from autosynth.components.statictext import StaticText
from autosynth.composite import build, cost, resolve
from autosynth.composite.head import pool
from autosynth.data.encoder.modelfolder import MODELS_ENV, STATIC_EMBEDDINGS, static_files
from autosynth.data.encoder.text import TextEncoder
from autosynth.errors import StrategyError, TrialError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

WORDLLAMA = STATIC_EMBEDDINGS["wordllama"]
CODES, WIDTH = WORDLLAMA.codes, WORDLLAMA.width
installed = pytest.mark.skipif(
    "wordllama" not in static_files(), reason="needs pip install 'autosynth[pretrained-more]'"
)
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b"))
TEXT = InputSpec(name="text", kind="text", shape=(9,), cardinalities=(50,), masked=True)
READING = InputSpec(
    name="text.wordllama", kind="text", of="text", shape=(9,), cardinalities=(CODES + 1,)
)
WORDS = ("<unk>", "<s>", "</s>", *"abcdefg")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A matrix of random numbers and a tokenizer of letters, in the user's folder."""
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    monkeypatch.setitem(sys.modules, "wordllama", None)  # as if it were not installed
    folder = tmp_path / "wordllama"
    folder.mkdir()
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(CODES, WIDTH, generator=generator).half()
    save_file({"embedding.weight": matrix}, folder / WORDLLAMA.weights)
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer.save(str(folder / WORDLLAMA.tokenizer))
    return folder


def fitted() -> StaticText:
    stem = StaticText("wordllama", WORDLLAMA)
    stem.fit(torch.ones(1, 1, dtype=torch.int32))
    return stem.eval()


def codes(*rows: list[int], length: int = 9) -> Tensor:
    """Texts of ids after the start, as the data has them."""
    out = torch.zeros(len(rows), length, dtype=torch.int32)
    for row, ids in enumerate(rows):
        out[row, : len(ids) + 1] = torch.tensor([WORDLLAMA.start, *ids]) + 1
    return out


@installed
def test_the_mean_of_its_tokens_is_wordllamas_embedding_of_sentences() -> None:
    files = static_files()["wordllama"]
    sentences = [
        "A man is eating food.",
        "A man eats a piece of bread, and he is hungry.",
        "Interest rates rose again in March.",
    ]
    tokenizer = tokenizers.Tokenizer.from_file(str(files.tokenizer))
    matrix = load_file(files.weights)["embedding.weight"].float().numpy()
    expected = np.stack(
        [matrix[tokenizer.encode(s, add_special_tokens=False).ids].mean(0) for s in sentences]
    )
    (encoder,) = (
        each
        for each in TextEncoder.fit_pretrained(
            pd.Series(sentences, name="text"), np.arange(3), "text"
        )
        if each.name == "text.wordllama"
    )
    assert encoder.spec.cardinalities == (CODES + 1,)
    raw = torch.from_numpy(encoder.codes_of(pd.Series(sentences)))
    with torch.no_grad():
        found = pool(fitted()(raw)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    near = unit @ unit.T
    assert near[0, 1] > near[0, 2] + 0.3


@pytest.mark.usefixtures("own")
def test_a_text_of_no_token_is_finite_and_padding_says_nothing() -> None:
    stem, raw = fitted(), codes([3, 4], [], [5])
    raw[2] = 0  # not even a start
    with torch.no_grad():
        tokens, mask = stem(raw)
        assert mask is not None
        assert mask.sum(1).tolist() == [2, 1, 1]
        assert tokens[1:].eq(0).all()
        mean = stem.embedding.weight[3:5].mean(0)
        torch.testing.assert_close(pool((tokens, mask))[0], mean)
        torch.testing.assert_close(pool(stem(raw[:, :4])), pool((tokens, mask)))


def test_it_costs_what_it_holds_and_no_flops() -> None:
    found = cost(resolve(parse("wordllama:text"), (TEXT, READING), TARGET))
    norm, head = 2 * WIDTH, WIDTH * 2
    assert (found.flops, found.params) == (2 * head, CODES * WIDTH + norm + head + 2)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("tune", ["frozen", "all"])
def test_it_stands_in_a_chain_and_in_a_bundle(tune: str, tmp_path: Path) -> None:
    text = f"concat(wordllama[tune={tune}]:text > gru[width=8, depth=1], bag:text)"
    encoders = [
        TextEncoder(
            name=spec.name, column="text", shape=spec.shape, of=spec.of, shift=bool(spec.of),
            vocabulary=spec.cardinalities[0], tokenizer={},
        )
        for spec in (TEXT, READING)
    ]  # fmt: skip
    resolved = resolve(parse(text), tuple(each.spec for each in encoders), TARGET)
    raw = {"text": codes([3, 4], [3]).clamp(max=49), "text.wordllama": codes([3, 4], [9, 3, 5])}
    model = build(resolved)
    model.fit_inputs(raw)
    model(raw).square().sum().backward()
    (stem,) = [module for module in model.modules() if isinstance(module, StaticText)]
    moved = stem.embedding.weight.grad
    assert (moved is not None and moved[9].abs().sum() > 0) == (tune == "all")
    made = {"inputs": [encoder.to_dict() for encoder in encoders]}
    write_bundle(tmp_path / "b", resolved=resolved, model=model.eval(), encoders=made)
    (tmp_path / "wordllama" / WORDLLAMA.weights).unlink()
    with torch.no_grad():
        expected = model(raw).softmax(1).numpy()
    found = load(tmp_path / "b").outputs({name: value.numpy() for name, value in raw.items()})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_not_here_or_another_says_what_to_do(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StrategyError, match="stop=2, but wordllama has 1 stages"):
        resolve(parse("wordllama[stop=2]"), (TEXT, READING), TARGET)
    more = InputSpec(
        name="text.wordllama", kind="text", of="text", shape=(9,), cardinalities=(CODES + 2,)
    )
    with pytest.raises(StrategyError, match=f"tokens up to number {CODES}, and wordllama knows"):
        resolve(parse("wordllama"), (TEXT, more), TARGET)
    with pytest.raises(StrategyError, match="wordllama was not there when the data was read"):
        resolve(parse("wordllama"), (TEXT,), TARGET)
    save_file({"embedding.weight": torch.zeros(3, 3)}, own / WORDLLAMA.weights)
    with pytest.raises(TrialError, match="was not used"):
        fitted()
    (own / WORDLLAMA.weights).unlink()
    assert "wordllama" not in static_files()
    with pytest.raises(TrialError, match=r"autosynth\[pretrained-more\].*wordllama inside the"):
        fitted()
    monkeypatch.delenv(MODELS_ENV)
    with pytest.raises(StrategyError, match=r"not on this machine; pip install 'autosynth\[pretr"):
        resolve(parse("wordllama"), (TEXT,), TARGET)
