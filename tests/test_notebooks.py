"""Guards over the committed notebooks. Their cells are run by nbval, see conftest.py."""

import ast
import builtins
import contextlib
import functools
import importlib
import io
import os
import re
import shutil
import statistics
import subprocess
import symtable
import sys
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import IPython
import nbformat
import pytest
import reading
import torch
from conftest import COPIES, ON_CPU, traces_of_this_machine, write_run

from fmnist_lib import checkpoints, data, evaluate, runs, train
from fmnist_lib.course import execute
from fmnist_lib.data import FashionMNIST, load
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import game, play, torchrun
from fmnist_lib.model import NETWORKS, Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.sources import SOURCES
from fmnist_lib.storage import csv

ROOT = Path(__file__).parent.parent
NOTEBOOKS = execute.notebooks()
FOLDERS_OF_A_MACHINE = ("/home/", "/Users/", "/tmp/", ":\\\\", f"{Path.home()}/", f"{ROOT}/")
EXPECTED_PARAMETERS = {
    "01_explore_data": {"data_source", "own_labels", "permuted_images", "test_queries"},
    "02_build_cnn": {"data_source", "image_number", "seed"},
    "03_train_sgd": {
        "data_source", "network", "epochs", "batch_size", "learning_rate", "momentum", "seed",
        "device", "dtype", "threads", "train_images", "subset_images", "published_report",
        "run_folder", "resume",
    },
    "04_confusion_matrix": {
        "data_source", "run_folder", "own_labels", "network", "mistakes_shown",
        "neighbour_images", "occluded_images",
    },
    "05_debug_lab": {"data_source", "seed"},
    "07_train_better": {
        "data_source", "train", "step", "epochs", "seed", "device", "dtype", "threads",
        "train_images", "disturbed_images", "open_test", "few_folder", "many_folder",
        "parts_folder", "finals_folder", "run_folder", "resume",
    },
    "06_compare_runs": {"runs_folder", "runs_on", "published_folder", "simulations"},
    "08_many_processes": {
        "data_source", "train_images", "processes", "batch_sizes", "rounds",
    },
}  # fmt: skip


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    notebook = nbformat.read(request.param, as_version=4)
    notebook.path = request.param
    return notebook


def test_the_package_is_imported_before_pytorch(notebook):
    """Else the threads of PyTorch don't learn how to wait."""
    code = "\n".join(cell.source for cell in code_cells(notebook))
    imported = re.findall(r"^(?:import|from) (fmnist_lib|torch)\b", code, flags=re.MULTILINE)
    assert imported[0] == "fmnist_lib"


def test_valid(notebook):
    path = notebook.pop("path")
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3", path


def test_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_outputs_are_clean(notebook):
    assert "widgets" not in notebook.metadata
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert not any("widget" in kind for kind in output.get("data", {})), cell.source
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            text = str({k: v for k, v in output.get("data", {}).items() if k != "image/png"})
            text += output.get("text", "")
            for folder in FOLDERS_OF_A_MACHINE:
                assert folder not in text, text


def test_nothing_of_this_machine_is_in_the_file(notebook):
    assert traces_of_this_machine(notebook.path.read_text(encoding="utf-8")) == []


def test_stored_outputs_are_about_the_real_data(notebook):
    text = "".join(str(cell.outputs) for cell in code_cells(notebook))
    assert "zalando" in text and "GENERATED" not in text and "synthetic" not in text


def test_parameters(notebook):
    (cell,) = tagged(notebook, "parameters")
    names = set(re.findall(r"^(\w+):", cell.source, flags=re.M))
    assert names == EXPECTED_PARAMETERS[notebook.path.stem]


def test_the_comment_of_data_source_names_every_source(notebook):
    (cell,) = tagged(notebook, "parameters")
    for comment in re.findall(r"^data_source: .*#(.*)", cell.source, flags=re.M):
        assert {"auto", *SOURCES} <= set(re.findall(r"\w+", comment)), comment


