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
MARK = "**Quiz"  # how the cell of a question begins


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
    """The questions by notebook (its stem) and name, in the order of `quiz.yaml`.

    Raises CourseError when that is no YAML, or a question in it is not complete.
    """
    import yaml  # here, and read late: every notebook imports this module, and asks at its end

    try:
        written = yaml.safe_load(QUIZ.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CourseError(f"{QUIZ} is no YAML: {error}. Correct it there.") from error
    return {
        stem: {
            name: _question(each, f"quiz.yaml, {stem}, {name}")
            for name, each in _dict(questions, f"quiz.yaml, {stem}").items()
        }
        for stem, questions in _dict(written, "quiz.yaml").items()
    }


def _question(written, where: str) -> Question:
    text, options, right = _values(written, where, question=str, options=dict, right=str)
    made = {
        letter: Option(*_values(option, f"{where}, option {letter}", text=str, reason=str))
        for letter, option in options.items()
    }
    if right not in made:
        letters = ", ".join(map(str, made))
        raise CourseError(
            f"{where}: `right: {right}` is none of its options, {letters}. Write one."
        )
    return Question(text, made, right)


def _values(written, where: str, **kinds: type) -> list:
    """The values of these keys, in their order; CourseError unless these are there, and alone."""
    _dict(written, where)
    for key in written:
        if key not in kinds:
            raise CourseError(f"{where} has an entry {key!r}. Expected are {', '.join(kinds)}.")
    for key, kind in kinds.items():
        if not isinstance(written.get(key), kind) or not written[key]:
            form = "a text" if kind is str else "the letters with their answers"
            raise CourseError(f"{where} has no `{key}`. Write it there: {form}.")
    return [written[key] for key in kinds]


def _dict(written, where: str) -> dict:
    if not isinstance(written, dict):
        raise CourseError(f"{where} should have entries, each with a name, and is {written!r}.")
    return written


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
    return f"{MARK} {number}.** {question.question}\n\n" + "\n".join(options)


def write_into(notebook: dict, stem: str) -> None:
    """Write each question of a notebook into the cell before the one that checks its answer.

    notebook: as nbformat reads it. stem: under which its questions stand in `quiz.yaml`. Raises
    CourseError when a cell tagged `quiz` asks none, or one that does not stand there, or when the
    cell before it is no Markdown that begins with "**Quiz": nothing else is written over.
    """
    before, number = None, 0
    for cell in notebook["cells"]:
        if "quiz" in cell["metadata"].get("tags", []):
            number += 1
            asked = re.search(r"""quiz\.check\(\s*["'](.+?)["']""", cell["source"])
            is_text = before and before["cell_type"] == "markdown"
            if not asked or not is_text or not before["source"].startswith(MARK):
                raise CourseError(
                    f'Cell {number} tagged "quiz" of {stem} should call quiz.check("NAME", answer) '
                    f'and stand behind a Markdown cell that begins with "{MARK}", into which its '
                    "question is written. Put one there."
                )
            name = asked[1]
            if name not in by_notebook().get(stem, {}):
                raise CourseError(f"quiz.yaml has no question {name!r} under {stem}. Add it there.")
            before["source"] = as_markdown(number, by_notebook()[stem][name])
        before = cell
