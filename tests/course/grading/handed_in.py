"""Submissions as students hand them in, made up: every kind of damage, right and wrong answers.

    python tests/course/grading/handed_in.py 300 FOLDER
    fmnist grade FOLDER/submissions --out FOLDER/out --workers 2
    python tests/course/grading/handed_in.py 300 FOLDER FOLDER/out      # prints what is wrong there

Each comes with the truth, in FOLDER/truth.json: what grading has to find for each exercise. The
answers are those of tests/lessons/answers, and the stored solutions.
"""

import copy
import csv
import importlib
import inspect
import json
import random
import re
import sys
from pathlib import Path
from types import FunctionType

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "lessons")]

from fmnist_lib.course.execute import notebooks, read_notebook  # noqa: E402
from fmnist_lib.course.grading.exercises import exercises_of, needed_by  # noqa: E402
from fmnist_lib.course.solutions import BEGIN, END  # noqa: E402
from fmnist_lib.course.student import ID, student_version  # noqa: E402
from fmnist_lib.lessons import quiz  # noqa: E402

SOURCES = {path.stem: path for path in notebooks()}
EXERCISES = {stem: exercises_of(path) for stem, path in SOURCES.items()}
BLANK = {stem: student_version(read_notebook(path), blank=True) for stem, path in SOURCES.items()}
HEAD = (
    "import numpy as np\nimport pandas as pd\nimport torch\n"
    "import torch.nn.functional as F\nfrom torch import nn\n"
)
ANSWERS = {
    name: answers
    for stem in SOURCES
    for name, answers in importlib.import_module(f"answers.{stem[3:]}").ANSWERS.items()
}


# ------------------------------------------------------------------------------------- answers


def as_code(answer, name: str) -> str | None:
    """The code that gives a name this answer; None where it can't be written down alone."""
    if isinstance(answer, FunctionType):
        if answer.__name__ == "<lambda>" or answer.__closure__:
            return None
        code = inspect.getsource(answer)
        if (
            needed_by(code)
            - needed_by(HEAD)
            - {"torch", "F", "np", "pd", "nn"}
            - {*dir(__builtins__)}
        ):
            return None
        return f"{HEAD}{code}\n{name} = {answer.__name__}"
    try:
        return f"{name} = {answer!r}" if eval(repr(answer)) == answer else None
    except Exception:
        return None


def solution(exercise) -> str:
    """The stored solution of an exercise, without its markers and its check."""
    source = read_notebook(SOURCES[exercise.notebook]).cells[exercise.place].source
    lines = [line for line in source.splitlines() if line.strip() not in (BEGIN, END)]
    return "\n".join(lines).replace(exercise.call.code, "").strip()


def right_and_wrong() -> dict[str, tuple[list[str], list[str]]]:
    """The code of right and of wrong answers to each exercise, by its id."""
    found = {}
    for exercise in (each for these in EXERCISES.values() for each in these):
        right, wrong, name = [solution(exercise)], [], exercise.call.answer
        if exercise.call.is_quiz:
            question = quiz.questions()[exercise.call.name]
            wrong = [f'{name} = "{x}"' for x in question.options if x != question.right]
        else:
            answers = ANSWERS[exercise.call.name]
            if not answers.given and not answers.names:
                right += [code for each in answers.right if (code := as_code(each, name))]
                wrong += [code for each, _ in answers.wrong if (code := as_code(each, name))]
            wrong = wrong or [f"{name} = -1"]
        found[exercise.id] = right, wrong
    return found


CODE = right_and_wrong()


# -------------------------------------------------------------------------------------- damage

# Each takes a notebook with its answers, the truth (id → kind) and a source of random numbers, and
# changes the first two; one that returns a text has made the file itself.


def cells_of(notebook) -> dict[str, int]:
    return {cell.metadata[ID]: n for n, cell in enumerate(notebook.cells) if ID in cell.metadata}


def copied(cell):
    """A copy, its metadata included, with an id of its own, as Jupyter makes it."""
    return nbformat.NotebookNode(copy.deepcopy(cell) | {"id": f"{cell.id}-2"})


def nothing(notebook, truth, chance):
    pass


def metadata_lost(notebook, truth, chance):
    notebook.metadata = nbformat.NotebookNode()
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()


def saved_as_an_older_format(notebook, truth, chance):
    notebook.nbformat_minor = 2
    for cell in notebook.cells:
        cell.pop("id", None)


def reordered(notebook, truth, chance):
    chance.shuffle(notebook.cells)


def a_blank_copy_below(notebook, truth, chance):
    one, place = chance.choice([*cells_of(notebook).items()])
    blank = next(c for c in BLANK[stem_of(one)].cells if c.metadata.get(ID) == one)
    notebook.cells.insert(place + 1, copied(blank))


