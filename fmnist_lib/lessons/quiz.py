"""The quiz: which letter is right, and what is behind every answer.

The questions stand in `quiz.yaml`; `fmnist notebooks` writes them from there into the notebooks,
which call `quiz.check("balance", "b")`.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from fmnist_lib.errors import CourseError

QUIZ = Path(__file__).with_name("quiz.yaml")


@dataclass(frozen=True)
class Option:
    """One answer that can be chosen: its text, and the reason or misconception behind it."""

    text: str
    reason: str


@dataclass(frozen=True)
class Question:
    """A question with its options by letter, and the letter that is right."""

    question: str
    options: dict[str, Option]
    right: str


@functools.cache
def by_notebook() -> dict[str, dict[str, Question]]:
    """The questions by notebook (its stem) and name, in the order of `quiz.yaml`."""
    import yaml  # here, and read late: every notebook imports this module, and asks at its end

    written = yaml.safe_load(QUIZ.read_text(encoding="utf-8"))
    return {
        stem: {
            name: Question(
                question=each["question"],
                options={letter: Option(**option) for letter, option in each["options"].items()},
                right=each["right"],
            )
            for name, each in questions.items()
        }
        for stem, questions in written.items()
    }


@functools.cache
def questions() -> dict[str, Question]:
    """All questions by name."""
    return {name: each for asked in by_notebook().values() for name, each in asked.items()}


def check(name: str, answer: str) -> None:
    """Print why a letter is right, or which idea is behind it; one line in any case.

    Raises CourseError when there is no question of that name.
    """
    if answer is ...:
        print('Not answered yet. Put a letter where the dots are, such as "a".')
        return
    if name not in questions():
        known = ", ".join(questions())
        raise CourseError(f"quiz.yaml has no question {name!r}. Known are: {known}.")
    question = questions()[name]
    letter = str(answer).strip().lower()
    if letter not in question.options:
        print(f"Not yet. Answer with one letter: {', '.join(question.options)}.")
    else:
        verdict = "Right." if letter == question.right else "Not yet."
        print(f"{verdict} {question.options[letter].reason}")


def as_markdown(number: int, question: Question) -> str:
    """The text of the cell in which a question stands, as number so and so of its notebook."""
    options = (f"- {letter}) {option.text}" for letter, option in question.options.items())
    return f"**Quiz {number}.** {question.question}\n\n" + "\n".join(options)


def write_into(notebook: dict, stem: str) -> None:
    """Write each question of a notebook into the cell before the one that checks its answer.

    notebook: as nbformat reads it. stem: under which its questions stand in `quiz.yaml`. Raises
    CourseError when a cell tagged `quiz` asks none, or one that does not stand there, or when the
    cell before it is no text.
    """
    before, number = None, 0
    for cell in notebook["cells"]:
        if "quiz" in cell["metadata"].get("tags", []):
            number += 1
            asked = re.search(r"""quiz\.check\(\s*["'](.+?)["']""", cell["source"])
            if not asked or not before or before["cell_type"] != "markdown":
                raise CourseError(
                    f'Cell {number} tagged "quiz" of {stem} should call quiz.check("NAME", answer) '
                    "and stand behind a Markdown cell, into which its question is written."
                )
            name = asked[1]
            if name not in by_notebook().get(stem, {}):
                raise CourseError(f"quiz.yaml has no question {name!r} under {stem}. Add it there.")
            before["source"] = as_markdown(number, by_notebook()[stem][name])
        before = cell
