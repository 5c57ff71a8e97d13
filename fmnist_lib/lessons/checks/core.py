"""What every check is made of: forms of an answer, functions to compare, hints by cause.

A check is a small specification. It accepts every form of a right answer; its hints lead on
without giving the answer away, each for one mistake. It is a function that raises `Hint` on a
wrong answer, made safe by `@check`: nothing that a student writes ends in a traceback.
"""

import copy
import dis
import functools
import linecache
import math
import random
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from types import EllipsisType

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.lessons import quiz, verdict
from fmnist_lib.lessons.verdict import Verdict


class Hint(Exception):
    """What to say about a wrong answer."""


class Unanswered(Exception):
    """The dots are still there."""


def expect(condition: bool, hint: str) -> None:
    """Raise `Hint` unless the condition holds."""
    if not condition:
        raise Hint(hint)


def check(more: str) -> Callable[[Callable], Callable]:
    """Make a check of a function of an answer that raises `Hint` when it is wrong.

    more: a stronger hint, on request: a notebook opens it below the first, and `hint()` of the
        check prints it.
    The check prints its verdict, returns it and leaves all as it was. Dots anywhere in the answer,
    and a function whose body is dots, count as not answered yet.
    """

    def make(exercise: Callable) -> Callable:
        notebook, name = exercise.__module__.rpartition(".")[2], exercise.__name__
        verdict.ASKED[notebook].add(name)

        @functools.wraps(exercise)
        def checked(answer, *given) -> Verdict:
            quiz.count(notebook)
            kind, reason = _judge(exercise, answer, *given)
            return verdict.show(verdict.give(notebook, name, kind, reason, more))

        checked.more, checked.hint = more, lambda: print(more)
        return checked

    return make


def _judge(exercise: Callable, answer, *given) -> tuple[str, str]:
    """The kind of the verdict and the reason."""
    try:
        if answer is None or _has_dots(answer):
            raise Unanswered
        with as_found():
            exercise(answer, *given)
    except Unanswered:
        return "open", "Put your answer where the dots are, and run the cell again."
    except Hint as hint:
        return "not yet", str(hint)
    except Exception as error:  # an answer can be of any kind and fail anywhere
        return "not yet", f"With this answer the check stops: {type(error).__name__}: {error}"
    return "right", ""


def _has_dots(answer) -> bool:
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, (list, tuple, set)):
        return any(map(_has_dots, answer))
    return isinstance(answer, EllipsisType)


