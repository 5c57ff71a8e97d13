"""The quiz: what `quiz.yaml` says is what the notebooks ask, and every letter says why."""

import copy
import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import IPython
import nbformat
import numpy as np
import pytest
import yaml

from fmnist_lib.course import student
from fmnist_lib.course.execute import notebooks
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import quiz, verdict

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in notebooks()}
WRITTEN = yaml.safe_load(Path(quiz.__file__).with_name("quiz.yaml").read_text(encoding="utf-8"))
NAMES = [name for questions in WRITTEN.values() for name in questions]
KEYS = ["".join(each.right for each in asked.values()) for asked in quiz.by_notebook().values()]


@pytest.fixture
def none_answered(monkeypatch):
    """No answer counts yet, and those of this test count for no other."""
    monkeypatch.setattr(verdict, "_last", type(verdict._last)(dict))
    monkeypatch.setattr(verdict, "ASKED", type(verdict.ASKED)(set))


@pytest.fixture
def other_file(tmp_path, monkeypatch):
    """Let the quiz read another file, with this text."""

    def write(text):
        path = tmp_path / "quiz.yaml"
        path.write_bytes(text.encode())
        monkeypatch.setattr(quiz, "QUIZ", path)
        quiz.by_notebook.cache_clear()
        quiz.questions.cache_clear()
        return path

    yield write
    quiz.by_notebook.cache_clear()
    quiz.questions.cache_clear()


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
    "nothing": ("", "^quiz.yaml should have entries, each with a name that is .*, and is None.$"),
    "a list": ("02_build_cnn: [1]", r"^quiz.yaml, 02_build_cnn should have entries, .* is \[1\].$"),
    "a text": ("02_build_cnn: {sharing: x}", f"^{WHERE} should have entries, .* is 'x'.$"),
    "no question": (altered(lambda q: q.pop("question")), f"^{WHERE} has no `question`. Write it"),
    "no options": (altered(lambda q: q.pop("options")), f"^{WHERE} has no `options`. .* letters"),
    "no right letter": (altered(lambda q: q.pop("right")), f"^{WHERE} has no `right`. Write it"),
    "another letter": (
        altered(lambda q: q.update(right="d")),
        f"^{WHERE}: `right: d` is none of its options, a, b, c. Write one; `fmnist notebooks` seal",
    ),
    "sealed under another name": (
        altered(lambda q: q.update(right=quiz.sealed("relu", "a"))),
        f"^{WHERE}: `right: sealed-[0-9a-f]{{12}}` is none of .* under another name has to be wri",
    ),
    "letters that YAML takes for true and false": (
        "02_build_cnn: {sharing: {question: Q, right: y, options: {yes: 1, no: 2}}}",
        f"^{WHERE}, options should have entries, each with a name that is a text, and is {{True: 1",
    ),
    "a notebook without a name": ("1: {}", "^quiz.yaml should have entries, each with a name that"),
    "no date": ("2024-02-30: {}", "quiz.yaml is no YAML: day is out of range"),
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
def test_a_file_that_is_not_complete(name, other_file):
    text, message = BAD[name]
    other_file(text)
    for read in (quiz.by_notebook, lambda: quiz.check("sharing", "a")):
        with pytest.raises(CourseError, match=message):
            read()


@pytest.mark.parametrize("name", [*BAD, "no UTF-8", "no file", "a folder"])
def test_an_exercise_does_without_the_quiz(name, other_file, none_answered, capsys):
    path = other_file(BAD.get(name, [""])[0])
    if name == "no UTF-8":
        path.write_bytes(b"02_build_cnn: \xff")
    elif name in ("no file", "a folder"):
        path.unlink()
    if name == "a folder":
        path.mkdir()
    from fmnist_lib.lessons.checks import build_cnn

    assert build_cnn.smaller_kernel_parameters(640_080).kind == "right"
    assert re.fullmatch(r"✓ Right. \(1 of \d right in this notebook\)\n", capsys.readouterr().out)


