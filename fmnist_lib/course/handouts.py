"""Handouts: every notebook for students and for instructors, as .ipynb, HTML, PDF and slides.

One source, the notebooks in `notebooks/` with their solutions. pandoc makes the HTML (one file,
nothing from outside) and the slides; a Chromium on this machine prints the HTML as PDF, or pandoc
and typst do without one. Whatever goes to students passes `student.leaks` first.
"""

import copy
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook
from tqdm import tqdm

from fmnist_lib.course.doctor import find_browser
from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.student import leaks, student_version
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_project, project_root

AUDIENCES = ("student", "instructor")
FORMATS = ("ipynb", "html", "pdf", "slides")
STYLE = Path(__file__).with_name("handouts.css")
BUILT = ".built.json"
# pandoc wraps each cell in a Div; a slide has to stand free.
UNWRAP = 'function Div(d) if d.classes:includes("cell") then return d.content end end'
LINE = '<div class="answer-line"></div>\n'  # to write on, in print


# ---------------------------------------------------------------------- what goes into a page


NOTES = {  # of notebooks/README.md, and the heading in front of which each of them stands
    "Aim": None,  # behind the first cell
    "Where students get stuck": "## Exercises",
    "Usual misconceptions": "## Quiz",
    "Ask": "## Recap",
}


