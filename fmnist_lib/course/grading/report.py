"""What comes out of `fmnist grade`: tables for the teacher and the learning platform, and pages."""

import csv
import datetime
import hashlib
import io
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import jinja2
import mistune

from fmnist_lib.course.grading.exercises import Exercise
from fmnist_lib.course.grading.results import Graded
from fmnist_lib.lessons import quiz, verdict
from fmnist_lib.storage import atomic

ASSIGNMENT = "Fashion-MNIST course"
SYMBOLS = {
    "right": (verdict.KINDS["right"][0], "right"),
    "not yet": (verdict.KINDS["not yet"][0], "not yet right"),
    "open": (verdict.KINDS["open"][0], "not answered"),
    "stopped": ("!", "stopped"),
    "missing": ("–", "not handed in"),
}
HERE = Path(__file__).parent


def write(
    out: Path,
    graded: list[Graded],
    asked: list[Exercise],
    points: dict[str, float],
    limits: dict[str, bool],
    outcomes: dict[str, str],
    anonymous: bool,
) -> Path:
    """Write all tables and pages; returns the page of the class.

    points: of each exercise. limits: see `sandbox.what_holds`. outcomes: of predictions, by name.
    """
    totals = [sum(points[id] for id in each.right()) for each in graded]
    best = sum(points[each.id] for each in asked)
    names = _file_names(graded)
    atomic.write_text(out / "marks.csv", marks(graded, asked, points, totals, best))
    atomic.write_text(out / "results.csv", results(graded, asked))
    for platform, table in (("moodle", moodle), ("canvas", canvas)):
        if any(each.student.platform == platform for each in graded):
            atomic.write_text(out / f"{platform}.csv", table(graded, totals, best))
        else:
            atomic.remove(out / f"{platform}.csv")
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters |= {
        "number": number,
        "markdown": markdown,
        "code": verdict.reason_as_html,
        "kind_of": lambda id, one: one.results[id].kind,
    }
    common = {
        "symbols": SYMBOLS, "style": (HERE / "pages.css").read_text(encoding="utf-8"),
        "asked": asked, "points": points, "best": best,
        "made": f"{datetime.date.today():%Y-%m-%d}, fmnist_lib {version('fmnist_lib')}",
    }  # fmt: skip
    feedback = atomic.make_folder(out / "feedback")
    for old in feedback.glob("*.html"):
        if old.name not in names:
            atomic.remove(old)
    for each, name, points_of_student in zip(graded, names, totals):
        page = pages.get_template("feedback.html").render(
            **common, one=each, total=points_of_student
        )
        atomic.write_text(feedback / name, page)
    rows = [
        (f"Student {n}" if anonymous else each.student.name, name, each, total_)
        for n, (each, name, total_) in enumerate(
            _ordered(graded, names, totals, anonymous), start=1
        )
    ]
    page = pages.get_template("class.html").render(
        **common,
        rows=rows,
        anonymous=anonymous,
        limits=limits,
        summaries=[_summary(exercise, graded) for exercise in asked],
        guesses=_guesses(graded, outcomes),
    )
    atomic.write_text(out / "class.html", page)
    return out / "class.html"


def _ordered(graded, names, totals, anonymous) -> list[tuple]:
    """By name; where nobody is named, in an order that gives no name away."""
    rows = list(zip(graded, names, totals))
    if anonymous:
        rows.sort(key=lambda row: hashlib.sha256(repr(row[0].student.files).encode()).digest())
    return rows


def _file_names(graded: list[Graded]) -> list[str]:
    """A name for the page of each student, no two alike on any system."""
    names: list[str] = []
    for each in graded:
        plain = re.sub(r"[^\w-]+", "_", each.student.name).strip("_")[:60] or "student"
        name, count = f"{plain}.html", 1
        while name.casefold() in map(str.casefold, names):
            count += 1
            name = f"{plain}_{count}.html"
        names.append(name)
    return names


# -------------------------------------------------------------------------------------- tables


def marks(graded, asked, points, totals: list[float], best: float) -> str:
    """Student × exercise: the points of each."""
    header = ["student", "id", *(e.id for e in asked), "total", "of"]
    rows = [
        [each.student.name, each.student.id,
         *(number(points[e.id] if e.id in each.right() else 0) for e in asked),
         number(total), number(best)]
        for each, total in zip(graded, totals)
    ]  # fmt: skip
    return _csv([header, *rows])


