"""Handouts: every notebook for students and for instructors, as .ipynb, HTML, PDF and slides.

One source, the notebooks in `notebooks/` with their solutions. pandoc makes the HTML (one file,
nothing from outside) and the slides; a Chromium on this machine prints the HTML as PDF, or pandoc
and typst do without one. Whatever goes to students comes from `student.student_version`.
"""

import copy
import hashlib
import html
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from tqdm import tqdm

from fmnist_lib.course import printing, slides, student
from fmnist_lib.course.execute import linked_pages, named, notebooks, read_notebook
from fmnist_lib.course.printing import Printer
from fmnist_lib.course.solutions import leaks, without_solution
from fmnist_lib.course.student import student_version
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_work_folder, is_file

AUDIENCES = ("student", "instructor")
FORMATS = ("ipynb", "html", "pdf", "slides")
STYLE = Path(__file__).with_name("handouts.css")
PACKAGES = ("pypandoc", "sphinx_revealjs", "typst")
BUILT, ARCHIVE = ".built.json", "student.zip"
LINE = '<div class="answer-line"></div>\n'  # to write on, in print


# ---------------------------------------------------------------------- what goes into a page


NOTES = {  # of notebooks/README.md, and how a line of the cell behind each of them begins
    "Aim": None,  # behind the first cell
    "Where students get stuck": "**Exercise 1",
    "Usual misconceptions": "## Quiz",
    "Ask": "## Recap",
}


def teachers_notes(number: int) -> dict[str, str]:
    """The notes on a notebook, each in one line, by their kind: see NOTES.

    number: of the notebook, as in the headings of `notebooks/README.md`. Raises CourseError when a
    note is missing.
    """
    text = notebooks()[0].with_name("README.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {number} · .*\n([\s\S]*?)(?=^### |\Z)", text, flags=re.M)
    found = re.findall(
        r"^\*(.+?):\*\s+(.+?)(?:\n\n|\Z)", section[1] if section else "", re.M | re.S
    )
    notes = {kind: " ".join(note.split()) for kind, note in found}
    for kind in NOTES:
        if kind not in notes:
            raise CourseError(f"Notebook {number} has no note {kind!r} in notebooks/README.md.")
    return notes


def instructor_version(notebook: NotebookNode, number: int) -> NotebookNode:
    """The notebook with all that it has, and each note for teachers beside its section.

    number: see `teachers_notes`. Raises CourseError when a note or its section is missing.
    """
    notes, instructor = teachers_notes(number), copy.deepcopy(notebook)
    for kind, line in NOTES.items():
        starts = [
            place
            for place, cell in enumerate(instructor.cells)
            if line and f"\n{line}" in f"\n{cell.source}"
        ] or [1]
        if line and starts == [1]:
            raise CourseError(f"Notebook {number} has no section for the note {kind!r}.")
        note = f"> **For the teacher. {kind}:** {notes[kind]}"
        instructor.cells.insert(starts[0], new_markdown_cell(note))
    return instructor


def _text_of_html(page: str) -> str:
    page = re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+", "", page)  # pictures
    comments = " ".join(re.findall(r"<!--([\s\S]*?)-->", page))
    attributes = " ".join(re.findall(r'="([^"]*)"', page))
    return html.unescape(re.sub(r"<[^>]*>", "", page) + comments + attributes)


def _gate(source: NotebookNode, handout: str, name: str) -> None:
    if found := leaks(source, handout):
        raise CourseError(f"{name} would hold a line of a solution: {found[0]!r}. Nothing written.")


# ------------------------------------------------------------------------------------ building


