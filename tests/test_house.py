"""The house: order of imports, sizes of files, weight of an import, what a wheel holds."""

import ast
import gc
import os
import re
import statistics
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import autosynth
from autosynth.loading import quick_imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "autosynth"
FILES = sorted(PACKAGE.rglob("*.py"))

# A file imports only from what stands before it.
ORDER = [
    *("loading", "number", "errors", "weight", "budget", "plugin", "atomic", "scratch"),
    *(
        "jsonfields",
        "options",
        "signature",
        "strategy",
        "scale",
        "spec",
        "cell",
        "spelling",
        "task",
        "data",
    ),
    *("exportable", "piece", "modality"),
    *("components", "composite", "training"),
    *("front", "record", "progress", "study", "leaderboard", "report", "bundle"),
    *("testing", "run", "estimator", "cli", "__main__"),
]
# And inside a package with rooms of its own, between these.
ROOMS = {
    "data": [
        *("source", "column", "split", "encoder", "inspection", "framing", "load"),
    ],
}
MOST_ROOMS = 12
HEAVY = {"torch", "numpy", "pandas", "sklearn", "scipy", "optuna", "matplotlib", "PIL"}


@dataclass(frozen=True, kw_only=True)
class Import:
    module: str  # as written, made absolute; autosynth.data.load where a name of it is taken
    line: int
    late: bool  # inside a function