@contextmanager
def as_found() -> Iterator[None]:
    """Whatever draws random numbers meanwhile, the generators go on afterwards as if none had."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    grad = torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
        torch.set_grad_enabled(grad)


# --------------------------------------------------------------------------- forms of an answer


def number(answer) -> float:
    """The answer as a float, `Hint` when it is not one number.

    It may be Python's, NumPy's, pandas' or a tensor's on any device, alone in a list, a set or a
    dictionary, or a text with or without words: "24 pixels", "431,080", "about 10 times as fast".
    "75 %" is 0.75.
    """
    if isinstance(answer, (dict, Set, list, tuple)) and len(answer) == 1:
        return number([*(answer.values() if isinstance(answer, dict) else answer)][0])
    if isinstance(answer, str):
        return _number_in(answer)
    try:
        value = array(answer).reshape(-1)
    except Hint:
        value = []
    expect(len(value) == 1 and not isinstance(answer, bool), f"Give one number, not {kind(answer)}")
    return value[0].item()


def _number_in(text: str) -> float:
    thousands = r"[-+]?[1-9]\d{0,2}(?:[,_\s]\d{3})+(?:\.\d+)?"  # but "0,912" is no 912
    value = rf"{thousands}|[-+]?[\d.,_]*\d(?:e[-+]?\d+)?"
    found = re.fullmatch(rf"[^\d/*+<>-]*?({value})\s*([^\d/*+<>]*)", text, re.I)
    expect(bool(found), f"Give one number, not the text {text!r}.")
    digits = found[1]
    if re.fullmatch(thousands, digits):
        digits = re.sub(r"[,_\s]", "", digits)
    try:
        return float(digits.replace(",", ".")) / (100 if found[2].startswith("%") else 1)
    except ValueError:
        raise Hint(f"Give one number, not the text {text!r}.") from None


def judge_number(
    answer, right: float, mistakes: dict[float, str], otherwise: str, digits: int | None = None
) -> None:
    """Raise `Hint` unless the answer is this number.

    mistakes: wrong number → its hint. digits: after the point; one rounded to as many, or to more,
    is right too. Without them all numbers are compared to 6 digits.
    """
    value = number(answer)
    if is_close(value, right, digits):
        return
    for wrong, hint in mistakes.items():
        expect(not is_close(value, wrong, digits), hint)
    raise Hint(otherwise)


def judge_share(
    answer, right: float, mistakes: dict[float, str], otherwise: str, digits: int = 2
) -> None:
    """`judge_number` of a share from 0 to 1, for which a percentage may be given."""
    value = number(answer)
    if not _is_share(value, right, digits):
        judge_number(value, right, mistakes, otherwise, digits)


def _is_share(value: float, right: float, digits: int | None) -> bool:
    """Whether this is the share, as it is or in percent."""
    percent = value > 1 and is_close(value / 100, right, digits)
    return percent or is_close(value, right, digits)


def is_close(value: float, other: float, digits: int | None = None) -> bool:
    """Whether two numbers are equal, or one of them is the other rounded to so many digits."""
    return value == other or abs(value - other) <= tolerance(other, digits) < math.inf


def tolerance(number: float, digits: int | None = None) -> float:
    """How far another number may be off and still be close to this one: see `is_close`."""
    within = 0.5001 * 10**-digits if digits is not None else 0.0
    return max(within, 1e-12) + 1e-6 * abs(number)


def array(answer, *shape: int) -> Tensor:
    """The answer as a float64 tensor on the CPU; `Hint` when it is none, or has another shape.

    It may be a tensor, of NumPy or pandas, or lists and tuples of numbers or of these.
    """
    try:
        if isinstance(answer, Tensor):
            tensor = answer.detach().cpu().double()
        elif isinstance(answer, (pd.Series, pd.DataFrame)):
            tensor = torch.tensor(answer.to_numpy(dtype=float))
        elif isinstance(answer, (list, tuple, range)) and len(answer):
            tensor = torch.stack([array(each) for each in answer])
        else:
            tensor = torch.as_tensor(np.array(answer, dtype=float))
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        asked = f"a tensor of shape {list(shape)}" if shape else "numbers"
        raise Hint(f"Give {asked}, not {kind(answer)}") from error
    expect(
        not shape or tuple(tensor.shape) == shape,
        f"The shape should be {list(shape)}; this is {list(tensor.shape)}.",
    )
    return tensor


def unordered(answer) -> Tensor:
    """The numbers of an answer from the smallest on, where their order is not asked; a set too.

    As `read` of `compare`.
    """
    is_bag = isinstance(answer, (Set, Iterator))  # Set: of a dictionary's keys as well
    return array(list(answer) if is_bag else answer).reshape(-1).sort().values


def class_name(answer) -> str:
    """The answer as the name of a class; `Hint` when it is none.

    Without regard to case, blanks and hyphens; its beginning, if no other begins so; its label.
    """
    if not isinstance(answer, str):
        try:
            label = number(answer)
        except Hint:
            label = -1
        expect(label in range(10), f"Give a name out of CLASS_NAMES, not {kind(answer)}")
        return CLASS_NAMES[int(label)]
    found = meant(answer, CLASS_NAMES)
    begin = f"which begin: {CLASS_NAMES[0]}, …"
    expect(len(found) == 1, f"{answer!r} is no name of CLASS_NAMES, {begin}")
    return found[0]


def meant(answer, among: Iterable[str]) -> list[str]:
    """The words that an answer may stand for: itself, else all that begin so.

    Without regard to case, blanks, hyphens and the like.
    """
    given = plain(answer)
    return [each for each in among if plain(each) == given] or [
        each for each in among if given and plain(each).startswith(given)
    ]


def plain(answer) -> str:
    """Its letters and digits, small."""
    return re.sub(r"[\W_]", "", str(answer)).casefold()


def kind(answer) -> str:
    """What an answer is, in words that end a sentence."""
    if isinstance(answer, Tensor):
        return f"a tensor of shape {list(answer.shape)}."
    if callable(answer):
        return "a function or class. Call it, and give what it returns."
    return f"{type(answer).__name__} {str(answer)[:40]!r}."


# -------------------------------------------------------------------------- functions to compare


def call(function, *arguments, stops: dict[str, str] | None = None, returns: bool = True):
    """What the student's function returns; `Hint` when it can't be called or stops.

    It gets copies of all but networks and optimizers, and may write into them: one that returns
    nothing has then done its work in the first. stops: a part of an error's message → the hint
    for it. returns: whether it has to return anything.
    """
    expect(callable(function), "Give the function itself, without parentheses behind its name.")
    copies = [_copy(each) for each in arguments]
    try:
        result = function(*copies)
    except (Hint, Unanswered):
        raise
    except Exception as error:
        raise Hint(_explained(error, function, arguments, stops or {})) from error
    if result is None and copies and not _same(copies[0], arguments[0]):
        result = copies[0]
    if result is ... or (result is None and is_stub(function)):
        raise Unanswered
    expect(
        result is not None or not returns,
        "Your function returns nothing. Does it end with `return`?",
    )
    return result


def _copy(argument):
    if isinstance(argument, Tensor):
        return argument.clone()
    is_data = isinstance(argument, (np.ndarray, pd.Series, pd.DataFrame, list, tuple, dict))
    return copy.deepcopy(argument) if is_data else argument


def _same(one, other) -> bool:
    if one is other or type(one) is not type(other):
        return one is other
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, (pd.Series, pd.DataFrame)):
        return one.equals(other)
    if isinstance(one, list):  # perhaps of tensors
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.all(one == other)) if isinstance(one, (np.ndarray, int, float)) else True


def is_stub(function) -> bool:
    """Whether the body of a function is nothing but dots or a text."""
    if not hasattr(function, "__code__"):
        return False
    of_nothing = {"RESUME", "NOP", "POP_TOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return {each.opname for each in dis.get_instructions(function)} <= of_nothing


def _explained(error: Exception, function, arguments: Sequence, stops: dict[str, str]) -> str:
    """An error in a student's code: where, what it means here, and what Python says."""
    raw = f"{type(error).__name__}: {error}".split("\n")[0]
    raw = raw if len(raw) <= 160 else f"{raw[:160]}…"
    of_student = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == of_student
    ]
    line = linecache.getline(of_student, lines[-1]).strip() if lines else ""
    where = f"Your function stops in the line `{line}`." if line else "Your function stops."
    means = next((hint for part, hint in stops.items() if part in raw), _meaning(error))
    given = ", ".join(map(_described, arguments))
    return f"{where} {means} It was called with {given}. Python says: {raw}"


