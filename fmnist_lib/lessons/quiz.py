"""The quiz: which letter is right, and what is behind every answer.

The questions stand in `quiz.yaml`; `fmnist notebooks` writes them from there into the notebooks,
which call `quiz.check("balance", "b")`. The right letter of a question is written there as it is,
and `fmnist notebooks` seals it, so that nobody reads the key by accident. It is no secret: who
wants to know tries the three letters, or reads the reasons.
"""

import functools
import hashlib
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import verdict
from fmnist_lib.lessons.envelope import opened
from fmnist_lib.lessons.verdict import Verdict
from fmnist_lib.storage import atomic

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


# ---------------------------------------------------------------------------------- quiz.yaml


@functools.cache
def by_notebook() -> dict[str, dict[str, Question]]:
    """The questions by notebook (its stem) and name, in the order of `quiz.yaml`.

    Raises CourseError when that can't be read, or a question in it is not complete.
    """
    import yaml  # here, and read late: every notebook imports this module, and asks at its end

    try:
        written = yaml.safe_load(_text())
    except (yaml.YAMLError, zlib.error, ValueError) as error:  # no UTF-8, the 30th of February
        raise CourseError(f"{QUIZ} is no YAML: {error}. Correct it there.") from error
    return {
        stem: {
            name: _question(name, each, f"quiz.yaml, {stem}, {name}")
            for name, each in _dict(questions, f"quiz.yaml, {stem}").items()
        }
        for stem, questions in _dict(written, "quiz.yaml").items()
    }


def _text() -> str:
    with atomic.reading(QUIZ):
        return opened(QUIZ.read_bytes().decode("utf-8"))


def _question(name: str, written, where: str) -> Question:
    text, options, right = _values(written, where, question=str, options=dict, right=str)
    made = {
        letter: Option(*_values(option, f"{where}, option {letter}", text=str, reason=str))
        for letter, option in _dict(options, f"{where}, options").items()
    }
    for letter in made:
        if right in (letter, sealed(name, letter)):
            return Question(text, made, letter)
    raise CourseError(
        f"{where}: `right: {right}` is none of its options, {', '.join(made)}. Write one; "
        "`fmnist notebooks` seals it. (What was sealed under another name has to be written anew.)"
    )


def _values(written, where: str, **kinds: type) -> list:
    """The values of these keys, in their order; CourseError unless these are there, and alone."""
    for key in _dict(written, where):
        if key not in kinds:
            raise CourseError(f"{where} has an entry {key!r}. Expected are {', '.join(kinds)}.")
    for key, kind in kinds.items():
        if not isinstance(written.get(key), kind) or not written[key]:
            form = "a text" if kind is str else "the letters with their answers"
            raise CourseError(f"{where} has no `{key}`. Write it there: {form}.")
    return [written[key] for key in kinds]


def _dict(written, where: str) -> dict:
    if not isinstance(written, dict) or not all(isinstance(name, str) for name in written):
        raise CourseError(
            f"{where} should have entries, each with a name that is a text, and is {written!r}."
        )
    return written


def sealed(name: str, letter: str) -> str:
    """How `quiz.yaml` has the right letter of this question."""
    return "sealed-" + hashlib.sha256(f"{name} {letter}".encode()).hexdigest()[:12]


def seal() -> None:
    """Seal every right letter that stands in `quiz.yaml` as it is; all else there stays.

    What is no YAML or not complete is left to `by_notebook`, which says so.
    """
    import yaml

    try:
        text = _text()
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError):
        return
    found = []
    for questions in _entries(tree).values():
        for name, question in _entries(questions).items():
            entries = _entries(question)
            if right := entries.get("right"):
                place = slice(right.start_mark.index, right.end_mark.index)
                letter = text[place].strip("\"'")
                if letter in _entries(entries.get("options")):
                    found.append((place, sealed(name, letter)))
    for place, instead in reversed(found):  # from the end, where the places still hold
        text = text[: place.start] + instead + text[place.stop :]
    if found:
        with atomic.replacing(QUIZ) as scratch:
            scratch.write_bytes(text.encode("utf-8"))