def reads_and_writes(body):
    """The names that statements take from elsewhere, and those that they set."""
    read, written = set(), set()

    def follow(statements):
        for node in statements:
            if isinstance(node, ast.For):  # the target is set before the body runs
                simple([node.iter])
                follow([ast.Assign([node.target], ast.Constant(0), lineno=0)])
            elif isinstance(node, ast.While | ast.If):
                simple([node.test])
            elif isinstance(node, ast.With):
                for item in node.items:
                    simple([item.context_expr])
                    if item.optional_vars:
                        follow([ast.Assign([item.optional_vars], ast.Constant(0), lineno=0)])
            elif not isinstance(node, ast.Try):
                simple([node])
                continue
            handlers = [part for each in getattr(node, "handlers", []) for part in each.body]
            for part in (
                node.body,
                handlers,
                getattr(node, "orelse", []),
                getattr(node, "finalbody", []),
            ):
                follow(part)

    def simple(nodes):
        for node in nodes:
            table = symtable.symtable(ast.unparse(node), "cell", "exec")
            used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
            if isinstance(node, ast.AugAssign):  # for Python's table, only set
                used.add(ast.unparse(node.target))
            inner = table.get_children()
            while inner:  # functions, classes, comprehensions
                each = inner.pop()
                inner += each.get_children()
                used |= {s.get_name() for s in each.get_symbols() if s.is_global()}
            read.update(used - written)
            symbols = table.get_symbols()
            written.update(s.get_name() for s in symbols if s.is_assigned() or s.is_imported())

    follow(body)
    return read, written


def test_no_exercise_overwrites_what_an_earlier_cell_uses(notebook):
    """Else that cell fails, or shows something else, when a student runs it again."""
    used = set()
    for cell in code_cells(notebook):
        read, written = reads_and_writes(ast.parse(cell.source).body)
        if {"exercise", "quiz"} & {*cell.metadata.get("tags", [])}:
            assert not written & used, cell.source
        used |= read


@pytest.mark.parametrize(
    "source, read, written",
    [
        ("a = b", {"b"}, {"a"}),
        ("a = 1\nb = a", set(), {"a", "b"}),
        ("a = a + 1", {"a"}, {"a"}),
        ("a += 1", {"a"}, {"a"}),
        ("a, (b, *c) = d", {"d"}, {"a", "b", "c"}),
        ("a.b[c] = d", {"a", "c", "d"}, set()),
        ("for a in b:\n    print(a)", {"b", "print"}, {"a"}),
        ("with a as b:\n    b(c)", {"a", "c"}, {"b"}),
        ("if a:\n    b = 1\nelse:\n    c = b", {"a"}, {"b", "c"}),
        ("try:\n    a()\nexcept E:\n    b = 1", {"a"}, {"b"}),
        ("[a for a in b if c]", {"b", "c"}, set()),
        ("f = lambda a: a + b", {"b"}, {"f"}),
        ("def f(a):\n    c = a\n    return b + c", {"b"}, {"f"}),
        ("class A(B):\n    c = 1\n    def f(self): return d", {"B", "d"}, {"A"}),
        ("import a.b as c\nfrom d import e", set(), {"c", "e"}),
        ("x: int = 1", {"int"}, {"x"}),
    ],
)
def test_names_are_found(source, read, written):
    assert reads_and_writes(ast.parse(source).body) == (read, written)


def test_no_cell_sets_a_parameter_anew(notebook):
    """Else a cell further up sees another value when it is run again."""
    first, *others = [cell for cell in code_cells(notebook)]
    declared = reads_and_writes(ast.parse(first.source).body)[1]
    for cell in others:
        assert not declared & reads_and_writes(ast.parse(cell.source).body)[1], cell.source


# ------------------------------------------------------------------------ cells, one by one


