"""How long each notebook takes, measured from its cells.

`python tests/reading.py` writes it into the tables of notebooks/README.md.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from fmnist_lib.course import execute

WORDS_A_MINUTE = 200
MINUTES_A_CELL = 0.5  # of code: to read it, run it and look at its output
MINUTES_AN_EXERCISE, MINUTES_A_QUESTION = 5, 1
README = Path(__file__).parent.parent / "notebooks" / "README.md"


@dataclass(frozen=True)
class Reading:
    """What a notebook asks of its reader; times in minutes."""

    path: Path
    title: str  # "5 · Debug lab"
    words: int  # of its Markdown cells
    code_cells: int  # but for exercises and questions
    running: float  # as its first cell says
    exercises: int
    questions: int

    @property
    def minutes(self) -> float:
        """To read and run it, without exercises and questions."""
        return self.words / WORDS_A_MINUTE + self.code_cells * MINUTES_A_CELL + self.running

    @property
    def with_exercises(self) -> float:
        asked = self.exercises * MINUTES_AN_EXERCISE + self.questions * MINUTES_A_QUESTION
        return self.minutes + asked

    def as_row(self) -> str:
        """Its line in the table but for the last column; with exercises to five minutes."""
        run = f"{60 * self.running:.0f} s" if self.running < 1.5 else f"{self.running:.0f} min"
        return (
            f"| [{self.title}]({self.path.name}) | {self.words:,} | {self.code_cells} | {run} "
            f"| {self.minutes:.0f} min | {5 * round(self.with_exercises / 5)} min |"
        )


def measure(path: Path, first: str = "", last: str = "") -> Reading:
    """A notebook; or its sections from `first` to `last`, headings, of which `running` is 0."""
    cells = nbformat.read(path, as_version=4).cells
    opening = cells[0].source
    took = re.search(r"Running all cells took ([\d.]+) (second|minute)s? on", opening)
    running = float(took[1]) / (60 if took[2] == "second" else 1)
    if first:
        cells, running = _between(cells, first, last), 0
    text = [cell.source for cell in cells if cell.cell_type == "markdown"]
    tags = [set(cell.metadata.get("tags", [])) for cell in cells if cell.cell_type == "code"]
    return Reading(
        path,
        re.search(r"# (\d+ · .+)", opening)[1],
        sum(bool(re.search(r"\w", word)) for part in text for word in part.split()),
        sum(not each & {"exercise", "quiz"} for each in tags),
        running,
        sum("exercise" in each for each in tags),
        sum("quiz" in each for each in tags),
    )


def _between(cells: list, first: str, last: str) -> list:
    """The cells from the heading `first` to the end of the section `last`."""
    sections: list[tuple[str, list]] = []
    for cell in cells:
        pieces = [cell]
        if cell.cell_type == "markdown":  # a cell may end one section and begin the next
            pieces = [nbformat.v4.new_markdown_cell(source)
                      for source in re.split(r"^(?=## )", cell.source, flags=re.M)]  # fmt: skip
        for piece in pieces:
            if piece.cell_type == "markdown" and piece.source.startswith("## "):
                sections.append((piece.source.splitlines()[0].removeprefix("## "), []))
            if sections:
                sections[-1][1].append(piece)
    names = [name for name, _ in sections]
    chosen = sections[names.index(first) : names.index(last) + 1]
    return [cell for _, part in chosen for cell in part]


# A row of a schedule: from and to (minutes), what is read of which notebook, how long that takes.
PLANNED = re.compile(
    r"^\| (\d+)–(\d+) \| (\d), (whole|\*(.+?)\*(?: to \*(.+?)\*)?) \|([^|]*)\|", re.M
)


def planned(found: re.Match) -> Reading:
    """What a row of a schedule asks of its reader."""
    _, _, number, part, first, last, _ = found.groups()
    (path,) = [each for each in execute.notebooks() if each.name.startswith(f"0{number}")]
    return measure(path) if part == "whole" else measure(path, first, last or first)


def with_measured_parts(text: str) -> str:
    """The text with the minutes of reading and running in each row of a schedule."""

    def row(found: re.Match) -> str:
        return f"{found[0][: found.start(7) - found.start()]} {planned(found).minutes:.0f} |"

    return PLANNED.sub(row, text)


def with_measured_rows(text: str) -> str:
    """The text of notebooks/README.md with the row of each notebook as it is measured now."""
    for path in execute.notebooks():
        row = rf"^\| \[.+\]\({re.escape(path.name)}\) \|.*\|(?= [^|]+ \|$)"
        text, count = re.subn(row, measure(path).as_row(), text, flags=re.M)
        assert count == 1, f"{path.name} has {count} rows in the table of {README}"
    return text


if __name__ == "__main__":
    old = README.read_text(encoding="utf-8")
    README.write_text(with_measured_parts(with_measured_rows(old)), encoding="utf-8")
