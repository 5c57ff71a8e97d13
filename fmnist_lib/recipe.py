"""How a network is trained: one object for notebooks, command line, checkpoints and results."""

import math
from dataclasses import dataclass, field, fields
from numbers import Integral, Real

from fmnist_lib.errors import CourseError


def option(default, meaning: str, low: float = 0, below: float = math.inf, choices: tuple = ()):
    """A field with its meaning, which `--help` prints, and its limits: low <= value < below."""
    limits = {"meaning": meaning, "low": low, "below": below, "choices": choices}
    return field(default=default, metadata=limits)


@dataclass(frozen=True)
class Recipe:
    """SGD and what may be added to it; the defaults are the published recipe.

    `dataclasses.replace(recipe, seed=1)` is the same recipe with another seed. Raises CourseError
    when a value makes no sense. Numbers of NumPy and PyTorch are kept as Python's.
    """

    epochs: int = option(25, "passes over the training images", 1)
    batch_size: int = option(75, "images for each update of the weights", 1)
    learning_rate: float = option(0.01, "step size; with one-cycle the largest", 1e-12)
    momentum: float = option(0.9, "share of the last step that is added to the next", 0, 1)
    nesterov: bool = option(False, "look ahead by the momentum")
    weight_decay: float = option(0.0, "pull of every weight towards 0, for each step")
    # one-cycle: the rate rises in the first 30 % of all batches, and falls to 0 in the rest
    # (Smith and Topin 2017, https://arxiv.org/abs/1708.07120)
    schedule: str = option("constant", "of the rate", choices=("constant", "one-cycle"))
    label_smoothing: float = option(0.0, "share of each training target that all classes get", 0, 1)
    flip: bool = option(False, "mirror half of the images, left to right")
    shift: int = option(0, "move each image by up to so many pixels", 0, 28)
    erase: int = option(0, "side in pixels of a square that is set to 0", 0, 28)
    # average · old + (1 - average) · new after every batch; it is what is measured and kept
    # (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046)
    average: float = option(0.0, "decay of a moving average of the weights; 0 for none", 0, 1)
    seed: int = option(0, "initial weights, order and augmentation of the images", -(2**63), 2**63)

    def __post_init__(self):
        for one in fields(self):
            value, limits = getattr(self, one.name), one.metadata
            kind = {int: Integral, float: Real}.get(one.type, one.type)
            if getattr(value, "ndim", None) == 0:  # of NumPy or PyTorch
                value = value.item()
            if not isinstance(value, kind) or isinstance(value, bool) != (one.type is bool):
                self._refuse(one.name, f"of type {one.type.__name__}")
            try:
                value = one.type(value)
            except OverflowError:  # 10**400 has no float
                value = math.inf
            if limits["choices"] and value not in limits["choices"]:
                self._refuse(one.name, f"one of {', '.join(limits['choices'])}")
            if isinstance(value, Real) and not limits["low"] <= value < limits["below"]:
                self._refuse(one.name, f"at least {limits['low']} and below {limits['below']}")
            object.__setattr__(self, one.name, value)
        if self.nesterov and not self.momentum:
            self._refuse("nesterov", "possible with momentum=0")

    def _refuse(self, name: str, demand: str):
        raise CourseError(f"{name}={getattr(self, name)!r} is not {demand}. Correct it, run again.")
