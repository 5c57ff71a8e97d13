"""The images that a student has kept, with a network's answers: a small test set of one's own.

A folder holds each image as an ordinary grey PNG of 28 × 28 pixels, as the network got it (0 is
background), and the table `images.csv` with a row for each: the file, the class that it is, as the
student says, the answer with its probability, and which network gave it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.photo import SIDE
from fmnist_lib.storage import atomic, paths

FOLDER = "my_images"
TABLE = "images.csv"
COLUMNS = ["file", "class", "answer", "probability", "network"]


def keep(
    image: Tensor, label: int, probabilities: Tensor, network: str, folder: str | Path = FOLDER
) -> Path:
    """Write an image and a row of the table; returns the image's file, the next free number.

    image: uint8 [28, 28]. label: what it is. probabilities: float [10], what the network said.
    network: how to name it. folder: counted from the work folder when it is relative. Raises
    CourseError as `read` and `require_answer` do, when the label is none, or a file can't be
    written.
    """
    require_answer(probabilities)
    if type(label) is not int or label not in range(len(CLASS_NAMES)):
        raise CourseError(f"{label!r} is no label. Give a number from 0 to {len(CLASS_NAMES) - 1}.")
    place = paths.in_work_folder(folder)
    with _alone(place):
        table = read(folder)
        # Also of images that the table has lost: none is overwritten.
        taken = {*table["file"], *(each.name for each in place.glob("*.png"))}
        number = 1 + max((int(Path(each).stem) for each in taken if _is_numbered(each)), default=0)
        path = place / f"{number:03}.png"
        answer = int(probabilities.argmax())
        probability = float(probabilities[answer])
        row = [path.name, CLASS_NAMES[label], CLASS_NAMES[answer], probability, network]
        with atomic.replacing(path) as scratch:
            Image.fromarray(image.numpy()).save(scratch, "PNG")
        try:
            _write(place, [*table.values.tolist(), row])
        except Exception:
            atomic.remove(path)  # an image without its row
            raise
    return path


def require_answer(probabilities: Tensor) -> None:
    """CourseError unless these are finite numbers, one for each class."""
    if probabilities.shape != (len(CLASS_NAMES),) or not probabilities.isfinite().all():
        raise CourseError(
            f"The network's answer should be {len(CLASS_NAMES)} probabilities, and is "
            f"{probabilities.tolist()!s:.60}. Look at its last layer, and at its weights."
        )


def take_back(folder: str | Path = FOLDER) -> None:
    """Remove the image that was kept last, if there is one; raises as `keep` does."""
    if not len(read(folder)):
        return
    place = paths.in_work_folder(folder)
    with _alone(place):
        table = read(folder)
        _write(place, table.values.tolist()[:-1])  # first: a row without its image would be a fault
        for name in table["file"].tail(1):
            atomic.remove(place / name)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """While nobody else changes the folder, such as another notebook; it is made if need be."""
    lock = filelock.FileLock(atomic.make_folder(place) / ".lock")
    atomic.take(lock, place, f"Another notebook writes into {place}. Try again.", seconds=10)
    try:
        yield
    finally:
        lock.release()


def _write(place: Path, rows: list[list]) -> None:
    table = pd.DataFrame(rows, columns=COLUMNS)
    text = table.to_csv(index=False, lineterminator="\n", float_format="%.4f")
    atomic.write_text(place / TABLE, text)


def read(folder: str | Path = FOLDER) -> pd.DataFrame:
    """The table of the images, with the columns `COLUMNS`; without rows where nothing is kept.

    folder: counted from the work folder when it is relative. Raises CourseError when it can't be
    read, or is no such table.
    """
    path = paths.in_work_folder(folder) / TABLE
    if not paths.is_file(path):
        return pd.DataFrame(columns=COLUMNS)
    remedy = "Correct it, or move the folder away and keep your images again."
    try:
        with atomic.reading(path):
            texts = dict.fromkeys((*COLUMNS[:3], COLUMNS[4]), str)  # a class may be named "1"
            table = pd.read_csv(path, dtype=texts, keep_default_na=False)
    except ValueError as error:  # also what pandas and decoding raise
        reason = str(error).partition("\n")[0]
        raise CourseError(f"{path} is no table of images ({reason}). {remedy}") from error
    if list(table.columns) != COLUMNS or len(table) and not _are_shares(table["probability"]):
        raise CourseError(
            f"{path} is no table of images: it should have the columns {', '.join(COLUMNS)}, with "
            f"a number as probability. {remedy}"
        )
    for column in ("class", "answer"):
        if strange := sorted({*table[column]} - {*CLASS_NAMES}):
            raise CourseError(f"{path} has {strange[0]!r} as {column}, which is none. {remedy}")
    names = [name for name in table["file"] if not _is_numbered(name)]
    if names:
        raise CourseError(f"{path} names the file {names[0]!r}, not one such as 001.png. {remedy}")
    if twice := table["file"][table["file"].duplicated()].tolist():
        raise CourseError(f"{path} names the file {twice[0]!r} twice. {remedy}")
    return table


def _are_shares(column: pd.Series) -> bool:
    return column.dtype.kind in "if" and bool(column.between(0, 1).all())


def _is_numbered(name: str) -> bool:
    return name.endswith(".png") and name.removesuffix(".png").isdecimal()


def load(folder: str | Path = FOLDER) -> Split:
    """All images as a split that can be predicted and measured on, labelled by the student.

    Raises CourseError when there is none, and as `read` does, or an image is missing or none of
    28 × 28 grey pixels.
    """
    table = read(folder)
    place = paths.in_work_folder(folder)
    if not len(table):
        raise CourseError(f"There is no image in {place}. Keep some in notebook 4, Try your own.")
    images = [_image(place / name) for name in table["file"]]
    labels = [CLASS_NAMES.index(name) for name in table["class"]]
    return Split(torch.tensor(np.stack(images)), torch.tensor(labels), "csv")


def _image(path: Path) -> np.ndarray:
    """uint8 [28, 28]"""
    remedy = f"Take its row out of {TABLE}, or put the image back."
    if not paths.is_file(path):
        raise CourseError(f"{path} is missing. {remedy}")
    with atomic.reading(path):
        content = path.read_bytes()
    try:
        with Image.open(io.BytesIO(content)) as image:
            deep, pixels = image.mode[0] in "IF", np.asarray(image.convert("L"))
    except Exception as error:  # each format has its own
        raise CourseError(f"{path} is no image ({error}). {remedy}") from error
    if deep or pixels.shape != (SIDE, SIDE):
        size = " × ".join(map(str, reversed(pixels.shape)))
        found = "more than 8 bits a pixel" if deep else f"{size} pixels"
        raise CourseError(f"{path} has {found}, and should have {SIDE} × {SIDE} pixels of 8 bits.")
    return pixels