def run_cells(stem, last, **given):
    """Execute the code cells of a notebook up to the one with the id `last`; its variables."""
    (path,) = [path for path in NOTEBOOKS if path.stem == stem]
    namespace = {"display": lambda shown: None, "In": [""]}
    for cell in code_cells(nbformat.read(path, as_version=4)):
        exec(compile(cell.source, cell.id, "exec"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace.update(given)
        if cell.id == last:
            return namespace
    raise ValueError(f"no cell {last}")


class Closed:
    """A test set that may be counted and nothing else."""

    def __len__(self):
        return 200

    def __getattr__(self, name):
        raise AssertionError(f"the test set is opened: {name}")


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_training_that_was_stopped_leaves_the_test_set_closed(epochs, drawn, tmp_path, capsys):
    """■ after the first epoch in notebook 3, and Run All goes on; with epochs = 1 that was all."""
    net, recipe, folder = Net(), Recipe(epochs=epochs), runs.claim(tmp_path)
    checkpoint = folder / "checkpoint.pt"
    history = [next(train.fit(net, *drawn, recipe, **ON_CPU, checkpoint=checkpoint))]
    split = drawn[1] if epochs == 1 else Closed()
    names = {
        "checkpoints": checkpoints, "evaluate": evaluate, "train": train, "runs": runs,
        "play": play, "checkpoint": checkpoint, "history": history, "last": history[-1],
        "data": FashionMNIST(*drawn, split, "synthetic"), "training": drawn[0], "network": "Net",
        "recipe": recipe, "epochs": epochs, "folder": folder, "compute_dtype": torch.float32,
        "compute_device": torch.device("cpu"),
    }  # fmt: skip
    (path,) = [path for path in NOTEBOOKS if path.stem == "03_train_sgd"]
    for cell in code_cells(nbformat.read(path, as_version=4)):
        if cell.id in ("03-33", "03-34"):
            exec(compile(cell.source, cell.id, "exec"), names)
    said, known = capsys.readouterr().out, runs.read(folder)["test_accuracy"] is not None
    assert (f"Stopped after epoch 1 of {epochs}, so the test set stays closed" in said) != known
    assert known == (epochs == 1)


@pytest.fixture(scope="module")
def generated():
    """The stand-in, drawn once for all the notebooks that load it."""
    return load(source="synthetic")


@pytest.fixture
def as_found():
    """The threads and the registered networks of this process are afterwards those of before."""
    threads, networks = torch.get_num_threads(), dict(NETWORKS)
    yield
    torch.set_num_threads(threads)
    NETWORKS.clear()
    NETWORKS.update(networks)


@pytest.mark.parametrize("stem", [path.stem for path in NOTEBOOKS])
def test_a_cell_can_run_again_in_any_order(stem, generated, as_found, monkeypatch, tmp_path):
    """In one namespace: exercises first, then all cells in order, then backwards, and once more so.

    Backwards twice, as after the first time everything is as the earliest cells leave it. On the
    quick copies with their solutions (conftest.py) and the generated images. Exercises and quizzes
    that need no more than the imports come first. No cell may raise, and what a cell prints or has
    as its last value may not change, but for measured times and the number of right answers.

    Not covered: other orders, pictures beyond their alt text, what a widget does, and torchrun:
    notebook 8 trains in this process. Notebooks 7 and 8 are slow, and go backwards once.
    """
    own = str(tmp_path / "own_labels.csv")
    given = {"data_source": "synthetic", "run_folder": str(tmp_path), "own_labels": own}
    given["train_images"] = 600
    if stem.startswith("04"):
        shutil.copy(checkpoints.shipped(), tmp_path / "checkpoint.pt")
    slow = stem.startswith(("07", "08"))
    if slow:
        given["processes"] = "1"
    if slow or stem.startswith(("01", "03", "04")):
        fewer = generated.train[:6000], generated.validation[:500], generated.test[:500]
        generated = FashionMNIST(*fewer, generated.source)
    monkeypatch.setattr(data, "load", lambda source: generated)
    monkeypatch.setattr(torchrun, "torchrun", functools.partial(in_this_process, {}))
    monkeypatch.setattr(IPython.display, "display", lambda *shown, **options: Mock())
    cells = code_cells(nbformat.read(COPIES / f"{stem}.ipynb", as_version=4))
    run_in_all_orders(cells, given, backwards=1 if slow else 2)


def run_in_all_orders(cells, given, backwards):
    """given: values of parameters, if the notebook has these. backwards: how often."""
    sources = [cell.source for cell in cells]
    (imports, *_) = [n for n, text in enumerate(sources) if "parameters.check(globals()" in text]
    known = set(dir(builtins)).union(*(names_of(cell)[1] for cell in cells[: imports + 1]))
    early = [n for n, cell in enumerate(cells) if asks(cell) and names_of(cell)[0] <= known]
    everything = range(len(cells))
    namespace, shown = {"display": lambda shown: None, "In": [""]}, {}
    back = [*reversed(everything)] * backwards
    for number in [*range(imports + 1), *early, *everything, *back]:
        output = output_of(cells[number], namespace)
        if number < imports:  # the cells with the parameters: the quick ones come last
            for later in range(number + 1, imports):
                output_of(cells[later], namespace)
            namespace.update({name: given[name] for name in given if name in namespace})
        assert shown.setdefault(number, output) == output, sources[number]


PARAMETERS_AND_IMPORTS = (
    "seed: int = 0",
    ("from fmnist_lib.lessons import parameters\nparameters.check(globals())"),
)


@pytest.mark.parametrize(
    "cells, fails",
    [
        (["x = seed", "x", "print(x)"], False),
        (["x = seed", "print(x)", "x = 2"], True),  # a name that has two meanings
        (["x = [seed]", "x.append(1)", "x"], True),
        (["x = [seed]", "del x"], True),
        (["import time", "f'{time.time()} seconds'"], False),
        (["x = seed", "### exercise\nx = 3", "x"], True),
    ],
)
def test_a_cell_that_can_not_run_again_is_found(cells, fails):
    made = [nbformat.v4.new_code_cell(source) for source in [*PARAMETERS_AND_IMPORTS, *cells]]
    for cell in made:
        cell.metadata["tags"] = ["exercise"] if "### exercise" in cell.source else []
    with pytest.raises((AssertionError, NameError)) if fails else contextlib.nullcontext():
        run_in_all_orders(made, {"seed": 1}, backwards=2)


def in_this_process(timed, processes, module, *options, seconds=600):
    """As `torchrun` runs a module of the course, with its command in it.

    timed: the table that the stopwatch has written; it times once, as what is said of times may be
    another word each time. The number of threads stays as it was: it changes last digits.
    """
    given = [str(option) for option in options]
    out = Path(given[given.index("--out") + 1])
    if timed and module.endswith("stopwatch"):
        return out.write_text(timed["table"])
    name = module.rpartition(".")[2]
    threads = torch.get_num_threads()
    try:
        getattr(importlib.import_module(module), name).main(given, standalone_mode=False)
    finally:
        torch.set_num_threads(threads)
    if module.endswith("stopwatch"):
        timed["table"] = out.read_text()


def asks(cell):
    return bool({"exercise", "quiz"} & {*cell.metadata.get("tags", [])})


def names_of(cell):
    return reads_and_writes(ast.parse(cell.source).body)


def output_of(cell, namespace):
    """Run a cell; what it prints, and its last value, without what may differ each time."""
    tree = ast.parse(cell.source)
    ends = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
    last = ast.Expression(tree.body.pop().value) if ends else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, cell.id, "exec"), namespace)
        value = eval(compile(last, cell.id, "eval"), namespace) if ends else None
    text = getattr(value, "alt", repr(value))  # of a figure
    text = re.sub(r" at 0x\w+|\(\d+ of \d+ right in this notebook\)", "", printed.getvalue() + text)
    if re.search(r"second|\d s\b|\btimes as fast|speed", text, re.I):
        text = re.sub(r"\d", "", text)
    return text


