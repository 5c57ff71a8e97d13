"""Right answers as the course has them: each is right, and there is nothing to look at."""

import csv
import json
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from conftest import with_solutions_pasted

from fmnist_lib.course.execute import notebooks, read_notebook
from fmnist_lib.course.grading import plain
from fmnist_lib.course.grading.exercises import exercises_of
from fmnist_lib.course.grading.grade import grade
from fmnist_lib.course.grading.judge import VALUE


def test_the_solutions_of_all_notebooks_are_right_and_usual(tmp_path):
    student = tmp_path / "in" / "Jane Doe"
    student.mkdir(parents=True)
    for path in notebooks():
        nbformat.write(with_solutions_pasted(read_notebook(path)), student / path.name)
    grade(tmp_path / "in", tmp_path / "out")
    with open(tmp_path / "out" / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(exercises_of(path)) for path in notebooks())
    remarkable = [row for row in rows if row["result"] != "right" or row["to look at"]]
    assert not remarkable


def test_what_is_checked_is_called_answer_unless_it_is_a_function_or_class():
    for path in notebooks():
        for each in exercises_of(path):
            is_made = (
                each.stub.startswith(("def ", "class ")) or f"\ndef {each.call.answer}" in each.stub
            )
            assert is_made == (each.call.answer != VALUE), each.id


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_values_in_all_usual_forms_are_handed_on_as_they_are(path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "lessons")
    answers = import_module(f"answers.{path.stem[3:]}").ANSWERS
    for each in (value for answer in answers.values() for value in answer.right):
        if not callable(each) and not hasattr(each, "_fields"):  # a tuple of the test's own kind
            written = plain.as_json(each)
            again = plain.from_json(json.loads(json.dumps(written)))
            assert plain.as_json(again) == written
