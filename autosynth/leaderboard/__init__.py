"""Records in, one ranked table out, and the choice among its rows."""

from autosynth.leaderboard.rank import (
    COSTS,
    TRIVIAL,
    build_leaderboard,
    chosen,
    front,
    group_of,
    layer_numbers,
    pick,
    ranks,
)
from autosynth.leaderboard.render import composing_sentence, remarks, render

__all__ = [
    "COSTS",
    "TRIVIAL",
    "build_leaderboard",
    "chosen",
    "composing_sentence",
    "front",
    "group_of",
    "layer_numbers",
    "pick",
    "ranks",
    "remarks",
    "render",
]
