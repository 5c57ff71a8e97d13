"""What a class has handed in: a folder or an archive, as Moodle, Canvas or a teacher lays it out.

    Moodle   Jane Doe_1234567_assignsubmission_file_/03_train_sgd.ipynb  (or all in one name)
    Canvas   doejane_LATE_12345_67890_03_train_sgd.ipynb
    plain    Jane Doe/03_train_sgd.ipynb, or 03_train_sgd_Jane Doe.ipynb

Archives are read where they are; nothing is unpacked onto the disk, and no link is followed.
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths
from fmnist_lib.storage.atomic import reading

MOST_BYTES = 64 * 2**20  # of one file; a notebook of the course with its figures has 2
MOST_FILES = 100  # of one student
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.I)
IGNORED = re.compile(r"(^|/)(\.|__MACOSX/|Thumbs\.db$|desktop\.ini$)")


@dataclass
class Student:
    """Who has handed in what."""

    name: str
    id: str = ""  # the number that the learning platform has for her
    platform: str = ""  # "moodle", "canvas" or none
    files: dict[str, bytes] = field(default_factory=dict)  # notebooks, in the order of their names
    remarks: list[str] = field(default_factory=list)  # on what could not be read


def read(place: str | Path, stems: Iterable[str]) -> list[Student]:
    """The students of a folder or a .zip, by name.

    stems: of the course's notebooks, which are no part of anybody's name. Raises CourseError when
    there is no such place, or nothing in it.
    """
    place, students = paths.in_work_folder(place), {}
    for path, content in _files(place):
        name, number, platform = _owner(path, [*stems])
        student = students.setdefault((name, number), Student(name, number, platform))
        for file, data, problem in _notebooks(path, content):
            if problem:
                student.remarks.append(problem)
            elif len(student.files) < MOST_FILES:
                student.files[file] = data
    if not students:
        raise CourseError(
            f"{place} holds no submission. Expected are notebooks in a folder for each student, or "
            "with the student in each name, as Moodle and Canvas pack them."
        )
    for student in students.values():
        if not student.files:
            student.remarks.append("No notebook was handed in.")
    return sorted(students.values(), key=lambda each: (each.name.casefold(), each.id))


def _files(place: Path) -> Iterator[tuple[PurePosixPath, bytes | str]]:
    """Each file by its path from the place on; its content, or a sentence why there is none."""
    if paths.is_folder(place):
        found = list(_files_of_folder(place))
    elif paths.is_file(place):
        with reading(place):
            found = list(_files_of_archive(place.read_bytes(), place.name))
    else:
        raise CourseError(f"There is no folder or archive {place}.")
    tops = {path.parts[0] for path, _ in found}
    if len(tops) == 1 and all(len(path.parts) > 2 for path, _ in found):  # one folder around all
        found = [(PurePosixPath(*path.parts[1:]), content) for path, content in found]
    yield from found


def _files_of_folder(folder: Path) -> Iterator[tuple[PurePosixPath, bytes | str]]:
    with reading(folder):
        for path in sorted(folder.rglob("*")):
            inner = PurePosixPath(path.relative_to(folder).as_posix())
            if IGNORED.search(str(inner)):
                continue
            if path.is_symlink() or any((folder / p).is_symlink() for p in inner.parents):
                yield inner, f"{inner.name} is a link, which is not followed."
            elif path.is_file():
                try:
                    too_large = path.stat().st_size > MOST_BYTES
                    yield inner, _too_large(inner) if too_large else path.read_bytes()
                except OSError as error:
                    yield inner, f"{inner.name} can't be read: {error.strerror}."


def _files_of_archive(archive: bytes, name: str) -> Iterator[tuple[PurePosixPath, bytes | str]]:
    try:
        with zipfile.ZipFile(BytesIO(archive)) as opened:
            for one in opened.infolist():
                inner = PurePosixPath(one.filename.replace("\\", "/"))
                if one.is_dir() or not inner.parts:
                    continue
                if inner.is_absolute() or ".." in inner.parts or one.external_attr >> 28 == 0o12:
                    kept = PurePosixPath(*(p for p in inner.parts if p not in ("..", "/")))
                    yield kept, f"{one.filename} points out of the archive, and is left out."
                elif IGNORED.search(str(inner)):
                    continue
                elif one.file_size > MOST_BYTES:
                    yield inner, _too_large(inner)
                else:
                    with opened.open(one) as file:  # whatever size it says it has
                        content = file.read(MOST_BYTES + 1)
                    yield inner, content if len(content) <= MOST_BYTES else _too_large(inner)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError) as error:
        raise CourseError(f"{name} can't be read as a .zip archive: {error}.") from error


def _too_large(path: PurePosixPath) -> str:
    return f"{path.name} is larger than {MOST_BYTES >> 20} MB, and is left out."


def _owner(path: PurePosixPath, stems: list[str]) -> tuple[str, str, str]:
    """Name, number and platform of the student whose file this is."""
    first = path.parts[0]
    for platform, form in (("moodle", MOODLE), ("canvas", CANVAS)):
        if match := form.fullmatch(first):
            return match["name"].strip(), match["id"], platform
    if len(path.parts) > 1:
        return first.strip(), "", ""
    name = path.stem
    for stem in stems:
        name = re.sub(rf"{re.escape(stem)}(_\d+|\s*\(\d+\)|-\d+)?", " ", name, flags=re.I)
    return " ".join(name.replace("_", " ").split(" ")).strip(" -.") or path.stem, "", ""


def _notebooks(path: PurePosixPath, content: bytes | str) -> Iterator[tuple[str, bytes, str]]:
    """The notebooks in a file: itself, or those in an archive; name, content, else a sentence."""
    if isinstance(content, str):
        yield path.name, b"", content
    elif path.suffix.lower() == ".ipynb":
        yield str(path), content, ""
    elif path.suffix.lower() == ".zip":
        try:
            for inner, data in _files_of_archive(content, path.name):
                if isinstance(data, str):
                    yield inner.name, b"", data
                elif inner.suffix.lower() == ".ipynb":
                    yield f"{path}/{inner}", data, ""
        except CourseError as error:
            yield path.name, b"", str(error)
