"""The package is built in floors: a module imports from its own floor and from those below."""

import ast
import graphlib
import inspect
import shutil
import tomllib
from pathlib import Path

import pytest
from conftest import PUBLISHED_NETWORKS

from fmnist_lib import model, train
from fmnist_lib.model import NETWORKS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fmnist_lib"
BY_NAME = ("import_module", "__import__")  # functions that import what a text names
READ_FIRST = ("data", "model", "recipe", "train", "history", "evaluate")
# From the bottom. A name stands for a module, or for a folder with all that is in it.
FLOORS = (
    ("errors", "versions"),
    ("threads",),
    ("__init__",),
    ("storage",),
    ("synthetic",),
    ("sources",),
    ("data",),
    (
        "model",
        "recipe",
        "history",
        "images",
        "device",
        "evaluate",
        "confidence",
        "comparison",
        "distributed",
    ),  # fmt: skip
    ("architecture",),
    ("checkpoints",),
    ("train",),
    ("runs",),
    ("lessons",),
    ("course",),
)


# --------------------------------------------------------------------------------- the walker


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name without the package's: "storage.csv"."""
    return {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in sorted(package.rglob("*.py"))
    }


def imports(package: Path, name: str, known: dict[str, Path]) -> dict[str, int]:
    """What a module imports of its package, anywhere in it: module → line.

    So are `import_module("package.x")` and `package.x` behind `import package`. An import of what
    isn't there stands under its own name, with a question mark.
    """
    found = {}
    nodes = list(ast.walk(ast.parse(known[name].read_text(encoding="utf-8"))))
    aliases = [alias for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    called = {package.name, *(each.asname for each in aliases if each.name == package.name)}
    for node in nodes:
        if isinstance(node, ast.Import):
            paths = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            here = [package.name, *name.split(".")][: -node.level or None] if node.level else []
            start = here + (node.module.split(".") if node.module else [])
            paths = [[*start, alias.name] for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(BY_NAME):
            given = [each for each in node.args[:1] if isinstance(each, ast.Constant)]
            paths = [str(each.value).split(".") for each in given]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in called:
            paths = [[package.name, node.attr]]
        else:
            continue
        for first, *rest in paths:
            if first == package.name:
                found.setdefault(_module(rest, known), node.lineno)
    return found


def _module(parts: list[str], known: dict[str, Path]) -> str:
    """The module that the parts of an imported name lead to: itself, or the one that has it."""
    whole, owner = ".".join(parts), ".".join(parts[:-1])
    for module in (whole, f"{whole}.__init__".lstrip("."), owner):
        if module in known:
            return module
    return f"{whole}?"  # the packages' own __init__ define nothing


def problems(package: Path) -> list[str]:
    """What is wrong with the imports of a package, one line each."""
    known = modules(package)
    floors = {name: number for number, names in enumerate(FLOORS) for name in names}
    graph = {name: imports(package, name, known) for name in known}
    found = []
    for name, imported in graph.items():
        own = floors.get(name.split(".")[0])
        if own is None:
            found.append(f"{name} stands on no floor")
        for other, line in imported.items():
            place = floors.get(other.split(".")[0])
            if other not in known:
                found.append(f"{name}, line {line}: there is no {other[:-1]}")
            elif None not in (own, place) and place > own:
                found.append(f"{name}, line {line}: imports {other}, which stands above it")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append(f"a circle: {' → '.join(reversed(error.args[1]))}")
    return found


# ---------------------------------------------------------------------------------- the tests


def test_imports_point_down_and_never_in_a_circle():
    assert problems(PACKAGE) == []


def test_the_floors_name_what_there_is():
    there = {name.split(".")[0] for name in modules(PACKAGE)}
    named = [name for floor in FLOORS for name in floor]
    assert sorted(named) == sorted(there)


PLANTED = {
    "upwards, no circle": ("storage/new.py", "from fmnist_lib import data", "imports data, which"),
    "upwards": ("data.py", "from fmnist_lib import train", "data, line 1: imports train, which"),
    "upwards, in a function": (
        "storage/idx.py", "def f():\n    import fmnist_lib.data as d", "idx, line 2: imports data,"
    ),
    "upwards, relative": ("storage/idx.py", "from ..data import load", "imports data, which stand"),
    "upwards, relative to a folder": ("model.py", "from .course import cli", "imports course.cli,"),
    "a name of a module": ("device.py", "from fmnist_lib.train import fit", "imports train, which"),
    "upwards, by name": (
        "data.py", "import importlib\nimportlib.import_module('fmnist_lib.train')", "imports train,"
    ),
    "upwards, by name alone": (
        "data.py", "from importlib import import_module\n"
        "import_module('fmnist_lib.lessons.play')", "line 2: imports lessons.play.__init__"
    ),
    "upwards, by Python's own": ("data.py", "__import__('fmnist_lib.runs')", "1: imports runs, w"),
    "upwards, as an attribute": (
        "data.py", "import fmnist_lib.errors\ndef f():\n    fmnist_lib.train.x", "3: imports train"
    ),
    "upwards, as an attribute of another name": (
        "data.py", "import fmnist_lib as f\nf.course.cli.main()", "2: imports course.__init__"
    ),
    "gone, by name": ("data.py", "__import__('fmnist_lib.old')", "line 1: there is no old"),
    "a circle on one floor": (
        "history.py", "from fmnist_lib.evaluate import accuracy", "a circle: "
    ),
    "a circle of itself": ("recipe.py", "from fmnist_lib.recipe import Recipe", "a circle: recipe"),
    "a new module": ("extra.py", "", "extra stands on no floor"),
    "a new folder": ("extra/new.py", "import torch", "extra.new stands on no floor"),
    "a module that is gone": ("data.py", "from fmnist_lib import files", "1: there is no files"),
    "a package that is gone": ("data.py", "import fmnist_lib.old.x", "1: there is no old.x"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_import_is_found(copy, name):
    file, line, message = PLANTED[name]
    if file == "history.py":  # the other half: evaluate → history → evaluate
        plant(copy / "evaluate.py", "from fmnist_lib.history import Epoch")
    plant(copy / file, line)
    found = problems(copy)
    assert any(message in problem for problem in found), found
    # What imports upwards mostly closes a circle, too; nothing else is to be found.
    assert all(message in problem or problem.startswith("a circle: ") for problem in found), found


def test_other_imports_are_allowed(copy):
    plant(copy / "confidence.py", "import torch, os.path\nfrom fmnist_lib.device import x")
    plant(copy / "evaluate.py", "import fmnist_lib\nfmnist_lib.data.load, other.fmnist_lib.train")
    plant(copy / "train.py", "import importlib as i\ni.import_module('fmnist_lib.data'), f('x')")
    plant(copy / "data.py", "__import__(name), __import__(), print('fmnist_lib.train')")
    plant(copy / "runs.py", "def f():\n    from . import checkpoints, storage\n    import data")
    assert problems(copy) == []


@pytest.fixture
def copy(tmp_path):
    ignored = shutil.ignore_patterns("*.pt", "__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "fmnist_lib", ignore=ignored)


def plant(path: Path, line: str) -> None:
    path.parent.mkdir(exist_ok=True)
    below = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(f"{line}\n{below}", encoding="utf-8")


def test_every_folder_of_the_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent.relative_to(ROOT) for path in PACKAGE.rglob("__init__.py")}
    named = project["tool"]["setuptools"]["packages"]
    assert sorted(named) == sorted(".".join(folder.parts) for folder in folders)


def test_every_other_file_of_the_package_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"][PACKAGE.name]
    others = [path for path in PACKAGE.rglob("*.*") if path.suffix not in (".py", ".pyc")]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert [path for path in others if path not in installed] == []


# ------------------------------------------------------------------------------------ lengths


def test_what_a_student_reads_is_short():
    lines = {
        name: (PACKAGE / f"{name}.py").read_text(encoding="utf-8").count("\n")
        for name in READ_FIRST
    }
    for name, network in NETWORKS.items():
        if name not in PUBLISHED_NETWORKS and network.__module__ == model.__name__:
            # Somebody has added it, see docs/adapt.md; 2 for the empty lines above it.
            lines["model"] -= len(inspect.getsource(network).splitlines()) + 2
    assert sum(lines.values()) <= 600, f"{lines}: let what few need stand in a module of its own"


def test_fit_is_short():
    assert len(inspect.signature(train.fit).parameters) <= 10
    assert len(inspect.getsource(train.fit).splitlines()) <= 60


def test_no_function_is_long():
    long = [
        f"{name}, {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for name, path in modules(PACKAGE).items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= 80
    ]
    assert long == []
