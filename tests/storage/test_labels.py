"""Labels are those of the ten classes, in whatever file they come."""

import pytest
import torch

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import labels


def found(place, label):
    return f"a.csv, number {place}: {label}"


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64])
def test_the_first_that_is_none_is_named(kind):
    with pytest.raises(CourseError) as refused:
        labels.check(torch.tensor([0, 9, 10, 255], dtype=kind), found, "Delete it.")
    assert str(refused.value) == (
        "a.csv, number 2: 10. Labels are 0 to 9, one for each class of fmnist_lib.data.CLASS_NAMES."
        " Delete it."
    )


@pytest.mark.parametrize("good", [[], [0], list(range(10))])
def test_those_of_the_classes_pass(good):
    labels.check(torch.tensor(good, dtype=torch.uint8), found, "")
