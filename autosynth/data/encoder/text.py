"""Text to codes of tokens: a byte-pair vocabulary, learnt from training rows, or a model's own.

The vocabulary is trained with the `tokenizers` library on lower-case text, on bytes (Radford et
al., 2019), so that no character is unknown and a typo costs a few tokens. It travels as JSON.
Codes are 0 after the end of a text, 1 at its start (an empty text has this alone), and 2 where a
token is hidden.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from autosynth.cell import text_of
from autosynth.data.column.path import Folders
from autosynth.data.encoder.encoder import Encoder, Transformed
from autosynth.data.encoder.feature import code_counts
from autosynth.data.encoder.modelfolder import tokenizer_files
from autosynth.errors import DataError
from autosynth.spec import InputSpec, Kind, RowNumbers

START, MASK = 1, 2
SPECIAL = ("[pad]", "[start]", "[hidden]")
_SPACE = "\u0120"  # as which byte-level vocabularies write one
VOCABULARY = 12_000
MOST_TOKENS = 256
_COVERED = 0.995  # of the training texts are read whole, where that is possible
_MIN_FREQUENCY = 2
_LEARNT_FROM = 100_000  # texts
_CHARACTERS_A_TOKEN = 32  # no more of a text is looked at
_MOST_CHARACTERS = _CHARACTERS_A_TOKEN * MOST_TOKENS
_CHUNK = 10_000


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """Reads the texts of a `column` as codes of a `tokenizer`, each plus `shift`.

    `shape` is (length,). `of` as in `InputSpec`; `vocabulary` is one more than the largest code;
    `cut` is the fraction of training texts that are longer.
    """

    kind: ClassVar[Kind] = "text"
    reads_column: ClassVar[bool] = True
    of: str = ""
    column: str
    shape: tuple[int, ...]
    vocabulary: int
    shift: int = 0
    cut: float = 0.0
    tokenizer: Mapping[str, Any]

    @classmethod
    def fit(
        cls, values: "pd.Series[Any]", train: RowNumbers, name: str, width: int | None = None
    ) -> Self:
        """A vocabulary of a column of text, and a length that nearly all texts fit in.

        Args:
            values: of all rows; None or NaN is an empty text.
            train: the rows to learn from.
            name: of the input.
            width: as `Encoder` says.
        """
        chosen = _chosen(values, train)
        return cls._of(_learn(_texts(chosen)), chosen, name=name, width=width)

    @classmethod
    def fit_pretrained(
        cls, values: "pd.Series[Any]", train: RowNumbers, name: str, width: int | None = None
    ) -> list[Self]:
        """Tokenisations of the same texts by the pretrained models here; arguments as `fit`."""
        chosen = _chosen(values, train)
        tokenizers = {model: _read(path) for model, path in tokenizer_files().items()}
        return [
            cls._of(theirs, chosen, name=f"{name}.{model}", of=name, shift=1, width=width)
            for model, theirs in tokenizers.items()
        ]

    @classmethod
    def _of(
        cls,
        tokenizer: Tokenizer,
        values: "pd.Series[Any]",
        *,
        name: str,
        width: int | None,
        of: str = "",
        shift: int = 0,
    ) -> Self:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        sizes = np.array([len(ids) for ids in _codes(tokenizer, _texts(values))])
        length = int(np.clip(np.quantile(sizes, _COVERED, method="higher"), 4, MOST_TOKENS))
        return cls(
            name=name,
            column=str(values.name),
            shape=(length,),
            of=of,
            shift=shift,
            width=width,
            vocabulary=tokenizer.get_vocab_size() + shift,
            cut=float((sizes > length).mean()),
            tokenizer=json.loads(tokenizer.to_str()),
        )

    def transform(self, rows: pd.DataFrame, place: str = "", folders: Folders = "") -> Transformed:
        """Codes (n, length) of the texts."""
        return Transformed(values=self.codes_of(rows[self.column]))

    def codes_of(self, values: "pd.Series[Any]") -> NDArray[np.int32]:
        """Codes (n, length) of texts; None or NaN is an empty one."""
        (length,) = self.shape
        out = np.zeros((len(values), length), np.int32)
        texts = _texts(values, _CHARACTERS_A_TOKEN * length)
        for row, ids in enumerate(_codes(self._cutting, texts)):
            out[row, : len(ids)] = ids
            out[row, : len(ids)] += self.shift
        return out

    @cached_property
    def _cutting(self) -> Tokenizer:
        """The tokenizer, once for all batches; it cuts texts at the length."""
        try:
            tokenizer = Tokenizer.from_str(json.dumps(self.tokenizer))
        except Exception as error:  # the library raises nothing narrower
            raise DataError(
                f"the saved tokenizer of the input {self.name!r} is damaged: {error}; copy or "
                "export the bundle again"
            ) from error
        tokenizer.enable_truncation(self.shape[0])
        return tokenizer

    @cached_property
    def _spellings(self) -> tuple[str, ...]:
        """What each code stands for; nothing of those that stand for no text."""
        found = [""] * self.vocabulary
        known = self.tokenizer.get("model", {}).get("vocab", {})
        for token, code in known.items():
            if token not in SPECIAL and code < self.vocabulary:
                found[code] = token.replace(_SPACE, " ")
        return tuple(found)

    @property
    def spec(self) -> InputSpec:
        """The input that it makes."""
        return InputSpec(
            name=self.name,
            kind=self.kind,
            shape=self.shape,
            cardinalities=(self.vocabulary,),
            masked=True,
            of=self.of,
            spellings=() if self.of else self._spellings,
        )

    def describe(self, x: NDArray[Any], train: RowNumbers) -> Iterator[str]:
        """A line on how long texts are; nothing of other tokenisations: the text is said once."""
        if self.of:
            return
        tokens = (x > 0).sum(1) - 1  # the first says where the text starts
        cut = f"; {self.cut:.2%} are longer and cut" if self.cut else ""
        yield (
            f"input       {self.name}: text, {tokens.min()} ... {tokens.max()} tokens, mean "
            f"{tokens.mean():.1f}, of a vocabulary of {self.vocabulary}{cut}"
        )

    @classmethod
    def few_numbers(cls, x: NDArray[Any], spec: InputSpec) -> NDArray[np.float64]:
        """How often a row holds each of the most frequent tokens."""
        return code_counts(x)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of its texts."""
        return (self.column,)


def _chosen(values: "pd.Series[Any]", train: RowNumbers) -> "pd.Series[Any]":
    """The training texts that are looked at."""
    return values.iloc[train[:: max(1, len(train) // _LEARNT_FROM)]]


def _learn(texts: Iterable[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=_MIN_FREQUENCY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start = SPECIAL[START]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A", special_tokens=[(start, START)]
    )
    return tokenizer


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
