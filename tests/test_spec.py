"""What a target is, read back from plain data."""

from dataclasses import asdict

import pytest

from autosynth.spec import TargetSpec


@pytest.mark.parametrize("names", [["a", {}], ["a", None], ["a", 3]])
def test_names_of_classes_are_texts(names: list[object]) -> None:
    plain = asdict(TargetSpec(name="y", task="classification", classes=("a", "b")))
    with pytest.raises(TypeError, match="are texts"):
        TargetSpec.from_dict({**plain, "classes": names})
