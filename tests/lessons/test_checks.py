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
import torch.nn.functional as F

from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.solutions import without_solution
from fmnist_lib.data import CLASS_NAMES, Split
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


# -------------------------------------------------------------------------- stubs, solutions


@pytest.mark.parametrize("stem, source", cells("exercise", "quiz"))
def test_an_untouched_stub_is_not_answered_yet(stem, source, capsys):
    stub = without_solution(source)
    assert stub != source and "..." in stub
    exec(compile(stub, "stub", "exec"), Anything(checks=MODULES[stem], quiz=quiz))
    printed = capsys.readouterr().out
    assert printed.startswith("Not answered yet.") and printed.count("\n") == 1


@pytest.mark.parametrize("stem, source", cells("exercise", "quiz"))
def test_the_stored_solution_was_right(stem, source):
    (stored,) = [cell for cell in NOTEBOOKS[stem].cells if cell.source == source]
    assert "nbval-check-output" in stored.metadata.tags
    (output,) = stored.outputs
    assert output.text.startswith("Right.")


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


# ------------------------------------------------------------------------------ wrong answers

SPLIT = Split(  # class 9 is the brightest, class 0 the darkest
    torch.arange(10, dtype=torch.uint8).mul(20)[:, None, None].expand(10, 28, 28),
    torch.arange(10),
    "synthetic",
)
MATRIX = pd.DataFrame(torch.eye(10).long().mul(9).numpy(), CLASS_NAMES, CLASS_NAMES)
MATRIX.loc["Shirt", "Coat"] = 3
MATRIX.loc["Bag", "Dress"] = 2
PROBABILITIES = torch.stack([torch.linspace(0.5, 1, 101), torch.linspace(0.5, 0, 101)], dim=1)


def sum_of_steps(net, images, labels, optimizer):
    for batch, targets in zip(images.split(10), labels.split(10)):
        F.cross_entropy(net(batch), targets).backward()
        optimizer.step()
    return [0.0]


