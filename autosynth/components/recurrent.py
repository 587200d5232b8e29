"""Recurrence: a GRU or an LSTM over the tokens in order, forwards and backwards.

Backwards is a gather of every row's real tokens in reverse, then the same again: what comes after
a row's end cannot enter it, and no packed sequence is needed, which would not export.
"""

from importlib import import_module
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from autosynth.components.family import Config, Family, block_options
from autosynth.piece import Grid, Piece, Tokens, n_tokens, zeroed


class Recurrence(nn.Module):
    """Two recurrent layers of half the width, one a direction, side by side."""

    def __init__(self, cell: type[nn.GRU] | type[nn.LSTM], width: int) -> None:
        super().__init__()
        self.forwards = cell(width, width // 2, batch_first=True)
        self.backwards = cell(width, width // 2, batch_first=True)

    def forward(self, tokens: Tokens) -> Tokens:
        """The states of both directions at every token; masked tokens enter as zeros."""
        x, mask = tokens
        if mask is None:
            back = _states(self.backwards, x.flip(1)).flip(1)
        else:
            x = zeroed(x, mask)
            order = _reverse(mask).unsqueeze(-1)
            turned = _states(self.backwards, x.gather(1, order.expand_as(x)))
            back = turned.gather(1, order.expand_as(turned))
        return torch.cat((_states(self.forwards, x), back), -1), mask


def _states(layer: nn.Module, x: Tensor) -> Tensor:
    """The states of a recurrent layer at every token (B, T, width).

    Where a cascade is exported there may be no rows, and ONNX Runtime's recurrences end the
    process on none: these get a row of zeros, which is taken off again.
    """
    if not (torch.compiler.is_exporting() and _may_be_none(x.shape[0])):
        found: Tensor = layer(x)[0]
        return found
    none = (torch.full((1,), x.shape[0], device=x.device) == 0).nonzero().squeeze(1)
    row = x.new_zeros(1, *x.shape[1:]).index_select(0, none)
    found = layer(torch.cat((x, row)))[0]
    return found[: x.shape[0]]


def _may_be_none(rows: Any) -> bool:
    """Whether a number of rows follows from values, while a program is traced."""
    symbols: Any = import_module("torch.fx.experimental.symbolic_shapes")  # late: it loads sympy
    return bool(symbols.free_unbacked_symbols(rows))


def _reverse(mask: Tensor) -> Tensor:
    """For each row of (B, T): the places to its last real token in reverse, the rest in order."""
    place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    last = (place * mask).amax(1, keepdim=True)
    return torch.where(place <= last, last - place, place)


class _Recurrent(Family):
    options = block_options(expand_by=2)
    cell: ClassVar[type[nn.GRU] | type[nn.LSTM]]
    gates: ClassVar[int]

    def problem(self, config: Config) -> str | None:
        """Half of the width is for each direction."""
        if int(config["width"]) % 2:
            return (
                f"width={config['width']} must be even: half of it reads forwards, half backwards"
            )
        return None

    def mixer(self, config: Config, index: int, grid: Grid) -> tuple[Piece, Grid]:
        """Two recurrent layers of half the width; a layer has two biases a gate."""
        width = int(config["width"])
        hidden = width // 2
        weights = 2 * self.gates * hidden * (width + hidden)
        biases = 2 * self.gates * hidden * 2
        cell = self.cell
        piece = Piece(
            lambda: Recurrence(cell, width), 2 * n_tokens(grid) * weights, weights + biases
        )
        return piece, grid


class GRU(_Recurrent):
    """Gated recurrent units (Cho et al., 2014, arXiv:1406.1078), both directions."""

    name = "gru"
    about = "gated recurrent units over the tokens in order, both directions"
    cell = nn.GRU
    gates = 3


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997), both directions."""

    name = "lstm"
    about = "long short-term memory over the tokens in order, both directions"
    cell = nn.LSTM
    gates = 4
