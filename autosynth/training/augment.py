"""Light random changes of training inputs, by kind: on the device, whole batches at once.

`light` moves an image or series a little, swaps a few cells of a table and hides a few tokens of a
text or things of a history; `strong` also mirrors and blanks images, stretches and blanks series,
swaps and hides more. Of the history of a forecast, some channels are stopped.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from autosynth.data.encoder.text import MASK, START
from autosynth.spec import InputSpec

SWAPPED = {"light": 0.05, "strong": 0.15}
STILL = {"light": 0.3, "strong": 0.7}


def augment(
    inputs: dict[str, Tensor], specs: tuple[InputSpec, ...], level: str
) -> dict[str, Tensor]:
    """A changed batch of raw inputs, shapes as they were. `level`: none, light or strong."""
    if level == "none":
        return inputs
    return {
        spec.name: x if spec.of else AUGMENTS["past" if spec.anchored else spec.kind](x, level)
        for spec in specs
        for x in (inputs[spec.name],)
    }


def _image(x: Tensor, level: str) -> Tensor:
    """Shift by up to 1/14 of each side (He et al., 2016); strong: mirror and blank a square."""
    batch, _, height, width = x.shape
    rows = _shifted(batch, height, max(1, height // 14), x.device)
    columns = _shifted(batch, width, max(1, width // 14), x.device)
    if level == "strong":
        mirrored = torch.rand(batch, 1, device=x.device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    at = torch.arange(batch, device=x.device)[:, None, None]
    # Indexing on both axes at once leaves channels last: put them back at the end.
    x = x.permute(0, 2, 3, 1)[at, rows[:, :, None], columns[:, None, :]]
    x = _blank_square(x) if level == "strong" else x
    return x.permute(0, 3, 1, 2)


def _shifted(batch: int, size: int, reach: int, device: torch.device) -> Tensor:
    """Places along an axis after a random shift for each row; the edge repeats."""
    shift = torch.randint(-reach, reach + 1, (batch, 1), device=device)
    return (torch.arange(size, device=device) + shift).clamp(0, size - 1)


def _blank_square(x: Tensor) -> Tensor:
    """Half of the images lose a square of a quarter to half a side (DeVries and Taylor, 2017)."""
    batch, height, width, _ = x.shape

    def span(size: int) -> Tensor:
        length = torch.randint(size // 4, size // 2 + 1, (batch, 1), device=x.device)
        start = (torch.rand(batch, 1, device=x.device) * size).long() - length // 2
        place = torch.arange(size, device=x.device)
        return (place >= start) & (place < start + length)

    inside = span(height)[:, :, None] & span(width)[:, None, :]
    inside &= torch.rand(batch, 1, 1, device=x.device) < 0.5
    return x.masked_fill(inside.unsqueeze(-1), 0)


def _series(x: Tensor, level: str) -> Tensor:
    """Shift in time and scale; strong: stretch a window as well, and blank a stretch.

    Window slicing and scaling as in Um et al. (2017, arXiv:1706.00527); the edges repeat.
    """
    batch, channels, steps = x.shape
    mean, spread = _statistics(x)
    start = (torch.rand(batch, 1, device=x.device) - 0.5) * 0.1 * (steps - 1)
    length = torch.full((batch, 1), float(steps - 1), device=x.device)
    if level == "strong":
        length = length * (0.8 + 0.4 * torch.rand(batch, 1, device=x.device))
        start = start + (steps - 1 - length) * torch.rand(batch, 1, device=x.device)
    place = start + length * torch.linspace(0, 1, steps, device=x.device)
    x = _interpolate(x, place.clamp(0, steps - 1))
    x = x * (1 + 0.1 * torch.randn(batch, channels, 1, device=x.device))
    x = x + 0.03 * spread * torch.randn_like(x)
    if level == "strong":
        size = torch.rand(batch, 1, device=x.device) * 0.2 * steps
        begin = torch.rand(batch, 1, device=x.device) * steps
        at = torch.arange(steps, device=x.device)
        blank = ((at >= begin) & (at < begin + size)).unsqueeze(1) & ~x.isnan()
        x = torch.where(blank, mean, x)
    return x


def _past(x: Tensor, level: str) -> Tensor:
    """Of a history of several channels, some stand still at their last step; and noise.

    A shift in time would change what comes next.
    """
    still = torch.rand(*x.shape[:2], 1, device=x.device) < STILL[level]
    if x.shape[1] == 1:  # the target's own past
        still[:] = False
    _, spread = _statistics(x)
    noise = 0.03 * spread * torch.randn_like(x)
    noise[..., -1] = 0  # what a forecast starts from
    return torch.where(still, x[..., -1:], x + noise)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of what is there of each channel, (1, C, 1) each."""
    known = ~x.isnan()
    n = known.sum((0, 2), keepdim=True).clamp(min=1)
    mean = torch.nansum(x, (0, 2), keepdim=True) / n
    square = torch.where(known, (x - mean).square(), torch.zeros((), device=x.device))
    return mean, square.sum((0, 2), keepdim=True).div(n).sqrt()


def _interpolate(x: Tensor, place: Tensor) -> Tensor:
    """Series (B, C, L) read at fractional places (B, L), linearly between steps."""
    low = place.floor().long()
    high = (low + 1).clamp(max=x.shape[-1] - 1)
    share = (place - low).unsqueeze(1)
    before, after = (x.gather(2, at.unsqueeze(1).expand_as(x)) for at in (low, high))
    return torch.lerp(before, after, share)


def _table(x: Tensor, level: str) -> Tensor:
    """A share of the cells takes the value of another row (swap noise, Yoon et al., 2020)."""
    swap = torch.rand(x.shape, device=x.device) < SWAPPED[level]
    other = torch.randint(0, x.shape[0], x.shape, device=x.device)
    return torch.where(swap, x.gather(0, other), x)


def _text(x: Tensor, level: str) -> Tensor:
    """A share of the tokens is hidden (word dropout, Iyyer et al., 2015)."""
    hide = torch.rand(x.shape, device=x.device) < SWAPPED[level]
    return torch.where(hide & (x > START), MASK, x)


def _as_it_is(x: Tensor, level: str) -> Tensor:
    """Sounds are changed as pictures: `training/audio.py`."""
    return x


AUGMENTS: dict[str, Callable[[Tensor, str], Tensor]] = {
    "image": _image,
    "series": _series,
    "past": _past,
    "table": _table,
    "text": _text,
    "ids": _text,
    "audio": _as_it_is,
}
