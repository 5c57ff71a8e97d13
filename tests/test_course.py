"""The `fmnist` command, whole runs, results on disk."""

import json
import logging
import os
import subprocess
import sys

import nbformat
import papermill
import pytest
import torch
from conftest import small_disk, traces_of_this_machine
from nbformat.v4 import new_code_cell, new_notebook

from fmnist_lib import data, evaluate, train
from fmnist_lib.course import cli, doctor, results, run, sweep
from fmnist_lib.errors import CourseError

KNOWN = {
    "epochs": {"inferred_type_name": "int"},
    "learning_rate": {"inferred_type_name": "float"},
    "published_report": {"inferred_type_name": "bool"},
    "data_source": {"inferred_type_name": "str"},
}


def test_parameters_take_the_declared_types():
    texts = [("epochs", "2"), ("learning_rate", "1e-3"), ("published_report", "False"),
             ("data_source", "csv")]  # fmt: skip
    values = run.parse_parameters(texts, KNOWN)
    assert values == {"epochs": 2, "learning_rate": 0.001, "published_report": False,
                      "data_source": "csv"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("epoch", "2", "There is no parameter 'epoch'. Did you mean epochs"),
        ("epochs", "2.5", "epochs='2.5' is not of type int"),
        ("learning_rate", "fast", "is not of type float"),
        ("published_report", "maybe", "is not of type bool"),
    ],
)
def test_wrong_parameters(name, text, message):
    with pytest.raises(CourseError, match=message):
        run.parse_parameters([(name, text)], KNOWN)


def test_every_parameter_has_a_type_and_a_meaning():
    for path in run.notebooks():
        for name, spec in papermill.inspect_notebook(path).items():
            assert spec["inferred_type_name"] in ("int", "float", "bool", "str"), (path.name, name)
            assert len(spec["help"]) > 10, (path.name, name)


# ---------------------------------------------------------------------------------- results


@pytest.fixture
def written(tmp_path, drawn):
    write_run(tmp_path, drawn)
    return tmp_path


def write_run(folder, drawn, parameters=None, source="synthetic", best=0.8, last_loss=0.3, **test):
    history = [
        train.Epoch(n, 3, loss, 0.5, 0.9, accuracy, test, 2.0, 0.5)
        for n, loss, accuracy, test in
        [(1, 1.0, 0.6, 0.58), (2, 0.5, best, 0.70), (3, last_loss, 0.7, 0.73)]
    ]  # fmt: skip
    labels = drawn[1].labels
    results.write(
        folder,
        parameters=parameters or {"epochs": 3, "seed": 7},
        data=data.FashionMNIST(drawn[0], drawn[1], drawn[1], source),
        train_images=600,
        device=torch.device("cpu"),
        dtype=torch.float32,
        history=history,
        **test
        or {
            "test_accuracy": 0.70,
            "test_loss": 0.9,
            "confusion_matrix": evaluate.confusion_matrix(labels, labels),
        },
    )


def test_metrics_say_what_made_them(written):
    metrics = results.read(written)
    assert metrics["data"] == {"source": "synthetic", "train": 600, "validation": 200, "test": 200}
    assert metrics["best_epoch"] == 2 and metrics["validation_accuracy"] == 0.8
    assert metrics["published_report"]["best_test_accuracy"] == 0.73
    assert metrics["published_report"]["mean_test_accuracy"] == pytest.approx(0.67)
    assert metrics["training_seconds"] == 6.0 and len(metrics["history"]) == 3
    assert metrics["device"] == "cpu" and metrics["dtype"] == "float32"
    assert set(metrics["versions"]) == {"python", *results.PACKAGES}
    assert [p.name for p in written.iterdir()] == ["metrics.json"]


def test_headline_separates_the_honest_from_the_published_way(written):
    table = results.headline(results.read(written))
    assert "GENERATED" in table["data"]
    assert table["test accuracy, epoch chosen on validation"] == "70.00% (epoch 2)"
    assert table["published way: best test accuracy"] == "73.00%"


def test_a_run_that_leaves_the_test_set_closed(tmp_path, drawn):
    write_run(tmp_path / "run", drawn, test_accuracy=None, notes={"network": "Net"})
    metrics = results.read(tmp_path / "run")
    assert metrics["test_accuracy"] is None and metrics["confusion_matrix"] is None
    assert metrics["notes"] == {"network": "Net"}
    headline = results.headline(metrics)
    assert headline["test accuracy, epoch chosen on validation"] == "the test set was not opened"
    table, _ = results.read_all(tmp_path)
    assert table["test_accuracy"].isna().all()
    assert "left the test set closed" in sweep.compare(tmp_path).read_text(encoding="utf-8")


