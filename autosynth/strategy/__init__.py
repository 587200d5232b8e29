"""The notation: a line of text in, a frozen tree out, and back. Syntax only; it knows no family.

    cnn > gru                                   a chain
    attend(cnn > gru, transformer[width=64])    a fusion of two parts
    mean(cnn, gru) share=layers | lr=0.003      words on the whole, then settings of the training
    mean(cnn | lr=0.001, gru) train=subsets     settings of a part's own, where it is trained alone

Which families, fusions, words and settings there are, and which sizes they take, is for
`autosynth.composite.resolve` to say.
"""

from autosynth.strategy.parse import parse
from autosynth.strategy.tree import (
    MAX_DEPTH,
    MOST_PARTS,
    Chain,
    Fusion,
    Node,
    Part,
    Scalar,
    Settings,
    Strategy,
    Topology,
    from_dict,
    map_parts,
    parts,
    to_dict,
    topology,
    walk,
)

__all__ = [
    "MAX_DEPTH",
    "MOST_PARTS",
    "Chain",
    "Fusion",
    "Node",
    "Part",
    "Settings",
    "Strategy",
    "Topology",
    "Scalar",
    "from_dict",
    "map_parts",
    "parse",
    "parts",
    "to_dict",
    "topology",
    "walk",
]
