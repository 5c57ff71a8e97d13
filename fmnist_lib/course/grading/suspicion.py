"""What in a student's code reaches beyond an answer: for a teacher to look at, and no more.

A list of what is usual, and a remark on all else. It takes nothing from the marks.
"""

import ast
import re

from fmnist_lib.course.grading.exercises import parsed

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
# Modules that others bring along, and what leads from an object to its program.
ATTRIBUTES = {
    "os", "sys", "builtins", "ctypes", "gc", "inspect", "importlib", "subprocess", "socket",
    "threading", "multiprocessing", "modules", "core", "verdict", "checks", "f_back", "f_globals",
    "f_locals", "tb_frame", "gi_frame", "cr_frame", "attrgetter", "methodcaller", "cpp_extension",
    "overrides", "library",
}  # fmt: skip
METHODS = {"__init__", "__len__", "__getitem__", "__iter__", "__next__", "__call__", "__repr__",
           "__str__", "__name__", "__doc__", "__version__"}  # fmt: skip
MODULES = {"torch", "F", "nn", "np", "pd", "plt", "optim", "plots", "train", "evaluate", "runs"}


def suspicions(code: str) -> list[str]:
    """What is unusual in the code of an answer, each in a few words."""
    text, tree = parsed(code)
    if tree is None:
        return []
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                found += [f"imports {a.name}" for a in names if not _is_usual(a.name)]
            case ast.ImportFrom(module, names):
                inner = [f"{module or '.'}.{a.name}" for a in names]
                found += [f"imports {name}" for name in inner if not _is_usual(name)]
            case ast.Name(name) if name in BUILTINS or _is_hidden(name):
                found.append(f"uses {name}")
            case ast.Name(name) if name in CHECKING:
                found.append(f"uses {name}, which belongs to the course's checks")
            case ast.Attribute(_, name) if name in ATTRIBUTES or _is_hidden(name):
                found.append(f"uses {ast.unparse(node)[-40:]}")
            case ast.FunctionDef(name=name) if _is_hidden(name):
                found.append(f"defines {name}")
            case ast.Attribute(ast.Name(module), name, ast.Store() | ast.Del()) if (
                module in MODULES
            ):
                found.append(f"changes {module}.{name}")
    if b"get_ipython" in text:
        found.append("runs a command of IPython or of the system")
    return list(dict.fromkeys(found))


def _is_usual(module: str) -> bool:
    first, *rest = module.split(".")
    return (
        first in USUAL
        and not f"{module}.".startswith(tuple(f"{each}." for each in OF_GRADER))
        and not ATTRIBUTES & {*rest}
    )


def _is_hidden(name: str) -> bool:
    return bool(re.fullmatch(r"__\w+__", name)) and name not in METHODS
