"""`fmnist kit`: what a student needs, in one archive that holds no solution."""

import re
import shutil
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nbformat

from fmnist_lib.course import explain, printing
from fmnist_lib.course.execute import clone, notebooks, read_notebook
from fmnist_lib.course.solutions import MARKERS, secrets, shows, texts_in, texts_of
from fmnist_lib.course.student import student_files
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import envelope
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_work_folder

KIT = "student-kit.zip"
FOLDER = "fmnist-course"  # what unpacking the kit makes
CONSTRAINTS = "constraints.txt"
START = Path(__file__).with_name("start.md")
STYLE = Path(__file__).with_name("handouts.css")
OPEN = ("data", "model", "recipe", "train", "history", "evaluate")  # modules that students read
CHECKS = "fmnist_lib/lessons/checks/*.py"
QUIZ = "fmnist_lib/lessons/quiz.yaml"
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
# All that a kit, and the wheel in it, may hold.
NAMES = (
    r"START\.html",
    r"explain\.html",
    r"\d\d_[a-z_]+\.ipynb",
    r"[a-z_]+\.md",
    r"install/constraints\.txt",
    r"install/fmnist_lib-[\w.]+-py3-none-any\.whl",
)
IN_WHEEL = (
    r"fmnist_lib/[\w./=,-]+\.(py|pt|md|css|html|js|json|csv|yaml)",
    r"fmnist_lib-[\w.]+\.dist-info/[\w./]+",
)


def build(out: str | Path) -> Path:
    """Write the kit into a folder, and return its path.

    In it are the notebooks without solutions and outputs, the pages that these link, START.html,
    the page on which the network computes, and under install/ a wheel of the package and the
    versions to install it with.

    out: counted from the work folder when it is relative. Raises CourseError, and writes nothing,
    when a notebook would show a solution, or anything else in the kit does.
    """
    kit = atomic.make_folder(in_work_folder(out)) / KIT
    texts = student_files(with_outputs=False) | {"explain.html": explain.of_shipped()}
    with tempfile.TemporaryDirectory() as scratch:
        content = Path(scratch, FOLDER)
        install = content / "install"
        install.mkdir(parents=True)
        for name, text in texts.items():
            (content / name).write_text(text, encoding="utf-8")
        wheel = build_wheel(install)
        shutil.copy(clone() / CONSTRAINTS, install)
        _write_start(content / "START.html", wheel.name)
        with atomic.replacing(kit) as made:
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(content.rglob("*.*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(scratch))
            require_no_solution(made.read_bytes())
    return kit


def build_wheel(folder: Path) -> Path:
    """Build the wheel that students install into a folder: the answers in it are in envelopes.

    Raises CourseError when there is no clone to build it from, or it can't be built.
    """
    course = clone()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "course")
        leave = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(course / "fmnist_lib", tree / "fmnist_lib", ignore=leave)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(course / name, tree)
        for path in notebooks():
            for module in tree.glob(CHECKS.replace("*", path.stem[3:])):
                source = module.read_text(encoding="utf-8")
                module.write_text(envelope.closed_module(source), encoding="utf-8")
        quiz = (tree / QUIZ).read_text(encoding="utf-8")
        (tree / QUIZ).write_text(envelope.closed(quiz), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", BUILD, str(folder.resolve())],
            cwd=tree, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    if done.returncode or not (wheels := sorted(folder.glob("*.whl"))):
        reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise CourseError(
            f'The package can\'t be built ({reason}). Install: pip install -e ".[handouts]"'
        )
    return wheels[-1]


def _write_start(page: Path, wheel: str) -> None:
    """The page that a student reads first."""
    course = clone()
    project = tomllib.loads((course / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = project["requires-python"].removeprefix(">=")
    text = START.read_text(encoding="utf-8").replace("WHEEL", wheel).replace("PYTHON", python)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "start.md")
        source.write_text(text, encoding="utf-8")
        printing.pandoc(
            source, page, "--standalone", "--embed-resources", f"--css={STYLE}",
            "--metadata=lang:en", "--metadata=pagetitle:Start",
        )  # fmt: skip


# ------------------------------------------------------------------------------------- the gate


def require_no_solution(kit: bytes) -> None:
    """CourseError when a kit shows a line of a solution, or holds what does not belong into it.

    Against mistakes, not malice, as `student.student_version`. What students read in the modules
    `OPEN` is no secret.
    """
    secret = secrets_of_course()
    for name, content in _files(kit, FOLDER + "/", NAMES):
        markers = {} if name.endswith(".py") else MARKERS  # the module that knows them has them
        if found := shows(_texts(name, content), secret | markers):
            raise CourseError(f"{name} in the kit would show a line of a solution: {found[0]!r}.")


def secrets_of_course() -> dict[str, str]:
    """The lines of all solutions, as `solutions.secrets` gives them, but for what is in `OPEN`."""
    package = clone() / "fmnist_lib"
    opened = [(package / f"{name}.py").read_text(encoding="utf-8") for name in OPEN]
    secret = {}
    for path in notebooks():
        secret |= secrets(read_notebook(path), opened)
    return secret


def _files(archive: bytes, folder: str, names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Name and content of all that is in an archive, and in the wheels in it.

    folder: in which all of it lies. names: patterns of what may be in it. Raises CourseError for
    any other name, and for bytes that belong to no file, which an archive that was changed in
    place keeps.
    """
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        covered = 0
        for one in opened.infolist():  # of 30 bytes, a name, more of it, and the content
            lengths = struct.unpack_from("<HH", archive, one.header_offset + 26)
            covered += 30 + sum(lengths) + one.compress_size
        if covered != opened.start_dir or opened.comment:
            raise CourseError("The archive holds bytes that belong to none of its files.")
        for one in opened.infolist():
            name = one.filename.removeprefix(folder)
            if not any(re.fullmatch(pattern, name) for pattern in names):
                raise CourseError(f"{one.filename} does not belong into the kit.")
            content = opened.read(one)
            yield name, content
            if name.endswith(".whl"):
                for inner, text in _files(content, "", IN_WHEEL):
                    yield f"{name}: {inner}", text


def _texts(name: str, content: bytes) -> list[str]:
    """What a reader of a file may find in it."""
    text = content.decode("utf-8", errors="ignore")
    return texts_in(nbformat.reads(text, as_version=4)) if name.endswith(".ipynb") else [
        *texts_of(text), content.decode("utf-16", errors="ignore")
    ]  # fmt: skip
