"""Predictions that a student types: kept, compared with the result, counted, and never marked.

A cell asks before the result is known, and the cell with the result compares:

    guess = ...  # in percent
    guesses.keep("background", guess)

    guesses.compare("background", share, percent=True)  # You said 60 %, it is 69 %.

Each has a name, so both cells may run again in any order. Dots are no prediction: nothing is said.
"""

import math
import re
from collections.abc import Sequence
from types import EllipsisType

import numpy as np
import pandas as pd

from fmnist_lib.lessons.checks import core

_kept: dict[str, object] = {}  # name → what was typed, dots where nothing was
_results: dict[str, tuple[str, str]] = {}  # name → prediction and result, in words
_outcomes: dict[str, str] = {}  # name → result in words, predicted or not


def keep(name: str, guess, among: Sequence[str] = ()) -> None:
    """Remember a prediction, and say so; of dots, say nothing.

    among: the words to choose from, where there are such; another one is not kept. The beginning of
        a word will do, if no other begins so.
    """
    _kept.setdefault(name, ...)
    _results.pop(name, None)
    if _is_open(guess):
        _kept[name] = ...
        return
    if len(among):
        meant = core.meant(guess, among)
        if len(meant) != 1:
            _kept[name] = ...
            print(f"Choose one of: {', '.join(map(str, among))}.")
            return
        (guess,) = meant
    _kept[name] = guess
    made = sum(not _is_open(each) for each in _kept.values())
    print(f"Kept. Predictions so far: {made} of {len(_kept)}.")


def compare(name: str, result, percent: bool = False, digits: int = 0) -> None:
    """Print the prediction of this name beside the result; nothing, where none was made.

    result: a number, a text or a sequence of numbers, such as a shape. percent: it is a share from
    0 to 1, and is shown in percent; so was the prediction, unless it is between 0 and 1 as well.
    digits: after the point, of both.
    """
    guess = _kept.get(name, ...)
    _outcomes[name] = _words(result, percent, digits)
    if _is_open(guess):
        return
    try:
        said = _read(guess, result, percent)
    except (core.Hint, OverflowError) as hint:
        print(f"Your prediction can't be compared. {hint} The result is {_words(result, percent)}.")
        return
    one, other = _words(said, percent, digits), _outcomes[name]
    _results[name] = (one, other)
    print(f"You said {one}, and so it is." if one == other else f"You said {one}, it is {other}.")


def table() -> pd.DataFrame | None:
    """All predictions that were compared, beside the results; None where there is none."""
    if not _results:
        return None
    columns = ["you said", "it is"]
    return pd.DataFrame.from_dict(_results, orient="index", columns=columns)


def outcomes() -> dict[str, str]:
    """The result of each prediction so far in words, whether it was made or not."""
    return dict(_outcomes)


def _is_open(guess) -> bool:
    if isinstance(guess, str):
        return not guess.strip(". ")
    if isinstance(guess, (tuple, list)):
        return any(map(_is_open, guess))
    return guess is None or isinstance(guess, EllipsisType)


def _read(guess, result, percent: bool):
    """The prediction in the result's form; raises `Hint` where it has another one."""
    if isinstance(result, str):
        return result if core.plain(guess) == core.plain(result) else str(guess).strip()
    if isinstance(result, Sequence):
        numbers = (
            re.findall(r"\d+", guess) if isinstance(guess, str) else core.array(guess).reshape(-1)
        )
        core.expect(len(numbers) > 0, "Give its numbers, such as (5, 28, 28).")
        return tuple(float(each) for each in numbers)
    value = core.number(guess.replace("%", " ") if isinstance(guess, str) else guess)
    core.expect(math.isfinite(value), "Give a number.")
    is_share = 0 < value < 1 and "%" not in str(guess)
    return value / 100 if percent and not is_share else value


def _words(value, percent: bool = False, digits: int = 0) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return " × ".join(f"{each:g}" for each in value)
    if percent:
        return f"{100 * value + 0.0:.{digits}f} %"
    whole = not digits and float(value).is_integer()
    value += 0.0  # of −0 it makes 0
    return f"{value:,.0f}" if whole else f"{np.round(value, digits or 2):,}"