def test_a_run_without_an_epoch_has_no_result(tmp_path, drawn):
    with pytest.raises(CourseError, match="No epoch is complete"):
        results.write(
            tmp_path,
            parameters={},
            data=data.FashionMNIST(drawn[0], drawn[1], drawn[1], "synthetic"),
            train_images=600,
            device=torch.device("cpu"),
            dtype=torch.float32,
            history=[],
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is missing"), ("{", "is not JSON"), ('{"format": 0}', "has format 0")],
)
def test_unreadable_metrics(tmp_path, content, message):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(CourseError, match=message):
        results.read(tmp_path)


def test_all_runs_of_a_folder(tmp_path, drawn):
    for rate in (0.1, 0.01):
        for seed in (0, 1):
            given = {"learning_rate": rate, "seed": seed, "epochs": 3}
            write_run(tmp_path / f"{rate},{seed}", drawn, given, best=0.75 + rate)
    write_run(tmp_path / "failed" / "0.1,2", drawn)  # not beside the others: no complete run
    runs, epochs = results.read_all(tmp_path)
    assert list(runs.index) == ["0.01,0", "0.01,1", "0.1,0", "0.1,1"]
    assert results.varied(runs) == ["learning_rate"]
    assert runs["validation_accuracy"].tolist() == [0.76, 0.76, 0.85, 0.85]
    assert runs["images_per_second"].unique() == [600 * 3 / 6.0]
    assert len(epochs) == 12 and epochs.loc["0.1,1", "epoch"].tolist() == [1, 2, 3]


def test_real_and_generated_runs_are_told_apart(tmp_path, drawn):
    write_run(tmp_path / "a", drawn, source="zalando")
    write_run(tmp_path / "b", drawn, source="synthetic")
    runs, _ = results.read_all(tmp_path)
    assert runs["data"].to_dict() == {"a": "zalando", "b": "synthetic"}
    assert results.varied(runs) == []


def test_the_comparison_never_mixes_real_and_generated_runs(tmp_path, drawn):
    for seed in range(2):
        given = {"learning_rate": 0.1, "seed": seed, "epochs": 3}
        write_run(tmp_path / f"real{seed}", drawn, given, source="zalando", best=0.8 + seed / 10)
        write_run(tmp_path / f"drawn{seed}", drawn, given, source="synthetic", best=0.99)
    page = nbformat.read(sweep.compare(tmp_path), as_version=4)
    outputs = "".join(str(cell.get("outputs", "")) for cell in page.cells)
    assert "2 runs on zalando" in outputs and "0.85" in outputs  # the mean of 0.8 and 0.9
    assert "0.99" not in outputs and "GENERATED" not in outputs


def test_a_run_that_diverged_is_recorded_and_never_the_best(tmp_path, drawn):
    for seed, loss in enumerate((0.3, float("nan"), float("inf"))):
        given = {"learning_rate": 0.1 * (seed + 1), "seed": 0}
        write_run(tmp_path / f"{seed}", drawn, given, best=0.8 + seed / 20, last_loss=loss)
    content = (tmp_path / "1" / "metrics.json").read_text()
    assert json.loads(content, parse_constant=pytest.fail)["diverged"] is True  # no NaN in it
    assert "in epoch 3" in results.headline(results.read(tmp_path / "1"))["DIVERGED"]
    runs, _ = results.read_all(tmp_path)
    assert runs["diverged"].tolist() == [False, True, True]
    assert runs["validation_accuracy"].idxmax() == "0" and runs["test_accuracy"].count() == 1
    page = nbformat.read(sweep.compare(tmp_path), as_version=4)
    outputs = "".join(str(cell.get("outputs", "")) for cell in page.cells)
    assert "2 of them diverged" in outputs and "Best mean: learning_rate = 0.1" in outputs


def test_a_run_that_diverged_at_once_has_no_accuracy(tmp_path, drawn):
    lost = train.Epoch(1, 3, float("nan"), 0.1, float("nan"), 0.1, None, 2.0, 0.5)
    results.write(
        tmp_path / "run",
        parameters={"seed": 0},
        data=data.FashionMNIST(drawn[0], drawn[1], drawn[1], "synthetic"),
        train_images=600,
        device=torch.device("cpu"),
        dtype=torch.float32,
        history=[lost],
    )
    metrics = results.read(tmp_path / "run")
    assert metrics["best_epoch"] == 0 and metrics["validation_accuracy"] is None
    assert metrics["history"][0]["train_loss"] is None
    assert "initial weights" in results.headline(metrics)["validation accuracy of that epoch"]
    with pytest.raises(CourseError, match="Every run diverged"):
        results.require_finished(results.read_all(tmp_path)[0])


def test_a_run_that_begins_removes_the_result_of_the_one_before(written):
    (written / "checkpoint.pt").write_text("kept until the first epoch is complete")
    assert results.new_run(written) == written
    assert [path.name for path in written.iterdir()] == ["checkpoint.pt"]


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(CourseError, match="no run in .* Make some"):
        results.read_all(tmp_path)


# ------------------------------------------------------------------------------- whole runs


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Runs land in a temporary folder; the notebooks are the real ones."""
    notebooks = run.notebooks()
    monkeypatch.setattr(run, "notebooks", lambda: notebooks)
    monkeypatch.setattr(results, "project_root", lambda: tmp_path)
    return tmp_path


QUICK = ["-p", "epochs", "1", "-p", "train_images", "2000", "-p", "subset_images", "150",
         "-p", "test_queries", "300", "-p", "mistakes_shown", "6",
         "-p", "disturbed_images", "300", "-p", "batch_sizes", "75"]  # fmt: skip


def test_the_course_runs_from_one_command(project, capsys, tmp_path_factory, monkeypatch):
    planted = {
        "HOME": str(tmp_path_factory.mktemp("alice")),
        "USER": "alice-of-class-4",
        "LOGNAME": "alice-of-class-4",
        "ACCESS_TOKEN": "a-secret-token-of-alice",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    status = cli.main(["run", "--name", "quick", "-p", "data_source", "synthetic", *QUICK])
    printed = capsys.readouterr().out
    folder = project / "runs" / "quick"
    assert status == 0
    for file in ("metrics.json", "checkpoint.pt", "confusion_matrix.csv"):
        assert str(folder / file) in printed and (folder / file).stat().st_size > 0
    assert "GENERATED IMAGES" in printed and "GENERATED stand-in" in printed
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"]["source"] == "synthetic" and metrics["data"]["train"] == 2000
    assert metrics["notes"] == {}  # of notebook 3; notebook 5 has a folder of its own:
    assert results.read(folder / "05_train_better")["notes"]["network"] == "ResidualNet"
    for path in run.notebooks():
        executed = nbformat.read(folder / path.name, as_version=4)
        text = "".join(str(cell.get("outputs")) for cell in executed.cells)
        assert "GENERATED IMAGES" in text or path.stem == "06_compare_runs"  # about stored runs
        assert not any(value in str(executed) for value in planted.values())
        assert traces_of_this_machine(str(executed)) == []
        assert str(data.project_root()) not in str(executed)
        assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code")


@pytest.fixture
def tiny_course(project, drawn, monkeypatch):
    """Make a function that replaces the course by notebooks of a few cells."""
    parameters = [
        "epochs: int = 1  # passes",
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
        monkeypatch.setattr(run, "notebooks", lambda: paths)
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
        (["-p", "data_source", "mnist"], "source='mnist' is unknown"),
    ],
)
def test_a_run_refuses_before_it_starts(project, capsys, arguments, message):
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


def fmnist(*arguments, root):
    """The real command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "fmnist_lib.course.cli", *arguments],
        env=os.environ | {"FMNIST_DATA": str(root)},
        capture_output=True,
        text=True,
    )


