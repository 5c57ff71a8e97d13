"""What proves a sentence of a notebook: the stored outputs, the committed runs, the real data."""

import functools
import re
from pathlib import Path

import nbformat

from fmnist_lib.course import execute

RESULTS = Path(__file__).parent.parent / "fmnist_lib" / "results"
CLAIMS: list[tuple[str, str]] = []  # number of the notebook, sentence


def claim(notebook: str, *sentences: str):
    """Mark a test as the proof of sentences that stand in a notebook, word for word.

    notebook: its number, "01". Line breaks and blanks count alike.
    """
    CLAIMS.extend((notebook, sentence) for sentence in sentences)
    return lambda proof: proof


@functools.cache
def notebook(number: str) -> nbformat.NotebookNode:
    (path,) = [path for path in execute.notebooks() if path.name.startswith(number)]
    return nbformat.read(path, as_version=4)


def texts(number: str) -> list[str]:
    """The Markdown cells of a notebook, each on one line."""
    cells = notebook(number).cells
    return [squeezed(cell.source) for cell in cells if cell.cell_type == "markdown"]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def printed(number: str, cell_id: str) -> str:
    """The stored text outputs of a cell: what it printed, and its last value as text."""
    (cell,) = [cell for cell in notebook(number).cells if cell.id == cell_id]
    parts = [output.get("text") or output.data["text/plain"] for output in cell.outputs]
    return "\n".join(parts)


def numbers(text: str) -> list[float]:
    """The numbers in a text, in their order; "62 %" and "62%" are 62, "55,000" is 55000."""
    found = re.findall(r"[-+]?\d[\d,]*(?:\.\d+)?", text)
    return [float(each.replace(",", "")) for each in found]


def sentences_with_figures(number: str) -> list[str]:
    """The sentences of a notebook's Read paragraphs that have a digit in them.

    A paragraph ends where the next prediction, exercise or section begins.
    """
    found = []
    for text in texts(number):
        for read in re.findall(r"\*\*Read:\*\*.*?(?= \*\*(?:Predict|Exercise)| ##+ |$)", text):
            sentences = re.split(r"(?<=[.?!]) (?=[A-Z`*])", read.removeprefix("**Read:** "))
            found += [each for each in sentences if re.search(r"\d", re.sub(r"`[^`]*`", "", each))]
    return found
