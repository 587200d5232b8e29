"""What every encoder promises: one class a kind, and a saved form that comes back as it was."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from autosynth.data.encoder.registry import ENCODERS, encoder_from, encoders_from, input_spec
from autosynth.errors import UnknownNameError
from autosynth.spec import Kind

GOLDEN = Path(__file__).parents[2] / "golden"
SAVED = [*GOLDEN.glob("*/bundle/encoders.json"), *GOLDEN.glob("*/run/data.json")]


def saved(path: Path) -> dict[str, Any]:
    plain = json.loads(path.read_text(encoding="utf-8"))
    encoders: dict[str, Any] = plain.get("encoders", plain)
    return encoders


def one_of_each() -> list[dict[str, Any]]:
    """A saved encoder of each kind, and of each set of keys."""
    found = [each for path in sorted(SAVED) for each in saved(path)["inputs"]]
    return list({(each["kind"], *each): each for each in found}.values())


EACH = one_of_each()
NAMES = [f"{each['kind']}-{len(each)}" for each in EACH]


def test_a_kind_has_one_encoder() -> None:
    assert set(ENCODERS) == set(get_args(Kind))
    assert [encoder.kind for encoder in ENCODERS.values()] == list(ENCODERS)
    assert {each["kind"] for each in EACH} == set(ENCODERS)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: str(path.relative_to(GOLDEN).parent))
def test_what_is_saved_comes_back_as_it_was(path: Path) -> None:
    plain = saved(path)
    again = [encoder.to_dict() for encoder in encoders_from(plain)]
    assert json.dumps(again) == json.dumps(plain["inputs"])  # the order of keys, too


@pytest.mark.parametrize("plain", EACH, ids=NAMES)
def test_an_encoder_says_what_it_reads_and_makes(plain: dict[str, Any]) -> None:
    encoder = encoder_from(plain)
    assert encoder == ENCODERS[plain["kind"]].from_dict(plain)
    assert input_spec(plain) == encoder.spec
    assert (encoder.spec.name, encoder.spec.kind) == (plain["name"], plain["kind"])
    assert encoder.row_format.columns == encoder.columns
    assert bool(encoder.columns) == ("width" in plain)


@pytest.mark.parametrize("plain", EACH, ids=NAMES)
def test_what_is_not_whole_is_refused(plain: dict[str, Any]) -> None:
    lacking = {key: value for key, value in plain.items() if key not in ("shape", "columns")}
    with pytest.raises(KeyError, match=r"shape|columns|column"):
        encoder_from(lacking)
    with pytest.raises(UnknownNameError, match="Did you mean 'series'"):
        encoder_from({**plain, "kind": "serie"})
