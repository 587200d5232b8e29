"""A worker: a process that trains what it is sent, and writes nothing.

It is run as `python -m autosynth.study.worker` by `processes.py`, and speaks over its standard
input and output. The first message is its setting, every further one a job, the answer to a rung,
or what trial is to be stopped. What is heavy is loaded late, when the pipe is watched already: no
worker outlives its driver, also one that is killed while the worker still loads.
"""

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import IO, Any

# What ends with its driver has nobody left to tell.
_GONE = 3


class _Wire:
    """The pipe to the driver. A thread reads it, so that its end is seen during a training."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink
        self.stopped: set[int] = set()  # the numbers of trials that are given up
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        from autosynth.study.transport import receive

        while True:
            try:
                message = receive(self._source)
            except Exception:
                os._exit(_GONE)  # at once: the training in the other thread is for nobody
            from autosynth.study.job import Stop  # which the first message has loaded

            if isinstance(message, Stop):
                self.stopped.add(message.number)
            else:
                self._inbox.put(message)

    def get(self) -> Any:
        return self._inbox.get()

    def put(self, message: object) -> None:
        from autosynth.study.transport import send

        try:
            send(message, self._sink)
        except OSError:
            os._exit(_GONE)


def _main() -> None:
    """Train until the driver is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to answer
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to the errors, and never between messages
    wire = _Wire(sys.stdin.buffer, sink)

    from autosynth.study.job import Job, Ready, Rung
    from autosynth.study.lasttraining import train_last_part
    from autosynth.study.trial import run_trial
    from autosynth.training.determinism import deterministic_kernels

    setting = wire.get()

    def tell(event: Any) -> bool:
        wire.put(event)
        return bool(wire.get()) if isinstance(event, Rung) else False

    with deterministic_kernels(setting.deterministic, setting.device):
        context = _context(setting)
        wire.put(Ready())
        while True:
            job = wire.get()
            assert isinstance(job, Job)
            told = partial(_is_stopped, wire, job.number)
            if job.until is None:
                wire.put(run_trial(context, job, tell, told))
            else:
                wire.put(train_last_part(context, job, told))


def _is_stopped(wire: _Wire, number: int) -> bool:
    return number in wire.stopped


def _context(setting: Any) -> Any:
    import torch

    from autosynth.study.context import RunContext
    from autosynth.study.transport import attach
    from autosynth.task.score import find_metric
    from autosynth.training.devicedataset import to_device
    from autosynth.training.store import STORE, ValueStore

    torch.set_num_threads(setting.threads)
    known: Mapping[str, Any] = attach(setting.context)
    dataset, plan = known["dataset"], replace(known["trainer_config"], device=setting.device)
    return RunContext(
        **{
            **known,
            "trainer_config": plan,
            "metric": find_metric(known["metric"], dataset.target),
            "device_dataset": to_device(
                dataset,
                torch.device(setting.device),
                dataset.splits.train,
                ValueStore(known["folder"] / STORE),
            ),
        }
    )


if __name__ == "__main__":
    try:
        _main()
    except BaseException:
        # A thread waits for the pipe, and Python would wait for it, or abort.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
