"""The quiz: what `quiz.yaml` says is what the notebooks ask, and every letter says why."""

import copy
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from fmnist_lib.course.execute import notebooks
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import quiz

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in notebooks()}
WRITTEN = yaml.safe_load(Path(quiz.__file__).with_name("quiz.yaml").read_text(encoding="utf-8"))


def quiz_cells(notebook):
    """(the cell with the question, the cell with the answer), in their order."""
    pairs = zip(notebook.cells, notebook.cells[1:])
    return [pair for pair in pairs if "quiz" in pair[1].metadata.get("tags", [])]


def asked(notebook):
    """The names of the questions, in their order."""
    return [
        re.search(r'^quiz\.check\("(.+?)", answer\)$', cell.source, re.M)[1]
        for _, cell in quiz_cells(notebook)
    ]


def test_every_question_is_asked_once_by_the_notebook_it_stands_under():
    assert {stem: asked(notebook) for stem, notebook in NOTEBOOKS.items()} == {
        stem: list(questions) for stem, questions in WRITTEN.items()
    }
    assert sum(map(len, WRITTEN.values())) == len(quiz.questions())  # no name stands twice


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_the_notebook_asks_what_the_file_says(stem):
    for number, (before, _) in enumerate(quiz_cells(NOTEBOOKS[stem]), start=1):
        name = asked(NOTEBOOKS[stem])[number - 1]
        assert before.cell_type == "markdown"
        assert before.source == quiz.as_markdown(number, quiz.questions()[name])


def test_a_question_as_markdown():
    options = {letter: quiz.Option(f"Answer {letter}.", "Because.") for letter in "abc"}
    question = quiz.Question("Which one?", options, "b")
    assert quiz.as_markdown(7, question) == (
        "**Quiz 7.** Which one?\n\n- a) Answer a.\n- b) Answer b.\n- c) Answer c."
    )


def test_texts_are_one_line_without_space_around():
    for question in quiz.questions().values():
        texts = [question.question]
        texts += [text for each in question.options.values() for text in (each.text, each.reason)]
        for text in texts:
            assert text and text == " ".join(text.split()), text


def test_what_was_altered_in_a_notebook_is_written_anew():
    stem, original = "03_train_sgd", NOTEBOOKS["03_train_sgd"]
    altered = copy.deepcopy(original)
    for before, _ in quiz_cells(altered):
        before.source = "**Quiz.** Something else"
    quiz.write_into(altered, stem)
    assert altered == original


def test_a_question_that_stands_nowhere_is_refused():
    notebook = copy.deepcopy(NOTEBOOKS["03_train_sgd"])
    with pytest.raises(CourseError, match="no question 'stochastic' under 04_confusion_matrix"):
        quiz.write_into(notebook, "04_confusion_matrix")
    with pytest.raises(CourseError, match="no question 'stochastic' under 09_own"):
        quiz.write_into(notebook, "09_own")


def code(source):
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["quiz"]})


TEXT = nbformat.v4.new_markdown_cell("**Quiz 1.** What?")
NOT_A_QUIZ = {
    "no call": [TEXT, code("answer = ...")],
    "no name": [TEXT, code("quiz.check(answer)")],
    "another function": [TEXT, code('checks.rows("rows", answer)')],
    "a name in a variable": [TEXT, code("quiz.check(name, answer)")],
    "nothing": [TEXT, code("")],
    "no cell before it": [code('quiz.check("rows", answer)')],
    "code before it": [nbformat.v4.new_code_cell("x = 1"), code('quiz.check("rows", answer)')],
    "a heading before it": [
        nbformat.v4.new_markdown_cell("## Quiz"),
        code('quiz.check("rows", answer)'),
    ],
    "other text before it": [
        nbformat.v4.new_markdown_cell("Why?"),
        code('quiz.check("rows", answer)'),
    ],
    "two in a row": [TEXT, code('quiz.check("rows", answer)'), code('quiz.check("rows", answer)')],
}


@pytest.mark.parametrize("name", NOT_A_QUIZ)
def test_a_cell_that_is_no_quiz_is_refused(name):
    cells = [copy.deepcopy(cell) for cell in NOT_A_QUIZ[name]]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(CourseError, match=r'Cell \d tagged "quiz" of 04_confusion_matrix should'):
        quiz.write_into(notebook, "04_confusion_matrix")
    changed = [
        cell.source for cell, old in zip(notebook.cells, NOT_A_QUIZ[name])
        if cell.source != old.source
    ]  # fmt: skip
    assert all(source.startswith("**Quiz 1.** ") for source in changed)


