"""`fmnist publish OWNER/NAME`: links to Colab and Binder, for a repository of that name on GitHub.

They lead to copies of the notebooks without solutions, which are written into `student/`. The
course doesn't know where it is published; whoever publishes it, or a fork, runs this once.
"""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from fmnist_lib.course.execute import linked_pages, notebooks, read_notebook
from fmnist_lib.course.student import student_version
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import course, is_file

NAME = r"(?!\.+(?:/|\Z))[A-Za-z0-9_.-]+"  # what GitHub takes: not "..", which is a folder
STUDENT = "student"  # folder in the course
COLAB = "colab"  # tag of the cell that installs the course there
BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/HEAD/student/{name})\n"
    "[![Open on Binder](https://mybinder.org/badge_logo.svg)]"
    "(https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/student/{name})"
)
OLD_BADGES = r"\[!\[Open in Colab\][^\n]*\n\[!\[Open on Binder\][^\n]*\n*"
# Colab opens a notebook alone, without the files around it. Elsewhere the cell does nothing.
INSTALL = """\
import sys

if "google.colab" in sys.modules:  # on Colab: fetch the course around this notebook
    !git clone --quiet --depth 1 https://github.com/{repository} /content/course
    %pip install --quiet -e /content/course
    %cd -q /content/course/student
    sys.path.insert(0, "/content/course")"""


def publish(repository: str) -> list[Path]:
    """Write badges into README.md and every notebook, an install cell, and the students' copies.

    repository: "OWNER/NAME" on GitHub. Links to another one are replaced. Returns the files that
    have changed. Raises CourseError, before anything is written, when it is no such name, and when
    a notebook is not fit for students: see `student.student_version`.
    """
    if not re.fullmatch(f"{NAME}/{NAME}", repository):
        raise CourseError(
            f"{repository!r} is not OWNER/NAME, as in zalandoresearch/fashion-mnist. GitHub's "
            "names have the letters a to z, digits and - _ . in them."
        )
    texts, copies = {}, course() / STUDENT
    for path in notebooks():
        notebook = read_notebook(path)
        add_links(notebook, repository, path.name)
        texts[path] = nbformat.writes(notebook) + "\n"
        version = student_version(notebook, blank=True, name=path.name)
        texts[copies / path.name] = nbformat.writes(version) + "\n"
        for page in linked_pages(path, notebook):
            texts[copies / page.name] = page.read_text(encoding="utf-8")
    readme = course() / "README.md"
    texts[readme] = with_badges(readme.read_text(encoding="utf-8"), repository, notebooks()[0].name)
    changed = [
        path for path, text in texts.items()
        if not is_file(path) or path.read_text(encoding="utf-8") != text
    ]  # fmt: skip
    for path in changed:
        atomic.write_text(path, texts[path])
    return changed


def add_links(notebook: NotebookNode, repository: str, name: str) -> None:
    """Badges under the title of a notebook, and the cell that installs the course on Colab."""
    title = notebook.cells[0]
    title.source = with_badges(title.source, repository, name)
    source = INSTALL.format(repository=repository)
    for cell in notebook.cells:
        if COLAB in cell.metadata.get("tags", []):
            cell.source = source
            return
    notebook.cells.insert(1, new_code_cell(source, metadata={"tags": [COLAB]}))


def with_badges(text: str, repository: str, name: str) -> str:
    """A text whose first line is a title, with the badges behind it."""
    title, _, rest = re.sub(OLD_BADGES, "", text).partition("\n")
    badges = BADGES.format(repository=repository, name=name)
    return f"{title}\n\n{badges}\n\n{rest.lstrip()}"