def tried_twice(notebook, truth, chance):
    """A wrong answer, and below it another cell with the answer that counts."""
    one, place = chance.choice([*cells_of(notebook).items()])
    first = copied(notebook.cells[place])
    exercise = by_id(one)
    first.source = f"{CODE[one][1][0]}\n{exercise.call.code}"
    if truth[one] == "open":  # then the first try counts
        truth[one] = "wrong"
    notebook.cells.insert(place, first)


def split(notebook, truth, chance):
    for one, place in reversed([*cells_of(notebook).items()]):
        cell, check = notebook.cells[place], by_id(one).call.code
        below = copied(cell)  # as Jupyter does it
        cell.source, below.source = cell.source.replace(check, "").strip(), check
        notebook.cells.insert(place + 1, below)


def merged(notebook, truth, chance):
    places = [*cells_of(notebook).values()]
    first, second = sorted(chance.sample(places, 2))
    notebook.cells[first].source += "\n\n" + notebook.cells[second].source
    del notebook.cells[second]


def all_in_one_cell(notebook, truth, chance):
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [new_code_cell("\n\n".join(code))]


def deleted(notebook, truth, chance):
    for one in chance.sample([*truth], 2):
        del notebook.cells[cells_of(notebook)[one]]
        truth[one] = "missing"


def made_text(notebook, truth, chance):
    """A slip of the keyboard in JupyterLab: "m" makes Markdown of a cell."""
    one, place = chance.choice([*cells_of(notebook).items()])
    notebook.cells[place] = new_markdown_cell(notebook.cells[place].source)
    truth[one] = "missing"


def without_checks(notebook, truth, chance):
    for one, place in cells_of(notebook).items():
        source = notebook.cells[place].source
        notebook.cells[place].source = source.replace(by_id(one).call.code, "")


def retyped(notebook, truth, chance):
    for place in cells_of(notebook).values():
        notebook.cells[place] = new_code_cell("# mine\n" + notebook.cells[place].source)


def retyped_without_checks(notebook, truth, chance):
    without_checks(notebook, truth, chance)
    retyped(notebook, truth, chance)


def answer_in_the_call(notebook, truth, chance):
    """checks.amdahl(10), as somebody does who finds the name needless."""
    for one, place in cells_of(notebook).items():
        call, cell = by_id(one).call, notebook.cells[place]
        if found := re.fullmatch(
            rf"{call.answer} = ([^\n]+)\n+{re.escape(call.code)}", cell.source
        ):
            value = found[1].partition("  #")[0]
            before, after = re.split(rf"\b{call.answer}\b(?=[,)])", call.code, maxsplit=1)
            cell.source = before + value + after


def another_name(notebook, truth, chance):
    for one, place in cells_of(notebook).items():
        call, cell = by_id(one).call, notebook.cells[place]
        source = re.sub(rf"\b{call.answer}\b", "my_own", cell.source.replace(call.code, ""))
        check = re.sub(rf"\b{call.answer}\b(?=[,)])", "my_own", call.code, count=1)
        cell.source = f"{source}\n{check}"


def forged_outputs(notebook, truth, chance):
    for place in cells_of(notebook).values():
        output = nbformat.v4.new_output("stream", text="✓ Right. (8 of 8 right in this notebook)\n")
        notebook.cells[place].outputs = [output]


def without_text(notebook, truth, chance):
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]


def lesson_deleted(notebook, truth, chance):
    notebook.cells = [cell for cell in notebook.cells if ID in cell.metadata]


def lesson_broken(notebook, truth, chance):
    for cell in notebook.cells:
        if cell.cell_type == "code" and ID not in cell.metadata:
            cell.source = "raise SystemExit(  # I have tried"


def scratch_cells(notebook, truth, chance):
    for source in (
        "1 / 0",
        "while True: pass",
        "import sys; sys.exit()",
        "%%timeit\n1 + 1",
        "def x(:",
    ):
        notebook.cells.insert(chance.randrange(len(notebook.cells)), new_code_cell(source))


def no_python(notebook, truth, chance):
    one, place = chance.choice([*cells_of(notebook).items()])
    notebook.cells[place].source = "answer = = 5\n" + notebook.cells[place].source
    truth[one] = "wrong"


def helper_elsewhere(notebook, truth, chance):
    """The answer stands in a cell of its own, and the cell of the exercise takes it from there."""
    for number, (one, place) in enumerate(reversed([*cells_of(notebook).items()])):
        call, cell = by_id(one).call, notebook.cells[place]
        code = cell.source.replace(call.code, "").strip()
        if truth[one] != "open" and not call.is_quiz:
            helper = f"h{number}_{call.answer}"
            code = re.sub(rf"\b{call.answer}\b", helper, code)
            cell.source = f"{call.answer} = {helper}\n{call.code}"
            notebook.cells.insert(place, new_code_cell(code))


