"""What every test shares: GPU tests skip where there is no GPU, property tests repeat exactly."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import settings

# A busy machine is not a failure, and the same commit gives the same verdict twice.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

# Read when a process first uses its GPU: tests of `--deterministic` come after others.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # importorskip, so that tests without tensors start without PyTorch.
    if item.get_closest_marker("gpu") and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device here")


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str, str, str, str], None]:
    """Installs a package of one module, with one entry point, where `in_package` starts Python."""

    def make(group: str, name: str, value: str, text: str) -> None:
        module = value.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")

    return make


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs code in a process of its own, in `tmp_path`, beside the packages of some folders."""

    def run(code: str, *folders: Path) -> "subprocess.CompletedProcess[str]":
        path = os.pathsep.join(map(str, (tmp_path, *folders, Path(__file__).parents[1])))
        return subprocess.run(
            [sys.executable, "-c", f"if __name__ == '__main__':\n{indent(code, '    ')}"],
            env={**os.environ, "PYTHONPATH": path},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def in_package(python: Callable[..., "subprocess.CompletedProcess[str]"]) -> Callable[[str], str]:
    """Runs code beside what `install` installed; gives what it prints."""

    def run(code: str) -> str:
        ran = python(code)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


@pytest.fixture(scope="module")
def short_schedules() -> Iterator[None]:
    """Short trainings, where what is looked at does not depend on their length."""
    modalities = pytest.importorskip("autosynth.modality").MODALITIES
    with pytest.MonkeyPatch.context() as patch:
        for modality in modalities.values():
            short = replace(modality.schedule, least_steps=80, most_steps=80)
            patch.setattr(type(modality), "schedule", short)
        yield