def test_a_notebook_without_quiz_is_left_alone():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Text")])
    quiz.write_into(notebook, "09_own")
    assert notebook.cells[0].source == "Text"


# --------------------------------------------------------------------------- the questions


@pytest.mark.parametrize("name", NAMES)
def test_options_are_alike_in_length(name):
    lengths = [len(option.text) for option in quiz.questions()[name].options.values()]
    assert max(lengths) <= 1.5 * min(lengths)


@pytest.mark.parametrize("extreme", [max, min])
def test_the_right_option_is_not_known_by_its_length(extreme):
    """It is the longest, and the shortest, in about a third of the questions."""
    found = 0
    for question in quiz.questions().values():
        lengths = {letter: len(option.text) for letter, option in question.options.items()}
        those = [letter for letter in lengths if lengths[letter] == extreme(lengths.values())]
        found += (question.right in those) / len(those)
    assert 0.2 < found / len(NAMES) < 0.45


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_can_not_be_misread(name):
    question = quiz.questions()[name]
    assert list(question.options) == ["a", "b", "c"] and question.right in "abc"
    for letter, option in question.options.items():
        if letter == question.right:
            assert "belief" not in option.reason and not option.reason.startswith("But")
        else:
            assert re.fullmatch(r"Common belief: [^.]+\. But [^.].+[.]", option.reason)
        assert 40 < len(option.reason) <= 200
    texts = {quiz._plain(option.text) for option in question.options.values()}
    assert len(texts) == 3 and not texts & {"", *"abc"}


def test_no_notebook_has_the_key_of_another_and_no_letter_is_frequent():
    letters = "".join(KEYS)
    assert len(set(KEYS)) == len(KEYS) == 8
    assert all(len(letters) / 4 < letters.count(letter) <= 0.45 * len(letters) for letter in "abc")


def test_no_key_is_a_pattern():
    """Neither the letters before nor those of the other notebooks tell the next one."""
    letters = "".join(KEYS)
    assert not {"aaa", "bbb", "ccc", "abc", "cba"} & set(KEYS)
    assert not re.search(r"(.)\1\1", letters)
    # Every letter is right once in some notebooks, not in all: two do not tell the third.
    assert 2 <= sum(len(set(key)) == 3 for key in KEYS) <= 5
    for place in zip(*KEYS):
        assert max(map(place.count, "abc")) <= 3
    for lag in range(1, 11):  # a repetition would show as one step that is frequent
        steps = [(ord(b) - ord(a)) % 3 for a, b in zip(letters, letters[lag:])]
        assert max(map(steps.count, range(3))) <= 0.6 * len(steps), lag


def test_a_question_counts_beside_the_checks():
    """Of one name, the two would count as one."""
    for stem, questions in WRITTEN.items():
        checks = importlib.import_module(f"fmnist_lib.lessons.checks.{stem[3:]}")
        assert not set(questions) & set(vars(checks))


# ------------------------------------------------------------------------------ sealed letters


def test_no_letter_stands_in_the_file():
    for questions in WRITTEN.values():
        for name, written in questions.items():
            assert written["right"] == quiz.sealed(name, quiz.questions()[name].right)
            assert re.fullmatch("sealed-[0-9a-f]{12}", written["right"])
    assert len({quiz.sealed(name, letter) for name in NAMES for letter in "abc"}) == 3 * len(NAMES)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_students_get_no_letter(stem):
    version = student.student_version(NOTEBOOKS[stem])
    cells = [cell for _, cell in quiz_cells(version)]
    assert len(cells) == 3 and all(cell.outputs == [] for cell in cells)
    for name, cell in zip(WRITTEN[stem], cells):
        assert cell.source == f'answer = ...  # "a", "b" or "c"\nquiz.check("{name}", answer)'


