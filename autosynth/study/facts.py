"""What is known of data before any training: in what they are like others."""

import math

from autosynth.spec import Dataset


def facts_of(dataset: Dataset) -> dict[str, float | str]:
    """Kinds, task, and binary logarithms of training rows, outputs and numbers a row, by name."""
    inputs, target = dataset.inputs, dataset.target
    return {
        "data.kinds": " ".join(sorted({each.kind for each in inputs if not each.of})),
        "data.task": target.task,
        "data.rows": math.log2(len(dataset.splits.train)),
        "data.outputs": math.log2(target.n_outputs),
        "data.size": math.log2(sum(math.prod(each.shape) for each in inputs if not each.of)),
    }
