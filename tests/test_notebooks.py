"""Guards over the committed notebooks. Their cells are run by nbval, see conftest.py."""

import ast
import os
import re
import shutil
import statistics
import subprocess
import symtable
import sys
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from conftest import traces_of_this_machine, write_run

from fmnist_lib import checkpoints
from fmnist_lib.course import execute
from fmnist_lib.errors import CourseError
from fmnist_lib.sources import SOURCES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = execute.notebooks()
FOLDERS_OF_A_MACHINE = ("/home/", "/Users/", "/tmp/", ":\\\\", f"{Path.home()}/", f"{ROOT}/")
EXPECTED_PARAMETERS = {
    "01_explore_data": {"data_source", "test_queries"},
    "02_build_cnn": {"data_source", "image_number", "seed"},
    "03_train_sgd": {
        "data_source", "network", "epochs", "batch_size", "learning_rate", "momentum", "seed",
        "device", "dtype", "threads", "train_images", "subset_images", "published_report",
        "run_folder", "resume",
    },
    "04_confusion_matrix": {"data_source", "run_folder", "network", "mistakes_shown"},
    "05_train_better": {
        "data_source", "train", "step", "epochs", "seed", "device", "dtype", "threads",
        "train_images", "disturbed_images", "open_test", "steps_folder", "finals_folder",
        "run_folder", "resume",
    },
    "06_compare_runs": {"runs_folder", "runs_on"},
    "07_many_processes": {"data_source", "train_images", "processes", "batch_sizes"},
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


def test_an_image_that_is_not_there(monkeypatch, csv_root):
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    for number in (-1, 600, 10**9):
        with pytest.raises(CourseError, match=f"image_number={number} is not from 0 to 599"):
            run_cells("02_build_cnn", "02-03", data_source="csv", image_number=number)


@pytest.fixture
def small_csv(monkeypatch, csv_root):
    """What the first cells of notebook 4 are given."""
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    return {"data_source": "csv"}


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
        run_cells("04_confusion_matrix", "04-31", **given)
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
    assert cells["title"] == "Best mean: batch_size 75, learning_rate 0.01"


@pytest.mark.parametrize(
    "recipes, title",
    [
        ([{"learning_rate": 0.01}, {"learning_rate": 0.1}], "Best mean: learning_rate 0.01"),
        ([{"seed": 0}, {"seed": 1}], "Best mean: data synthetic"),
        ([{"flip": True}, {"flip": False}], "Best mean: flip True"),
        (
            [{"schedule": "one-cycle", "momentum": 0.95}, {}],
            "Best mean: momentum 0.95, schedule one-cycle",
        ),
    ],
)
def test_other_settings_are_named_in_the_title(recipes, title, monkeypatch, drawn, tmp_path):
    write_runs(tmp_path, drawn, *recipes)
    cells = run_cells("06_compare_runs", "c06-14", runs_folder=str(tmp_path))
    assert sorted(cells["title"].removeprefix("Best mean: ").split(", ")) == sorted(
        title.removeprefix("Best mean: ").split(", ")
    )


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


@pytest.mark.parametrize("name", ["README.md", "notebooks/README.md", "data/README.md"])
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


def test_enough_cells_are_compared():
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    compared = [cell for nb in notebooks for cell in tagged(nb, "nbval-check-output")]
    assert len(compared) >= 15
    assert all(cell.outputs for cell in compared)


def test_a_changed_output_is_noticed(tmp_path):
    """The whole scheme can fail: one altered digit in a stored output of notebook 02."""
    source = next(path for path in NOTEBOOKS if path.stem == "02_build_cnn")
    notebook = nbformat.read(source, as_version=4)
    (cell,) = [c for c in code_cells(notebook) if "431,080" in str(c.outputs)]
    cell.outputs[0].text = cell.outputs[0].text.replace("431,080", "431,081")
    kept = [c for c in code_cells(notebook) if "import" in c.source][:1] + [cell]
    notebook.cells = kept
    nbformat.write(notebook, tmp_path / "altered.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env",
               "-p", "no:cacheprovider", str(tmp_path / "altered.ipynb")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(tmp_path))
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout, done.stdout
