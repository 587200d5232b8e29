"""Text to codes of tokens: a byte-pair vocabulary, learnt from training rows, or a model's own.

The vocabulary is trained with the `tokenizers` library on lower-case text, on bytes (Radford et
al., 2019), so that no character is unknown and a typo costs a few tokens. It travels as JSON.
Codes are 0 after the end of a text, 1 at its start (an empty text has this alone), and 2 where a
token is hidden.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from autosynth.data.column.cell import text_of
from autosynth.data.encoder.modelfolder import text_models
from autosynth.errors import DataError

START, MASK = 1, 2
SPECIAL = ("[pad]", "[start]", "[hidden]")
VOCABULARY = 12_000
MOST_TOKENS = 256
_COVERED = 0.995  # of the training texts are read whole, where that is possible
_MIN_FREQUENCY = 2
_LEARNT_FROM = 100_000  # texts
_CHARACTERS_A_TOKEN = 32  # no more of a text is looked at
_MOST_CHARACTERS = _CHARACTERS_A_TOKEN * MOST_TOKENS
_CHUNK = 10_000


def fit_text(
    values: "pd.Series[Any]", train: NDArray[np.int64], name: str
) -> list[dict[str, Any]]:
    """The input that a column of text makes, and its tokenisations by the pretrained models here.

    Args:
        values: of all rows; None or NaN is an empty text.
        train: the rows to learn from.
        name: of the input.
    """
    column = str(values.name)
    chosen = values.iloc[train[:: max(1, len(train) // _LEARNT_FROM)]]
    tokenizer = _learn(_texts(chosen))
    found = [_fitted(tokenizer, chosen, name=name, column=column)]
    for model, folder in text_models().items():
        theirs = _read(folder / "tokenizer.json")
        found.append(
            _fitted(theirs, chosen, name=f"{name}.{model}", column=column, of=name, shift=1)
        )
    return found


def apply_text(fitted: Mapping[str, Any], values: "pd.Series[Any]") -> NDArray[np.int32]:
    """Codes (n, length) of the texts."""
    (length,), shift = fitted["shape"], fitted["shift"]
    tokenizer = Tokenizer.from_str(json.dumps(fitted["tokenizer"]))
    tokenizer.enable_truncation(length)
    out = np.zeros((len(values), length), np.int32)
    for row, ids in enumerate(_codes(tokenizer, _texts(values, _CHARACTERS_A_TOKEN * length))):
        out[row, : len(ids)] = ids
        out[row, : len(ids)] += shift
    return out


def _learn(texts: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=_MIN_FREQUENCY, special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    start = SPECIAL[START]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, START)]
    )
    return tokenizer


def _fitted(
    tokenizer: Tokenizer, values: "pd.Series[Any]", *, name: str, column: str, of: str = "",
    shift: int = 0,
) -> dict[str, Any]:  # fmt: skip
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sizes = np.array([len(ids) for ids in _codes(tokenizer, _texts(values))])
    length = int(np.clip(np.quantile(sizes, _COVERED, method="higher"), 4, MOST_TOKENS))
    return {
        "name": name,
        "kind": "text",
        "of": of,
        "column": column,
        "shape": [length],
        "vocabulary": tokenizer.get_vocab_size() + shift,
        "shift": shift,
        "cut": float((sizes > length).mean()),
        "tokenizer": json.loads(tokenizer.to_str()),
    }


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no other kind
        raise DataError(f"{path} is no tokenizer that can be read: {error}") from error


def _codes(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[Sequence[int]]:
    """The tokens of each text; what looks like a special one is text like any other."""
    tokenizer.encode_special_tokens = True
    left = iter(texts)
    while chunk := list(islice(left, _CHUNK)):
        for found in tokenizer.encode_batch_fast(chunk):
            yield found.ids


def _texts(values: "pd.Series[Any]", most: int = _MOST_CHARACTERS) -> Iterator[str]:
    return ("" if pd.isna(value) else text_of(value)[:most] for value in values)
