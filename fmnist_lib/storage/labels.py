"""What a label may be, whatever kind of file it comes from."""

from collections.abc import Callable

from torch import Tensor

from fmnist_lib.errors import CourseError


def check(labels: Tensor, found: Callable[[int, int], str], remedy: str) -> None:
    """CourseError when one of the labels, integers of 0 or more, is not that of a class.

    found: says of the first such, from its place among them and its value, where it stands.
    """
    wrong = labels.gt(9).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise CourseError(
            f"{found(place, int(labels[place]))}. Labels are 0 to 9, one for each class of "
            f"fmnist_lib.data.CLASS_NAMES. {remedy}"
        )
