"""`fmnist run`: whole runs, and what is left when one fails or is stopped."""

import json
import logging
import os

import nbformat
import pytest
from conftest import small_disk, traces_of_this_machine, write_run
from nbformat.v4 import new_code_cell, new_notebook

from fmnist_lib import data
from fmnist_lib.course import cli, execute, run
from fmnist_lib.storage import paths


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Runs land in a temporary folder; the notebooks are the real ones."""
    monkeypatch.setattr(paths, "in_work_folder", lambda path: tmp_path / path)
    return tmp_path


QUICK = ["-p", "epochs", "1", "-p", "train_images", "600", "-p", "subset_images", "75",
         "-p", "mistakes_shown", "6", "-p", "disturbed_images", "100",
         "-p", "neighbour_images", "500", "-p", "occluded_images", "2"]  # fmt: skip


def test_the_course_runs_from_one_command(project, csv_root, capsys, tmp_path_factory, monkeypatch):
    """Three of the notebooks: that which trains, that which looks at it, and one beside them."""
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    chosen = [path for path in execute.notebooks() if path.stem[:2] in ("03", "04", "07")]
    monkeypatch.setattr(run, "notebooks_here", lambda: chosen)
    planted = {
        "HOME": str(tmp_path_factory.mktemp("alice")),
        "USER": "alice-of-class-4",
        "LOGNAME": "alice-of-class-4",
        "ACCESS_TOKEN": "a-secret-token-of-alice",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    status = cli.main(["run", "--name", "quick", "-p", "data_source", "csv", *QUICK])
    printed = capsys.readouterr().out
    folder = project / "runs" / "quick"
    assert status == 0
    for file in ("metrics.json", "checkpoint.pt", "confusion_matrix.csv"):
        assert str(folder / file) in printed and (folder / file).stat().st_size > 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"]["source"] == "csv" and metrics["data"]["train"] == 600
    assert metrics["notes"] == {}  # of notebook 3; notebook 7 trains only when asked to
    assert not (folder / "07_train_better").exists()
    for path in chosen:
        executed = nbformat.read(folder / path.name, as_version=4)
        assert not any(value in str(executed) for value in planted.values())
        assert traces_of_this_machine(str(executed)) == []
        assert str(paths.course()) not in str(executed)
        assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")


def test_generated_images_are_said(tmp_path, drawn, capsys):
    assert run.prepare_data("synthetic") == "synthetic"
    assert "GENERATED IMAGES" in capsys.readouterr().out
    write_run(tmp_path / "run", drawn)
    run.print_summary(tmp_path / "run")
    assert "GENERATED IMAGES" in capsys.readouterr().out


@pytest.fixture
def tiny_course(project, drawn, monkeypatch):
    """Make a function that replaces the course by notebooks of a few cells."""
    parameters = [
        "epochs: int = 1  # passes",
        "rate: float = 0.1  # step size",
        'data_source: str = "auto"  # where from',
        'run_folder: str = "runs/x"  # where the result goes',
        "resume: bool = False  # go on",
    ]
    result = """import pathlib