def instructor_version(notebook: NotebookNode, number: int) -> NotebookNode:
    """The notebook with all that it has, and each note for teachers beside its section.

    number: of the notebook, as in the headings of `notebooks/README.md`. Raises CourseError when a
    note or its section is missing.
    """
    text = (project_root() / "notebooks" / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {number} · .*\n([\s\S]*?)(?=^### |\Z)", text, flags=re.M)
    notes = dict(
        re.findall(r"^\*(.+?):\*\s+(.+?)(?:\n\n|\Z)", section[1] if section else "", re.M | re.S)
    )
    instructor = copy.deepcopy(notebook)
    for kind, heading in NOTES.items():
        starts = [
            place
            for place, cell in enumerate(instructor.cells)
            if heading and cell.source.startswith(heading)
        ] or [1]
        if kind not in notes or (heading and starts == [1]):
            raise CourseError(f"Notebook {number} has no note {kind!r} or no section for it.")
        note = f"> **For the teacher. {kind}:** {' '.join(notes[kind].split())}"
        instructor.cells.insert(starts[0], new_markdown_cell(note))
    return instructor


def _text_of_html(page: str) -> str:
    page = re.sub(r"data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+", "", page)  # pictures
    comments = " ".join(re.findall(r"<!--([\s\S]*?)-->", page))
    attributes = " ".join(re.findall(r'="([^"]*)"', page))
    return html.unescape(re.sub(r"<[^>]*>", "", page) + comments + attributes)


def _gate(source: NotebookNode, handout: str | NotebookNode, name: Path) -> None:
    if found := leaks(source, handout):
        raise CourseError(f"{name} would hold a line of a solution: {found[0]!r}. Nothing written.")


# ------------------------------------------------------------------------------------ building


def build(
    out: str | Path,
    only: str = "",
    audiences: tuple[str, ...] = AUDIENCES,
    formats: tuple[str, ...] = FORMATS,
    blank: bool = False,
) -> Path:
    """Make the handouts that are asked for, and a page that links all of them; returns its path.

    out: counted from the project when it is relative. only: part of a notebook's name. blank:
    students' versions without outputs. What has not changed since the last time is kept. Raises
    CourseError when a solution would reach a student.
    """
    out = in_project(out)
    if find_spec("pypandoc") is None:
        raise CourseError('pandoc is not installed: pip install -e ".[handouts]"')
    sources = [path for path in notebooks() if only in path.name]
    if not sources:
        raise CourseError(f"No notebook has {only!r} in its name.")
    jobs = []
    for path in sources:
        for audience in audiences:
            jobs += [(path, audience, form) for form in formats if form != "slides"]
        if "slides" in formats:
            jobs.append((path, "student", "slides"))  # shown to students: no solutions
    atomic.make_folder(out)
    with atomic.writing(out):
        (out / BUILT).touch()
    built = _read_built(out)
    if "pdf" in formats:
        print(f"PDF through {find_browser() or 'typst, as no Chromium, Chrome or Edge is here'}")
    with tqdm(jobs, unit="file") as bar:
        for path, audience, form in bar:
            target = _target(out, path, audience, form)
            state = _state(path, blank and audience == "student")
            if target.exists() and built.get(str(target.relative_to(out))) == state:
                continue
            bar.set_postfix_str(str(target.relative_to(out)))
            _make(path, audience, form, target, blank)
            built[str(target.relative_to(out))] = state
            atomic.write_text(out / BUILT, json.dumps(built, indent=1))
    _write_zip(out)
    return _write_index(out)


def _target(out: Path, path: Path, audience: str, form: str) -> Path:
    if form == "slides":
        return out / "slides" / f"{path.stem}.html"
    return out / audience / f"{path.stem}.{form}"


def _state(path: Path, blank: bool) -> str:
    """What a handout is made from, as one number."""
    code = Path(__file__)
    parts = [path, path.with_name("README.md"), STYLE, code, code.with_name("student.py")]
    digest = hashlib.sha256(str((blank, find_browser())).encode())
    for part in parts:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def _read_built(out: Path) -> dict[str, str]:
    try:
        return json.loads((out / BUILT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _make(path: Path, audience: str, form: str, target: Path, blank: bool) -> None:
    source = nbformat.read(path, as_version=4)
    if audience == "student":
        version = student_version(source, blank)
        _gate(source, version, target)
    else:
        version = instructor_version(source, int(path.stem[:2]))
    target.parent.mkdir(parents=True, exist_ok=True)
    if form == "ipynb":
        atomic.write_text(target, nbformat.writes(version))
        return
    with tempfile.TemporaryDirectory() as scratch:
        page = Path(scratch, "page.html")
        slides = form == "slides"
        content = _slides(version) if slides else _paper(version, audience)
        _pandoc(content, page, path.stem, slides)
        if audience == "student":
            _gate(source, _text_of_html(page.read_text(encoding="utf-8")), target)
        if form == "pdf":
            pdf = Path(scratch, "page.pdf")
            if find_browser():
                _print(page, pdf)
            else:
                _typeset(content, pdf)
            page = pdf
        _replace(page, target)


def _paper(version: NotebookNode, audience: str) -> NotebookNode:
    """For reading outside Jupyter: links to the other pages, lines for a student's answers."""
    paper = copy.deepcopy(version)
    cells, paper.cells = paper.cells, []
    for cell in cells:
        paper.cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.ipynb\)", r"](\1.html)", cell.source)
        if audience == "student" and "**Predict:**" in cell.source:
            paper.cells.append(new_markdown_cell(LINE))
        elif audience == "student" and "exercise" in cell.metadata.get("tags", []):
            paper.cells.append(new_markdown_cell(3 * LINE))
    return paper


def _slides(version: NotebookNode) -> NotebookNode:
    """A slide for each heading, and one more wherever text or code follows code."""
    slides = _paper(version, "instructor")
    cells, slides.cells = slides.cells, []
    title, part = "Setup", 1
    for before, cell in zip([cells[0], *cells], cells):
        if before.cell_type == "code" and not cell.source.startswith("## "):
            part += 1
            slides.cells.append(new_markdown_cell(f"## {title} ({part})"))
        slides.cells.append(cell)
        headings = re.findall(r"^## (.+)", cell.source, re.M)
        if cell.cell_type == "markdown" and headings:
            title, part = headings[-1], 1
    return slides


def _pandoc(notebook: NotebookNode, target: Path, title: str, slides: bool = False) -> None:
    import pypandoc

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
        if slides:
            reveal = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
            unwrap = Path(scratch, "unwrap.lua")
            unwrap.write_text(UNWRAP, encoding="utf-8")
            options += [
                "--to=revealjs",
                "--slide-level=2",
                f"--lua-filter={unwrap}",
                f"--variable=revealjs-url:{reveal}",
                "--variable=theme:white-contrast",
                "--variable=width:1280",
                "--variable=height:900",
                "--variable=transition:none",
                "--variable=center:false",
            ]
        command = [pypandoc.get_pandoc_path(), *options, str(source), f"--output={target}"]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CourseError(f"pandoc could not make {target.name}: {done.stderr.strip()}")


def _print(page: Path, pdf: Path) -> None:
    """Print an HTML file through the Chromium, Chrome or Edge of this machine."""
    options = ["--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run",
               "--no-pdf-header-footer"]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to run as root with one
    with tempfile.TemporaryDirectory() as profile:
        command = [find_browser(), *options, f"--user-data-dir={profile}",
                   f"--print-to-pdf={pdf}", page.as_uri()]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if not pdf.exists():
        raise CourseError(f"{command[0]} printed no PDF: {done.stderr.strip()[-300:]}")


def _typeset(notebook: NotebookNode, pdf: Path) -> None:
    """Without a browser: pandoc to typst, then to PDF."""
    import pypandoc
    import typst

    with tempfile.TemporaryDirectory() as scratch:
        source, text = Path(scratch, "page.ipynb"), Path(scratch, "page.typ")
        nbformat.write(notebook, source)
        options = ["--standalone", "--extract-media=media", "--variable=papersize:a4"]
        command = [pypandoc.get_pandoc_path(), *options, str(source), f"--output={text}"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=scratch)
        if done.returncode:
            raise CourseError(f"pandoc could not make {pdf.name}: {done.stderr.strip()}")
        typst.compile(str(text), output=str(pdf), root=scratch)


def _replace(made: Path, target: Path) -> None:
    with atomic.replacing(target) as scratch:
        shutil.copyfile(made, scratch)


# ------------------------------------------------------------------------- index and archive


def _write_zip(out: Path) -> None:
    """All that students get, in one file for a learning platform."""
    handouts = sorted(path for path in (out / "student").glob("*") if path.suffix != ".part")
    if not handouts:
        return
    with (
        atomic.replacing(out / "student.zip") as scratch,
        zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in handouts:
            archive.write(path, path.name)


def _write_index(out: Path) -> Path:
    """A page with the objectives and the time of each notebook, and links to its handouts."""
    parts = ["# Convolutional networks on Fashion-MNIST: handouts"]
    if (out / "student.zip").exists():
        parts.append("[All that students get, as one archive](student.zip)")
    for path in notebooks():
        made = [_target(out, path, audience, form) for audience in AUDIENCES
                for form in FORMATS if form != "slides"]  # fmt: skip
        made.append(_target(out, path, "student", "slides"))
        links = [f"[{file.parent.name}, {file.suffix[1:]}]({file.relative_to(out).as_posix()})"
                 for file in made if file.exists()]  # fmt: skip
        if not links:
            continue
        first = nbformat.read(path, as_version=4).cells[0].source
        title = re.search(r"^# (.+)", first, flags=re.M)[1]
        aims = "\n".join(re.findall(r"^- .+", first, flags=re.M))
        took = re.search(r"^Running all cells.+", first, flags=re.M)[0]
        parts.append(f"## {title}\n\n{' · '.join(links)}\n\nYou will\n\n{aims}\n\n{took}")
    page = new_notebook(cells=[new_markdown_cell(part) for part in parts])
    index = out / "index.html"
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "index.html")
        _pandoc(page, made, "index")
        _replace(made, index)
    return index
