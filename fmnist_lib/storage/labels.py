"""What a label may be, whatever kind of file it comes from, and the names of the classes."""

import unicodedata
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
    A name stands on a line of its own, that of label 0 first. Raises CourseError when the file
    can't be read, and as `names_of_ten` does.
    """
    path = root / CLASSES
    if not is_file(path):
        return default
    try:
        with reading(path):
            text = path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        raise CourseError(f"{path} is no text in UTF-8. Save it as such.") from error
    lines = text.strip().split("\n") if text.strip() else []
    return names_of_ten([line.strip() for line in lines], str(path))


def names_of_ten(given: list[str], where: str) -> tuple[str, ...]:
    """The names of ten classes from those of the first of them.

    where: they come from, for a message. Raises CourseError when there is none or more than ten,
    one twice, or one that can't be printed on a line or in a figure.
    """
    names = [unicodedata.normalize("NFC", name) for name in given]
    whole = (*names, *(f"({label})" for label in range(len(names), MOST_CLASSES)))
    same = [name.casefold() for name in whole]
    twice = [name for name in names if same.count(name.casefold()) > 1]
    strange = [name for name in names if not name.isprintable() or "$" in name]
    padded = [name for name in names if name != name.strip()]
    if not 1 <= len(names) <= MOST_CLASSES:
        found = f"has {len(names)} names"
    elif "" in names:
        found = f"has no name for label {names.index('')}"
    elif twice:
        found = f"has {twice[0]!r} twice"
    elif strange:
        found = f"has the name {strange[0]!r}, with a character that can't stand in one"
    elif padded:
        found = f"has the name {padded[0]!r}, with a blank at its end or its beginning"
    else:
        return whole
    raise CourseError(
        f"{where} {found}. It should have a name for each class, no more than {MOST_CLASSES}, in "
        "letters, digits and signs, without $. Correct it."
    )


def require_names(labels: Tensor, root: Path) -> None:
    """CourseError when the file `CLASSES` under `root` has no name for one of these labels."""
    most = int(labels.max()) if len(labels) else 0
    if class_names(root, default=("a name",) * MOST_CLASSES)[most] == f"({most})":
        raise CourseError(
            f"{root / CLASSES} has no name for label {most}, which is among the data. Write one "
            "name a line there, that of label 0 first, or delete the file for the default names."
        )


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