WRONG = {  # check → wrong answers; where it takes more than the answer, GIVEN has it
    "label_file_bytes": [10_000, 10_016, 7_840_016, "many"],
    "balanced_accuracy": [0.9, 50, 0.1, None.__class__],
    "brightest_class": ["T-shirt/top", "Shirt", 9, "boot", torch.tensor(9)],
    "mirror": [
        lambda x: x,
        lambda x: x.flip(1),
        lambda x: x.flip(0),
        lambda x: x.mT,
        lambda x: x[:, 0],
        lambda x: x.nowhere,
        "flip",
    ],
    "nearest_by_absolute": [
        lambda x, m: (x[:, None].float() - m).square().mean((2, 3)).argmin(1),
        lambda x, m: (x[:, None].float() - m).abs().mean((2, 3)).argmax(1),
        lambda x, m: (x[:, None].float() - m).abs().mean((2, 3)),
        lambda x, m: torch.zeros(40),
    ],
    "map_size": [22, 14, 12, 10, [1, 2]],
    "edge_kernel": [
        torch.zeros(3, 3),
        torch.ones(3, 3),
        [[-1, 0, 1]] * 3,
        [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
        [1, 2],
        [[1, -2, 1], [-2, 4, -2], [1, -2, 1]],
    ],
    "smaller_kernel_parameters": [431_080, 415_080, 9_050],
    "receptive_field": [16, 18, 28, "24 pixels"],
    "max_pool": [
        lambda x: F.avg_pool2d(x[None], 2)[0],
        lambda x: x[::2, ::2],
        lambda x: x.reshape(3, 4, 2, 2).amax((2, 3)),
        lambda x: x,
    ],
    "diagnosis": [
        {"A": "eval", "B": "zero_grad", "C": "device", "D": "test set"},
        {"A": "zero_grad", "B": "eval", "C": "device", "D": "luck"},
        {"A": "zero_grad"},
        "zero_grad",
    ],
    "repaired_training": [sum_of_steps, lambda *a: [], lambda net: []],
    "repaired_accuracy": [
        lambda net, x, y: (net(x).argmax(1) == y).float().mean().item(),
        lambda net, x, y: 1.0,
    ],
    "repaired_logits": [lambda net, x: net(x), lambda net, x: net.to("cpu")],
    "repaired_choice": [lambda v, t: max(t), lambda v, t: max(v), lambda v, t: 0.5],
    "updates_per_epoch": [733, 55_000 / 75, 55_000],
    "momentum_way": [0.03, 0.0271, 3],
    "choose_epoch": [
        lambda h: h.loc[h["test_accuracy"].idxmax(), "epoch"],
        lambda h: h.loc[h["train_accuracy"].idxmax(), "epoch"],
        lambda h: h["validation_accuracy"].idxmax(),
        lambda h: h["validation"],
    ],
    "cross_entropy": [
        lambda z, y: -F.cross_entropy(z, y),
        lambda z, y: F.cross_entropy(z, y, reduction="sum"),
        lambda z, y: F.cross_entropy(z.softmax(1), y),
        lambda z, y: F.cross_entropy(z, y, reduction="none"),
        lambda z, y: (z.exp().sum(1).log() - z[range(len(y)), y]).mean(),  # overflows
    ],
    "precision_recall": [(2 / 3, 0.8), (0.8, 0.8), (0.5, 2 / 3), 0.8],
    "confused_pair": [
        ("Bag", "Dress"),
        ("Shirt", "Shirt"),
        "Shirt",
        ("Shirt", "Hat"),
        [["Shirt"], ["Coat"]],
    ],
    "threshold_for_coverage": [0.9, 0.5, 80],
    "macro_f1": [
        lambda m: m.to_numpy().trace() / m.to_numpy().sum(),
        lambda m: (pd.Series(m.to_numpy().diagonal(), m.index) / m.sum(axis=1)).mean(),
        lambda m: (pd.Series(m.to_numpy().diagonal(), m.index) / m.sum(axis=0)).mean(),
        lambda m: 1.0,
    ],
    "likely_mislabels": [
        lambda p, y, n: p.max(1).values.argsort(descending=True)[:n],
        lambda p, y, n: p[range(len(y)), y].argsort(descending=True)[:n],
        lambda p, y, n: p[range(len(y)), y].argsort(),
        lambda p, y, n: [4, 1],
    ],
    "one_cycle_peak": [3, 1835, 3670],
    "smooth_targets": [
        lambda y, s: F.one_hot(y, 10),
        lambda y, s: F.one_hot(y, 10) * (1 - s) + s,
        lambda y, s: F.one_hot(y, 10) * (1 - s - s / 9) + s / 9,
        lambda y, s: torch.full((2, 10), 0.1),
    ],
    "clear_gain": [
        lambda a, b: sum(b) > sum(a),
        lambda a, b: max(b) > max(a),
        lambda a, b: abs(sum(a) - sum(b)) / 3 > 0.005,
        lambda a, b: False,
    ],
    "batch_norm": [
        lambda x: F.layer_norm(x, x.shape[1:]),
        lambda x: (x - x.mean()) / x.std(),
        lambda x: x - x.mean((0, 2, 3), keepdim=True),
    ],
    "block_parameters": [55_552, 57_344, 57_792, 1],
    "runs_in_sweep": [10, 36, 5],
    "standard_error": [0.2, 0.05, 0.8],
    "best_setting": [
        lambda r: r.loc[r["validation_accuracy"].idxmax(), "learning_rate"],
        lambda r: r.groupby("learning_rate")["test_accuracy"].mean().idxmax(),
        lambda r: 0.5,
    ],
    "whole_gradient": [
        lambda g, n: sum(g) / len(g),
        lambda g, n: sum(a * b for a, b in zip(g, n)),
        lambda g, n: g[0],
    ],
    "efficiency": [3, 12, 0.33],
    "amdahl": [0.9, float("inf"), 1.1],
}
GIVEN = {
    "brightest_class": (SPLIT,),
    "confused_pair": (MATRIX,),
    "threshold_for_coverage": (PROBABILITIES,),
}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_wrong_answers_get_a_hint(name, capsys):
    check, hints = CHECKS[name], set()
    assert len(WRONG[name]) >= 2
    for answer in WRONG[name]:
        check(answer, *GIVEN.get(name, ()))
        printed = capsys.readouterr().out
        assert printed.startswith("Not yet. ") and printed.count("\n") == 1, (answer, printed)
        hints.add(printed)
    assert len(hints) >= 2, "every wrong answer gets the same hint"


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("answer", [..., None])
def test_no_answer(name, answer, capsys):
    CHECKS[name](answer, *GIVEN.get(name, ()))
    assert capsys.readouterr().out.startswith("Not answered yet.")


RIGHT_OF_GIVEN = {
    "brightest_class": "Ankle boot",
    "confused_pair": {"Coat", "Shirt"},
    "threshold_for_coverage": 0.6,
}


@pytest.mark.parametrize("name", sorted(RIGHT_OF_GIVEN))
def test_right_answers_on_other_data(name, capsys):
    CHECKS[name](RIGHT_OF_GIVEN[name], *GIVEN[name])
    assert capsys.readouterr().out == "Right.\n"


def test_this_file_is_about_every_check():
    assert set(WRONG) == set(CHECKS)


# --------------------------------------------------------------------- nothing else is touched


def solution(stem, name):
    """The answer of the notebook to the exercise with this check, if it needs no data."""
    (source,) = [p.values[1] for p in cells("exercise") if f"checks.{name}(" in p.values[1]]
    answers = []
    checks = MagicMock()
    getattr(checks, name).side_effect = lambda answer, *given: answers.append(answer)
    exec(source, {"torch": torch, "F": F, "pd": pd, "CLASS_NAMES": CLASS_NAMES, "checks": checks})
    return answers[0]


def answers(name):
    stem = next(stem for stem, module in MODULES.items() if hasattr(module, name))
    right = RIGHT_OF_GIVEN.get(name) or solution(stem, name)
    return [right, *WRONG[name], ..., draws_numbers]


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
        CHECKS[name](answer, *GIVEN.get(name, ()))
        assert dice() == before and torch.initial_seed() == seed == 11, answer


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("training", [True, False])
def test_no_check_touches_a_network_or_what_it_is_given(name, training):
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 3))
    net.train(training)
    weights = copy.deepcopy(net.state_dict())
    given = copy.deepcopy(GIVEN.get(name, ()))
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    for answer in answers(name):
        CHECKS[name](answer, *given)
    assert all(layer.training is training for layer in net.modules())
    assert all(torch.equal(net.state_dict()[key], weights[key]) for key in weights)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
    assert torch.is_grad_enabled()
    assert str(given) == str(GIVEN.get(name, ()))


IN_PLACE = {  # right, though they write into what they are given
    "cross_entropy": lambda z, y: (z.exp_().sum(1).log() - z[range(len(y)), y].log()).mean(),
    "max_pool": lambda x: torch.maximum(x.copy_(torch.maximum(x, x.roll(-1, 0))), x.roll(-1, 1))[
        ::2, ::2
    ],
    "batch_norm": lambda x: x.sub_(x.mean((0, 2, 3), True)).div_(
        x.std((0, 2, 3), correction=0, keepdim=True)
    ),
    "mirror": lambda x: x.copy_(x.flip(2)),
}


@pytest.mark.parametrize("name", ["batch_norm", "mirror", "max_pool"])
def test_a_function_may_write_into_its_arguments(name, capsys):
    CHECKS[name](IN_PLACE[name])
    assert capsys.readouterr().out == "Right.\n"


def test_what_a_function_writes_does_not_change_the_right_answer(capsys):
    """In place, and overflowing for large logits: the hint is about these, the last ones."""
    CHECKS["cross_entropy"](IN_PLACE["cross_entropy"])
    assert "Right for small logits, but 1000 and 0 give" in capsys.readouterr().out