folder = pathlib.Path(run_folder)
folder.mkdir(parents=True, exist_ok=True)
(folder / "metrics.json").write_text("{}")"""
    loaded = data.FashionMNIST(*drawn, drawn[1], "synthetic")
    monkeypatch.setattr(run.data, "load", lambda source: loaded)
    monkeypatch.setattr(run, "print_summary", lambda folder: None)

    def write(**sources):
        paths = [project / f"{name}.ipynb" for name in sources]
        first = new_code_cell("\n".join(parameters), metadata={"tags": ["parameters"]})
        for path, source in zip(paths, sources.values()):
            cells = [first, new_code_cell(result), new_code_cell(source), new_code_cell("1 + 1")]
            nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": PYTHON}), path)
        monkeypatch.setattr(run, "notebooks_here", lambda: paths)
        return project / "runs" / "mine"

    return write


PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}


def test_a_failing_cell_leaves_the_notebook_and_a_message(tiny_course, capsys):
    folder = tiny_course(good="2", bad="1 / 0")
    assert cli.main(["run", "--name", "mine"]) == 1
    message = capsys.readouterr().err
    assert "bad.ipynb failed in cell 4: ZeroDivisionError: division by zero" in message
    assert str(folder / "bad.ipynb") in message
    cells = nbformat.read(folder / "bad.ipynb", as_version=4).cells
    failed = next(cell for cell in cells if cell.source == "1 / 0")
    assert failed.outputs[0].ename == "ZeroDivisionError" and not cells[-1].execution_count
    assert (folder / "good" / "metrics.json").exists()
    assert not (folder / "bad" / "metrics.json").exists()


def test_a_kernel_that_dies(tiny_course, capsys):
    folder = tiny_course(bad="import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert cli.main(["run", "--name", "mine"]) == 1
    assert "its kernel died, as it does when the memory is full" in capsys.readouterr().err
    assert not (folder / "bad" / "metrics.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C as POSIX does")
def test_a_stopped_run_goes_on_where_it_was(tiny_course, capsys):
    interrupt = """import os, signal, time