def test_an_image_that_is_not_there(monkeypatch, csv_root):
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    for number in (-1, 5134, 10**9):
        with pytest.raises(CourseError, match=f"image_number={number} is not from 0 to 5,133"):
            run_cells("02_build_cnn", "02-03", data_source="csv", image_number=number)


def test_no_answer_of_a_person_is_stored():
    """Of whoever executed the notebook: the game had not been played."""
    cells = {cell.id: cell for cell in nbformat.read(NOTEBOOKS[0], as_version=4).cells}
    assert cells["01-matrix"].outputs == cells["01-type"].outputs == []
    (path,) = [path for path in NOTEBOOKS if path.stem.startswith("04")]
    (yours,) = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id == "04-you"]
    assert yours.outputs == []
    assert not any("you said" in str(cell.get("outputs")) for cell in cells.values())


def test_answers_of_another_game_are_refused(small_csv, tmp_path):
    (tmp_path / "own.csv").write_text("position,label,yours\n1,2\n")
    for file, message in (("own.csv", "own.csv is no table of labels"), ("none.csv", None)):
        given = {"own_labels": str(tmp_path / file)} | small_csv
        if message is None:
            assert run_cells("01_explore_data", "01-matrix", **given)["mine"] is None
        else:
            with pytest.raises(CourseError, match=message):
                run_cells("01_explore_data", "01-matrix", **given)


def test_what_you_and_the_network_both_get_wrong(small_csv, tmp_path):
    path = tmp_path / "own_labels.csv"
    shutil.copy(checkpoints.shipped(), tmp_path / "checkpoint.pt")
    given = {"own_labels": str(path), "run_folder": str(tmp_path)} | small_csv
    none = run_cells("04_confusion_matrix", "04-you", **given)
    assert none["mine"] is None and "both_wrong" not in none
    split = load(source="csv").validation
    truth = split.labels[game.choose(split)].tolist()
    for yours in (truth, [game.TOPS[(game.TOPS.index(label) + 1) % 4] for label in truth]):
        game.write(path, split, yours)
        cells = run_cells("04_confusion_matrix", "04-you", **given)
        wrong = (torch.tensor(cells["said"]) != torch.tensor(truth)) & (yours != truth)
        assert cells["both_wrong"].tolist() == wrong.tolist() and len(cells["names"]) == wrong.sum()
        assert cells["title"].endswith(f"disagree with the label of {wrong.sum()} tops")
    assert wrong.any()  # on drawn images this network is often wrong


