"""Writing files so that a fault leaves the old one or the new one, never half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fmnist_lib.errors import CourseError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A scratch file beside `path`, which takes its place when the block ends without an error.

        with replacing("runs/a/metrics.json") as scratch:
            scratch.write_text(text)

    Raises CourseError when the folder or the file can't be written, as on a full disk.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        raise CourseError(
            f"{path} can't be written: {error.strerror or error}. What was there before is as it "
            "was. Make room, or choose another folder, and run again."
        ) from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; raises as `replacing` does."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def remove_scratch(path: str | Path) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it."""
    path = Path(path)
    for scratch in path.parent.glob(f".{path.name}.*.part"):
        scratch.unlink(missing_ok=True)
