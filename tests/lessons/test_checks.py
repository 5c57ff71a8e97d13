"""Every exercise: its stub is "not answered yet", wrong answers get a hint, the solution passes.

Solutions run inside the notebooks under nbval, which compares their output "Right." (conftest.py).
"""

import builtins
import copy
import importlib
import random
import re
from unittest.mock import MagicMock

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from answers import Answers

from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.solutions import without_solution
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.lessons import quiz

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in notebooks()}
MODULES = {
    stem: importlib.import_module(f"fmnist_lib.lessons.checks.{stem[3:]}") for stem in NOTEBOOKS
}
CHECKS = {
    name: value
    for module in MODULES.values()
    for name, value in vars(module).items()
    if hasattr(value, "__wrapped__")
}


class AllAnswers(dict):
    """Answers by the name of the check; a new exercise without any is told where they go."""

    def __missing__(self, name):
        pytest.fail(
            f"The tests have no answers to the exercise {name!r}. Add right and wrong ones to "
            f"tests/lessons/answers/{CHECKS[name].__module__.rpartition('.')[2]}.py, in the form "
            "of the others there.",
            pytrace=False,
        )


ANSWERS = AllAnswers(
    (name, given)
    for stem in NOTEBOOKS
    for name, given in importlib.import_module(f"answers.{stem[3:]}").ANSWERS.items()
)


def cells(*tags):
    return [
        pytest.param(stem, cell.source, id=f"{stem[:2]}-{number}")
        for stem, notebook in NOTEBOOKS.items()
        for number, cell in enumerate(notebook.cells)
        if {*tags} & {*cell.metadata.get("tags", [])}
    ]


class Anything(dict):
    """Names that an exercise takes from the cells before it, whatever they are."""

    def __missing__(self, name):
        return vars(builtins).get(name) or MagicMock(name=name)


EXERCISES = {  # check → the cell with the stored solution
    re.search(r"checks\.(\w+)\(", source)[1]: source
    for _, source in (parameter.values for parameter in cells("exercise"))
}


# -------------------------------------------------------------------------- stubs, solutions


@pytest.mark.parametrize("stem, source", cells("exercise", "quiz"))
def test_an_untouched_stub_is_not_answered_yet(stem, source, capsys):
    stub = without_solution(source)
    assert stub != source and "..." in stub
    names = Anything(checks=MODULES[stem], quiz=quiz, nn=torch.nn)  # a class needs a real base
    exec(compile(stub, "stub", "exec"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("○ Not answered yet.") and printed.count("\n") == 1


@pytest.mark.parametrize("stem, source", cells("exercise", "quiz"))
def test_the_stored_solution_was_right(stem, source):
    (stored,) = [cell for cell in NOTEBOOKS[stem].cells if cell.source == source]
    assert "nbval-check-output" in stored.metadata.tags
    (output,) = stored.outputs
    assert output.data["text/plain"].startswith("✓ Right.")


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_every_check_is_used_once_by_its_notebook(stem):
    imported = f"from fmnist_lib.lessons.checks import {stem[3:]} as checks"
    assert [cell for cell in NOTEBOOKS[stem].cells if imported in cell.source.splitlines()]
    sources = [p.values[1] for p in cells("exercise") if p.values[0] == stem]
    called = re.findall(r"checks\.(\w+)\(", "\n".join(sources))
    own = [name for name, value in vars(MODULES[stem]).items() if value is CHECKS.get(name)]
    assert sorted(called) == sorted(own)


def test_no_two_notebooks_have_a_check_of_one_name():
    found = [vars(module).get(name) for module in MODULES.values() for name in CHECKS]
    assert len([check for check in found if check]) == len(CHECKS)


def test_every_notebook_has_exercises_and_a_quiz():
    for name, notebook in NOTEBOOKS.items():
        tags = [tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])]
        assert tags.count("exercise") >= 3 and tags.count("quiz") == 3, name


def test_every_exercise_explains_its_solution():
    for parameter in cells("exercise"):
        block = parameter.values[1].partition("### BEGIN SOLUTION")[2]
        assert "# " in block.partition("### END SOLUTION")[0], parameter.values[1]


# ------------------------------------------------------------------------- right and wrong answers


def each(kind):
    return [
        pytest.param(name, answer, id=f"{name}-{number}")
        for name, answers in ANSWERS.items()
        for number, answer in enumerate(getattr(answers, kind))
    ]