def module_name(path: Path) -> str:
    """`autosynth/data/load.py` is autosynth.data.load, and its `__init__.py` autosynth.data."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


MODULES = {module_name(path): path for path in FILES}


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every import of a file, wherever it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [
        n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    late = {inner for function in functions for inner in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = from_names(node, path)
        else:
            continue
        found += [Import(module=name, line=node.lineno, late=node in late) for name in names]
    return tuple(found)


def from_names(node: ast.ImportFrom, path: Path) -> list[str]:
    """`from a import b` takes the module a.b where there is one, and a name of a otherwise."""
    base = node.module or ""
    if node.level:
        package = module_name(path).split(".")
        package = package if path.name == "__init__.py" else package[:-1]
        package = package[: len(package) - node.level + 1]
        base = ".".join([*package, *([base] if base else [])])
    inside = [f"{base}.{alias.name}" for alias in node.names]
    # The one thing the package itself may be asked for from inside is its version.
    version = f"{autosynth.__name__}.__version__"
    return [name if name in MODULES or name == version else base for name in inside]


def place(module: str) -> int:
    name = module.split(".")[1]
    assert name in ORDER, f"{module} has no place in the order of imports; give {name!r} one"
    return ORDER.index(name)


def inside(path: Path) -> list[Import]:
    own = [each for each in imports(path) if each.module.split(".")[0] == "autosynth"]
    return [each for each in own if each.module != "autosynth.__version__"]


# autosynth/__init__.py hands on names of all of them, and names them for type checkers alone.
ORDERED = [path for path in FILES if path != PACKAGE / "__init__.py"]


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    def seen(text: str) -> list[str]:
        node = ast.parse(text).body[0]
        assert isinstance(node, ast.ImportFrom)
        return from_names(node, PACKAGE / "data" / "load.py")

    assert seen("from autosynth import errors") == ["autosynth.errors"]
    assert seen("from autosynth import parse") == ["autosynth"]
    assert seen("from autosynth.errors import lookup") == ["autosynth.errors"]
    assert seen("from . import load") == ["autosynth.data.load"]
    assert seen("from .load import Kind") == ["autosynth.data.load"]
    assert seen("from ..errors import lookup") == ["autosynth.errors"]
    file = tmp_path / "late.py"
    file.write_text("import a\nif a:\n    import b\ndef f():\n    from c import d\n")
    assert [(each.module, each.late) for each in imports(file)] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]


@pytest.mark.parametrize("path", ORDERED, ids=module_name)
def test_a_file_imports_only_from_what_stands_before_it(path: Path) -> None:
    here = module_name(path)
    for each in inside(path):
        where = f"{path.relative_to(ROOT)}:{each.line}"
        assert each.module in MODULES, f"{where} imports {each.module}, which is no file"
        assert each.module != "autosynth", f"{where}: import the name from the file it lives in"
        same = each.module.split(".")[1] == here.split(".")[1]
        assert same or place(each.module) < place(here), (
            f"{where} imports {each.module}, which stands after it"
        )


# Clocks that a user can set, of the modules `time` and `datetime`.
SETTABLE = {
    "time",
    "time_ns",
    "localtime",
    "gmtime",
    "ctime",
    "strftime",
    "now",
    "utcnow",
    "today",
}
# Where a moment is written down for people to read, and nothing is decided by it.
TOLD = {PACKAGE / "run" / "lock.py": {"time.strftime"}}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_nothing_goes_by_a_clock_that_can_be_set(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("time", "datetime", "date", "Timestamp")
        and node.attr in SETTABLE
    }
    found |= {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in SETTABLE
    }
    assert found == TOLD.get(path, set())


def room(module: str, package: str) -> int:
    """The place of a module among the rooms of its package."""
    name = module.split(".")[2]
    assert name in ROOMS[package], f"{module} has no place among the rooms; give {name!r} one"
    return ROOMS[package].index(name)


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_imports_only_from_those_before_it(package: str) -> None:
    rooms = {path for path in FILES if path.is_relative_to(PACKAGE / package)}
    for path in sorted(rooms - {PACKAGE / package / "__init__.py"}):  # which hands on names of all
        here = module_name(path)
        for each in inside(path):
            names = each.module.split(".")
            if names[1] != package:
                continue
            where = f"{path.relative_to(ROOT)}:{each.line}"
            assert len(names) > 2, f"{where}: import the name from the file it lives in"
            same = names[2] == here.split(".")[2]
            assert same or room(each.module, package) < room(here, package), (
                f"{where} imports {each.module}, which stands after it"
            )


@pytest.mark.parametrize("package", ROOMS)
def test_a_package_has_few_rooms_and_no_other(package: str) -> None:
    root = PACKAGE / package
    inside = {path.relative_to(root).parts[0].removesuffix(".py") for path in root.rglob("*.py")}
    found = {name for name in inside if not name.startswith("_")}
    assert found == set(ROOMS[package])
    assert len(found) <= MOST_ROOMS


def test_no_two_files_import_each_other() -> None:
    graph = {module_name(path): {each.module for each in inside(path)} for path in ORDERED}
    for module in graph:
        graph[module].discard(module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_stand_at_the_top(path: Path) -> None:
    # Its --help answers at once because it imports late; a worker watches its pipe before that.
    if path.parent != PACKAGE / "cli" and path != PACKAGE / "study" / "worker.py":
        # Reading a target does without PyTorch, which the loss of its task needs.
        free = "torch." if path.parent == PACKAGE / "task" else ()
        late = [each for each in imports(path) if each.late and not each.module.startswith(free)]
        assert [f"{path.relative_to(ROOT)}:{each.line}" for each in late] == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_search_knows_optuna(path: Path) -> None:
    named = {each.module.split(".")[0] for each in imports(path)}
    assert "optuna" not in named or path.is_relative_to(PACKAGE / "study")


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and node.body[1:] else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1
            assert lines <= 50, f"{path.name}:{node.lineno} {node.name} has {lines} lines"


def test_the_median_file_is_short() -> None:
    lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in FILES]
    # So much code in so few files cannot have the median of 150 that it had in 240.
    assert statistics.median(lengths) <= 180


def python(code: str, *, cwd: Path, interpreter: str = sys.executable, **env: str) -> str:
    """What `code` prints, in a process of its own with warnings as errors."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [interpreter, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=cwd, env={**clean, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    ["import autosynth", "import autosynth; autosynth.parse('cnn > gru')", "import autosynth.cli"],
)
def test_a_light_import_loads_nothing_heavy(code: str, tmp_path: Path) -> None:
    loaded = python(f"{code}\nimport sys; print(*sys.modules)", cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert "autosynth" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


def test_reading_data_needs_no_torch(tmp_path: Path) -> None:
    """Of a kind of input it knows the encoder, and not what networks make of it."""
    code = "import sys, autosynth; autosynth.load_dataset('iris'); print(*sys.modules)"
    loaded = set(python(code, cwd=tmp_path, PYTHONPATH=str(ROOT)).split())
    assert {"autosynth.task.classification", "pandas"} <= loaded
    assert "autosynth.data.encoder.registry" in loaded
    assert "torch" not in loaded


def test_a_search_begins_without_what_few_need(tmp_path: Path) -> None:
    """Sound alone is resampled, forests alone need their library, pictures come at the end."""
    code = (
        "import autosynth, pandas as pd; autosynth.search\n"
        "frame = pd.DataFrame({name: [0.5, 1.5, 4.0] * 20 for name in 'abcd'})\n"
        "autosynth.load_dataset(frame, target='d', task='regression')\n"
        "import sys; print(*sys.modules)"
    )
    loaded = set(python(code, cwd=tmp_path, PYTHONPATH=str(ROOT)).split())
    assert {"autosynth.run.session", "autosynth.data.encoder.table"} <= loaded
    late = {"sklearn", "scipy.stats", "scipy.signal", "matplotlib", "optuna.importance"}
    never = {"torch._dynamo", "torch._inductor", "sympy", "transformers"}
    assert (late | never) & loaded == set()


def test_late_imports_leave_the_collector_as_it_was() -> None:
    assert gc.isenabled()
    with quick_imports():
        assert not gc.isenabled()
        with quick_imports():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_every_public_name_is_there() -> None:
    for name in autosynth.__all__:
        assert getattr(autosynth, name) is not None
    assert set(autosynth.__all__) <= set(dir(autosynth))
    with pytest.raises(AttributeError, match="has no attribute 'serach'"):
        autosynth.serach  # noqa: B018 - the look-up is the test


def dependency_lines() -> dict[str, str]:
    """Each line of the dependencies, by the name of the distribution."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("\ndependencies = [\n")[1].split("\n]")[0]
    return {re.split(r"[\"<>=]", line)[1]: line for line in block.splitlines()}


def test_what_is_imported_is_a_dependency() -> None:
    declared = {name.lower() for name in dependency_lines()}
    owners = packages_distributions()
    for path in FILES:
        for each in imports(path):
            name = each.module.split(".")[0]
            if name == "autosynth" or name in sys.stdlib_module_names:
                continue
            owner = {
                distribution.lower().replace("_", "-") for distribution in owners.get(name, [name])
            }
            assert owner & declared, f"{path.name}:{each.line} needs {name}"


@pytest.mark.parametrize(("name", "line"), dependency_lines().items())
def test_a_dependency_says_which_file_needs_it(name: str, line: str) -> None:
    named = re.findall(r"autosynth/[\w/]+(?:\.py)?", line.partition("#")[2])
    assert named, f"{name} has no comment that names a file"
    for path in named:
        assert (ROOT / path).exists(), f"{name} names {path}, which is not there"


def test_what_was_tested_is_pinned() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pins = {line.split("==")[0].lower() for line in lines}
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in lines)
    assert "torch==2.13.0" in lines  # without +cpu: pip takes a CPU build where there is one
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    assert {re.split("[<>=]", each)[0].lower() for each in wanted} <= pins


SPACES = "from autosynth.study import spacefile; print(*sorted(spacefile.names()))"


def spaces() -> list[str]:
    return sorted(path.stem for path in (ROOT / "search_spaces").glob("*.toml"))


def test_spaces_are_found_beside_the_package(tmp_path: Path) -> None:
    """As with pip install -e: the package stands in the checkout."""
    assert spaces()
    assert python(SPACES, cwd=tmp_path, PYTHONPATH=str(ROOT)).split() == spaces()


@pytest.mark.slow
def test_spaces_are_found_in_an_installed_wheel(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("autosynth-*.whl")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=False, symlinks=True)
    interpreter = str(fresh / "bin" / "python")
    install = [*pip, "--python", interpreter, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    # The dependencies are those of this environment: a .pth adds its folder, but follows no .pth
    # in there, so that an editable AutoSynth stays out of sight.
    (site,) = fresh.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    where = python(
        "import autosynth; print(autosynth.__file__)", cwd=tmp_path, interpreter=interpreter
    )
    assert Path(where.strip()).is_relative_to(site)
    assert (site / "autosynth" / "py.typed").exists()
    assert python(SPACES, cwd=tmp_path, interpreter=interpreter).split() == spaces()
    help_text = subprocess.run(
        [fresh / "bin" / "autosynth", "--help"], check=True, capture_output=True, text=True
    )
    assert "search" in help_text.stdout


def public_names(path: Path) -> set[str]:
    """What a file defines at its top level, for others to import."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def test_no_public_name_is_defined_in_two_files() -> None:
    homes: dict[str, list[str]] = {}
    for path in FILES:
        if path.name != "__init__.py":
            for name in public_names(path):
                homes.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    twice = {name: files for name, files in homes.items() if len(files) > 1}
    assert not twice
