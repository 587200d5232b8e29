"""AutoSynth: finds compositions of neural networks that pay for their cost, on your data.

    import autosynth

    run = autosynth.search("data.csv", target="label", budget="10m")
    run.leaderboard                                   # a DataFrame, best first
    run.export("model")
    autosynth.load("model").predict(frame)

The public names are loaded on first use (PEP 562), so that importing the package, and asking the
command line for help, loads neither PyTorch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autosynth.loading import quick_imports

if TYPE_CHECKING:
    from autosynth.bundle import load
    from autosynth.bundle.evaluation import evaluate
    from autosynth.data import load_dataset
    from autosynth.errors import AutosynthError
    from autosynth.run import search
    from autosynth.strategy import parse

__version__ = "0.1.0"
__all__ = ["AutosynthError", "__version__", "evaluate", "load", "load_dataset", "parse", "search"]

_HOMES = {
    "AutosynthError": ("autosynth.errors", "AutosynthError"),
    "evaluate": ("autosynth.bundle", "evaluate"),
    "load": ("autosynth.bundle", "load"),
    "load_dataset": ("autosynth.data", "load_dataset"),
    "parse": ("autosynth.strategy", "parse"),
    "search": ("autosynth.run", "search"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    with quick_imports():
        return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
