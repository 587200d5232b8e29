"""Where a search trains: a device that is not there is refused before anything is read."""

import pytest

from autosynth.errors import ConfigError, UnknownNameError
from autosynth.run.prepare import check_device


def test_a_device_that_is_not_here_is_refused() -> None:
    assert check_device("cpu") == "cpu"
    with pytest.raises(UnknownNameError, match=r"unknown device 'cudo'.*Did you mean 'cuda'"):
        check_device("cudo")
    with pytest.raises(ConfigError, match=r"not on this machine.*--device cpu"):
        check_device("cuda:99")
