"""The folder on this machine where files from elsewhere are kept, so that they are got once."""

import os
from pathlib import Path

CACHE_ENV = "AUTOSYNTH_CACHE"


def own_cache(*names: str) -> Path | None:
    """The folder `names` of the cache that AUTOSYNTH_CACHE names; None where it names none."""
    own = os.environ.get(CACHE_ENV)
    return Path(own, *names) if own else None


def cache_folder(*names: str) -> Path:
    """The folder `names` of the cache: the one that is named, or one below the user's caches."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return own_cache(*names) or Path(home, "autosynth", *names)