@pytest.fixture
def small_csv(monkeypatch, csv_root):
    """What the first cells of notebook 4 are given."""
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    return {"data_source": "csv"}


def test_classes_without_images_are_left_out(monkeypatch, tmp_path, drawn):
    """Notebook 4 on a data set of three classes, with a network that knows ten."""
    for name, split in zip(csv.FILES, drawn):
        few = split[split.labels < 3]
        csv.write(tmp_path / name, few.images, few.labels)
    shutil.copy(checkpoints.shipped(), tmp_path / "checkpoint.pt")
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path))
    given = {"data_source": "csv", "run_folder": str(tmp_path), "neighbour_images": 100}
    cells = run_cells("04_confusion_matrix", "04-map", **given)
    assert tuple(cells["report"].index) == data.CLASS_NAMES[:3]
    assert set(cells["nearest"].tolist()) == {0, 1, 2}
    shares = [int(share) for share in re.findall(r"(\d+)% by", cells["title"])]
    assert len(shares) == 2 and min(shares) > 50  # by chance it would be 33


def test_a_network_without_a_convolution_has_no_kernels():
    (path,) = [path for path in NOTEBOOKS if path.stem == "03_train_sgd"]
    (cell,) = [cell for cell in nbformat.read(path, as_version=4).cells if cell.id == "03-38"]
    names = {"nn": torch.nn, "plots": Mock(), "best_net": torch.nn.Linear(784, 10)}
    *body, last = ast.parse(cell.source).body
    exec(ast.unparse(body), names)
    assert eval(ast.unparse(last), names) == "It has no convolution."
    names["best_net"] = Net()
    exec(ast.unparse(body), names)
    eval(ast.unparse(last), names)
    names["plots"].small_maps.assert_called_once()


def test_a_run_folder_that_is_none(monkeypatch, small_csv, tmp_path):
    (tmp_path / "file").write_text("text")
    for folder in ("file", "file/below"):
        with pytest.raises(CourseError, match="There is no network in .*file.* Correct run_folder"):
            folder = str(tmp_path / folder)
            run_cells("04_confusion_matrix", "04-05", run_folder=folder, **small_csv)


def test_a_run_folder_that_may_not_be_looked_into(monkeypatch, small_csv, tmp_path):
    def forbidden(path, *arguments, **options):
        if str(path).startswith(f"{tmp_path}{os.sep}"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    stat = os.stat
    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(CourseError, match="checkpoint.pt can't be read: Permission denied. Ask"):
        run_cells("04_confusion_matrix", "04-05", run_folder=str(tmp_path), **small_csv)


def test_a_matrix_that_can_not_be_saved(monkeypatch, small_csv, tmp_path):
    shutil.copy(checkpoints.shipped(), tmp_path / "checkpoint.pt")
    (tmp_path / "confusion_matrix.csv").mkdir()
    with pytest.raises(CourseError, match="confusion_matrix.csv can't be written"):
        given = {"run_folder": str(tmp_path)} | small_csv
        run_cells("04_confusion_matrix", "04-13", **given)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "confusion_matrix.csv"]


def write_runs(folder, drawn, *recipes, source="synthetic"):
    for number, recipe in enumerate(recipes):
        best = 0.9 - 0.1 * number
        write_run(folder / f"{source}{number}", drawn, {"epochs": 3} | recipe, source, best)


def test_two_settings_are_named_in_the_title(monkeypatch, drawn, tmp_path):
    """Not as (np.float64(0.01), np.int64(75))."""
    recipes = [
        {"learning_rate": rate, "batch_size": size} for rate in (0.01, 0.1) for size in (75, 150)
    ]
    write_runs(tmp_path, drawn, *recipes)
    cells = run_cells("06_compare_runs", "c06-14", runs_folder=str(tmp_path))
    assert cells["best_setting_is"] == "batch_size 75, learning_rate 0.01"


