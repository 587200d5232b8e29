"""The weights of the strategies that a run has trained, by the root of their tree.

`init=parts` begins from them: a part of a composite that stood alone before need not be trained
again.
"""

from collections.abc import Mapping

from torch import Tensor

from autosynth.record import read_all, trial_dir
from autosynth.strategy import Node, parse
from autosynth.study.bench import Bench
from autosynth.training.loop import Bank
from autosynth.training.weights import load_tensors


def bank_of(bench: Bench) -> Bank:
    """Looks a strategy up among the complete trials of the run: the best by validation score."""

    def look(root: Node) -> tuple[Mapping[str, Tensor], float] | None:
        found = []
        for record in read_all(bench.folder):
            if record.kind == "strategy" and record.state == "complete":
                strategy = parse(record.notes["resolved"])
                path = trial_dir(bench.folder, record.trial) / "weights.safetensors"
                if strategy.root == root and not strategy.words and path.exists():
                    share = min(record.best_shares.values(), default=1.0)  # it had one phase
                    found.append((record.val[bench.metric.name], record.trial, path, share))
        if not found:
            return None
        *_, path, share = max(found)
        return load_tensors(path), share

    return look