def results(graded, asked) -> str:
    """A line for each answer: what became of it, and what is unusual about it."""
    header = ["student", "exercise", "result", "reason", "answer", "to look at"]
    rows = [
        [each.student.name, e.id, result.kind, result.reason, result.given,
         "; ".join(result.unusual)]
        for each in graded
        for e in asked
        for result in [each.results[e.id]]
    ]  # fmt: skip
    return _csv([header, *rows])


def moodle(graded, totals: list[float], best: float) -> str:
    """A grading worksheet as Moodle's assignments take it (Offline grading worksheet).

    Its columns are those that `mod/assign/feedback/offline` looks for; the identifier is the number
    in the names of downloaded submissions.
    """
    header = ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)",
              "Feedback comments"]  # fmt: skip
    rows = [
        [f"Participant {each.student.id}" if each.student.platform == "moodle" else "",
         each.student.name, number(total), number(best), "-", _in_words(each)]
        for each, total in zip(graded, totals)
    ]  # fmt: skip
    return _csv([header, *rows])


def canvas(graded, totals: list[float], best: float) -> str:
    """A file for the import of Canvas's gradebook: five columns about the student, then the marks.

    The ID is the first number in the names of downloaded submissions.
    """
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", ASSIGNMENT]
    rows = [
        [each.student.name, each.student.id if each.student.platform == "canvas" else "",
         "", "", "", number(total)]
        for each, total in zip(graded, totals)
    ]  # fmt: skip
    return _csv([header, ["    Points Possible", "", "", "", "", number(best)], *rows])


def _in_words(graded: Graded) -> str:
    counts = Counter(result.kind for result in graded.results.values())
    return ", ".join(
        f"{counts[kind]} {words}" for kind, (_, words) in SYMBOLS.items() if counts[kind]
    )


def _csv(rows: Iterable[list]) -> str:
    """RFC 4180, but that no cell can be taken for a formula by a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in rows:
        writer.writerow([re.sub(r"^(?=[=+@\t\r]|-[^\d\s]?\D)", "'", str(each)) for each in row])
    return text.getvalue()


def number(value: float) -> str:
    """A number of points, without a point where it is whole."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


# --------------------------------------------------------------------------------------- pages


def _summary(exercise: Exercise, graded: list[Graded]) -> dict:
    """How a class has answered one exercise."""
    found = [each.results[exercise.id] for each in graded]
    wrong = [each for each in found if each.kind in ("not yet", "stopped")]
    letters = Counter(each.given for each in found if each.given)
    return {
        "exercise": exercise,
        "all_stopped": len(wrong) > 2 and {each.kind for each in found if each.code} == {"stopped"},
        "counts": Counter(each.kind for each in found),
        "hints": Counter(each.reason for each in wrong).most_common(3),
        "answers": [] if exercise.call.is_quiz else Counter(
            each.given for each in wrong if each.given
        ).most_common(3),
        "options": [
            (letter, option, letters[letter], letter == quiz.questions()[exercise.call.name].right)
            for letter, option in _options(exercise).items()
        ],
    }  # fmt: skip


def _options(exercise: Exercise) -> dict[str, quiz.Option]:
    return quiz.questions()[exercise.call.name].options if exercise.call.is_quiz else {}


def _guesses(graded: list[Graded], outcomes: dict[str, str]) -> list[tuple[str, int, str, str]]:
    """Each prediction: its name, how many made it, what they said, and how it came out."""
    said: dict[str, list] = {}
    for each in graded:
        for name, value in each.taken.guesses.items():
            said.setdefault(name, []).append(value)
    return [
        (name, len(said[name]), _together(said[name]), outcome)
        for name, outcome in outcomes.items()
        if name in said
    ]


def _together(values: list) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(values) > 4:
        low, _, high = statistics.quantiles(numbers, n=4)
        middle = statistics.median(numbers)
        return f"median {middle:g}, the middle half from {low:g} to {high:g}"
    common = Counter(str(value)[:40] for value in values).most_common(5)
    return ", ".join(f"{value} ({count})" for value, count in common)


def markdown(text: str) -> str:
    """Markdown as HTML; what is HTML in it is shown as text."""
    return mistune.create_markdown(escape=True, plugins=["table"])(text)
