"""What a class has handed in: a folder or an archive, as Moodle, Canvas or a teacher lays it out.

    Moodle   Jane Doe_1234567_assignsubmission_file_/03_train_sgd.ipynb  (or all in one name)
    Canvas   doejane_LATE_12345_67890_03_train_sgd.ipynb
    plain    Jane Doe/03_train_sgd.ipynb, or 03_train_sgd_Jane Doe.ipynb

Archives are read where they are; nothing is unpacked onto the disk, and no link is followed.
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths
from fmnist_lib.storage.atomic import reading

MOST_BYTES = 64 * 2**20  # of one file; a notebook of the course with its figures has 2
MOST_OF_STUDENT = 4 * MOST_BYTES
MOST_FILES = 100  # in an archive that a student hands in
TORN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
LINK = 0o12  # the kind of file, in the attributes of an archive's entry
Content = Callable[[], bytes | str] | str  # reads a file, or says why it is not read; or says so
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w+?_(?P<file>.*)")
CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<file>.+)", re.I)
COPY = re.compile(r"(?:_| \(| |-)(\d+)\)?\.ipynb$")  # as a download is called that is not the first
IGNORED = re.compile(r"(^|/)(\.(?!\.)|__MACOSX/|Thumbs\.db$|desktop\.ini$)")


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
    place, students, others = paths.in_work_folder(place), {}, {}
    with _opened(place) as files:
        for path, content in files:
            name, number, platform = _owner(path, [*stems])
            student = students.setdefault((name, number), Student(name, number, platform))
            if not isinstance(content, str) and path.suffix.lower() not in (".ipynb", ".zip"):
                others.setdefault(id(student), []).append(path.name)
            for file, load in _notebooks(path, content):
                data = load() if callable(load) else load
                if isinstance(data, str):
                    student.remarks.append(data)
                elif sum(map(len, student.files.values())) + len(data) > MOST_OF_STUDENT:
                    student.remarks.append(f"{file} is left out: there is too much before it.")
                else:
                    student.files[file] = data
    if not students:
        raise CourseError(
            f"{place} holds no submission. Expected are notebooks in a folder for each student, or "
            "with the student in each name, as Moodle and Canvas pack them."
        )
    for student in students.values():
        student.remarks = list(dict.fromkeys(student.remarks))
        student.files = dict(sorted(student.files.items(), key=_by_copy))
        if not student.files:
            only = ", ".join(others.get(id(student), [])[:5])
            student.remarks.append(f"No notebook was handed in{': ' * bool(only)}{only}.")
    return sorted(students.values(), key=lambda each: (each.name.casefold(), each.id))


def _by_copy(item: tuple[str, bytes]) -> tuple[str, int]:
    """ "a.ipynb" before "a (1).ipynb": the later one counts."""
    copy = COPY.search(item[0])
    return COPY.sub("", item[0]) if copy else item[0].removesuffix(".ipynb"), int(
        copy[1]
    ) if copy else 0


@contextmanager
def _opened(place: Path) -> Iterator[list[tuple[PurePosixPath, Content]]]:
    """Each file by its path from the place on, and what reads it; else a sentence why not."""
    with ExitStack() as stack:
        if paths.is_folder(place):
            found = list(_files_of_folder(place))
        elif place.suffix == ".ipynb":
            raise CourseError(f"{place} is one notebook. Give the folder with all of them.")
        elif paths.is_file(place):
            with reading(place):
                file = stack.enter_context(open(place, "rb"))
            found = _files_of_archive(file, place.name)
        else:
            raise CourseError(f"There is no folder or archive {place}.")
        tops = {path.parts[0] for path, _ in found}
        if len(tops) == 1 and all(len(path.parts) > 2 for path, _ in found):  # one around all
            found = [(PurePosixPath(*path.parts[1:]), content) for path, content in found]
        yield found


def _files_of_folder(folder: Path) -> Iterator[tuple[PurePosixPath, Content]]:
    with reading(folder):
        for path in sorted(folder.rglob("*")):
            inner = PurePosixPath(path.relative_to(folder).as_posix())
            if IGNORED.search(str(inner)):
                continue
            if path.is_symlink() or any((folder / p).is_symlink() for p in inner.parents):
                yield inner, f"{inner.name} is a link, which is not followed."
            elif path.is_dir() and not any(path.iterdir()):
                yield inner / "nothing", "The folder is empty."
            elif path.is_file():
                yield inner, partial(_content_of_file, path)


def _content_of_file(path: Path) -> bytes | str:
    try:
        if path.stat().st_size > MOST_BYTES:
            return _too_large(path)
        return path.read_bytes()
    except OSError as error:
        return f"{path.name} can't be read: {error.strerror}."


def _files_of_archive(file: BinaryIO, name: str) -> list[tuple[PurePosixPath, Content]]:
    """As `_opened` has them; CourseError when it is no archive."""
    try:
        opened = zipfile.ZipFile(file)
        entries = opened.infolist()
    except (*TORN, OSError) as error:
        raise CourseError(f"{name} can't be read as a .zip archive: {error}.") from error
    found: list[tuple[PurePosixPath, Content]] = []
    for one in entries:
        inner = PurePosixPath(one.filename.replace("\\", "/"))
        if one.is_dir() or not inner.parts:
            continue
        if inner.is_absolute() or ".." in inner.parts or one.external_attr >> 28 == LINK:
            kept = PurePosixPath(*(part for part in inner.parts if part not in ("..", "/")))
            found.append((kept, f"{one.filename} points out of the archive, and is left out."))
        elif not IGNORED.search(str(inner)):
            found.append((inner, partial(_content_of_entry, opened, one)))
    return found


def _content_of_entry(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes | str:
    path = PurePosixPath(one.filename)
    try:
        with archive.open(one) as file:  # whatever size it says it has
            content = file.read(MOST_BYTES + 1)
    except (*TORN, OSError) as error:
        return f"{path.name} can't be read out of its archive: {error}."
    return content if len(content) <= MOST_BYTES else _too_large(path)


def _too_large(path: PurePath) -> str:
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


def _notebooks(path: PurePosixPath, content: Content) -> Iterator[tuple[str, Content]]:
    """The notebooks in a file: itself, or those in an archive."""
    kind = path.suffix.lower()
    if isinstance(content, str) or kind == ".ipynb":
        yield str(path), content
    elif kind == ".zip":
        data = content()
        if isinstance(data, str):
            yield str(path), data
            return
        try:
            inside = _files_of_archive(BytesIO(data), path.name)
        except CourseError as error:
            yield str(path), str(error)
            return
        for inner, load in inside[:MOST_FILES]:
            if isinstance(load, str) or inner.suffix.lower() == ".ipynb":
                yield f"{path}/{inner}", load