if not resume:
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(60)"""
    folder = tiny_course(first="2", second=interrupt, third="3")
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "2"]) == 130
    logging.disable(logging.NOTSET)
    assert "fmnist run --name mine -p epochs 2 --resume" in capsys.readouterr().err
    assert run.is_complete(folder / "first.ipynb")
    assert not run.is_complete(folder / "second.ipynb")
    before = (folder / "first.ipynb").stat().st_mtime_ns
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "2", "--resume"]) == 0
    assert (folder / "first.ipynb").stat().st_mtime_ns == before
    assert all(run.is_complete(folder / f"{name}.ipynb") for name in ("first", "second", "third"))


COUNT = (
    "import pathlib\nwith open(pathlib.Path(run_folder) / 'times', 'a') as file: file.write('x')"
)


def times(folder, name):
    return (folder / name / "times").read_text().count("x")


def test_a_resumed_run_with_more_epochs_is_made_anew(tiny_course):
    folder = tiny_course(first=COUNT, second=COUNT)
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "2"]) == 0
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "2", "--resume"]) == 0
    assert times(folder, "first") == times(folder, "second") == 1
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "3", "--resume"]) == 0
    assert times(folder, "first") == times(folder, "second") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["-p", "epochs", "1"], "with other parameters: epochs=2, now 1. Give those again"),
        (["-p", "epochs", "2", "-p", "rate", "0.5"], "rate=0.1, now 0.5"),
        (["-p", "epochs", "3", "-p", "rate", "0.5"], "epochs=2, now 3, rate=0.1, now 0.5"),
        (["-p", "epochs", "2", "-p", "data_source", "csv"], "data_source='synthetic', now 'csv'"),
    ],
)
def test_a_run_is_not_gone_on_with_as_another_one(
    tiny_course, drawn, monkeypatch, capsys, change, message
):
    folder = tiny_course(first=COUNT, second=COUNT)
    assert cli.main(["run", "--name", "mine", "-p", "epochs", "2"]) == 0
    if "csv" in change:
        loaded = data.FashionMNIST(*drawn, drawn[1], "csv")
        monkeypatch.setattr(run.data, "load", lambda source: loaded)
    assert cli.main(["run", "--name", "mine", *change, "--resume"]) == 1
    assert message in capsys.readouterr().err
    assert times(folder, "first") == times(folder, "second") == 1


def test_a_run_of_another_notebook_is_not_gone_on_with(tiny_course, capsys):
    tiny_course(first="2")
    assert cli.main(["run", "--name", "mine"]) == 0
    tiny_course(first="3")
    assert cli.main(["run", "--name", "mine", "--resume"]) == 1
    assert "first.ipynb has changed since" in capsys.readouterr().err


def test_a_notebook_that_names_its_own_folder_has_not_changed(tiny_course, project, capsys):
    """What is executed has its paths shortened."""
    tiny_course(first=f"where = {str(paths.course() / 'notebooks')!r}")
    assert cli.main(["run", "--name", "mine"]) == 0
    assert cli.main(["run", "--name", "mine", "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        lambda nb: nb["cells"][0]["metadata"].update(tags=None),
        lambda nb: nb["cells"].clear(),
        lambda nb: nb.pop("cells"),
        lambda nb: nb["cells"][1].update(source=5),
        lambda nb: nb["cells"][0].update(source="seed: int = 2**3"),
        lambda nb: nb["cells"][0].update(source="seed: int = "),
        lambda nb: nb["cells"].append(None),
    ],
)
def test_a_damaged_notebook_is_refused_before_anything_runs(
    tiny_course, project, monkeypatch, capsys, damage
):
    tiny_course(first="1", second="2")
    path = project / "second.ipynb"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    monkeypatch.setattr(run, "execute", None)
    assert cli.main(["run", "--name", "mine"]) == 1
    said = capsys.readouterr().err
    assert f"fmnist: {path}" in said and said.count("\n") == 1
    assert not (project / "runs").exists()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a\\b", " ", "-p", ".hidden", "a:b"])
def test_a_name_that_is_no_folder(project, capsys, name):
    assert cli.main(["run", f"--name={name}"]) == 1
    assert "is not the name of a folder" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_nothing_to_go_on_with(project, capsys):
    assert cli.main(["run", "--name", "never", "--resume"]) == 1
    assert "to go on with. Give the --name of a stopped run" in capsys.readouterr().err


def test_a_full_disk_loses_nothing_that_was_complete(tiny_course, project, capsys):
    (project / "runs").mkdir()
    with small_disk(project / "runs", "2m"):
        folder = tiny_course(first="2", second="print('much ' * 1_000_000)")
        assert cli.main(["run", "--name", "mine"]) == 1
        assert "can't be written: No space left on device. Make room" in capsys.readouterr().err
        assert run.is_complete(folder / "first.ipynb")
        assert (folder / "first" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "learning_rat", "1"], "Did you mean learning_rate?"),
        (["-p", "epochs", "many"], "epochs='many' is not of type int"),
        (["-p", "device", "gpu"], "device='gpu' is unknown"),
        (["-p", "dtype", "float16"], "dtype='float16' is unknown"),
        (["-p", "data_source", "mnist"], "data_source='mnist' is not one of auto, zalando, csv"),
        (["-p", "epochs", "0"], "epochs=0 is not at least 1"),
        (["-p", "learning_rate", "nan"], "learning_rate=nan is not at least"),
        (["-p", "network", "Nope"], "network='Nope' is not one of Net, RawNet, "),
        (["-p", "step", "nope"], "step='nope' is not one of published, rate, "),
        (["-p", "test_queries", "1"], "test_queries=1 is not from 100 to 10,000"),
        (["-p", "run_folder", "x"], "run_folder is set for each run by the command. Leave it out"),
        (["-p", "resume", "true"], "resume is set for each run by the command. Leave it out."),
        (["--name", ""], "--name '' is not the name of a folder"),
        (["-p", "train_images", "500"], "subset_images=1000 is not from 1 to 500 (train_images)"),
        (
            ["-p", "train_images", "500", "-p", "subset_images", "100"],
            "600 in batch_sizes='75,600' is not from 2 to 500",
        ),
    ],
)
def test_a_run_refuses_before_it_starts(project, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(run, "execute", None)  # no notebook is run
    assert cli.main(["run", "--name", "never", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_a_run_stays_inside_its_folder(project, capsys):
    assert cli.main(["run", "--name", "../elsewhere"]) == 1
    assert "is not the name of a folder" in capsys.readouterr().err


def test_a_run_never_overwrites_another(project, capsys):
    (project / "runs" / "mine").mkdir(parents=True)
    assert cli.main(["run", "--name", "mine"]) == 1
    assert "exists already. Choose another --name" in capsys.readouterr().err
