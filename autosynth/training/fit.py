"""Fits the part of a phase that takes no steps: a forest, a linear model, what is no network."""

import torch

from autosynth.budget import Deadline
from autosynth.components.fitted import FitRows, FittedModel
from autosynth.composite import Composite
from autosynth.composite.plan import Phase
from autosynth.errors import TrialError
from autosynth.spec import RowNumbers
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.work import CHUNK, values


def fit_phase(
    model: Composite,
    phase: Phase,
    data: DeviceDataset,
    train: RowNumbers,
    *,
    seed: int,
    deadline: Deadline,
) -> str:
    """Fit the one piece of a phase to training rows; gives what it was cut short of, or nothing.

    Args:
        model: the composite; other pieces stay as they are.
        phase: one that `is_fit`.
        data: all rows on the device.
        train: the numbers of those that it is fitted to.
        seed: of its own chance.
        deadline: by which it ends.

    Raises:
        TrialError: these rows cannot be fitted, or they have weights and the piece takes none.
    """
    step = model.program.step(phase.outputs[0])
    module = model.modules_by_name[step.name]
    assert isinstance(module, FittedModel)
    if data.weights is not None and not module.takes_weights:
        raise TrialError(
            f"{step.family} counts all rows alike, and these have weights (--weight, "
            "--class-weight); leave it out of the space, or the weights"
        )
    rows = data.rows(train)
    chunks = [values(model, data, part, step.args) for part in torch.split(rows, CHUNK)]
    module.cpu()  # where its library reads the rows; a GPU has it back below
    cut = module.fit(
        FitRows(
            raw=tuple(torch.cat(parts) for parts in zip(*chunks, strict=True)),
            y=data.y[rows],
            weights=data.weights_of(rows),
            seed=seed,
            threads=torch.get_num_threads(),
            deadline=deadline,
        )
    )
    model.to(data.device)
    return cut
