"""What the first code cell of every notebook checks: are its parameters such as it takes?

    parameters.check(globals())

papermill gives a notebook whatever `-p` says: it puts a cell that begins with "# Parameters" behind
the one with the defaults, and only warns of a name that stands in neither.
"""

import ast
import difflib
from collections.abc import Collection, Iterable
from dataclasses import fields
from numbers import Integral, Real

from fmnist_lib.errors import CourseError
from fmnist_lib.recipe import Recipe

# The annotation of a parameter: of which type its value is, and how to say that.
KINDS = {
    "int": (Integral, "a whole number, such as 10"),
    "float": (Real, "a number, such as 0.05"),
    "bool": (bool, "True or False"),
    "str": (str, "a text (papermill takes it as one after -r instead of -p)"),
}


def check(namespace: dict, **allowed: Collection) -> None:
    """Refuse parameters that a notebook does not know, or of another type than it declares.

    A parameter that is called like an option of `Recipe` has its limits, too. namespace:
    `globals()` of the notebook, with IPython's list of inputs, `In`; without one nothing is known,
    and nothing refused. allowed: for some of the parameters, their values, as a range or any other
    collection; or the name of another one, for whole numbers from 1 to that. Raises CourseError.
    """
    inputs = [*namespace.get("In", ()), "", ""]
    cells = [_assigned(source) for source in inputs]
    # Behind these two, cells may be anything, as a student writes and runs them.
    place = next((number for number, names in enumerate(cells) if any(names.values())), 0)
    declared, injected = cells[place : place + 2]
    if inputs[place + 1].startswith("# Parameters\n"):
        for name in injected:
            if name not in declared:
                raise unknown(name, declared)
    for name, kind in declared.items():
        if name in namespace and kind in KINDS:
            _require(namespace[name], name, *KINDS[kind])
    for name, values in allowed.items():
        limit = f" ({values})" if isinstance(values, str) else ""
        if limit:
            values = range(1, namespace.get(values, 0) + 1)
        if name in namespace and namespace[name] not in values:
            among = f"{_among(values)}{limit}"
            raise CourseError(f"{name}={namespace[name]!r} is not {among}. Correct it.")
    options = {one.name for one in fields(Recipe)} & declared.keys() & namespace.keys()
    Recipe(**{name: namespace[name] for name in options})


def unknown(name: str, known: Iterable[str]) -> CourseError:
    """The error that says that there is no such parameter, and which one may be meant."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    names = ", ".join(sorted(known))
    return CourseError(f"There is no parameter {name!r}. {hint}Known are: {names}.")


def whole_numbers(name: str, text: str, allowed: range) -> list[int]:
    """The numbers in a parameter such as "1,2", each once, in order; CourseError if one is none."""
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise CourseError(
            f'{name}={text!r} should be whole numbers with commas between them, such as "1,2".'
        ) from error
    for number in numbers:
        if number not in allowed:
            raise CourseError(f"{number} in {name}={text!r} is not {_among(allowed)}. Correct it.")
    return numbers


def _assigned(source: str) -> dict[str, str | None]:
    """The names that a cell assigns at its outermost level, with their annotations."""
    names = {}
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a cell that failed
        return names
    for statement in statements:
        if isinstance(statement, ast.AnnAssign):
            names[ast.unparse(statement.target)] = ast.unparse(statement.annotation)
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                names.setdefault(ast.unparse(target))
    return names


def _require(value, name: str, kind: type, words: str) -> None:
    # To Python a bool is a whole number, too.
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        raise CourseError(f"{name}={value!r} should be {words}. Correct it, and run again.")


def _among(values: Collection) -> str:
    if isinstance(values, range):
        return f"from {values[0]:,} to {values[-1]:,}"
    return f"one of {', '.join(map(str, values))}"
