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
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from tqdm import tqdm

from fmnist_lib import checkpoints
from fmnist_lib.course import explain, printing, slides, student
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
NETWORK = checkpoints.shipped()  # its page is in the handouts, too
BUILT, ARCHIVE, INDEX = ".built.json", "student.zip", "index.html"
LINE = '<div class="answer-line"></div>\n'  # to write on, in print
NAME = '<p class="name-field"><span>Name:</span> <span>Date:</span></p>\n'
# What belongs to one task stays on one page: cells in a row with the same number become one Div.
GROUP = """
function Pandoc(doc)
  local blocks = pandoc.List()
  for _, block in ipairs(doc.blocks) do
    local task = block.t == "Div" and block.attributes.task
    local last = blocks[#blocks]
    if task then
      if not (last and last.t == "Div" and last.identifier == "task-" .. task) then
        last = pandoc.Div({}, pandoc.Attr("task-" .. task, { "task" }))
        blocks:insert(last)
      end
      block.attributes.task = nil
      last.content:insert(block)
    else
      blocks:insert(block)
    end
  end
  doc.blocks = blocks
  return doc
end
"""


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

    path: Path  # of the notebook, of a page of Markdown that one links, or of the network
    audience: str  # slides are shown to students, so they have no solutions
    form: str
    blank: bool
    noted: bool = False  # slides with notes for those who speak
    beside: tuple[str, ...] = ()  # the pages of this build that its links may lead to

    @property
    def name(self) -> str:
        """Where it lies in the folder of the handouts."""
        if self.form == "slides":
            return f"slides/{self.path.stem}.html"
        return f"{self.audience}/{self.path.stem}.{self.form}"

    def made_from(self, printer: Printer) -> str:
        """All that it is made from, as one number."""
        if self.path == NETWORK:
            code = explain.FILES
        else:
            code = [Path(module.__file__) for module in (student, printing, slides)]
            code += [Path(__file__), slides.STYLE]
        browser = printer.browser if self.form == "pdf" else None
        digest = hashlib.sha256(str((self.blank, self.noted, browser, self.beside)).encode())
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
    network: bool = False,
) -> Path:
    """Make the handouts that are asked for, and a page that links all of them; returns its path.

    out: counted from the work folder when it is relative. only: part of a notebook's name. blank:
    students' versions without outputs. network: the page of the network, which belongs to the HTML,
    without it too. Slides have notes for teachers unless all is for students. What has not changed
    since the last time is kept. Page and archive hold what was asked for and nothing else that lies
    there. Raises CourseError, before anything is written, when a notebook would show students a
    solution.
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
            noted = "instructor" in audiences
            wanted.append(Handout(path, "student", "slides", blank=False, noted=noted))
    pages = dict.fromkeys(page for path in sources for page in linked_pages(path, read[path]))
    wanted += _of_pages(pages, wanted)
    if network or not only and "html" in formats:
        wanted += [Handout(NETWORK, each, "html", blank=False) for each in audiences]
    wanted = [replace(one, beside=_beside(one, wanted)) for one in wanted]
    of_students = dict.fromkeys(
        (one.path, one.blank) for one in wanted if one.audience == "student"
    )
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
            if one.path == NETWORK:
                atomic.write_text(out / one.name, explain.of_shipped())
            elif one.path in read:
                _make(one, out, printer, read[one.path], versions.get((one.path, one.blank)))
            else:
                _make_page(one, out)
            built[one.name] = one.mark(out, printer)
            atomic.write_text(out / BUILT, json.dumps(built, indent=1))
    _write_zip(out, wanted)
    return _write_teachers_index(out, wanted)


def _of_pages(pages: Iterable[Path], wanted: list[Handout]) -> list[Handout]:
    """The handouts of pages, wherever the notebooks of a build link them: HTML, beside .ipynb .md.

    A PDF and slides link no file.
    """
    forms = {"ipynb": "md", "html": "html"}
    places = dict.fromkeys((one.audience, forms[one.form]) for one in wanted if one.form in forms)
    return [Handout(page, *place, blank=False) for page in pages for place in places]


def _beside(handout: Handout, wanted: list[Handout]) -> tuple[str, ...]:
    """The names of the pages that links in an HTML file can lead to; other forms link none."""
    others = [one for one in wanted if one.audience == handout.audience and one.form == "html"]
    return tuple(sorted({one.path.stem for one in others})) if handout.form == "html" else ()


def _make_page(handout: Handout, out: Path) -> None:
    """Copy a page of Markdown, or make HTML of it."""
    target, text = out / handout.name, handout.path.read_text(encoding="utf-8")
    if handout.form == "md":
        atomic.write_text(target, text)
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "page.html")
        cell = new_markdown_cell(_linked(text, handout.beside))
        _pandoc(new_notebook(cells=[cell]), made, handout.path.stem)
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
            slides.make(version, teachers_notes(number) if handout.noted else {}, page)
        else:
            content = _paper(version, handout.audience == "student", handout.beside)
            _pandoc(content, page, handout.path.stem)
        if handout.audience == "student":
            _gate(source, _text_of_html(page.read_text(encoding="utf-8")), handout.name)
        if handout.form == "pdf":
            pdf = Path(scratch, "page.pdf")
            printer.make(page, content, pdf)
            page = pdf
        _replace(page, target)


def _paper(version: NotebookNode, is_student: bool, beside: tuple[str, ...]) -> NotebookNode:
    """For reading outside Jupyter: links that lead somewhere, tasks that stay on one page.

    Students get a field for their name, and below each task lines for the answer.
    """
    paper = copy.deepcopy(version)
    cells, paper.cells = paper.cells, []
    number, is_open = 0, False  # of the last task; whether its cell with the answer is to come
    for cell in cells:
        if cell.cell_type == "code":
            paper.cells.append(cell)
            asks = {"exercise", "quiz"} & set(cell.metadata.get("tags", []))
            if is_open and asks:
                cell.metadata["task"] = str(number)
                lines = 3 if "exercise" in asks else 1
                answer = new_markdown_cell(lines * LINE, metadata={"task": str(number)})
                paper.cells += [answer] if is_student else []
            is_open = False
            continue
        for text, kind in _parted(_linked(cell.source, beside)):
            part = new_markdown_cell(text)
            paper.cells.append(part)
            if kind:
                number, is_open = number + 1, True
                part.metadata["task"] = str(number)
            if kind == "Predict" and is_student:
                questions = len(re.findall(r"^\d+\. ", text, flags=re.M)) or 1
                part.source += "\n\n" + questions * LINE
    if is_student:
        heading, _, rest = paper.cells[0].source.partition("\n")
        paper.cells[0].source = f"{heading}\n\n{NAME}\n{rest}"
    return paper


def _parted(text: str) -> list[tuple[str, str]]:
    """The parts of a Markdown cell, each task by itself, and what kind of task it is, or ""."""
    starts = r"^(?=#{2,3} |\*\*(?:Predict|Exercise|Quiz)\b)"
    parts = [part.strip() for part in re.split(starts, text, flags=re.M)]
    kinds = [re.match(r"\*\*(Predict|Exercise|Quiz)\b", part) for part in parts]
    return [(part, kind[1] if kind else "") for part, kind in zip(parts, kinds) if part]


def _linked(text: str, beside: tuple[str, ...]) -> str:
    """Markdown whose links lead to the pages beside it; where there is none, the link is text."""

    def link(match):
        return f"[{match[1]}]({match[2]}.html)" if match[2] in beside else match[1]

    return re.sub(r"\[([^\]]+)\]\((\w+)\.(?:ipynb|md)\)", link, text)


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
        group = Path(scratch, "group.lua")
        group.write_text(GROUP, encoding="utf-8")
        options.append(f"--lua-filter={group}")
        printing.pandoc(source, target, *options)


def _replace(made: Path, target: Path) -> None:
    with atomic.replacing(target) as scratch:
        shutil.copyfile(made, scratch)


# ------------------------------------------------------------------------- index and archive


def _write_zip(out: Path, wanted: list[Handout]) -> None:
    """What students get of this build, as one file for a learning platform, with an index page.

    The page is written beside the files, too. Both hold students' files and nothing else.
    """
    of_students = [one for one in wanted if one.audience == "student" and one.form != "slides"]
    if not of_students:
        return
    title = "Convolutional networks on Fashion-MNIST"
    _write_index(out / "student" / INDEX, title, of_students, "[{form}]({file})")
    with (
        atomic.replacing(out / ARCHIVE) as scratch,
        zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in [f"student/{INDEX}", *(one.name for one in of_students)]:
            archive.write(out / name, Path(name).name)


def _write_teachers_index(out: Path, wanted: list[Handout]) -> Path:
    """A page that links all of a build; returns its path."""
    of_teachers = {"solutions": any(one.audience == "instructor" for one in wanted),
                   "slides with notes": any(one.noted for one in wanted)}  # fmt: skip
    linked = " and ".join(what for what, there in of_teachers.items() if there)
    notes = [f"This page is for teachers: it links {linked}."] if linked else []
    if any(one.audience == "student" and one.form != "slides" for one in wanted):
        notes.append(
            f"Students get [{ARCHIVE}]({ARCHIVE}), or the folder `student`, which has "
            f"[a page of its own](student/{INDEX})."
        )
    title = "Convolutional networks on Fashion-MNIST: handouts"
    link = "[{folder}, {form}]({folder}/{file})"
    return _write_index(out / INDEX, title, wanted, link, " ".join(notes))


def _write_index(index: Path, title: str, wanted: list[Handout], link: str, note: str = "") -> Path:
    """A page with the objectives and the time of each notebook, and links to its handouts.

    link: how one is written, in Markdown, with the fields folder, file and form.
    """
    parts = [f"# {title}", note]
    for path in dict.fromkeys(one.path for one in wanted):
        names = [Path(one.name) for one in wanted if one.path == path]
        links = [link.format(folder=name.parent, file=name.name, form=name.suffix[1:])
                 for name in names]  # fmt: skip
        if path == NETWORK:
            about = "A network at work: every number that it computes, for any image."
            parts.append(f"## See it think\n\n{' · '.join(links)}\n\n{about}")
            continue
        if path.suffix == ".md":
            heading = re.search(r"^# (.+)", path.read_text(encoding="utf-8"), flags=re.M)
            parts.append(f"## {heading[1] if heading else path.stem}\n\n{' · '.join(links)}")
            continue
        first = without_solution(read_notebook(path).cells[0].source)
        heading = re.search(r"^# (.+)|\Z", first, flags=re.M)[1] or path.stem
        aims = "\n".join(re.findall(r"^- .+", first, flags=re.M))
        took = " ".join(re.findall(r"^Running all cells.+", first, flags=re.M))
        parts.append(f"## {heading}\n\n{' · '.join(links)}\n\nYou will\n\n{aims}\n\n{took}")
    page = new_notebook(cells=[new_markdown_cell(part) for part in parts if part])
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, INDEX)
        _pandoc(page, made, "index")
        _replace(made, index)
    return index
