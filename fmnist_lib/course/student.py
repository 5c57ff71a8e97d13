"""The notebooks as students get them: without solutions, and the gate that makes sure of it."""

import base64
import copy
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from fmnist_lib.course.execute import notebooks
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_project

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's markers


def without_solution(source: str) -> str:
    """The source of a cell without what stands between the solution markers, and without these.

    Raises CourseError when the markers are not in pairs.
    """
    kept, inside = [], False
    for line in source.splitlines():
        if line.strip() in (BEGIN, END):
            if (line.strip() == BEGIN) == inside:
                raise CourseError(f"Solution markers are not in pairs in the cell:\n{source}")
            inside = not inside
        elif not inside:
            kept.append(line)
    if inside:
        raise CourseError(f"{BEGIN!r} without {END!r} in the cell:\n{source}")
    return "\n".join(kept)


def student_version(notebook: NotebookNode, blank: bool = False) -> NotebookNode:
    """The notebook without solutions, and without the outputs of the cells that had them.

    blank: without any output.
    """
    student = copy.deepcopy(notebook)
    for cell in student.cells:
        stub = without_solution(cell.source)
        if cell.cell_type == "code" and (blank or stub != cell.source):
            cell.source, cell.outputs, cell.execution_count = stub, [], None
    return student


def write_student_notebooks(folder: str | Path) -> Path:
    """Write every notebook as students get it; one that is there already is kept as it is.

    folder: counted from the project when it is relative. Returns it.
    """
    folder = in_project(folder)
    for path in notebooks():
        if (folder / path.name).exists():
            print(f"kept     {folder / path.name}")
        else:
            with atomic.replacing(folder / path.name) as scratch:
                nbformat.write(student_version(nbformat.read(path, as_version=4)), scratch)
            print(f"written  {folder / path.name}")
    return folder


# -------------------------------------------------------------------------------- the leak gate


def leaks(source: NotebookNode, handout: str | NotebookNode) -> list[str]:
    """The lines of solutions of `source` that a student's handout holds, however spaced.

    handout: a notebook, of which every text is searched (sources, outputs, metadata, attachments),
    or the text of an HTML or PDF file.
    """
    texts = [handout] if isinstance(handout, str) else list(_texts(handout))
    searched = [_squeezed(text) for text in texts]
    public = _squeezed("\n".join(without_solution(cell.source) for cell in source.cells))
    secret = [line.strip() for cell in source.cells for line in _solution_lines(cell.source)]
    markers = [marker for marker in (BEGIN, END) if any(_squeezed(marker) in t for t in searched)]
    return markers + [
        line
        for line in secret
        if (short := _squeezed(line)) not in public and any(short in text for text in searched)
    ]


def _solution_lines(source: str) -> Iterator[str]:
    inside = False
    for line in source.splitlines():
        if line.strip() in (BEGIN, END):
            inside = line.strip() == BEGIN
        elif inside and len(_squeezed(line)) >= 8:  # less is no answer: "else:", "x = 0"
            yield line


def _squeezed(text: str) -> str:
    """Without white space, and with one kind of quotation marks (typographers change them)."""
    return re.sub(r"\s+", "", re.sub("[\"'“”‘’]", '"', text))


def _texts(value) -> Iterator[str]:
    """Every text in a notebook, also decoded where it is base64."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        if len(value) >= 8 and re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", value):
            try:
                yield base64.b64decode(value).decode("utf-8", errors="ignore")
            except ValueError:
                pass