def _entries(node) -> dict:
    """The entries of a mapping of `yaml.compose`, whose places in the text are known."""
    pairs = node.value if getattr(node, "id", "") == "mapping" else []
    return {key.value: value for key, value in pairs if key.id == "scalar"}


# -------------------------------------------------------------------------------------- answers


@functools.cache
def questions() -> dict[str, Question]:
    """All questions by name."""
    return {name: each for asked in by_notebook().values() for name, each in asked.items()}


def count(notebook: str) -> None:
    """Let the verdicts of a notebook, named without its number, count its questions, too.

    A `quiz.yaml` that is out of order must not stop an exercise: then there is nothing to count.
    """
    with suppress(CourseError):
        for stem, asked in by_notebook().items():
            if stem[3:] == notebook:
                verdict.ASKED[notebook].update(asked)


def check(name: str, answer) -> Verdict:
    """Print why a letter is right, or which idea is behind it; in a notebook, dots give buttons.

    answer: "b", "B", "b)", "(b)" or the text of the option. Returns what it said. Raises
    CourseError when there is no question of that name.
    """
    said = judge(name, answer)
    if said.kind == "open" and verdict.in_kernel():
        _show_buttons(said)
    else:
        verdict.show(said)
    return said


def judge(name: str, answer) -> Verdict:
    """The verdict on an answer, as `check` prints it."""
    if name not in questions():
        known = ", ".join(questions())
        raise CourseError(f"quiz.yaml has no question {name!r}. Known are: {known}.")
    notebook = next(stem[3:] for stem, asked in by_notebook().items() if name in asked)
    count(notebook)
    question = questions()[name]
    if answer is None or answer is ... or isinstance(answer, str) and not answer.strip(" .…"):
        how = 'Put a letter where the dots are, such as "a".'
        return verdict.give(notebook, name, "open", how)
    chosen = meant(answer, question)
    if chosen is None:
        how = f"Answer with one letter: {', '.join(question.options)}."
        return verdict.give(notebook, name, "not yet", how)
    kind = "right" if chosen == question.right else "not yet"
    return verdict.give(notebook, name, kind, question.options[chosen].reason)


def meant(answer, question: Question) -> str | None:
    """Which option is meant: by its letter, its text, or both."""
    if not isinstance(answer, str):
        return None
    given = _plain(answer)
    for letter, option in question.options.items():
        text = _plain(option.text)
        if given in (letter, text, f"{letter} {text}"):
            return letter
    return None


def _plain(text: str) -> str:
    """A text in small letters, without what stands around its words."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _show_buttons(said: Verdict) -> None:
    """A button for each letter, and what is said of it; without widgets, the verdict so far."""
    import ipywidgets as widgets  # here: only a kernel that asks a question needs it
    from IPython.display import display

    from fmnist_lib.lessons.play.parts import Shown

    how = 'Click on a letter, or put it where the dots are, such as "a".'
    text = Shown(value=replace(said, reason=how).as_html(), live=True)
    buttons = [
        widgets.Button(description=letter, tooltip=option.text, layout={"width": "3em"})
        for letter, option in questions()[said.name].options.items()
    ]

    def press(pressed):
        text.value = judge(said.name, pressed.description).as_html()
        for button in buttons:
            button.remove_class("fmnist-chosen")
        pressed.add_class("fmnist-chosen")

    for button in buttons:
        button.on_click(press)
    board = widgets.VBox([widgets.HBox(buttons), text]).add_class("fmnist-board")
    view = board._repr_mimebundle_()
    display(view | {"text/plain": str(said), "text/html": said.as_html()}, raw=True)


# ------------------------------------------------------------------------------------ notebooks


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
