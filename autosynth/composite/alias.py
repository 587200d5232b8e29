"""Names that stand for a component with options: `resnet18` for `pretrained[model=resnet18]`.

Takes a strategy as it is written, gives one of families alone, which is what is compared and
stored.
"""

from dataclasses import replace

from autosynth.components import FAMILIES
from autosynth.errors import StrategyError
from autosynth.strategy import Chain, Node, Part, Strategy


def without_aliases(strategy: Strategy) -> Strategy:
    """The strategy with each alias written out; a name that is none stays, to be refused by name.

    Raises:
        StrategyError: options of a part are those that its alias stands for.
    """
    root = _written_out(strategy.root)
    return strategy if root == strategy.root else replace(strategy, root=root)


def _written_out(node: Node) -> Node:
    if isinstance(node, Chain):
        return Chain(steps=tuple(map(_written_out, node.steps)))
    if not isinstance(node, Part):
        return replace(node, parts=tuple(map(_written_out, node.parts)))
    if node.family in FAMILIES:
        return node
    for family in FAMILIES.values():
        if meant := family.aliases.get(node.family):
            given = dict(node.config)
            if twice := sorted(meant.keys() & given.keys()):
                raise StrategyError(
                    f"{node}: {node.family} says {', '.join(twice)} already; leave it out, or "
                    f"write {family.name}[{twice[0]}={given[twice[0]]}]"
                )
            return replace(node, family=family.name, config=(*meant.items(), *node.config))
    return node
