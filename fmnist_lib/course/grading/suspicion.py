"""What in a student's code reaches beyond an answer: for a teacher to look at, and no more.

A list of what is usual, and a remark on all else. It takes nothing from the marks.
"""

import ast
import re

from fmnist_lib.course.grading.exercises import bound_in, parsed

USUAL = {
    "torch", "torchvision", "numpy", "pandas", "matplotlib", "seaborn", "scipy", "sklearn", "PIL",
    "math", "cmath", "statistics", "random", "itertools", "functools", "collections", "operator",
    "copy", "time", "typing", "dataclasses", "fractions", "decimal", "enum", "string", "re",
    "warnings", "tqdm", "IPython", "fmnist_lib",
}  # fmt: skip
# In these the course keeps what checks an answer.
OF_GRADER = ("fmnist_lib.lessons", "fmnist_lib.course")
CHECKING = {"checks", "quiz", "verdict", "guesses", "parameters"}
BUILTINS = {
    "exec", "eval", "compile", "__import__", "globals", "locals", "vars", "open", "breakpoint",
    "getattr", "setattr", "delattr", "memoryview", "exit", "quit", "input", "__builtins__",
    "BaseException", "SystemExit",
}  # fmt: skip
# Modules that others bring along, what leads from an object to its program, what runs a text, and
# what opens files beside Python's own `open`.
ATTRIBUTES = {
    "os", "sys", "builtins", "ctypes", "gc", "inspect", "importlib", "subprocess", "socket",
    "threading", "multiprocessing", "modules", "core", "verdict", "checks", "f_back", "f_globals",
    "f_locals", "tb_frame", "gi_frame", "cr_frame", "attrgetter", "methodcaller", "cpp_extension",
    "overrides", "library", "lessons", "course", "get_type_hints", "make_dataclass", "read_pickle",
    "from_file", "read_file", "ops", "jit", "hub", "f2py", "quiz", "guesses",
}  # fmt: skip
METHODS = {"__init__", "__len__", "__getitem__", "__iter__", "__next__", "__call__", "__repr__",
           "__str__", "__name__", "__doc__", "__version__", "__main__"}  # fmt: skip
MODULES = {"torch", "F", "nn", "np", "pd", "plt", "optim", "plots", "train", "evaluate", "runs",
           "data", "Net"}  # fmt: skip
# A class made of these may say of itself what it likes when it is compared.
VALUES = {"Tensor", "Parameter", "ndarray", "float", "int", "complex", "str", "bytes", "type"}


def suspicions(code: str) -> list[str]:
    """What is unusual in the code of an answer, each in a few words."""
    text, tree = parsed(code)
    if tree is None:
        return ["can't be read here"] if _is_too_deep(code) else []
    found, imported = [], MODULES | _imported(tree)
    hints = {id(node.func.value.value) for node in ast.walk(tree) if _asks_for_hint(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                found += [f"imports {a.name}" for a in names if not _is_usual(a.name)]
            case ast.ImportFrom(module, names):
                inner = [f"{module or '.'}.{a.name}" for a in names]
                found += [f"imports {name}" for name in inner if not _is_usual(name)]
            case ast.Name(name) if name in BUILTINS or _is_hidden(name):
                found.append(f"uses {name}")
            case ast.Name(name) if name in CHECKING and id(node) not in hints:
                found.append(f"uses {name}, which belongs to the course's checks")
            case ast.Attribute(value, name) if name in ATTRIBUTES or _is_hidden(name):
                found.append(f"uses {_name(value)}.{name}")
            case ast.Attribute(value, name) if _is_private(name) and _name(value) != "self":
                found.append(f"uses {_name(value)}.{name}")
            case ast.FunctionDef(name=name) if _is_hidden(name):
                found.append(f"defines {name}")
            case ast.ClassDef(name, bases, keywords) if keywords or VALUES & {*map(_name, bases)}:
                found.append(f"defines a class {name} that is no usual one")
            case ast.Call(ast.Name("type"), [_, _, *_]):
                found.append("makes a class with type()")
            case ast.Constant(str(said)) if any(map(_is_hidden, re.findall(r"__\w+__", said))):
                found.append(f"has {said.strip()[:40]!r} in a text")
            case ast.Attribute(value, name, ast.Store() | ast.Del()) if _root(value) in imported:
                found.append(f"changes {_name(value)}.{name}")
    if b"get_ipython" in text:
        found.append("runs a command of IPython or of the system")
    return list(dict.fromkeys(found))


def _is_too_deep(code: str) -> bool:
    """Whether it is no wrong Python but too much of it for the parser, though not for another."""
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    except (ValueError, RecursionError, MemoryError):
        return True
    return False


def _imported(tree: ast.AST) -> set[str]:
    imports = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return set().union(*map(bound_in, imports))


def _asks_for_hint(node: ast.AST) -> bool:
    """Whether it is `checks.mirror.hint()`, as the course offers it."""
    match node:
        case ast.Call(ast.Attribute(ast.Attribute(ast.Name("checks")), "hint"), [], []):
            return True
    return False


def _name(node: ast.AST) -> str:
    return getattr(node, "id", None) or getattr(node, "attr", None) or "…"


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return _name(node)


def _is_usual(module: str) -> bool:
    first, *rest = module.split(".")
    return (
        first in USUAL
        and not f"{module}.".startswith(tuple(f"{each}." for each in OF_GRADER))
        and not ATTRIBUTES & {*rest}
        and not any(map(_is_private, rest))
    )


def _is_hidden(name: str) -> bool:
    return bool(re.fullmatch(r"__\w+__", name)) and name not in METHODS


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")
