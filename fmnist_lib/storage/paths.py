"""Where things are. Relative paths are resolved here and nowhere else."""

import os
import stat
from pathlib import Path

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.atomic import reading

PACKAGE = Path(__file__).resolve().parents[1]


def course() -> Path | None:
    """The folder of the course's sources; None where the package is installed without them."""
    return PACKAGE.parent if _is_course(PACKAGE.parent) else None


def work_folder() -> Path:
    """The folder that relative paths count from: the current one, or the clone that it lies in.

    So a path means the same in a notebook and in a terminal, anywhere in a clone; and without one,
    as on an installation for many, what somebody makes lies beside that person's notebooks. Raises
    CourseError when the current folder has been deleted.
    """
    with reading("The current folder"):
        here = Path.cwd()
    return next(filter(_is_course, (here, *here.parents)), here)


def _is_course(folder: Path) -> bool:
    return os.path.isfile(folder / "pyproject.toml") and os.path.isdir(folder / PACKAGE.name)


def in_work_folder(path: str | Path) -> Path:
    """A place to read from or write to: a relative path counts from the work folder.

    "~" is the user's home folder.
    """
    return work_folder() / os.path.expanduser(path)  # that of pathlib fails on "~nobody"


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


def remedy(path: str | Path, otherwise: str) -> str:
    """What to do about a file that is not as it should be: `otherwise`, if the user made it.

    One that comes with the course is restored, never deleted.
    """
    if PACKAGE in Path(path).resolve().parents:
        return "It comes with the course: restore it with git, or install the course again."
    return otherwise


def find(path: str | Path) -> Path:
    """A file that somebody names: from the current folder, the work folder, or the package.

    From the last one come "results/…", which the course brings. Raises CourseError, which says
    where it was looked for, when it is in none.
    """
    with reading("The current folder"):  # it may have been deleted
        here = Path.cwd() / os.path.expanduser(path)
    places = list(dict.fromkeys([here, in_work_folder(path)]))
    for place in (*places, PACKAGE / path):
        if is_file(place):
            return place
    raise CourseError(f"There is no file {' and no '.join(map(str, places))}.")


def find_folder(path: str | Path) -> Path:
    """A folder to read from: it counts from the work folder or, where it is not there, the package.

    It need not be there at all.
    """
    place, brought = in_work_folder(path), PACKAGE / path
    return brought if not is_folder(place) and is_folder(brought) else place


def from_work_folder(path: Path) -> str:
    """A path as it is counted from the work folder; the whole path when it lies elsewhere."""
    root = work_folder()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def data_root(root: str | Path | None = None) -> Path:
    """Where the data is looked for: `root`, else $FMNIST_DATA, else `default_data_root`."""
    given = root or os.environ.get("FMNIST_DATA")
    return in_work_folder(given) if given else default_data_root()


def default_data_root() -> Path:
    """`data/` in the clone that the package belongs to, for all its users, or in the work folder.

    The latter where there is no clone.
    """
    return (course() or work_folder()) / "data"


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
