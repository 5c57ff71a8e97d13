"""Images as a CSV of 785 columns: `label`, then `pixel1` to `pixel784`, row by row."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.atomic import reading, replacing
from fmnist_lib.storage.labels import check
from fmnist_lib.storage.paths import is_file

FILES = ("fashion-mnist_train.csv", "fashion-mnist_test.csv")
COLUMNS = ["label", *(f"pixel{i}" for i in range(1, 785))]
CHUNK = 2000  # lines that are read at a time
# How pandas reads these files: no column is an index, and nothing is guessed from the name.
FORMAT = {"index_col": False, "encoding": "utf-8", "compression": None}
LARGEST = 300_000_000  # bytes; 60,000 images have at most 283 million, with quotes


def read(path: str | Path) -> tuple[Tensor, Tensor]:
    """Images, uint8 [N, 28, 28], and labels, int64 [N], of a CSV file; all its values are 0 to 255.

    A byte order mark, Windows line ends and quotes are accepted. Raises CourseError when the file
    is missing or may not be read, is larger than `LARGEST`, has other columns, a value that is no
    integer from 0 to 255, a label over 9, or no rows.
    """
    path = Path(path)
    if not is_file(path):
        raise CourseError(f"{path} is missing. Make it with `fmnist csv {path.parent}`.")
    with reading(path):
        return _read(path)


def _read(path: Path) -> tuple[Tensor, Tensor]:
    if path.stat().st_size > LARGEST:
        raise CourseError(
            f"{path} has {path.stat().st_size:,} bytes; {LARGEST:,} are enough for all images "
            "of Fashion-MNIST. Take another file."
        )
    _check_header(path)
    chunks: list[np.ndarray] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it has dropped values
            for chunk in pd.read_csv(path, dtype="uint8", chunksize=CHUNK, **FORMAT):
                chunks.append(chunk.to_numpy())
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        problem = _first_bad_value(path, len(chunks)) or str(error).strip()
        raise CourseError(f"{path}: {problem} Correct it there.") from error
    values = np.concatenate(chunks) if chunks else np.empty((0, 785), "uint8")
    labels = torch.from_numpy(values[:, 0].astype("int64"))
    if len(labels) == 0:
        raise CourseError(f"{path} has a header line but no images.")
    check(
        labels,
        lambda place, label: f"{path}, line {place + 2}: label {label}",
        "Correct it there.",
    )
    images = torch.from_numpy(np.ascontiguousarray(values[:, 1:])).reshape(-1, 28, 28)
    return images, labels


def _check_header(path: Path) -> None:
    limit = 20_000  # the right header has 7,760 bytes
    with open(path, "rb") as file:
        line = file.readline(limit).decode("utf-8-sig", errors="replace")
    columns = [name.strip('"') for name in line.rstrip("\r\n").split(",")]
    if columns != COLUMNS:
        count = f"over {len(columns) - 1}" if len(line) == limit else len(columns)
        raise CourseError(
            f"{path} has {count} columns, the first {[name[:20] for name in columns[:2]]}. "
            "Expected are 785, with a header line: label, pixel1, …, pixel784. Was it saved with "
            "an index or without a header?"
        )


def _first_bad_value(path: Path, good_chunks: int) -> str | None:
    """Which value after so many good chunks is none; None when it isn't a matter of one value."""
    start = good_chunks * CHUNK
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, skiprows=range(1, start + 1),
            nrows=CHUNK, **FORMAT,
        )  # fmt: skip
    except ValueError:
        return None
    for line, row in enumerate(frame.itertuples(index=False), start=start + 2):
        for column, text in zip(COLUMNS, row, strict=True):
            if not (str(text).strip().isdecimal() and len(text) < 20 and int(text) <= 255):
                shown = repr(text[:40]) if isinstance(text, str) else "missing"
                return f"line {line}, column {column} is {shown}, not an integer from 0 to 255."
    return None


def write(path: str | Path, images: Tensor, labels: Tensor) -> Path:
    """Write images, uint8 [N, 28, 28], and labels, int64 [N], so that `read` gives them back."""
    path = Path(path)
    values = torch.cat([labels[:, None].to(torch.uint8), images.flatten(1)], dim=1)
    with replacing(path) as scratch:
        pd.DataFrame(values.numpy(), columns=COLUMNS).to_csv(scratch, index=False)
    return path
