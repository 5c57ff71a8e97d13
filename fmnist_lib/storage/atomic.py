"""Writing files so that a fault leaves the old one or the new one, never half of one."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fmnist_lib.errors import CourseError


@contextmanager
def writing(path: str | Path, kept: str = "") -> Iterator[None]:
    """Turn an OSError of the block, as on a full disk, into a CourseError about `path`.

    kept: a sentence on what became of the file that was there before.
    """
    try:
        yield
    except OSError as error:
        raise CourseError(
            f"{path} can't be written: {error.strerror or error}. {kept}Make room, or choose "
            "another folder, and run again."
        ) from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A scratch file beside `path`, which takes its place when the block ends without an error.

        with replacing("runs/a/metrics.json") as scratch:
            scratch.write_text(text)

    Raises CourseError when the folder or the file can't be written.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path, "What was there before is as it was. "):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield scratch
            os.replace(scratch, path)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; raises as `replacing` does."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def make_folder(path: str | Path) -> Path:
    """Make a folder with those above it, unless it is there; CourseError when that can't be."""
    with writing(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def remove_scratch(path: str | Path) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it."""
    path = Path(path)
    for scratch in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        scratch.unlink(missing_ok=True)
