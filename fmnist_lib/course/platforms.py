"""The quiz, and the exercises with a number as answer, for learning platforms.

GIFT is what Moodle imports, QTI 1.2 what Canvas and many others do. Both hold the key, so they lie
in the folder `instructor` and are made only when they are asked for.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType

from fmnist_lib.course.execute import named, notebooks
from fmnist_lib.course.grading.exercises import LABEL, Exercise, exercises_of
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import checks, quiz
from fmnist_lib.lessons.checks.core import Hint, judge_number, judge_share, tolerance
from fmnist_lib.lessons.quiz import Question
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_work_folder

ENDINGS = {"gift": "gift.txt", "qti": "qti.zip"}  # of the names of files
CATEGORY = "Fashion-MNIST"  # in Moodle's question bank, with one below it for each notebook
MATH = r"`[^`]*`|\$(?=\S)([^$`]+)(?<=\S)\$"  # a formula, and code, which is none
SHARE = "Give a share from 0 to 1."


@dataclass(frozen=True)
class Number:
    """A question for a number; hints are plain text, but for code in backticks."""

    question: str  # Markdown
    right: float
    mistakes: dict[float, str]  # wrong number → its hint
    otherwise: str
    more: str  # a stronger hint
    digits: int | None
    is_share: bool  # from 0 to 1, or in percent

    def ranges(self) -> Iterator[tuple[float, float, bool, str]]:
        """(number, how far it may be off, is it right, hint) each; the first that fits counts."""
        within = tolerance(self.right, self.digits)
        yield self.right, within, True, ""
        if self.is_share and self.right > 0.01:
            yield 100 * self.right, 100 * within, True, ""
        for wrong, hint in self.mistakes.items():
            if math.isfinite(wrong):  # no platform takes another
                yield wrong, tolerance(wrong, self.digits), False, hint


def build(out: str | Path, form: str, only: str = "") -> tuple[list[Path], int]:
    """Write a file for each notebook; returns the files, and how many exercises are left out.

    out: counted from the work folder when it is relative. form: a key of `ENDINGS`. only: part of a
    notebook's name.
    """
    write = {"gift": _write_gift, "qti": _write_qti}[form]
    folder, written, left_out = in_work_folder(out) / "instructor", [], 0
    for path in named(notebooks(), only):
        asked = exercises_of(path)
        questions = {each.id: found for each in asked if (found := question_of(each))}
        left_out += len(asked) - len(questions)
        written.append(atomic.make_folder(folder) / f"{path.stem}.{ENDINGS[form]}")
        write(written[-1], path.stem, questions)
    return written, left_out


def question_of(exercise: Exercise) -> Question | Number | None:
    """What a platform can ask of it: one of three options, or a number; else None."""
    if exercise.call.is_quiz:
        return quiz.questions()[exercise.call.name]
    module = import_module(f"{checks.__name__}.{exercise.notebook[3:]}")
    check = getattr(module, exercise.call.name)
    question = re.sub(LABEL, "", exercise.text, count=1).strip()
    return Number(question, more=check.more, **judged) if (judged := _judged(check)) else None


def _judged(check: Callable) -> dict | None:
    """By which numbers a check judges; None when it is one of something else, or of the data.

    It is called with an answer that can't be right, and what it would judge by is noted.
    """
    found = []

    def noting(judge: Callable) -> Callable:
        def note(*given, **named):
            values = inspect.signature(judge).bind(*given, **named)
            values.apply_defaults()
            found.append(values.arguments | {"is_share": judge is judge_share})
            del found[-1]["answer"]
            raise Hint

        return note

    exercise = check.__wrapped__
    judges = {judge.__name__: noting(judge) for judge in (judge_number, judge_share)}
    noted = FunctionType(exercise.__code__, exercise.__globals__ | judges)
    with suppress(Exception):  # of another kind of answer it complains in its own way
        noted(math.nan)
    return found[0] if found else None


def _escaped(text: str) -> str:
    """Plain text as Markdown that shows the same, whoever reads it; code in backticks stays."""
    return re.sub(r"(`[^`]*`)|[\\*_<>&\[\]$]", lambda m: m[1] or f"&#{ord(m[0])};", text)


def _fixed(number: float) -> str:
    """A number without an exponent, to 7 digits after the point."""
    return f"{number:.7f}".rstrip("0").rstrip(".")


# --------------------------------------------------------------------------------------- GIFT


def _write_gift(target: Path, stem: str, questions: dict[str, Question | Number]) -> None:
    parts = [f"$CATEGORY: {CATEGORY}/{stem}"]
    for name, each in questions.items():
        answers = _gift_options(each) if isinstance(each, Question) else _gift_ranges(each)
        # Moodle's MathJax knows formulas by \( and \), of which Markdown takes a backslash away.
        text = re.sub(MATH, lambda m: rf"\\({_escaped(m[1])}\\)" if m[1] else m[0], each.question)
        parts.append(f"::{_gift(name)}::[markdown]{_gift(text)}{{{answers}\n}}")
    atomic.write_text(target, "\n\n".join(parts) + "\n")


def _gift_options(question: Question) -> str:
    return "".join(
        f"\n{'=' if letter == question.right else '~'}{_gift(option.text)}"
        f"#{_gift(_escaped(option.reason))}"
        for letter, option in question.options.items()
    )


def _gift_ranges(asked: Number) -> str:
    answers = "".join(
        f"\n=%{100 if is_right else 0}%{_fixed(number)}:{_fixed(within)}"
        + (f"#{_gift(_escaped(hint))}" if hint else "")
        for number, within, is_right, hint in asked.ranges()
    )
    # "~" without a number stands for all others, "####" for what is said whatever the answer.
    otherwise, more = _gift(_escaped(asked.otherwise)), _gift(_escaped(asked.more))
    return f"#{answers}\n~#{otherwise}\n####{more}"


def _gift(text: str) -> str:
    """Text with all that means something in GIFT escaped, in one line."""
    return re.sub(r"[\\~=#{}:]", r"\\\g<0>", text).replace("\n", r"\n")


# ---------------------------------------------------------------------------------------- QTI


def _write_qti(target: Path, stem: str, questions: dict[str, Question | Number]) -> None:
    """Through text2qti, from its Markdown; formulas become pictures that Canvas draws."""
    try:
        from text2qti.config import Config
        from text2qti.err import Text2qtiError
        from text2qti.qti import QTI
        from text2qti.quiz import Quiz
    except ImportError as error:
        raise CourseError('text2qti is not installed: pip install -e ".[handouts]"') from error
    parts = [f"Quiz title: {CATEGORY}, {stem}\n"]
    for name, each in questions.items():
        answers = _qti_options if isinstance(each, Question) else _qti_number
        parts += [f"Title: {name}", *answers(each), ""]
    try:
        made = QTI(Quiz("\n".join(parts), config=Config())).zip_bytes()  # runs no code blocks
    except Text2qtiError as error:
        said = " ".join(str(error).split())
        raise CourseError(
            f"text2qti can't take a question of {stem}: {said}. Correct it."
        ) from error
    with atomic.replacing(target) as scratch:
        scratch.write_bytes(made)


def _qti_options(question: Question) -> Iterator[str]:
    yield _qti("1.", question.question)
    for letter, option in question.options.items():
        yield _qti(f"{'*' if letter == question.right else ''}{letter})", option.text)
        yield _qti("...", _escaped(option.reason))


def _qti_number(asked: Number) -> Iterator[str]:
    """One range is right, and every other number gets the same feedback: there is no more to it."""
    yield _qti("1.", f"{asked.question}\n\n{SHARE}" if asked.is_share else asked.question)
    yield _qti("-", _escaped(f"{asked.otherwise}\n\n{asked.more}"))
    # text2qti rounds to 4 digits, and the range must not become wider by that.
    within = math.floor(1e4 * tolerance(asked.right, asked.digits)) / 1e4
    yield f"= {_fixed(asked.right)} +- {_fixed(within)}"


def _qti(mark: str, text: str) -> str:
    """Text behind its mark; further lines are indented, so that none of them has one."""
    return f"{mark} {text}".replace("\n", "\n" + " " * (len(mark) + 1))