def _meaning(error: Exception) -> str:
    """What an error of this type usually means."""
    meanings = {
        NameError: "A name in it is not known at that place: a typing error, or never given.",
        AttributeError: "What stands before a dot has nothing of the name behind it.",
        IndexError: "It asks for a row, column or dimension that is not there.",
        KeyError: "It asks for a column or a key that is not there.",
        ZeroDivisionError: "It divides by zero.",
        NotImplementedError: "It can't be done with this kind of tensor.",
        TypeError: "It gets another number or type of values than it takes.",
    }
    return next(
        (text for of, text in meanings.items() if isinstance(error, of)),
        "Shapes, types or values there do not fit together.",
    )


def _described(argument) -> str:
    if isinstance(argument, Tensor):
        return f"a tensor {list(argument.shape)} of {str(argument.dtype)[6:]}"
    if isinstance(argument, pd.DataFrame):
        return f"a table with the columns {', '.join(map(str, argument.columns))}"
    if isinstance(argument, (int, float, str)) or len(str(argument)) < 40:
        return str(argument)
    return f"a {type(argument).__name__}"


def compare(
    function,
    right: Callable,
    cases: Iterable[tuple],
    mistakes: Sequence[tuple[Callable, str]],
    otherwise: str,
    digits: int | None = None,
    stops: dict[str, str] | None = None,
    share: bool = False,
    read: Callable[..., Tensor] = array,
) -> None:
    """Raise `Hint` unless the student's function does what `right` does, in every case.

    cases: the arguments of each call. mistakes: (a function with this mistake, its hint); the hint
    is given when the student's results are those of the mistake in *all* cases, so that it never
    meets another one. digits: of a number that may be rounded. stops: as `call` takes them.
    share: the right numbers are shares from 0 to 1, for which percentages may be given.
    read: makes the tensor to compare of a result, `unordered` where the order does not matter.
    """
    cases = list(cases)
    given = [call(function, *case, stops=stops) for case in cases]
    results = [read(number(each) if isinstance(each, str) else each) for each in given]

    def agrees(other: Callable) -> bool:
        expected = [read(other(*case)) for case in cases]
        return all(_agree(one, two, digits, share) for one, two in zip(results, expected))

    if agrees(right):
        return
    for wrong, hint in mistakes:
        expect(not agrees(wrong), hint)
    for result, case in zip(results, cases):
        expected = read(right(*case))
        shape, found = list(expected.shape), list(result.shape)
        differ = f"The shape should be {shape or 'that of one number'}; this is {found}."
        if read is unordered:
            differ = f"How many does it find? Expected in this case: {shape[0]}; yours: {found[0]}."
        is_number = result.numel() == expected.numel() == 1
        given_with = f"It was called with {', '.join(map(_described, case))}."
        expect(is_number or found == shape, f"{differ} {given_with}")
    raise Hint(otherwise)


def of_label(values: Tensor, labels: Tensor) -> Tensor:
    """Of each row the value in the column of its label: [N, C] and int64 [N] → [N]."""
    return values.gather(1, labels[:, None])[:, 0]


def _agree(result: Tensor, expected: Tensor, digits: int | None, share: bool) -> bool:
    if result.numel() == expected.numel() == 1:  # a number may stand alone in a list
        if share:
            return _is_share(result.item(), expected.item(), digits)
        return is_close(result.item(), expected.item(), digits)
    return result.shape == expected.shape and torch.allclose(
        result, expected, rtol=1e-4, atol=1e-5, equal_nan=True
    )


class without(TorchFunctionMode):  # noqa: N801, used as `with without("max_pool2d"):`
    """While it holds, PyTorch's functions of these names raise `Hint`, however they are called.

    For an exercise that builds what they do.
    """

    def __init__(self, *names: str):
        super().__init__()
        self.names = names

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        expect(
            name not in self.names,
            f"{name} does all that this exercise is about. Write what it does in smaller steps.",
        )
        return function(*args, **(kwargs or {}))