PLAIN = """# The key: right: b

02_build_cnn:
  sharing:  # and a comment
    question: "Which: right: b?"
    options: {a: {text: A., reason: So.}, b: {text: B., reason: So.}}
    right: b   # this one
  "a longer name":
    right:   'a'
    question: >-
      Two
      right: a
    options:
      a: {text: A., reason: So.}
      b:
          text: "right: b"
          reason: So.


03_train_sgd:
    zero:
        question: Ä?
        right: "b"
        options: {a: {text: A., reason: So.}, b: {text: B., reason: So.}}
    one: {question: One, right: a, options: {a: {text: A., reason: So.}}}
    two: {question: Two, right: c, options: {a: {text: A., reason: So.}}}"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_sealing_changes_the_letters_and_nothing_else(other_file, end, mark):
    path = other_file(mark + PLAIN.replace("\n", end))
    expected = PLAIN
    for name, old, new in (
        ("sharing", "right: b   # this one", "right: {}   # this one"),
        ("a longer name", "right:   'a'", "right:   {}"),
        ("zero", 'right: "b"', "right: {}"),
        ("one", "right: a, options", "right: {}, options"),
    ):
        letter = re.search(r"right:\W+(\w)", old)[1]
        assert expected.count(old) == 1
        expected = expected.replace(old, new.format(quiz.sealed(name, letter)))
    quiz.seal()
    assert path.read_bytes().decode() == mark + expected.replace("\n", end)
    with pytest.raises(CourseError, match="03_train_sgd, two: `right: c` is none of its options"):
        quiz.by_notebook()


def test_sealing_twice_is_sealing_once(other_file):
    path = other_file(PLAIN.replace("right: c", "right: a"))
    before = {name: each.right for name, each in quiz.questions().items()}
    quiz.seal()
    once, when = path.read_bytes(), path.stat().st_mtime_ns
    quiz.by_notebook.cache_clear()
    quiz.questions.cache_clear()
    assert {name: each.right for name, each in quiz.questions().items()} == before
    assert list(before.values()) == ["b", "a", "b", "a", "a"]
    quiz.seal()
    assert path.read_bytes() == once and path.stat().st_mtime_ns == when


NOT_COMPLETE = ["a: [1", "", "- 1", "a: b", "a: {b: c}", "a: {b: {right: [c]}}",
                "a: {[b]: {c: d}}", "a: {b: {right: c, options: [c]}}",
                "a: {b: {right: , options: {c: d}}}"]  # fmt: skip


@pytest.mark.parametrize("text", NOT_COMPLETE)
def test_sealing_leaves_what_is_not_complete(other_file, text):
    path = other_file(text)
    quiz.seal()
    assert path.read_text() == text
    path.write_bytes(b"\xff")
    quiz.seal()
    assert path.read_bytes() == b"\xff"


# ------------------------------------------------------------------------------------- answers


def test_every_letter_of_the_quiz_says_why(none_answered, capsys):
    for stem, asked_there in quiz.by_notebook().items():
        for number, (name, question) in enumerate(asked_there.items()):
            for letter in sorted("abc", key=lambda each: each == question.right):  # right: last
                said = quiz.check(name, letter)
                is_right = letter == question.right
                reason = question.options[letter].reason
                assert (said.kind, said.reason) == ("right" if is_right else "not yet", reason)
                assert (said.notebook, said.name, said.more) == (stem[3:], name, "")
                begin = "✓ Right." if is_right else "✗ Not yet."
                count = f"({number + is_right} of 3 right in this notebook)"
                assert capsys.readouterr().out == f"{begin} {reason} {count}\n"


TEXT_OF_B = "It may say Bag to every image; look at each class by itself."
FORMS = ["b", "B", "b)", "(b)", "(B)", " b ", "b\n", "b.", "b:", "'b'", "**b**", np.str_("b"),
         TEXT_OF_B, f"b) {TEXT_OF_B}", TEXT_OF_B[:-1].upper()]  # fmt: skip


@pytest.mark.parametrize("answer", FORMS, ids=repr)
def test_forms_of_a_letter(answer):
    assert quiz.questions()["balance"].right == "b"
    assert quiz.judge("balance", answer).kind == "right"
    assert quiz.judge("twins", answer).kind == "not yet"  # another option, or none


NO_LETTERS = ["d", "a and b", "a, b", "ab", "bb", "answer b", "?", TEXT_OF_B[:20], "ß", 1,
              0.5, True, ["b"], ("b",), {"b"}, {"b": 1}, [...], np.array(["b"]), b"b",
              str]  # fmt: skip


@pytest.mark.parametrize("answer", NO_LETTERS, ids=repr)
def test_no_letter_of_the_quiz(answer, capsys):
    said = quiz.check("balance", answer)
    assert (said.kind, said.reason) == ("not yet", "Answer with one letter: a, b, c.")
    assert capsys.readouterr().out.startswith("✗ Not yet. Answer with one letter: a, b, c. (")


def test_what_can_not_be_shown_as_text_is_no_letter():
    class Silent:
        __str__ = __repr__ = __eq__ = None

    assert quiz.judge("balance", Silent()).kind == "not yet"


@pytest.mark.parametrize("answer", [..., None, "", " ", "...", "…"], ids=repr)
def test_not_answered_yet(answer, capsys):
    assert quiz.check("balance", answer).kind == "open"
    begin = '○ Not answered yet. Put a letter where the dots are, such as "a". ('
    assert capsys.readouterr().out.startswith(begin)


# ------------------------------------------------------------------------------------- buttons


def widgets_of(data):
    """The buttons in what was displayed, and what says the verdict."""
    import ipywidgets as widgets

    view = data["application/vnd.jupyter.widget-view+json"]["model_id"]
    row, said = widgets.widget._instances[view].children
    assert [each.description for each in row.children] == ["a", "b", "c"]
    return row.children, said


@pytest.fixture(autouse=True)
def no_widgets_left():
    yield
    import ipywidgets as widgets

    widgets.Widget.close_all()


def test_dots_in_a_kernel_give_buttons(displayed, none_answered, capsys):
    said = quiz.check("balance", ...)
    (data,) = displayed  # one output: a second would go on saying "Not answered yet."
    assert data["text/plain"] == str(said) and data["text/html"] == said.as_html()
    assert str(said).startswith("○ Not answered yet. Put a letter where the dots are")
    buttons, text = widgets_of(data)
    question = quiz.questions()["balance"]
    assert [each.tooltip for each in buttons] == [each.text for each in question.options.values()]
    assert "Not answered yet.</b> Click on a letter, or put it where" in text.value
    for number, letter in enumerate("abc"):
        buttons[number].click()
        assert text.value == quiz.judge("balance", letter).as_html()
        assert (f"{letter == 'b':d} of 3 right") in text.value
        chosen = ["fmnist-chosen" in button._dom_classes for button in buttons]
        assert chosen == [each == letter for each in "abc"]
    assert capsys.readouterr().out == ""


def test_buttons_of_two_questions_are_apart(displayed, none_answered):
    quiz.check("balance", ...)
    quiz.check("twins", ...)
    (first, said_first), (second, said_second) = map(widgets_of, displayed)
    second[0].click()
    assert "Right." in said_second.value and "Not answered yet." in said_first.value
    first[1].click()
    assert "2 of 3 right" in said_first.value
    first[0].click()  # right no more
    assert "Not yet." in said_first.value and "1 of 3 right" in said_first.value


def test_a_letter_in_a_kernel_gives_no_buttons(displayed):
    said = quiz.check("balance", "a")
    assert displayed == [{"text/plain": str(said), "text/html": said.as_html()}]


def test_a_terminal_of_ipython_gets_no_buttons(displayed, monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", SimpleNamespace)  # a shell without a kernel
    said = quiz.check("balance", ...)
    assert displayed == [{"text/plain": str(said), "text/html": said.as_html()}]
