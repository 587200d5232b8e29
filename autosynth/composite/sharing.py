"""What `share=` needs of a whole strategy: parts that can share, and the one stem they share.

Takes the root of a canonical strategy and its inputs; gives the patch and width of a shared stem,
or a StrategyError that says what stands in the way.
"""

from collections.abc import Mapping

from autosynth.components import FAMILIES
from autosynth.composite.layout import config_of, read_by, readers, used
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec
from autosynth.strategy import Node, Part, parts


def check_sharing(root: Node, share: str, inputs: Mapping[str, InputSpec]) -> None:
    """Raise StrategyError where parts cannot share what they are asked to."""
    if share == "layers":
        unlike = [
            f"one {name} in all parts, not {', '.join(map(str, values))}"
            for name in ("width", "expand", "norm")
            if len(set(values := [part.get(name) for part in parts(root)])) > 1
        ]
        if unlike:
            raise StrategyError(f"share=layers needs {'; '.join(unlike)}, in {root}")
    if share == "stem" and all(len(_sharers(root, n, inputs)) < 2 for n in used(root, inputs)):
        raise StrategyError(
            f"share=stem needs two parts that read one input by the stem of its kind, and "
            f"{root} has no two; leave it out"
        )


def shared_stem(root: Node, name: str, inputs: Mapping[str, InputSpec]) -> tuple[int, int]:
    """The finest patch and the largest width that the readers of an input ask of its stem."""
    configs = [(FAMILIES[part.family], config_of(part)) for part in _sharers(root, name, inputs)]
    patch = min(int(config["patch"]) for _, config in configs)
    return patch, max(family.entry_width(config, None) for family, config in configs)


def _sharers(root: Node, name: str, inputs: Mapping[str, InputSpec]) -> list[Part]:
    """The readers of an input that have no stem of their own."""
    found = [part for part in readers(root) if name in read_by(part, inputs)]
    return [part for part in found if not FAMILIES[part.family].reads]
