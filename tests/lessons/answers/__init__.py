"""Right and wrong answers to every exercise: a module for each notebook, as it has its checks."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch


@dataclass
class Answers:
    """What an exercise is answered with in the tests.

    right: in different forms. wrong: with a part of the hint that is expected. given: what the
    check takes besides the answer. names: what the stored solution uses of the cells above it.

    Of the stored solution with one thing changed (test_mutants.py), by the changed line, with the
    reason: same: it does the same as before. unnoticed: it does not, and yet it is accepted.
    """

    right: Sequence
    wrong: Sequence[tuple[object, str]]
    given: tuple = ()
    names: dict = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    unnoticed: dict[str, str] = field(default_factory=dict)


def numbers(value: float, unit: str = "") -> list:
    """The forms that a right number may have."""
    return [
        value, float(value), f" {value} {unit}", f"{value:,}", np.float64(value),
        np.array([value]), torch.tensor(float(value), dtype=torch.float64), [value],
        pd.Series([value]),
    ]  # fmt: skip