@dataclass(frozen=True)
class Handout:
    """One file of a build."""

    path: Path  # of the notebook, or of a page of Markdown that one links
    audience: str  # slides are shown to students, so they have no solutions
    form: str
    blank: bool

    @property
    def name(self) -> str:
        """Where it lies in the folder of the handouts."""
        if self.form == "slides":
            return f"slides/{self.path.stem}.html"
        return f"{self.audience}/{self.path.stem}.{self.form}"

    def made_from(self, printer: Printer) -> str:
        """All that it is made from, as one number."""
        code = [Path(module.__file__) for module in (student, printing, slides)]
        code += [Path(__file__), slides.STYLE]
        browser = printer.browser if self.form == "pdf" else None
        digest = hashlib.sha256(str((self.blank, browser)).encode())
        for part in (self.path, self.path.with_name("README.md"), STYLE, *code):
            digest.update(part.read_bytes())
        return digest.hexdigest()

    def mark(self, out: Path, printer: Printer) -> str | None:
        """What it is made from and what it is, as text; None when it isn't there."""
        file = out / self.name
        if not is_file(file):
            return None
        with atomic.reading(file):
            return f"{self.made_from(printer)} {hashlib.sha256(file.read_bytes()).hexdigest()}"


def build(
    out: str | Path,
    only: str = "",
    audiences: tuple[str, ...] = AUDIENCES,
    formats: tuple[str, ...] = FORMATS,
    blank: bool = False,
) -> Path:
    """Make the handouts that are asked for, and a page that links all of them; returns its path.

    out: counted from the work folder when it is relative. only: part of a notebook's name. blank:
    students' versions without outputs. What has not changed since the last time is kept. Page and
    archive hold what was asked for and nothing else that lies there. Raises CourseError, before
    anything is written, when a notebook would show students a solution.
    """
    out = in_work_folder(out)
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise CourseError(f'{missing[0]} is not installed: pip install -e ".[handouts]"')
    sources = named(notebooks(), only)
    read = {path: read_notebook(path) for path in sources}
    wanted = []
    for path in sources:
        for audience in audiences:
            hides = blank and audience == "student"
            wanted += [Handout(path, audience, form, hides) for form in formats if form != "slides"]
        if "slides" in formats:
            wanted.append(Handout(path, "student", "slides", blank=False))
    pages = dict.fromkeys(page for path in sources for page in linked_pages(path, read[path]))
    wanted += _of_pages(pages, wanted)
    of_students = {(one.path, one.blank) for one in wanted if one.audience == "student"}
    versions = {(path, hides): student_version(read[path], hides, path.name)  # or refuses
                for path, hides in of_students if path in read}  # fmt: skip
    atomic.make_folder(out)
    with atomic.writing(out):
        (out / BUILT).touch()
    built, printer = _read_built(out), Printer()
    if "pdf" in formats:
        print(f"PDF through {printer.browser or 'typst, as no Chromium, Chrome or Edge is here'}")
    with tqdm(wanted, unit="file") as bar:
        for one in bar:
            mark = one.mark(out, printer)
            if mark and built.get(one.name) == mark:
                continue
            bar.set_postfix_str(one.name)
            if one.path in read:
                _make(one, out, printer, read[one.path], versions.get((one.path, one.blank)))
            else:
                _make_page(one, out)
            built[one.name] = one.mark(out, printer)
            atomic.write_text(out / BUILT, json.dumps(built, indent=1))
    _write_zip(out, wanted)
    return _write_index(out, wanted)


def _of_pages(pages: Iterable[Path], wanted: list[Handout]) -> list[Handout]:
    """The handouts of pages, wherever the notebooks of a build go: HTML but beside .ipynb."""
    forms = {"ipynb": "md", "slides": "slides"}
    places = dict.fromkeys((one.audience, forms.get(one.form, "html")) for one in wanted)
    return [Handout(page, *place, blank=False) for page in pages for place in places]


def _make_page(handout: Handout, out: Path) -> None:
    """Copy a page of Markdown, or make HTML of it, which the slides link, too."""
    target, text = out / handout.name, handout.path.read_text(encoding="utf-8")
    if handout.form == "md":
        atomic.write_text(target, text)
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "page.html")
        _pandoc(new_notebook(cells=[new_markdown_cell(text)]), made, handout.path.stem)
        _replace(made, target)


