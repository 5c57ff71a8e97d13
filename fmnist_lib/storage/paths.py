"""Where things are. Relative paths are resolved here and nowhere else."""

import os
import stat
from pathlib import Path

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.atomic import reading


def project_root() -> Path:
    """The folder of the course; the current folder when the package is installed elsewhere."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").exists() else Path.cwd()


def in_project(path: str | Path) -> Path:
    """A place to read from or write to: a relative path counts from the project's folder.

    So it means the same in a notebook, in a terminal and in a script, wherever these are started.
    "~" is the user's home folder.
    """
    return project_root() / os.path.expanduser(path)  # that of pathlib fails on "~nobody"


def is_file(path: Path) -> bool:
    """Whether a file is there; CourseError where this user may not look, or the disk fails."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Whether a folder is there; CourseError as above."""
    return stat.S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    with reading(path):
        try:
            return os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no path at all
            return 0


def find(path: str | Path) -> Path:
    """A file that somebody names: from the current folder, else from the project's.

    Raises CourseError, which says where it was looked for, when it is in neither.
    """
    with reading("The current folder"):  # it may have been deleted
        here = Path.cwd() / os.path.expanduser(path)
    places = list(dict.fromkeys([here, in_project(path)]))
    for place in places:
        if is_file(place):
            return place
    raise CourseError(f"There is no file {' and no '.join(map(str, places))}.")


def from_project(path: Path) -> str:
    """A path as it is counted from the project's folder; the whole path when it lies elsewhere."""
    root = project_root()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def data_root(root: str | Path | None = None) -> Path:
    """Where the data is looked for: `root`, else $FMNIST_DATA, else `data/` in the project."""
    return in_project(root or os.environ.get("FMNIST_DATA") or "data")


def raw_folder(root: Path) -> Path:
    """The folder under `root` in which torchvision keeps the four files."""
    return root / "FashionMNIST" / "raw"


def raw_file(root: Path, name: str) -> Path:
    """Where one of the four files lies under `root`: as `name`, which ends in .gz, or unpacked.

    Unpacked it has no .gz; some programs put it into a folder of that name. It is the first of
    these places where it lies in none.
    """
    packed = raw_folder(root) / name
    unpacked = packed.with_suffix("")
    places = packed, unpacked, unpacked / unpacked.name
    return next(filter(is_file, places), packed)
