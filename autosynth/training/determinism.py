"""Trainings that give the same weights each time on one GPU: `--deterministic`.

Takes the name of a device; gives a context in which PyTorch takes deterministic kernels alone and
refuses what has none. What is switched holds for the whole process and is put back at the end. On
a processor a seed gives the same weights without it, so that nothing is switched there.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from autosynth.errors import ConfigError

# cuBLAS picks kernels by the workspace that is free, which other streams change, unless it has one
# of these fixed sizes (NVIDIA's documentation of cuBLAS, "Results reproducibility"). The first has
# eight buffers of 4 MiB, as much as PyTorch gives it on a Hopper anyway.
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED_SIZES = (":4096:8", ":16:8")
_REFUSED = re.compile(r"(\S+) does not have a deterministic implementation")


@contextmanager
def deterministic_kernels(asked: bool, device: str) -> Iterator[None]:
    """In it a seed gives the same weights, where that is `asked` and the device is a GPU.

    The size of cuBLAS's workspace stays set in the environment: it is read once a process.

    Raises:
        ConfigError: this process has used a GPU before, when cuBLAS was free to choose.
    """
    if not asked or not device.startswith("cuda"):
        yield
        return
    if os.environ.get(WORKSPACE) not in FIXED_SIZES:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            raise ConfigError(
                f"deterministic results need {WORKSPACE}={FIXED_SIZES[0]} in the environment "
                "before a process first uses its GPU, and this one has used it already: set it "
                "before Python is started, or search in a new process (--deterministic)"
            )
        os.environ[WORKSPACE] = FIXED_SIZES[0]
    cudnn = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.benchmark,
    )
    try:
        torch.use_deterministic_algorithms(True)
        cudnn.benchmark = False  # it times kernels, and takes another one on another day
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.benchmark = before[2]


def refusal(error: Exception) -> str:
    """What PyTorch does not train, in a sentence; of many lines the first."""
    if found := _REFUSED.search(str(error)):
        return (
            f"{found[1]} of PyTorch has no deterministic kernel on this device; leave "
            "--deterministic out to train what needs it"
        )
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"PyTorch cannot train it: {lines[0]}"
