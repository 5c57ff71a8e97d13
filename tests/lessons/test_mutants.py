"""Every solution with one thing changed is refused by its check, unless the change changes nothing.

A mutant is a stored solution with another operator, comparison, constant, sign, dimension or
function, with two values of a dictionary exchanged, or without one of its lines.
"""

import ast
import copy
import functools
import signal
from contextlib import contextmanager
from unittest.mock import MagicMock

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from test_checks import ANSWERS, CHECKS, EXERCISES

from fmnist_lib.data import CLASS_NAMES

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Add, ast.MatMult: ast.Mult,
    ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
FUNCTIONS = {
    "max": "min", "min": "max", "argmax": "argmin", "argmin": "argmax", "idxmax": "idxmin",
    "idxmin": "idxmax", "amax": "amin", "amin": "amax", "mean": "sum", "sum": "mean", "log": "exp",
    "exp": "log", "var": "std", "std": "var", "nlargest": "nsmallest", "nsmallest": "nlargest",
    "zeros": "ones", "ones": "zeros", "train": "eval", "eval": "train", "any": "all", "all": "any",
}  # fmt: skip
WITHOUT = ("abs", "float", "square", "sqrt", "T", "mT", "clone")  # x.abs() → x


def mutants(source):
    """Each change of a solution by itself: the changed source, and the line that is another."""
    tree = ast.parse(source)
    for place, original in enumerate(ast.walk(tree)):
        lines = range(len(getattr(original, "body", [])) if hasattr(original, "lineno") else 0)
        pairs = range(len(original.values) - 1 if isinstance(original, ast.Dict) else 0)
        for change in [
            *CHANGES,
            *(functools.partial(_line_missing, number) for number in lines),
            *(functools.partial(_values_swapped, number) for number in pairs),
        ]:
            mutant = copy.deepcopy(tree)
            if change(list(ast.walk(mutant))[place]):
                text = ast.unparse(ast.fix_missing_locations(mutant))
                if text != ast.unparse(tree):  # (0, 0) the other way round is no change
                    yield text, changed_line(ast.unparse(tree), text)


def changed_line(before, after):
    """The line that is new in a mutant, or the one that is gone, behind "without"."""
    before, after = before.splitlines(), after.splitlines()
    new = [line.strip() for line in after if line not in before]
    gone = [f"without {line.strip()}" for line in before if line not in after]
    return " / ".join(new or gone)


def _operator(node):
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in OPERATORS:
        node.op = OPERATORS[type(node.op)]()
        return True
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        node.ops[0] = OPERATORS[type(node.ops[0])]()
        return True
    return False


def _constant(node):
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value = node.value + 1
        return True
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        node.value = not node.value
        return True
    return False


def _sign(node):
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node.op = ast.UAdd()
        return True
    if isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, (ast.Call, ast.BinOp)):
        node.value = ast.UnaryOp(ast.USub(), node.value)
        return True
    return False


def _function(node):
    if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
        node.attr = FUNCTIONS[node.attr]
        return True
    if isinstance(node, ast.Name) and node.id in FUNCTIONS:
        node.id = FUNCTIONS[node.id]
        return True
    return False


def _left_out(node):
    """A method whose result is what it is called on."""
    for name, value in ast.iter_fields(node):
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and value.func.attr in WITHOUT
            and not value.args
        ):
            setattr(node, name, value.func.value)
            return True
    return False


def _arguments_swapped(node):
    if isinstance(node, ast.Call) and len(node.args) == 2:
        node.args.reverse()
        return True
    if isinstance(node, (ast.Tuple, ast.Subscript)) and isinstance(
        getattr(node, "slice", node), ast.Tuple
    ):
        getattr(node, "slice", node).elts.reverse()
        return True
    return False


def _line_missing(number, node):
    if len(node.body) == 1 or ast.unparse(node.body[number]) == "...":
        return False
    del node.body[number]
    return True


def _values_swapped(number, node):
    values = node.values
    values[number], values[number + 1] = values[number + 1], values[number]
    return True


CHANGES = (_operator, _constant, _sign, _function, _left_out, _arguments_swapped)


@contextmanager
def at_most(seconds):
    """A mutant may run for ever."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def answer_of(source, name):
    """The answer that a solution gives to its check; None when it stops before that."""
    answers = []
    checks = MagicMock()
    getattr(checks, name).side_effect = lambda answer, *given: answers.append(answer)
    names = {"torch": torch, "F": F, "pd": pd, "CLASS_NAMES": CLASS_NAMES, "checks": checks}
    try:
        exec(source, names | ANSWERS[name].names)
    except Exception:
        return None
    return answers[0]


def judged(name):
    """(mutant, changed line, kind of verdict) for each mutant of this check's solution."""
    for mutant, line in mutants(EXERCISES[name]):
        with at_most(20):
            answer = answer_of(mutant, name)
            if answer is None:
                continue
            try:
                kind = CHECKS[name](answer, *ANSWERS[name].given).kind
            except TimeoutError:
                kind = "not yet"
        yield line, kind


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_solution_that_was_changed_is_refused(name):
    found, answers = list(judged(name)), ANSWERS[name]
    survivors = {line for line, kind in found if kind == "right"}
    assert len(found) >= 2
    assert survivors == {*answers.same, *answers.unnoticed}
    different = [line for line, _ in found if line not in answers.same]
    assert len(answers.unnoticed) <= 0.05 * len(different)