def _read_built(out: Path) -> dict[str, str]:
    try:
        built = json.loads((out / BUILT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return built if isinstance(built, dict) else {}


def _make(
    handout: Handout,
    out: Path,
    printer: Printer,
    source: NotebookNode,
    version: NotebookNode | None,
) -> None:
    """Make one file of a notebook; version: what students get of it."""
    number = int(handout.path.stem[:2])
    if handout.audience == "instructor":
        version = instructor_version(source, number)
    target = out / handout.name
    if handout.form == "ipynb":
        atomic.write_text(target, nbformat.writes(version))
        return
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch, "page.html")
        if handout.form == "slides":
            slides.make(version, teachers_notes(number), page)
        else:
            content = _paper(version, handout.audience)
            _pandoc(content, page, handout.path.stem)
        if handout.audience == "student":
            _gate(source, _text_of_html(page.read_text(encoding="utf-8")), handout.name)
        if handout.form == "pdf":
            pdf = Path(scratch, "page.pdf")
            printer.make(page, content, pdf)
            page = pdf
        _replace(page, target)


def _paper(version: NotebookNode, audience: str) -> NotebookNode:
    """For reading outside Jupyter: links to the other pages, lines for a student's answers."""
    paper = copy.deepcopy(version)
    cells, paper.cells = paper.cells, []
    for cell in cells:
        paper.cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\w+)\.(ipynb|md)\)", r"](\1.html)", cell.source)
        if audience == "student" and "**Predict:**" in cell.source:
            paper.cells.append(new_markdown_cell(LINE))
        elif audience == "student" and "exercise" in cell.metadata.get("tags", []):
            paper.cells.append(new_markdown_cell(3 * LINE))
    return paper


def _pandoc(notebook: NotebookNode, target: Path, title: str) -> None:
    heading = re.search(r"^# (.+)", notebook.cells[0].source, flags=re.M)
    options = [
        "--standalone",
        "--embed-resources",
        "--mathml",
        f"--css={STYLE}",
        "--syntax-highlighting=monochrome",
        "--metadata=lang:en",
        f"--metadata=pagetitle:{heading[1] if heading else title}",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, f"{title}.ipynb")
        nbformat.write(notebook, source)
        printing.pandoc(source, target, *options)


def _replace(made: Path, target: Path) -> None:
    with atomic.replacing(target) as scratch:
        shutil.copyfile(made, scratch)


# ------------------------------------------------------------------------- index and archive


def _write_zip(out: Path, wanted: list[Handout]) -> None:
    """What students get of this build, in one file for a learning platform."""
    names = [one.name for one in wanted if one.audience == "student" and one.form != "slides"]
    if not names:
        return
    with (
        atomic.replacing(out / ARCHIVE) as scratch,
        zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in names:
            archive.write(out / name, Path(name).name)


def _write_index(out: Path, wanted: list[Handout]) -> Path:
    """A page with the objectives and the time of each notebook, and links to its handouts."""
    parts = ["# Convolutional networks on Fashion-MNIST: handouts"]
    if any(one.audience == "student" and one.form != "slides" for one in wanted):
        parts.append(f"[What students get of these, as one archive]({ARCHIVE})")
    for path in dict.fromkeys(one.path for one in wanted):
        files = [Path(one.name) for one in wanted if one.path == path]
        links = [f"[{file.parent.name}, {file.suffix[1:]}]({file.as_posix()})" for file in files]
        if path.suffix == ".md":
            heading = re.search(r"^# (.+)", path.read_text(encoding="utf-8"), flags=re.M)
            parts.append(f"## {heading[1] if heading else path.stem}\n\n{' · '.join(links)}")
            continue
        first = without_solution(read_notebook(path).cells[0].source)
        title = re.search(r"^# (.+)|\Z", first, flags=re.M)[1] or path.stem
        aims = "\n".join(re.findall(r"^- .+", first, flags=re.M))
        took = " ".join(re.findall(r"^Running all cells.+", first, flags=re.M))
        parts.append(f"## {title}\n\n{' · '.join(links)}\n\nYou will\n\n{aims}\n\n{took}")
    page = new_notebook(cells=[new_markdown_cell(part) for part in parts])
    index = out / "index.html"
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "index.html")
        _pandoc(page, made, "index")
        _replace(made, index)
    return index
