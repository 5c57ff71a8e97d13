"""Parameters: the first cell that runs refuses what a notebook does not take."""

import os
import subprocess
import sys

import nbformat
import numpy as np
import papermill
import pytest
from papermill.translators import PythonTranslator

from fmnist_lib.course import execute
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import parameters

NOTEBOOKS = {path.stem: path for path in execute.notebooks()}
KINDS = {  # stem → name → annotation
    stem: {name: each["inferred_type_name"] for name, each in papermill.inspect_notebook(p).items()}
    for stem, p in NOTEBOOKS.items()
}
ALL = [(stem, name) for stem, kinds in KINDS.items() for name in kinds]


def run(*cells, **variables):
    """Execute cells as a kernel does, which keeps its inputs in `In`; returns the variables."""
    namespace = {"In": [""]} | variables
    for cell in cells:
        namespace["In"].append(cell)
        exec(compile(cell, "cell", "exec"), namespace)
    return namespace


def first_cells(stem):
    """The cell with the parameters, and the code cell after it."""
    code = [c for c in nbformat.read(NOTEBOOKS[stem], as_version=4).cells if c.cell_type == "code"]
    (place,) = [n for n, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    return code[place].source, code[place + 1].source


def run_first_cells(stem, **given):
    """The first cells as papermill runs them with these values."""
    declared, imports = first_cells(stem)
    return run(declared, PythonTranslator.codify(given, "Parameters"), imports)


# ------------------------------------------------------------------------------ every notebook


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_every_notebook_checks_its_parameters_right_after_the_imports(stem):
    _, imports = first_cells(stem)
    statements = imports.partition("\nparameters.check(globals()")
    assert statements[1] and "load(" not in imports
    assert all(line.startswith(("import ", "from ", "")) for line in statements[0].splitlines())


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_the_defaults_pass(stem):
    declared, imports = first_cells(stem)
    run(declared, imports)
    run_first_cells(stem)  # papermill without -p


@pytest.mark.parametrize("stem, name", ALL)
def test_a_misspelt_name_is_refused(stem, name):
    wrong = name[:-2] + name[-1] if len(name) > 3 else name + "s"
    with pytest.raises(CourseError) as error:
        run_first_cells(stem, **{wrong: 1})
    assert f"There is no parameter {wrong!r}. Did you mean {name}? Known" in str(error.value)


WRONG = {
    "int": ["two", "1e", 10.0, 1.5, True, None, [1], {}],
    "float": ["0,05", "", False, None, [0.1]],
    "bool": ["yes", "false", "", 0, 1, None],
    "str": [5, 0.5, True, None, ["a"]],
}
WORDS = {"int": "a whole number", "float": "a number, such", "bool": "True or False", "str": "text"}


@pytest.mark.parametrize("stem, name", ALL)
def test_a_value_of_another_type_is_refused(stem, name):
    kind = KINDS[stem][name]
    for value in WRONG[kind]:
        with pytest.raises(CourseError) as error:
            run_first_cells(stem, **{name: value})
        assert f"{name}={value!r} should be" in str(error.value) and WORDS[kind] in str(error.value)


LIMITS = [
    ("01_explore_data", "test_queries", 0, "test_queries=0 is not from 100 to 10,000"),
    ("01_explore_data", "test_queries", -5, "is not from"),
    ("01_explore_data", "test_queries", 10_001, "is not from"),
    ("01_explore_data", "permuted_images", 99, "permuted_images=99 is not from 100 to 55,000"),
    ("01_explore_data", "permuted_images", 60_000, "is not from"),
    ("02_build_cnn", "seed", 2**63, f"seed={2**63} is not from -9,223,"),
    ("03_train_sgd", "epochs", 0, "epochs=0 is not at least 1"),
    ("03_train_sgd", "momentum", 1.0, "momentum=1.0 is not at least 0 and below 1"),
    ("03_train_sgd", "train_images", 0, "train_images=0 is not from 1 to 55,000"),
    ("03_train_sgd", "train_images", -54_400, "is not from 1 to 55,000"),
    ("03_train_sgd", "train_images", 60_000, "is not from 1 to 55,000"),
    ("03_train_sgd", "train_images", 500, "subset_images=1000 is not from 1 to 500 (train_images)"),
    ("03_train_sgd", "subset_images", 0, "is not from 1 to 55,000 (train_images)"),
    ("03_train_sgd", "subset_images", -3, "is not from 1 to 55,000 (train_images)"),
    ("03_train_sgd", "threads", -1, "threads=-1 is not from 0 to 1,024"),
    ("05_debug_lab", "seed", 2**64, "is not at least -9223372036854775808 and below"),
    ("07_train_better", "train_images", 0, "train_images=0 is not from 1 to 55,000"),
    ("07_train_better", "disturbed_images", 0, "disturbed_images=0 is not from 1 to 10,000"),
    ("07_train_better", "disturbed_images", 10_001, "is not from 1 to 10,000"),
    ("07_train_better", "threads", 1025, "is not from 0 to 1,024"),
    ("07_train_better", "epochs", -1, "epochs=-1 is not at least 1"),
    ("07_train_better", "step", "nope", "step='nope' is not one of published, rate, "),
    ("04_confusion_matrix", "mistakes_shown", 0, "is not from 1 to 1,000"),
    ("04_confusion_matrix", "occluded_images", 1, "is not from 2 to 1,000"),
    ("04_confusion_matrix", "neighbour_images", 0, "is not from 1 to 55,000"),
    ("06_compare_runs", "runs_on", "zalnado", "is not one of auto, zalando, csv, idx, synthetic"),
    ("08_many_processes", "train_images", 0, "is not from 1 to 55,000"),
    ("08_many_processes", "processes", "1,two", 'such as "1,2"'),
    ("08_many_processes", "processes", "", 'such as "1,2"'),
    ("08_many_processes", "processes", "1;2", 'such as "1,2"'),
    ("08_many_processes", "processes", "0", "0 in processes='0' is not from 1 to 64"),
    ("08_many_processes", "processes", "1,-2", "-2 in processes="),
    ("08_many_processes", "processes", "1000", "is not from 1 to 64"),
    ("08_many_processes", "batch_sizes", "1", "1 in batch_sizes='1' is not from 2 to 2,400"),
    ("08_many_processes", "batch_sizes", "75,20000", "20000 in batch_sizes"),
    ("08_many_processes", "batch_sizes", "75,600.5", "should be whole numbers"),
    ("08_many_processes", "rounds", 1, "rounds=1 is not from 2 to 100"),
]


@pytest.mark.parametrize("stem, name, value, message", LIMITS)
def test_values_out_of_range_are_refused(stem, name, value, message):
    with pytest.raises(CourseError) as error:
        run_first_cells(stem, **{name: value})
    assert message in str(error.value)


def test_the_steps_that_are_known_are_those_that_the_notebook_takes():
    cells = nbformat.read(NOTEBOOKS["07_train_better"], as_version=4).cells
    names = ["steps", "seven-steps", "parts-steps", "twin-steps"]
    made = run(*first_cells("07_train_better"), *(c.source for c in cells if c.id in names))
    assert sorted(made["known"].split()) == sorted(made["steps"])


def test_the_processes_are_compared_with_one():
    assert run_first_cells("08_many_processes", processes=" 4, 2,4")["counts"] == [1, 2, 4]


# -------------------------------------------------------------------------------- the function

DECLARED = 'epochs: int = 25\nrate: float = 0.01\nname: str = "a"\nresume: bool = False'
CHECK = "from fmnist_lib.lessons import parameters\nparameters.check(globals())"


@pytest.mark.parametrize(
    "change",
    [
        "rate = 1",
        "rate = 1e1",
        "epochs = np.int64(3)",
        "rate = np.float32(0.5)",
        "resume = True",
        "name = ''",
    ],
)
def test_values_of_the_type_pass(change):
    run(DECLARED, f"# Parameters\n{change}\n", CHECK, np=np)


@pytest.mark.parametrize("change", ["resume = np.int64(1)", "epochs = np.float64(3)", "rate = np"])
def test_values_of_numpy_of_another_type_are_refused(change):
    with pytest.raises(CourseError, match="should be"):
        run(DECLARED, change, CHECK, np=np)


LATER = {
    "its own variables": "epoch, learnig_rate = 1, 2\ndef rates(): ...",
    "an annotated variable of another type": "total: int = 0\ntotal = total / 2",
    "a comment like papermill's": "# Parameters of my own\nmine = 1",
    "a comment just like papermill's": "# Parameters\nmine = 1",
    "a parameter with another value": "epochs = 3",
    "a parameter that is gone": "del epochs",
}


@pytest.mark.parametrize("what", LATER)
def test_a_student_may_run_the_cell_again_after(what):
    run(DECLARED, CHECK, LATER[what], CHECK, DECLARED, CHECK)


def test_inputs_that_are_no_python_are_passed_over():
    namespace = run(DECLARED)
    namespace["In"] += ["# Parameters\nthis is wrong", "this is wrong", "!ls", "%%time\n1"]
    parameters.check(namespace)


@pytest.mark.parametrize("inputs", [{}, {"In": []}, {"In": [""]}])
def test_outside_of_a_kernel_nothing_is_known(inputs):
    parameters.check({"epochs": "two"} | inputs)


def test_a_name_that_is_like_no_other():
    with pytest.raises(CourseError, match="'colour'. Known are: epochs, name, rate, resume.$"):
        run(DECLARED, "# Parameters\ncolour = 1\n", CHECK)


def test_the_values_that_are_allowed_may_be_a_list():
    with pytest.raises(CourseError, match="name='b' is not one of a, c. Correct it."):
        parameters.check({"name": "b"}, name=["a", "c"])


@pytest.mark.parametrize("text, numbers", [("1,2", [1, 2]), (" 2 , 1,2", [1, 2]), ("7", [7])])
def test_whole_numbers(text, numbers):
    assert parameters.whole_numbers("processes", text, range(1, 9)) == numbers


# ----------------------------------------------------------------------------------- papermill


@pytest.mark.parametrize(
    "stem, given, message",
    [
        ("03_train_sgd", "learnig_rate 0.05", "'learnig_rate'. Did you mean learning_rate?"),
        ("03_train_sgd", "learning_rate 0,05", "learning_rate='0,05' should be a number"),
        ("03_train_sgd", "seed 1e1", "seed=10.0 should be a whole number"),
        ("07_train_better", "epochs two", "epochs='two' should be a whole number"),
        ("08_many_processes", "processes 2", "processes=2 should be a text"),
    ],
)
def test_papermill_stops_at_once(stem, given, message, tmp_path):
    command = [sys.executable, "-m", "papermill", str(NOTEBOOKS[stem]), str(tmp_path / "out.ipynb")]
    done = subprocess.run(
        [*command, "-p", *given.split()],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "FMNIST_DATA": str(tmp_path)},
    )
    assert done.returncode != 0 and message in done.stderr.splitlines()[-2:][0], done.stderr
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert len([c for c in cells if c.get("execution_count")]) == 3
    assert os.listdir(tmp_path) == ["out.ipynb"]  # no data was looked for


def test_papermill_takes_a_number_as_text_with_another_option(tmp_path):
    """What the message says: -r."""
    declared, imports = first_cells("08_many_processes")
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(declared, metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(f"{imports}\nprint(counts)"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    nbformat.write(notebook, tmp_path / "first.ipynb")
    command = [sys.executable, "-m", "papermill", "first.ipynb", "out.ipynb", "-r", "processes"]
    subprocess.run([*command, "2"], check=True, capture_output=True, cwd=tmp_path)
    assert "[1, 2]" in (tmp_path / "out.ipynb").read_text()
