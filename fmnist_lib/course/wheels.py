"""`fmnist wheels`: all that an installation needs in one folder, for machines without a network."""

import subprocess
import sys
from pathlib import Path

from fmnist_lib.course import kit
from fmnist_lib.course.execute import clone
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_work_folder


def collect(folder: str | Path, options: tuple[str, ...] = ()) -> Path:
    """Put the package as students install it, and all that it needs, into a folder; returns it.

    The files are for machines with this system, this kind of processor and this version of Python:
    pip can't tell what another one needs.

    folder: counted from the work folder when it is relative. options: more of them for pip. Raises
    CourseError when there is no clone, or something can't be had.
    """
    folder = atomic.make_folder(in_work_folder(folder))
    wheel = kit.build_wheel(folder)
    constraints = clone() / kit.CONSTRAINTS
    command = [
        sys.executable, "-m", "pip", "download", "--only-binary=:all:", f"--dest={folder}",
        f"--constraint={constraints}", *options, str(wheel),
    ]  # fmt: skip
    if code := subprocess.run(command).returncode:
        raise CourseError(f"pip ended with {code}; what it says stands above. Run it again.")
    atomic.write_text(folder / kit.CONSTRAINTS, constraints.read_text(encoding="utf-8"))
    return folder