@pytest.mark.parametrize(
    "recipes, title",
    [
        ([{"learning_rate": 0.01}, {"learning_rate": 0.1}], "learning_rate 0.01"),
        ([{"seed": 0}, {"seed": 1}], "data synthetic"),
        ([{"flip": True}, {"flip": False}], "flip True"),
        (
            [{"schedule": "one-cycle", "momentum": 0.95}, {}],
            "momentum 0.95, schedule one-cycle",
        ),
    ],
)
def test_other_settings_are_named_in_the_title(recipes, title, monkeypatch, drawn, tmp_path):
    write_runs(tmp_path, drawn, *recipes)
    cells = run_cells("06_compare_runs", "c06-14", runs_folder=str(tmp_path))
    assert sorted(cells["best_setting_is"].split(", ")) == sorted(title.split(", "))


def test_runs_on_data_that_none_was_made_on(monkeypatch, drawn, tmp_path):
    write_runs(tmp_path, drawn, {}, {"seed": 1})
    with pytest.raises(CourseError, match="runs_on='csv' is not one of auto, synthetic"):
        folder = str(tmp_path)
        run_cells("06_compare_runs", "c06-06", runs_folder=folder, runs_on="csv")


def test_no_cell_is_skipped_or_excused(notebook):
    for tag in ("nbval-skip", "nbval-ignore-output", "raises-exception"):
        assert tagged(notebook, tag) == []


def test_every_figure_has_alt_text(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) > 40, cell.source


def test_links_lead_somewhere(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        check_link(link, notebook.path.parent)


PAGES = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", ["README.md", "notebooks/README.md", "data/README.md", *PAGES])
def test_links_of_the_other_texts_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        check_link(link, (ROOT / name).parent)


def check_link(link, folder):
    """Within the course: the file is there. Outward: only the form, there may be no network."""
    address = urlsplit(link)
    if address.scheme:
        assert address.scheme in ("http", "https") and "." in address.netloc, link
        assert not re.search(r"\s", link), link
    else:
        assert (folder / address.path).exists(), link


def test_cells_are_short():
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    lengths = [len(cell.source.splitlines()) for nb in notebooks for cell in code_cells(nb)]
    assert statistics.median(lengths) <= 8 and max(lengths) <= 20


def test_the_folder_is_small():
    sizes = [path.stat().st_size for path in (ROOT / "notebooks").rglob("*") if path.is_file()]
    assert sum(sizes) <= 6e6


def test_objectives_time_and_recap(notebook):
    assert "you will" in notebook.cells[0].source
    assert re.search(r"Running all cells took [\d.]+ \w+ on: ", notebook.cells[0].source)
    assert "## Recap" in notebook.cells[-1].source
    assert notebook.cells[-1].source.count("\n- ") == notebook.cells[0].source.count("\n- ")


def test_reading_and_running_takes_no_longer_than_a_lesson(notebook):
    assert reading.measure(notebook.path).minutes <= 45


def test_the_table_for_teachers_has_the_measured_times():
    """Else: `python tests/reading.py`."""
    text = reading.README.read_text(encoding="utf-8")
    assert reading.with_measured_parts(reading.with_measured_rows(text)) == text
    rule = (
        f"{reading.WORDS_A_MINUTE} words a minute and half a minute for each code cell",
        f"{reading.MINUTES_AN_EXERCISE} minutes for each exercise and "
        f"{reading.MINUTES_A_QUESTION} for each question",
    )
    assert all(part in " ".join(text.split()) for part in rule) and reading.MINUTES_A_CELL == 0.5


def test_a_schedule_has_the_time_that_its_sections_take():
    rows = list(reading.PLANNED.finditer(reading.README.read_text(encoding="utf-8")))
    assert len(rows) >= 10
    for row in rows:
        begin, end = int(row[1]), int(row[2])
        assert reading.planned(row).minutes <= end - begin, row[0]


def test_enough_cells_are_compared():
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    compared = [cell for nb in notebooks for cell in tagged(nb, "nbval-check-output")]
    assert len(compared) >= 15
    assert all(cell.outputs for cell in compared)


def test_a_changed_output_is_noticed(tmp_path):
    """The whole scheme can fail: one altered digit in a stored output of notebook 02."""
    source = next(path for path in NOTEBOOKS if path.stem == "02_build_cnn")
    notebook = nbformat.read(source, as_version=4)
    (cell,) = [c for c in code_cells(notebook) if "sum 431,080" in str(c.outputs)]
    cell.outputs[0].text = cell.outputs[0].text.replace("431,080", "431,081")
    kept = [c for c in code_cells(notebook) if "import" in c.source][:1] + [cell]
    notebook.cells = kept
    nbformat.write(notebook, tmp_path / "altered.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env",
               "-p", "no:cacheprovider", str(tmp_path / "altered.ipynb")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(tmp_path))
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout, done.stdout
