"""What knows the target alone: shares of classes, means, or how often each item comes next."""

import numpy as np

from autosynth.spec import Array, Dataset, RowNumbers
from autosynth.task.task import task_of


def trivial_outputs(dataset: Dataset, rows: RowNumbers) -> Array:
    """What it gives for some rows, from the true values of the training rows.

    Returns:
        Class probabilities `(n, classes)`, or values in the target's own unit, `(n,)` or
        `(n, columns)`; of a ranking what a row's user had before has the probability 0.
    """
    train = dataset.splits.train
    target, y, weights = dataset.target, dataset.y[train], dataset.weights_of(train)
    y = y.reshape(len(y), -1)
    means = [task_of(part).trivial(y[:, at], part, weights) for part, _, at in target.fields]
    output = np.tile(np.concatenate(means), (len(rows), 1))
    if task_of(target).is_number:
        return output[:, 0]
    return output if dataset.seen is None else dataset.seen.only(rows).without(output)
