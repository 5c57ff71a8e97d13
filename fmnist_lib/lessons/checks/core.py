"""What every check is made of. Each prints one line: right, not answered yet, or a hint.

A check knows the answer; its hint leads on without giving it away. It is a function that raises
`Hint` on a wrong answer, made safe by `@check`: nothing that a student writes ends in a traceback.
"""

import functools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from fmnist_lib.data import CLASS_NAMES


class Hint(Exception):
    """What to say about a wrong answer."""


class Unanswered(Exception):
    """The dots are still there."""


def expect(condition: bool, hint: str) -> None:
    """Raise `Hint` unless the condition holds."""
    if not condition:
        raise Hint(hint)


@contextmanager
def as_found() -> Iterator[None]:
    """Whatever draws random numbers meanwhile, the generators go on afterwards as if none had."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def check(exercise: Callable) -> Callable:
    """Make a check of a function of an answer that raises `Hint` when it is wrong.

    The check prints one line, returns nothing and leaves all as it was. An answer of `...`, and a
    function that returns `...` or nothing, count as not answered yet.
    """

    @functools.wraps(exercise)
    def checked(answer, *given) -> None:
        try:
            if answer is ... or answer is None:
                raise Unanswered
            with as_found():
                exercise(answer, *given)
        except Unanswered:
            print("Not answered yet. Put your answer where the dots are, and run the cell again.")
        except Hint as hint:
            print(f"Not yet. {hint}")
        except Exception as error:  # an answer can be of any kind and fail anywhere
            print(f"Not yet. With this answer the check stops: {type(error).__name__}: {error}")
        else:
            print("Right.")

    return checked


def number(answer) -> float:
    """The answer as a float; `Hint` when it is not one number."""
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Hint(f"Give one number, not {type(answer).__name__}.") from error


def call(function, *arguments):
    """What the student's function returns; `Hint` when it can't be called or stops.

    It gets copies of the tensors, and may write into them.
    """
    expect(callable(function), "Give the function itself, without parentheses behind its name.")
    arguments = [each.clone() if isinstance(each, Tensor) else each for each in arguments]
    try:
        result = function(*arguments)
    except Exception as error:
        raise Hint(f"Your function stops with {type(error).__name__}: {error}") from error
    if result is None or result is ...:
        raise Unanswered
    return result


def as_tensor(answer, *shape: int) -> Tensor:
    """The answer as a float32 tensor of this shape; `Hint` when it is none."""
    try:
        tensor = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Hint(f"Give a tensor of shape {list(shape)}, not {type(answer).__name__}.") from error
    expect(
        tuple(tensor.shape) == shape,
        f"The shape should be {list(shape)}; this is {list(tensor.shape)}.",
    )
    return tensor.detach()


def class_name(answer) -> str:
    """The answer as the name of a class; `Hint` when it is none."""
    expect(answer in CLASS_NAMES, f"Give a name out of CLASS_NAMES, such as {CLASS_NAMES[0]!r}.")
    return answer
