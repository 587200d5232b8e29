"""What a device is: the name that a user gives, and the one that PyTorch has for it."""

import torch

from autosynth.errors import ConfigError
from autosynth.options import check_device_name


def check_device(name: str) -> str:
    """A torch device name: `auto` is the first GPU there is, else the processor.

    Raises:
        UnknownNameError: no such kind of device.
        ConfigError: the device is not on this machine.
    """
    check_device_name(name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} is not on this machine, which has {torch.cuda.device_count()} GPUs "
            "that PyTorch can use; leave --device out, or say --device cpu"
        )
    return name
