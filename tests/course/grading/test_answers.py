"""Which code of a student is taken for which exercise."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.grading.answers import is_answered, read_cells, take
from fmnist_lib.course.grading.exercises import exercises_of, lesson_of, needed_by, parts
from fmnist_lib.course.grading.submissions import Student
from fmnist_lib.course.student import ID

SOURCES = {path.stem: path for path in notebooks()}
EXERCISES = [each for path in SOURCES.values() for each in exercises_of(path)]
LESSONS = {stem: lesson_of(path) for stem, path in SOURCES.items()}


def taken(*cells):
    """What is taken of a notebook of these cells: code, or (id, code), or a text after "md:"."""
    made = []
    for cell in cells:
        one, source = cell if isinstance(cell, tuple) else (None, cell)
        if source.startswith("md:"):
            made.append(new_markdown_cell(source[3:]))
        else:
            made.append(new_code_cell(source, metadata={ID: one} if one else {}))
    student = Student("Jane", files={"a.ipynb": nbformat.writes(new_notebook(cells=made)).encode()})
    return take(student, EXERCISES, LESSONS)


def code_of(one, *cells):
    answer = taken(*cells).answers.get(one)
    return answer and answer.code


AMDAHL, POOL = "many_processes.amdahl", "build_cnn.max_pool"
TEXT = "md:" + next(each.text for each in EXERCISES if each.id == AMDAHL)
FOUND = {  # cells → the code that is taken
    "as it was": (AMDAHL, [(AMDAHL, "answer = 10\nchecks.amdahl(answer)")], "answer = 10"),
    "by its check": (AMDAHL, ["answer = 10\nchecks.amdahl(answer)"], "answer = 10"),
    "by its id": (AMDAHL, [(AMDAHL, "answer = 10")], "answer = 10"),
    "by the text above": (AMDAHL, [TEXT, "answer = 10"], "answer = 10"),
    "by the text above, a letter changed": (AMDAHL, [TEXT + "!", "answer = 10"], "answer = 10"),
    "by its function": (POOL, ["def max_pool(v):\n    return v"], "def max_pool(v):\n    return v"),
    "the check before the id": (
        AMDAHL, [(POOL, "answer = 10\nchecks.amdahl(answer)")], "answer = 10"
    ),
    "in the call": (AMDAHL, ["checks.amdahl(1 / 0.1)"], "\nanswer = 1 / 0.1"),
    "under another name": (AMDAHL, ["x = 10\nchecks.amdahl(x)"], "x = 10\nanswer = x"),
    "behind a magic": (AMDAHL, ["%%time\nanswer = 10\nchecks.amdahl(answer)"], "answer = 10"),
    "printed": (AMDAHL, ["answer = 10\nprint(checks.amdahl(answer))"], "answer = 10"),
    "kept": (AMDAHL, ["answer = 10\nsaid = checks.amdahl(answer)"], "answer = 10"),
    "in one line": (AMDAHL, ["answer = 10; checks.amdahl(answer)"], "answer = 10"),
    "split": (AMDAHL, ["answer = 10", "checks.amdahl(answer)"], "answer = 10\n"),
    "split, the answer below": (AMDAHL, ["checks.amdahl(answer)", "answer = 10"], "answer = 10\n"),
    "the last that is answered": (
        AMDAHL, ["answer = 9\nchecks.amdahl(answer)", "answer = 10\nchecks.amdahl(answer)",
                 "answer = ...\nchecks.amdahl(answer)"], "answer = 10",
    ),
    "no last try that is no Python": (
        AMDAHL, ["answer = 10\nchecks.amdahl(answer)", "answer = (\nchecks.amdahl(answer)"],
        "answer = 10",
    ),
    "shown": (AMDAHL, ["answer = 10\ndisplay(answer)\nchecks.amdahl(answer)"],
              "answer = 10\ndisplay(answer)"),
    "an answer of another exercise is none": (
        AMDAHL, ["answer = 3\nchecks.efficiency(answer)", "checks.amdahl(answer)"], "",
    ),
    "two in one cell": (
        AMDAHL, ["answer = 3\nchecks.efficiency(answer)\nanswer = 10\nchecks.amdahl(answer)"],
        "answer = 10",
    ),
    "a name of the lesson, set anew": (  # which defines `share`, too
        AMDAHL, ["share = 0.1", "root = 1 / 0", "answer = 1 / share\nchecks.amdahl(answer)"],
        "share = 0.1\nanswer = 1 / share",
    ),
    "a name of the lesson, set anew below": (
        AMDAHL, ["answer = 1 / share\nchecks.amdahl(answer)", "share = 0.1"], "answer = 1 / share",
    ),
    "a name of the lesson, set anew before the lesson": (
        AMDAHL, ["processes = 3", *(source for _, source in LESSONS["08_many_processes"].cells),
                 "answer = processes\nchecks.amdahl(answer)"], "answer = processes",
    ),
    "a helper of its own": (
        AMDAHL, ["part = 0.1", "answer = 1 / part\nchecks.amdahl(answer)"],
        "part = 0.1\nanswer = 1 / part",
    ),
    "a helper's helper": (
        AMDAHL, ["def f(x):\n    return g(x)", "def g(x):\n    return 1 / x",
                 "answer = f(0.1)\nchecks.amdahl(answer)"],
        "def g(x):\n    return 1 / x\ndef f(x):\n    return g(x)\nanswer = f(0.1)",
    ),
    "no cell of the lesson": (
        AMDAHL, [source for _, source in LESSONS["08_many_processes"].cells]
        + ["answer = 1 / torch.tensor(0.1)\nchecks.amdahl(answer)"],
        "answer = 1 / torch.tensor(0.1)",
    ),
    "a cell that is no Python": (
        AMDAHL, ["answer = = 10\nchecks.amdahl(answer)\nanswer = 1"], "answer = = 10",
    ),
    "not there": (AMDAHL, ["answer = 10"], None),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_is_taken(case):
    one, cells, expected = FOUND[case]
    assert code_of(one, *cells) == expected


ANSWERED = {
    "answer = 1": True, "answer = ...": False, "answer = ... # c": False, "answer = None": False,
    "": False, "answer: float = 1": True, "answer = {1: ..., 2: 3}": False,
    "answer = {1: 2}": True, "answer = ..., 1": False, "for answer in x: pass": True,
    "answer += 1": True, "def answer(x): ...": False, "def answer(x):\n    'text'\n    pass": False,
    "def answer(x): return x": True, "answer = lambda x: x": True, "from x import answer": True,
    "class answer:\n    def __init__(self): ...\n    def forward(self, x): ...": False,
    "class answer:\n    def forward(self, x): return x": True, "def other(x): return x": False,
    "if True:\n    answer = 1": True, "answer = = 1": True,
}  # fmt: skip


@pytest.mark.parametrize("code", ANSWERED)
def test_whether_it_is_answered(code):
    assert is_answered(code, "answer") == ANSWERED[code]


NEEDED = {
    "x = y": {"y"}, "x = 1\ny = x": set(), "def f(a):\n    return a + b": {"b"},
    "f = lambda a: a + b": {"b"}, "x = [i + c for i in d]": {"c", "d"},
    "class A(B):\n    x = C": {"B", "C"}, "import y\ny.z": set(), "x = = 1": set(),
    "def f():\n    x = 1\n    def g():\n        return x + y\n    return g": {"y"},
}  # fmt: skip


@pytest.mark.parametrize("code", NEEDED)
def test_which_names_code_needs(code):
    assert needed_by(code) - {"int", "print"} == NEEDED[code]


def test_a_cell_is_cut_behind_its_checks():
    cut = parts("a = 'ä'; checks.one(a)\nquiz.check('two', b)  # so\nc = 1")
    assert [(code, call and call.name) for code, call in cut] == [
        ("a = 'ä'", "one"), ("", "two"), ("# so\nc = 1", None)
    ]  # fmt: skip


def test_predictions_that_are_written_down():
    said = taken(
        'guess = 60\nguesses.keep("one", guess)', 'guess = ...\nguesses.keep("two", guess)',
        'a, b = "x", (1, 2)\nguesses.keep("three", a)\nguesses.keep("four", b)',
        'guess = 6 * 7\nguesses.keep("five", guess)',
    )  # fmt: skip
    assert said.guesses == {"one": 60, "three": "x", "four": (1, 2)}


def test_what_is_left_of_a_notebook_that_does_not_open():
    cells = [new_code_cell(f"x = {n}", metadata={ID: f"a.{n}"}) for n in range(4)]
    text = nbformat.writes(new_notebook(cells=cells))
    torn = text[: text.index("x = 3")]
    found, problem = read_cells(torn.encode())
    assert [cell["source"] for cell in found] == ["x = 0", "x = 1", "x = 2"]
    assert [cell["id"] for cell in found] == ["a.0", "a.1", "a.2"]
    assert problem.startswith("It does not open as a notebook; 3 cells could be read.")
    merged = text.replace('    "x = 1"', '<<<<<<< HEAD\n    "x = 1"\n=======\n>>>>>>> theirs')
    assert "<<<<" in merged and len(read_cells(merged.encode())[0]) == 4


@pytest.mark.parametrize(
    "content",
    (b"", b"null", b"[]", b"\x00\xff", b'{"cells": 5}', b'{"cells": [5]}', b"PK\x03\x04",
     b"[" * 9999,
     json.dumps({"cells": [{"cell_type": "code", "source": 7, "metadata": []}]}).encode()),
)  # fmt: skip
def test_what_is_no_notebook_has_no_answer(content):
    said = take(Student("Jane", files={"a.ipynb": content}), EXERCISES, LESSONS)
    assert said.answers == {} and "a.ipynb" in said.remarks[0]
