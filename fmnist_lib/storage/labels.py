"""What a label may be, whatever kind of file it comes from, and the names of the classes."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.atomic import reading
from fmnist_lib.storage.paths import is_file

CLASSES = "class_names.txt"  # beside the data: a name a line, of label 0 first
MOST_CLASSES = 10


def class_names(root: Path, default: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the ten classes in the file `CLASSES` under `root`, or the default without it.

    A data set of fewer classes has names for the others, too, as networks have ten outputs: "(3)".
    Raises CourseError when the file can't be read, or has no names, too many, or one twice.
    """
    path = root / CLASSES
    if not is_file(path):
        return default
    try:
        with reading(path):
            text = path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise CourseError(f"{path} is no text in UTF-8. Save it as such.") from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    twice = [name for name in names if names.count(name) > 1]
    if not 1 <= len(names) <= MOST_CLASSES or twice:
        found = f"has {twice[0]!r} twice" if twice else f"has {len(names)} names"
        raise CourseError(
            f"{path} {found}. It should have the name of each class on a line of its own, that of "
            f"label 0 first, and no more than {MOST_CLASSES}. Correct it, or delete it."
        )
    return (*names, *(f"({label})" for label in range(len(names), MOST_CLASSES)))


def check(labels: Tensor, found: Callable[[int, int], str], remedy: str) -> None:
    """CourseError when one of the labels, integers of 0 or more, is not that of a class.

    found: says of the first such, from its place among them and its value, where it stands.
    """
    wrong = labels.gt(MOST_CLASSES - 1).nonzero()
    if len(wrong):
        place = int(wrong[0])
        raise CourseError(
            f"{found(place, int(labels[place]))}. Labels are 0 to 9, one for each class of "
            f"fmnist_lib.data.CLASS_NAMES. {remedy}"
        )