@pytest.mark.parametrize("name, answer", each("right"))
def test_every_form_of_a_right_answer_is_accepted(name, answer, capsys):
    verdict = CHECKS[name](answer, *ANSWERS[name].given)
    assert verdict.kind == "right", verdict
    assert capsys.readouterr().out == f"{verdict}\n"


@pytest.mark.parametrize("name, answer", each("wrong"))
def test_a_wrong_answer_gets_the_hint_for_its_mistake(name, answer, capsys):
    wrong, hint = answer
    verdict = CHECKS[name](wrong, *ANSWERS[name].given)
    assert verdict.kind == "not yet" and hint in verdict.reason, verdict
    printed = capsys.readouterr().out
    assert printed.startswith("✗ Not yet. ") and printed.count("\n") == 1


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_there_are_enough_answers(name):
    right, wrong = ANSWERS[name].right, ANSWERS[name].wrong
    hints = {hint for _, hint in wrong}
    assert len(right) >= 6 and len(wrong) >= 8 and len(hints) >= 3, (
        f"The exercise {name!r} has {len(right)} right answers, {len(wrong)} wrong ones and "
        f"{len(hints)} different hints in the tests. Give 6, 8 and 3 or more."
    )


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("answer", [..., None])
def test_no_answer(name, answer):
    assert CHECKS[name](answer, *ANSWERS[name].given).kind == "open"


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_a_stronger_hint_on_request(name, capsys):
    CHECKS[name].hint()
    printed = capsys.readouterr().out
    assert 20 < len(printed) < 400 and printed.count("\n") == 1


def test_this_file_is_about_every_check():
    assert set(ANSWERS) == set(CHECKS)


def test_an_exercise_without_answers_is_told_where_they_go(monkeypatch):
    monkeypatch.delitem(ANSWERS, "mirror")
    with pytest.raises(pytest.fail.Exception, match="no answers to the exercise 'mirror'") as said:
        test_there_are_enough_answers("mirror")
    assert "tests/lessons/answers/explore_data.py" in str(said.value)
    monkeypatch.setitem(ANSWERS, "mirror", Answers(right=[1], wrong=[]))
    with pytest.raises(AssertionError, match="has 1 right answers, 0 wrong ones"):
        test_there_are_enough_answers("mirror")


# ------------------------------------------------------------------- with data of somebody's own


def test_a_network_without_mistakes_confuses_no_pair():
    names = list(CLASS_NAMES)
    perfect = pd.DataFrame(np.diag([5, 4, 3] + [0] * 7), names, names)
    verdict = CHECKS["confused_pair"]((names[0], names[1]), perfect)
    assert verdict.kind == "not yet" and "confuses no two classes" in verdict.reason


def test_a_threshold_from_a_few_images():
    """Of 13 images, no threshold leaves exactly 80 %."""
    few = (3 * torch.randn(13, 10, generator=torch.Generator().manual_seed(0))).softmax(1)
    confidence = few.max(dim=1).values
    check = CHECKS["threshold_for_coverage"]
    assert check(confidence.quantile(0.2).item(), few, few).kind == "right"
    assert check(confidence.quantile(0.4).item(), few, few).kind == "not yet"


# --------------------------------------------------------------------- nothing else is touched


def answers(name):
    wrong = [answer for answer, _ in ANSWERS[name].wrong]
    return [*ANSWERS[name].right, *wrong, ..., draws_numbers]


def draws_numbers(*given):
    """An answer, or part of one, that needs random numbers and seeds the generators."""
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    torch.rand(5), random.random(), np.random.rand(5)
    return 1.0


def dice():
    """What the student's generators would give next."""
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    thrown = torch.rand(3).tolist(), random.random(), np.random.rand(3).tolist()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    return thrown


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_no_check_touches_the_random_generators(name):
    torch.manual_seed(11)
    for answer in answers(name):
        before, seed = dice(), torch.initial_seed()
        CHECKS[name](answer, *ANSWERS[name].given)
        assert dice() == before and torch.initial_seed() == seed == 11, answer


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("training", [True, False])
def test_no_check_touches_a_network_or_what_it_is_given(name, training):
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 3))
    net.train(training)
    weights = copy.deepcopy(net.state_dict())
    given = copy.deepcopy(ANSWERS[name].given)
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    for answer in answers(name):
        CHECKS[name](answer, *given)
    assert all(layer.training is training for layer in net.modules())
    assert all(torch.equal(net.state_dict()[key], weights[key]) for key in weights)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.is_grad_enabled()
    assert str(given) == str(ANSWERS[name].given)