def test_a_torn_file_ends_with_one_paragraph_and_a_status(data_folder):
    path = data.raw_folder(data_folder) / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(b"torn")
    done = fmnist("run", root=data_folder)
    assert done.returncode == 1
    assert "is torn or altered" in done.stderr and "Delete this file" in done.stderr
    assert "Traceback" not in done.stderr and "\n" not in done.stderr.strip()


def test_a_bad_csv_ends_with_one_paragraph_and_a_status(tmp_path, drawn):
    for split, name in zip(drawn, data.CSV_FILES, strict=True):
        data.write_csv(split, tmp_path / name)
    path = tmp_path / data.CSV_FILES[1]
    path.write_text(path.read_text().replace("\n", "\n1", 1))  # 5 becomes 15, say
    done = fmnist("run", "-p", "data_source", "csv", root=tmp_path)
    assert done.returncode == 1
    assert "line 2: label 1" in done.stderr and "Labels are 0 to 9" in done.stderr
    assert "Traceback" not in done.stderr and "\n" not in done.stderr.strip()


def test_csv_command(data_folder, tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["csv", str(tmp_path / "csv")]) == 0
    assert "600 images" in capsys.readouterr().out
    again = data.read_csv(tmp_path / "csv" / "fashion-mnist_train.csv")
    assert torch.equal(again.images, drawn[0].images)


# ----------------------------------------------------------------------------------- doctor


def test_doctor_on_a_good_machine(data_folder, monkeypatch, capsys):
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "Fashion-MNIST, MD5 verified" in printed and "The course can run here." in printed
    assert all(f"ok    {what}" in printed for what in ("Python", "torch", "device", "dtype"))


def test_doctor_finds_torn_data(data_folder, monkeypatch, capsys):
    (data.raw_folder(data_folder) / "t10k-labels-idx1-ubyte.gz").write_bytes(b"torn")
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL  data" in printed and "is torn" in printed and "To mend: data." in printed


def test_doctor_says_where_missing_data_belongs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path))
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"4 of 4 files missing in {data.raw_folder(tmp_path)}" in printed


def test_doctor_explains_a_torchvision_of_another_build(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    status, _, found, remedy = doctor.check_package("torchvision")
    assert status == "FAIL" and "torchvision::nms" in found
    assert "different builds" in remedy and "--force-reinstall" in remedy


def test_doctor_without_a_browser(monkeypatch):
    monkeypatch.setattr(doctor, "find_browser", lambda: None)
    status, _, _, remedy = doctor.check_browser()
    assert status == "note" and "install Chromium" in remedy