@pytest.mark.parametrize(
    "call", ["quiz.check('rows', answer)", 'quiz.check(\n    "rows",\n    answer,\n)']
)
def test_a_call_may_be_written_otherwise(call):
    notebook = nbformat.v4.new_notebook(cells=[copy.deepcopy(TEXT), code(call)])
    quiz.write_into(notebook, "04_confusion_matrix")
    assert notebook.cells[0].source == quiz.as_markdown(1, quiz.questions()["rows"])


def test_a_question_of_no_such_name():
    with pytest.raises(CourseError, match="quiz.yaml has no question 'row'. Known are: "):
        quiz.check("row", "a")


def altered(change):
    """A question of `quiz.yaml` as text, after a change."""
    written = {
        "question": "Which?",
        "options": {letter: {"text": "This.", "reason": "So."} for letter in "abc"},
        "right": "a",
    }
    change(written)
    return yaml.safe_dump({"02_build_cnn": {"sharing": written}})


WHERE = "quiz.yaml, 02_build_cnn, sharing"
BAD = {
    "no YAML": ("a: [1", "quiz.yaml is no YAML: while parsing"),
    "nothing": ("", "^quiz.yaml should have entries, each with a name, and is None.$"),
    "a list": ("02_build_cnn: [1]", r"^quiz.yaml, 02_build_cnn should have entries, .* is \[1\].$"),
    "a text": ("02_build_cnn: {sharing: x}", f"^{WHERE} should have entries, .* is 'x'.$"),
    "no question": (altered(lambda q: q.pop("question")), f"^{WHERE} has no `question`. Write it"),
    "no options": (altered(lambda q: q.pop("options")), f"^{WHERE} has no `options`. .* letters"),
    "no right letter": (altered(lambda q: q.pop("right")), f"^{WHERE} has no `right`. Write it"),
    "another letter": (
        altered(lambda q: q.update(right="d")),
        f"^{WHERE}: `right: d` is none of its options, a, b, c. Write one.$",
    ),
    "a key more": (
        altered(lambda q: q.update(righ="a")),
        f"^{WHERE} has an entry 'righ'. Expected are question, options, right.$",
    ),
    "no reason": (
        altered(lambda q: q["options"]["b"].pop("reason")),
        f"^{WHERE}, option b has no `reason`. Write it there: a text.$",
    ),
    "an empty reason": (
        altered(lambda q: q["options"]["b"].update(reason="")), f"^{WHERE}, option b has no `rea"
    ),
    "an option that is a text": (
        altered(lambda q: q["options"].update(c="This.")), f"^{WHERE}, option c should have entries"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_not_complete(name, tmp_path, monkeypatch):
    text, message = BAD[name]
    (tmp_path / "quiz.yaml").write_text(text)
    monkeypatch.setattr(quiz, "QUIZ", tmp_path / "quiz.yaml")
    quiz.by_notebook.cache_clear()
    try:
        with pytest.raises(CourseError, match=message):
            quiz.by_notebook()
    finally:
        quiz.by_notebook.cache_clear()


def test_a_notebook_without_quiz_is_left_alone():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Text")])
    quiz.write_into(notebook, "09_own")
    assert notebook.cells[0].source == "Text"


def test_every_letter_of_the_quiz_says_why(capsys):
    for name, question in quiz.questions().items():
        assert list(question.options) == ["a", "b", "c"] and question.right in question.options
        for letter, option in question.options.items():
            quiz.check(name, letter)
            begin = "Right." if letter == question.right else "Not yet."
            assert capsys.readouterr().out == f"{begin} {option.reason}\n"


def test_the_right_letter_is_no_pattern():
    letters = [question.right for question in quiz.questions().values()]
    assert all(letters.count(letter) >= 5 for letter in "abc")


@pytest.mark.parametrize("answer", [" A ", "a\n"])
def test_a_letter_may_be_large_or_have_space_around(answer, capsys):
    quiz.check("twins", answer)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize("answer", ["d", 1, "", "a and b", None])
def test_no_letter_of_the_quiz(answer, capsys):
    quiz.check("balance", answer)
    assert capsys.readouterr().out == "Not yet. Answer with one letter: a, b, c.\n"


def test_dots_are_no_answer(capsys):
    quiz.check("balance", ...)
    assert capsys.readouterr().out.startswith("Not answered yet. Put a letter where the dots are")
