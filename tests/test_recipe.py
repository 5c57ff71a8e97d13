"""One recipe, which refuses what makes no sense."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from fmnist_lib.errors import CourseError
from fmnist_lib.recipe import Recipe

PUBLISHED = {
    "epochs": 25, "batch_size": 75, "learning_rate": 0.01, "momentum": 0.9, "nesterov": False,
    "weight_decay": 0.0, "schedule": "constant", "label_smoothing": 0.0, "flip": False, "shift": 0,
    "erase": 0, "average": 0.0, "seed": 0,
}  # fmt: skip


def test_defaults_are_the_published_recipe():
    assert PUBLISHED.items() <= dataclasses.asdict(Recipe()).items()


def test_every_field_has_a_meaning():
    meanings = [one.metadata["meaning"] for one in dataclasses.fields(Recipe)]
    assert all(len(meaning) >= 10 for meaning in meanings)
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize(
    ("name", "value", "demand"),
    [
        ("epochs", 0, "at least 1 and below inf"),
        ("epochs", -3, "at least 1 and below inf"),
        ("epochs", 2.5, "of type int"),
        ("epochs", 2.0, "of type int"),
        ("epochs", True, "of type int"),
        ("epochs", "2", "of type int"),
        ("epochs", None, "of type int"),
        ("batch_size", 0, "at least 1 and below inf"),
        ("batch_size", np.float64(75), "of type int"),
        ("learning_rate", 0, "at least 1e-12 and below inf"),
        ("learning_rate", -1, "at least 1e-12 and below inf"),
        ("learning_rate", "1e-3", "of type float"),
        ("learning_rate", True, "of type float"),
        ("learning_rate", math.nan, "at least 1e-12 and below inf"),
        ("learning_rate", math.inf, "at least 1e-12 and below inf"),
        ("learning_rate", -math.inf, "at least 1e-12 and below inf"),
        ("learning_rate", np.float32("nan"), "at least 1e-12 and below inf"),
        ("learning_rate", [0.1], "of type float"),
        ("learning_rate", np.array([0.1]), "of type float"),
        ("learning_rate", 10**400, "at least 1e-12 and below inf"),
        ("learning_rate", np.longdouble(10) ** 4000, "at least 1e-12 and below inf"),
        ("momentum", 1.0, "at least 0 and below 1"),
        ("momentum", Fraction(10**30 - 1, 10**30), "at least 0 and below 1"),  # as a float it is 1
        ("momentum", -0.1, "at least 0 and below 1"),
        ("momentum", math.nan, "at least 0 and below 1"),
        ("nesterov", 1, "of type bool"),
        ("epochs", np.bool_(True), "of type int"),
        ("nesterov", None, "of type bool"),
        ("weight_decay", -0.1, "at least 0 and below inf"),
        ("weight_decay", math.inf, "at least 0 and below inf"),
        ("schedule", "cosine", "one of constant, one-cycle"),
        ("schedule", "", "one of constant, one-cycle"),
        ("schedule", 1, "of type str"),
        ("label_smoothing", 1.0, "at least 0 and below 1"),
        ("flip", "false", "of type bool"),
        ("flip", "", "of type bool"),
        ("flip", 0, "of type bool"),
        ("shift", 28, "at least 0 and below 28"),
        ("shift", -1, "at least 0 and below 28"),
        ("erase", 28, "at least 0 and below 28"),
        ("average", 1, "at least 0 and below 1"),
        ("average", math.nan, "at least 0 and below 1"),
        ("seed", 1.5, "of type int"),
        ("seed", "1", "of type int"),
        ("seed", 2**63, f"at least {-(2**63)} and below {2**63}"),
    ],
)
def test_a_value_that_makes_no_sense(name, value, demand):
    with pytest.raises(CourseError) as refused:
        Recipe(**{name: value})
    assert str(refused.value) == f"{name}={value!r} is not {demand}. Correct it, run again."


def test_nesterov_needs_momentum():
    with pytest.raises(CourseError, match="^nesterov=True is not possible with momentum=0. Corr"):
        Recipe(momentum=0.0, nesterov=True)
    assert Recipe(momentum=0.0).nesterov is False


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("epochs", np.int64(3), 3),
        ("flip", np.bool_(True), True),
        ("seed", torch.tensor(3), 3),
        ("batch_size", np.uint8(150), 150),
        ("learning_rate", np.float32(0.5), 0.5),
        ("learning_rate", np.float64(0.1), 0.1),
        ("learning_rate", 1, 1.0),
        ("weight_decay", 0, 0.0),
        ("schedule", np.str_("one-cycle"), "one-cycle"),
        ("seed", np.int64(-5), -5),
        ("seed", 2**63 - 1, 2**63 - 1),
        ("shift", 27, 27),
    ],
)
def test_numbers_become_those_of_python(name, value, kept):
    made = getattr(Recipe(**{name: value}), name)
    assert made == kept and type(made) is type(kept)


def test_a_recipe_cannot_be_changed():
    recipe = Recipe()
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 3
    assert recipe == Recipe() and hash(recipe) == hash(Recipe())


def test_the_same_recipe_with_something_else():
    recipe = Recipe(epochs=3, flip=True)
    assert dataclasses.replace(recipe, seed=np.int64(1)) == Recipe(epochs=3, flip=True, seed=1)
    with pytest.raises(CourseError, match="epochs=0 is not at least 1"):
        dataclasses.replace(recipe, epochs=0)
    with pytest.raises(TypeError, match="epoch"):
        dataclasses.replace(recipe, epoch=1)  # no field of this name
