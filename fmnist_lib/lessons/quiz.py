"""The quiz: which letter is right, and what is behind every answer.

The questions stand in `quiz.yaml`; `fmnist notebooks` writes them from there into the notebooks,
which call `quiz.check("balance", "b")`. The right letter of a question is written there as it is,
and `fmnist notebooks` seals it: who reads the file does not read the key.
"""

import functools
import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import verdict
from fmnist_lib.lessons.verdict import Verdict

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
            name: _question(name, each, f"quiz.yaml, {stem}, {name}")
            for name, each in _dict(questions, f"quiz.yaml, {stem}").items()
        }
        for stem, questions in _dict(written, "quiz.yaml").items()
    }


def _question(name: str, written, where: str) -> Question:
    text, options, right = _values(written, where, question=str, options=dict, right=str)
    made = {
        letter: Option(*_values(option, f"{where}, option {letter}", text=str, reason=str))
        for letter, option in options.items()
    }
    letter = next((each for each in made if right in (each, sealed(name, each))), None)
    if letter is None:
        letters = ", ".join(map(str, made))
        raise CourseError(
            f"{where}: `right: {right}` is none of its options, {letters}. Write one."
        )
    return Question(text, made, letter)


def sealed(name: str, letter: str) -> str:
    """How the file has the right letter of this question, 12 hexadecimal digits."""
    return hashlib.sha256(f"{name} {letter}".encode()).hexdigest()[:12]


def seal() -> None:
    """Seal every right letter that stands in `quiz.yaml` as it is."""
    lines, name = QUIZ.read_text(encoding="utf-8").splitlines(keepends=True), ""
    for number, line in enumerate(lines):
        if begin := re.fullmatch(r"  (\w+):\s*", line):
            name = begin[1]
        if plain := re.fullmatch(r"(    right: )([a-z])(\s*)", line):
            lines[number] = plain[1] + sealed(name, plain[2]) + plain[3]
    QUIZ.write_text("".join(lines), encoding="utf-8", newline="\n")


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


def count(notebook: str) -> None:
    """Let the verdicts of a notebook, named without its number, count its questions, too."""
    for stem, asked in by_notebook().items():
        if stem[3:] == notebook:
            verdict.ASKED[notebook].update(asked)


def check(name: str, answer: str) -> Verdict:
    """Print why a letter is right, or which idea is behind it; in a notebook, dots give buttons.

    answer: "b", "B", "b)" or "(b)". Returns what it said. Raises CourseError when there is no
    question of that name.
    """
    said = verdict.show(judge(name, answer))
    if said.kind == "open" and "ipykernel" in sys.modules:
        _show_buttons(name)
    return said


def judge(name: str, answer: str) -> Verdict:
    """The verdict on an answer, as `check` prints it."""
    if name not in questions():
        known = ", ".join(questions())
        raise CourseError(f"quiz.yaml has no question {name!r}. Known are: {known}.")
    notebook = next(stem[3:] for stem, asked in by_notebook().items() if name in asked)
    count(notebook)
    question = questions()[name]
    if answer is ...:
        how = 'Put a letter where the dots are, such as "a".'
        return verdict.give(notebook, name, "open", how)
    letter = re.sub(r"[\s().]", "", str(answer)).lower()
    if letter not in question.options:
        how = f"Answer with one letter: {', '.join(question.options)}."
        return verdict.give(notebook, name, "not yet", how)
    kind = "right" if letter == question.right else "not yet"
    return verdict.give(notebook, name, kind, question.options[letter].reason)


def _show_buttons(name: str) -> None:
    """A button for each letter, and below them the verdict; nothing where there are no widgets."""
    import ipywidgets as widgets  # here: only a kernel that asks a question needs it
    from IPython.display import display

    said = widgets.HTML()
    buttons = []
    for letter, option in questions()[name].options.items():
        button = widgets.Button(description=letter, tooltip=option.text)
        button.layout.width = "3em"
        button.on_click(lambda b: setattr(said, "value", judge(name, b.description).as_html()))
        buttons.append(button)
    view = widgets.VBox([widgets.HBox(buttons), said])._repr_mimebundle_()
    display(view | {"text/plain": ""}, raw=True)


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
