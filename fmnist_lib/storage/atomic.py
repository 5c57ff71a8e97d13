"""Writing files so that a fault leaves the old one or the new one, never half of one.

And what the system refuses, in words that say what to do about it.
"""

import errno
import glob
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fmnist_lib.errors import CourseError

if TYPE_CHECKING:
    from filelock import BaseFileLock

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)  # as some network disks say
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1)  # seconds before a file that is held is tried again


class Held(PermissionError):
    """A file can't be replaced or removed, and goes on so."""


@contextmanager
def writing(path: str | Path, kept: str = "") -> Iterator[None]:
    """Turn an OSError of the block, as on a full disk, into a CourseError about `path`.

    kept: a sentence on what became of the file that was there before.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "Make room, or choose another folder, and run again."
        elif isinstance(error, Held):
            remedy = "Close it there, or wait a moment, and run again."
        elif isinstance(error, (FileExistsError, NotADirectoryError)):
            remedy = "There, or above it, is a file where a folder is needed. Choose another one."
        elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
            remedy = "Ask the owner to let you write there, or choose a folder of your own."
        else:
            remedy = "Choose another folder, and run again."
        raise CourseError(
            f"{path} can't be written: {error.strerror or error}. {kept}{remedy}"
        ) from error


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn an OSError of the block, as for another user's file, into a CourseError about `path`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, PermissionError):
            remedy = "Ask the owner of it, and of the folder it is in, to let you read it."
        else:
            remedy = "See that its disk is there and the file whole, and run again."
        raise CourseError(f"{path} can't be read: {error.strerror or error}. {remedy}") from error


def patiently(action: Callable, *paths: str | Path) -> None:
    """Replace, rename or remove a file that another program may hold for a moment.

    Windows refuses that while a virus scanner or an indexer looks at a new file. It is tried again
    for 2.5 seconds (`PAUSES`). Raises `Held` then, and every other OSError at once.
    """
    for pause in (*PAUSES, None):
        try:
            return action(*paths)
        except PermissionError as error:
            if not os.access(Path(paths[-1]).parent, os.W_OK):
                raise  # a matter of rights, which won't pass
            if pause is None:
                held = "another program (a virus scanner, a backup, a viewer) has it open"
                raise Held(error.errno, held, str(paths[-1])) from error
            time.sleep(pause)


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
            patiently(os.replace, scratch, path)
    finally:
        with suppress(OSError):  # it has taken its place
            patiently(os.unlink, scratch)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; raises as `replacing` does."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def make_folder(path: str | Path) -> Path:
    """Make a folder with those above it, unless it is there; CourseError when that can't be."""
    with writing(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def take(lock: "BaseFileLock", folder: Path, busy: str, seconds: float = 0) -> None:
    """Take the lock of a folder; CourseError, with the text `busy`, when another has it.

    seconds: to wait for it. The system lets go of it when its process dies.
    """
    import filelock  # not above: `fmnist doctor` imports this module where no package is installed

    with writing(folder):
        try:
            lock.acquire(timeout=seconds)
        except filelock.Timeout as error:
            raise CourseError(busy) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise CourseError(
                f"The disk of {folder} has no file locks ({error.strerror}), so two programs could "
                "mix their results there. Choose a folder on another disk, best a local one."
            ) from error


@contextmanager
def alone(folder: Path, busy: str) -> Iterator[Path]:
    """Make a folder, and keep it for this block; raises as `take` does, when another has it."""
    import filelock

    lock = filelock.FileLock(make_folder(folder) / ".lock")
    take(lock, folder, busy)
    try:
        yield folder
    finally:
        lock.release()


def remove(path: str | Path) -> None:
    """Remove a file, if it is there; CourseError when that can't be."""
    with writing(path), suppress(FileNotFoundError):
        patiently(os.unlink, path)


def remove_scratch(path: str | Path) -> None:
    """Remove what a process that was killed while it wrote `path` has left beside it."""
    path = Path(path)
    for scratch in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError):  # another user's: it does no harm
            patiently(os.unlink, scratch)
