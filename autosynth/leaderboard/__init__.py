"""Records in, one ranked table out, and the choice among its rows."""

from autosynth.leaderboard.choice import pick
from autosynth.leaderboard.rank import (
    COSTS,
    TRIVIAL,
    build_leaderboard,
    chosen,
    front,
    group_of,
    layer_numbers,
    ranks,
)
from autosynth.leaderboard.render import render
from autosynth.leaderboard.text import composing_sentence, remarks

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
