"""A name or a path in, the `Space` of that file out, or every problem in the file at once.

The spaces that come with AutoSynth stand in `search_spaces/`; a user's own is a path. A file that
is wrong is refused before the first trial, with the key of each problem and the nearest name.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from autosynth.atomic import path_of
from autosynth.errors import ConfigError, unknown
from autosynth.study.space import Space
from autosynth.study.spacereader import SpaceReader


def names() -> list[str]:
    """The spaces that come with AutoSynth."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load_space(name_or_path: str | Path) -> Space:
    """The space of that name, or the one in the file at that path.

    Raises:
        UnknownNameError: if there is neither.
        ConfigError: if the file cannot be read, or listing every problem in it.
    """
    path = path_of(name_or_path, "a search space is the name of one or a file", ConfigError)
    if path.suffix == ".toml" or path.is_file():
        space = read_space(path)
        return replace(
            space, composites_first="composites" in tomllib.loads(path.read_text(encoding="utf-8"))
        )
    if str(name_or_path) not in names():
        raise unknown("search space", str(name_or_path), names(), "(no file of that name either)")
    return read_space(_folder() / f"{name_or_path}.toml")


def read_space(path: Path) -> Space:
    """The space in a TOML file.

    Raises:
        ConfigError: if the file cannot be read, or listing every problem in it.
    """
    reader = SpaceReader(_content(path, ()))
    space = reader.space()
    if reader.problems:
        listed = "".join(f"\n  {problem}" for problem in reader.problems)
        count = f"{len(reader.problems)} problem" + ("s" if len(reader.problems) > 1 else "")
        raise ConfigError(f"search space {path}: {count} to mend:{listed}")
    return space


def _content(path: Path, inside: tuple[Path, ...]) -> dict[str, Any]:
    """The tables of a file, laid over those of the space it extends."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"search space {path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"search space {path}: not a TOML file: {error}") from error
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise ConfigError(f"search space {path}: extends: a name or a path, not {base!r}")
    parent = path.parent / base if base.endswith(".toml") else _folder() / f"{base}.toml"
    if not parent.is_file():
        raise unknown("search space", base, names(), f"(extends, in {path})")
    if parent.resolve() in (path.resolve(), *inside):
        raise ConfigError(f"search space {path}: extends {base}, which extends it in turn")
    under = _content(parent, (*inside, path.resolve()))
    under = _of_kinds(under, content.get("kinds", under.get("kinds")))
    merged = laid_over(content, under)
    families = merged.get("families", [])
    for key in ("family", "ladder", "defaults"):
        if isinstance(merged.get(key), dict):
            own = content.get(key, {})
            merged[key] = {
                name: value
                for name, value in merged[key].items()
                if name in families or name in own or not isinstance(value, dict | list)
            }
    if isinstance(merged.get("optional"), list) and "optional" not in content:
        left = [name for name in merged.pop("optional") if name in families]
        merged |= {"optional": left} if left else {}
    return merged


def _of_kinds(content: Mapping[str, Any], kinds: Any) -> dict[str, Any]:
    """What a file extends without the strategies in it that name kinds which it is not for."""
    there = content.get("kinds")
    if not (isinstance(there, list) and isinstance(kinds, list)):
        return dict(content)
    gone = "|".join(re.escape(str(kind)) for kind in there if kind not in kinds)

    def left(strategies: Any) -> Any:
        if not (gone and isinstance(strategies, list)):
            return strategies
        return [text for text in strategies if not re.search(rf"[:+]({gone})\b", str(text))]

    ladder = content.get("ladder")
    more = {"ladder": {n: left(s) for n, s in ladder.items()}} if isinstance(ladder, dict) else {}
    if "composites" in content:
        more["composites"] = left(content["composites"])
    return {**content, **more}


def laid_over(content: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `content` says in its place, table by table."""
    found = dict(base)
    for key, value in content.items():
        known = found.get(key)
        if isinstance(value, dict) and isinstance(known, dict):
            value = laid_over(value, known)
        found[key] = value
    return found


def _folder() -> Path:
    """Where the spaces are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"
