"""Twenty tops that a student labels: which they are, and the answers, in a file for notebook 4.

The file is a table with a row for each image that was labelled: its position in the validation
split, its label, and the student's.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import EllipsisType

import pandas as pd
import torch
from torch import Tensor

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.checks import core
from fmnist_lib.storage import atomic, paths

TOPS = (0, 2, 4, 6)  # labels: T-shirt/top, Pullover, Coat and Shirt
COLUMNS = ["position", "label", "yours"]
IMAGES = 20


def choose(split: Split, seed: int = 3) -> Tensor:
    """Where the tops of the game are in a split: int64 [20], in a random order that stays the same.

    Raises CourseError when the split has fewer tops.
    """
    tops = torch.isin(split.labels, torch.tensor(TOPS)).nonzero()[:, 0]
    if len(tops) < IMAGES:
        raise CourseError(f"The game needs {IMAGES} tops, and the split has {len(tops)}.")
    order = torch.randperm(len(tops), generator=torch.Generator().manual_seed(seed))
    return tops[order[:IMAGES]]


def keep(path: str | Path, split: Split, typed: Sequence | str) -> None:
    """Write labels that were typed into the file, and say so; of dots, say and do nothing.

    path: counted from the work folder when it is relative. typed: a name, its beginning or a label
    for each image, or one text with all of them, such as "TCPS…". Raises CourseError when these are
    not as many as there are images, one of them is no top, or the file can't be written.
    """
    if typed is None or isinstance(typed, EllipsisType):
        return
    if isinstance(typed, str):
        words = typed.replace(",", " ").split()
        typed = words if len(words) == IMAGES else "".join(words)
    if not isinstance(typed, Iterable):
        raise CourseError(f"my_labels is {typed!r}. Give one label for each of {IMAGES} images.")
    given = list(typed)
    if len(given) != IMAGES:
        raise CourseError(
            f"my_labels has {len(given)} labels for {IMAGES} images. Give one for each, in order."
        )
    write(path, split, [_label(number, each) for number, each in enumerate(given, start=1)])
    print(f"Kept in {path}.")


def _label(number: int, given) -> int:
    """The label that is meant for image `number`."""
    text = str(given).strip()
    # "S" could be a sandal as well; of the tops it is one.
    found = core.meant(text, _names())
    if len(found) == 1:
        return CLASS_NAMES.index(found[0])
    try:
        label = CLASS_NAMES.index(core.class_name(int(text) if text.isdecimal() else given))
    except (core.Hint, OverflowError):
        label = -1
    if label not in TOPS:
        raise CourseError(
            f"my_labels says {given!r} of image {number}. Choose one of {', '.join(_names())}, or "
            "its first letter."
        )
    return label


def _names() -> list[str]:
    return [CLASS_NAMES[label] for label in TOPS]


def write(path: str | Path, split: Split, yours: Sequence[int]) -> None:
    """Write the labels given to the first images of the game, whole or not at all.

    path: counted from the work folder when it is relative. yours: labels, at most 20; of none, the
    file is removed. Raises CourseError when that can't be done, and as `read` does.
    """
    read(path, split)  # a file that is not of this game is not overwritten
    path = paths.in_work_folder(path)
    if not len(yours):
        atomic.remove(path)
        return
    positions = choose(split)[: len(yours)]
    columns = (positions.tolist(), split.labels[positions].tolist(), list(map(int, yours)))
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    atomic.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read(path: str | Path, split: Split) -> pd.DataFrame | None:
    """What was labelled: a table with the columns position, label and yours; None without a file.

    path: counted from the work folder when it is relative. split: the validation split, in which
    the images stand. Raises CourseError when the file can't be read, is none of this game or not
    whole, or is about other images than these.
    """
    path = paths.in_work_folder(path)
    if paths.is_folder(path):
        raise CourseError(f"{path} is a folder. Name a file in own_labels.")
    if not paths.is_file(path):
        return None
    remedy = "Name another file in own_labels, or delete this one and label the images again."
    try:
        with atomic.reading(path):
            table = pd.read_csv(path, compression=None)
    except ValueError as error:  # also what pandas and decoding raise
        reason = str(error).partition("\n")[0]
        raise CourseError(f"{path} is no table of labels ({reason}). {remedy}") from error
    whole = [kind.kind in "iu" for kind in table.dtypes]
    if list(table.columns) != COLUMNS or not all(whole) or not 0 < len(table) <= IMAGES:
        raise CourseError(
            f"{path} is no table of labels: it should have the columns {', '.join(COLUMNS)}, with "
            f"whole numbers in 1 to {IMAGES} rows. {remedy}"
        )
    positions = choose(split)[: len(table)]
    same = positions.tolist() == table["position"].tolist()
    if not same or split.labels[positions].tolist() != table["label"].tolist():
        raise CourseError(f"{path} is about other images than these. {remedy}")
    if strange := sorted({*table["yours"]} - {*TOPS}):
        raise CourseError(f"{path} has the label {strange[0]}, which is no top. {remedy}")
    return table


def confusion_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Counts of the four tops: rows are the true classes, columns what the student said."""
    labels, yours = (torch.tensor(table[name].tolist()) for name in COLUMNS[1:])
    matrix = evaluate.confusion_matrix(labels, yours).loc[_names(), _names()]
    return matrix.rename_axis(columns="your answer")
