"""How long one row takes through a network, on the device of a run: batch 1, the median.

Takes a composite, or a strategy that is built for it before it is trained; gives milliseconds.
"""

import math
import statistics
import time

import torch

from autosynth.budget import POLICY
from autosynth.composite import Composite, Resolved, build
from autosynth.spec import Splits
from autosynth.training.devicedataset import DeviceDataset, sample

# Times that this is made, before a strategy is refused as too slow.
LATENCY_TRIES = 3


def untrained_latency_ms(
    resolved: Resolved, data: DeviceDataset, splits: Splits, limit: float
) -> float:
    """The `latency_ms` of a strategy that is built, and not trained.

    Other work of the machine only adds to it: what is over the limit is measured again.
    """
    model = build(resolved)
    model.fit_inputs(*sample(data, splits.train))
    model = model.to(data.device)
    found = math.inf
    for _ in range(LATENCY_TRIES):
        found = min(found, latency_ms(model, data, splits))
        if found <= limit:
            break
    return found


def latency_ms(model: Composite, data: DeviceDataset, splits: Splits) -> float:
    """The median time of one row through the network, in milliseconds, on the run's device."""
    inputs = data.batch(data.rows(splits.validation[:1]))[0]
    # The first call is not counted: it allocates. Three at least, for a median.
    taken: list[float] = []
    model.eval()
    with torch.inference_mode():
        end = time.perf_counter() + POLICY.latency_seconds
        while len(taken) < 4 or (time.perf_counter() < end and len(taken) < 50):
            start = time.perf_counter()
            model(inputs).cpu()
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[1:])