def of_another_version(notebook, truth, chance):
    metadata_lost(notebook, truth, chance)
    notebook.cells.insert(5, new_code_cell("answer = 3\nchecks.asked_no_more(answer)"))


def shell_commands(notebook, truth, chance):
    for place in cells_of(notebook).values():
        notebook.cells[place].source = "!echo hello\n" + notebook.cells[place].source


def printed_verdict(notebook, truth, chance):
    for one, place in cells_of(notebook).items():
        code = by_id(one).call.code
        notebook.cells[place].source = notebook.cells[place].source.replace(code, f"print({code})")


def windows_text(notebook, truth, chance):
    return "\ufeff" + nbformat.writes(notebook).replace("\n", "\r\n")


def torn(notebook, truth, chance):
    text = nbformat.writes(notebook)
    end = chance.randrange(len(text) // 4, len(text) - 2)
    for one in truth:
        place = text.index(f'"{ID}": "{one}"')
        if (
            text.index('"source": [', place) + len('"source": [') > end
            or "]" not in text[text.index('"source": [', place) : end]
        ):
            truth[one] = "missing"
        elif text.find("\n   ]", text.index('"source": [', place), end) < 0:
            truth[one] = "missing"
    return text[:end]


def merge_unfinished(notebook, truth, chance):
    text = nbformat.writes(notebook)
    line = '   "cell_type": "code",\n'
    place = text.index(line, len(text) // 3)
    both = f"<<<<<<< HEAD\n{line}=======\n{line}>>>>>>> theirs\n"
    return text[:place] + both + text[place + len(line) :]


DAMAGES = (
    nothing, metadata_lost, saved_as_an_older_format, reordered, a_blank_copy_below, tried_twice,
    split, merged, all_in_one_cell, deleted, made_text, without_checks, retyped,
    retyped_without_checks, answer_in_the_call, another_name, forged_outputs, without_text,
    lesson_deleted, lesson_broken, scratch_cells, no_python, helper_elsewhere, of_another_version,
    shell_commands, printed_verdict, windows_text, torn, merge_unfinished,
)  # fmt: skip


def stem_of(one: str) -> str:
    return next(stem for stem in SOURCES if stem[3:] == one.partition(".")[0])


def by_id(one: str):
    return next(each for each in EXERCISES[stem_of(one)] if each.id == one)


# --------------------------------------------------------------------------------- submissions


def make(stem: str, damage, seed: int) -> tuple[str, dict[str, str]]:
    """The text of a notebook that somebody hands in, and the truth about it."""
    chance = random.Random(seed)
    notebook, truth = copy.deepcopy(BLANK[stem]), {}
    for one, place in cells_of(notebook).items():
        truth[one] = chance.choice(("right", "right", "wrong", "open"))
        if truth[one] != "open":
            code = chance.choice(CODE[one][truth[one] == "wrong"])
            notebook.cells[place].source = f"{code}\n{by_id(one).call.code}"
    text = damage(notebook, truth, chance)
    return nbformat.writes(notebook) if text is None else text, truth


def write(folder: Path, number: int, stems=tuple(SOURCES), seed: int = 0) -> dict[str, dict]:
    """Write so many submissions, of one notebook each; by student: notebook, damage and truth."""
    made = {}
    for n in range(number):
        stem, damage = stems[(n // len(DAMAGES) + n) % len(stems)], DAMAGES[n % len(DAMAGES)]
        text, truth = make(stem, damage, seed=seed + n)
        student = f"Student {n:03}"
        made[student] = {"notebook": stem, "damage": damage.__name__, "truth": truth}
        file = folder / student / f"{stem}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8", newline="")
    return made


def mistakes(made: dict[str, dict], out: Path) -> list[tuple]:
    """What of `out`/results.csv is not the truth about what `write` has made."""
    kinds = {"wrong": ("not yet", "stopped", "open")}
    with open(out / "results.csv", encoding="utf-8", newline="") as file:
        found = {(row["student"], row["exercise"]): row for row in csv.DictReader(file)}
    return [
        (student, one["damage"], id, truth, result["result"], result["reason"])
        for student, one in made.items()
        for id, truth in one["truth"].items()
        for result in [found[student, id]]
        if result["result"] not in kinds.get(truth, (truth,))
    ]  # fmt: skip


if __name__ == "__main__":
    place = Path(sys.argv[2])
    if len(sys.argv) > 3:  # the folder that was graded into
        for mistake in mistakes(json.loads((place / "truth.json").read_text()), Path(sys.argv[3])):
            print(*mistake, sep="  ")
    else:
        made = write(place / "submissions", int(sys.argv[1]))
        (place / "truth.json").write_text(json.dumps(made, indent=1))
