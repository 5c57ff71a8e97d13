"""Sweeps of notebook 03 on small CSV files: planning, failures, resuming, a Dask cluster."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import filelock
import nbformat
import pytest
import torch
from conftest import write_run

from fmnist_lib import data, runs
from fmnist_lib.course import cli, execute, solutions, sweep
from fmnist_lib.errors import CourseError

NOTEBOOK = next(path for path in execute.notebooks() if path.stem == "03_train_sgd")
QUICK = [("data_source", "csv"), ("epochs", "1"), ("train_images", "600"),
         ("subset_images", "100"), ("dtype", "float32")]  # fmt: skip
VOLATILE = {"training_seconds", "evaluation_seconds", "device_name"}


@pytest.fixture
def quick(csv_root, monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))


def command(out, *options, values="0:8"):
    quick = [text for pair in QUICK for text in ("-p", *pair)]
    return [sys.executable, "-m", "fmnist_lib.course.cli", "sweep", str(NOTEBOOK), *quick,
            "-p", "seed", values, "--out", str(out), *map(str, options)]  # fmt: skip


def complete(out):
    return sorted(path.parent.name for path in Path(out).glob("*/metrics.json"))


def lasting(folder):
    """What of a run's metrics must not depend on where and when it ran."""
    metrics = {k: v for k, v in runs.read(folder).items() if k not in VOLATILE}
    for epoch in metrics["history"]:
        del epoch["seconds"], epoch["evaluation_seconds"]
    return metrics


# ---------------------------------------------------------------------------------- planning


def plan(*parameters, out="runs/x"):
    return sweep.plan(NOTEBOOK, list(parameters), Path(out), threads=1)


def test_the_product_of_all_values():
    jobs = plan(("learning_rate", "0.001, 1e-2"), ("seed", "0:3"), ("published_report", "false"))
    assert len(jobs) == 6
    assert jobs[3].parameters == {"learning_rate": 0.01, "seed": 0, "published_report": False}
    assert jobs[3].name == "learning_rate=0.01,seed=0,published_report=False"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            [("learning_rat", "0.1")],
            "There is no parameter 'learning_rat'. Did you mean learning_rate?",
        ),
        ([("epochs", "1,two")], "epochs='two' is not of type int"),
        ([("epochs", "0.5")], "epochs='0.5' is not of type int"),
        ([("seed", "5:5")], "seed '5:5' has no value"),
        ([("seed", " , ")], "seed ' , ' has no value"),
        ([("seed", "1,2,1")], "one value twice"),
        ([("learning_rate", "0.1,1e-1")], "one value twice"),
        ([("seed", "1"), ("seed", "2")], "The parameter seed is given twice"),
        ([], "No parameter to vary"),
        ([("run_folder", "x")], "run_folder is set for each run"),
        ([("resume", "true,false")], "resume is set for each run by the command. Leave it out."),
        ([("seed", "0:1000000")], "seed has 1,000,000 values. A sweep has up to 10,000 runs"),
        ([("seed", "0:101"), ("epochs", "1:101")], "These are 10,100 runs. A sweep has up to"),
        ([("seed", f"0:{'9' * 5000}")], "is not of type int"),
        ([("device", "cpu,gpu")], "device='gpu' is unknown. Choose auto, cpu"),
        ([("dtype", "float32,float64")], "dtype='float64' is unknown. Choose auto, float32"),
        ([("train_images", "100,50"), ("subset_images", "60")], "is not from 1 to 50"),
        ([("device", "../cpu")], "can't be the name of a folder"),
        ([("epochs", "1,0")], "epochs=0 is not at least 1"),
        ([("network", "Net,Nope")], "network='Nope' is not one of Net, RawNet, "),
        ([("data_source", "mnist")], "data_source='mnist' is not one of auto, zalando"),
    ],
)
def test_a_wrong_parameter_stops_the_sweep_before_any_run(parameters, message, tmp_path):
    with pytest.raises(CourseError, match=re.escape(message)):
        sweep.sweep(NOTEBOOK, parameters, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_notebook():
    with pytest.raises(
        CourseError, match=r"There is no file .*33.ipynb. The course has notebooks/01_"
    ):
        sweep.plan("33.ipynb", [("seed", "1")], Path("x"), 1)


def test_a_notebook_without_result():
    with pytest.raises(CourseError, match="02_build_cnn.ipynb has no parameter run_folder"):
        sweep.plan("notebooks/02_build_cnn.ipynb", [("seed", "1")], Path("x"), 1)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="can't be written: Not a directory"):
        sweep.sweep(NOTEBOOK, [("seed", "1")], tmp_path / "file" / "out")


def test_the_comparison_overwrites_no_notebook_of_somebody(tmp_path):
    page = tmp_path / sweep.PAGE
    page.write_bytes(NOTEBOOK.with_name(sweep.PAGE).read_bytes())
    for out in (tmp_path, NOTEBOOK.parent):
        with pytest.raises(CourseError, match="06_compare_runs.ipynb is not the comparison of a"):
            sweep.sweep(NOTEBOOK, [("seed", "1")], out)
    assert page.read_bytes() == NOTEBOOK.with_name(sweep.PAGE).read_bytes()
    notebook = nbformat.read(page, as_version=4)
    notebook.metadata.papermill = {"parameters": {"runs_folder": str(tmp_path)}}
    nbformat.write(notebook, page)
    sweep._require_place(page)


@pytest.mark.parametrize("numbers", [{"workers": 0}, {"threads": 0}, {"threads": 10**9}])
def test_no_worker(numbers, tmp_path):
    with pytest.raises(CourseError, match="numbers of 1 or more"):
        sweep.sweep(NOTEBOOK, [("seed", "1")], tmp_path / "out", **numbers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--timeout", "nan"], "--timeout is a number of seconds above 0"),
        (["--timeout", "inf"], "--timeout is a number of seconds above 0, up to 86,400"),
        (["--timeout", "-1"], "-1.0 is not in the range"),
        (["--timeout", "0"], "0.0 is not in the range"),
        (["--scheduler", " "], "--scheduler is empty. Give its address"),
        (["--scheduler", "foo"], "No Dask scheduler answers at foo within 10 seconds"),
        (["--scheduler", "foo://x:1"], "No Dask scheduler answers at foo://x:1 within"),
    ],
)
def test_a_scheduler_that_is_none(tmp_path, capsys, options, message):
    pytest.importorskip("distributed")
    arguments = ["sweep", str(NOTEBOOK), "-p", "seed", "1", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, *options]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_cluster_may_have_devices_that_are_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CourseError, match='device="cuda" is not available'):
        plan(("device", "cuda"))
    (job,) = sweep.plan(NOTEBOOK, [("device", "cuda")], Path("runs/x"), None, here=False)
    assert job.parameters == {"device": "cuda"}


@pytest.mark.parametrize("name", ["sw\udce4", "sw\0"])
def test_a_folder_that_a_notebook_cannot_be_given(tmp_path, name):
    with pytest.raises(CourseError, match="Take another."):
        sweep.sweep(NOTEBOOK, [("seed", "1")], f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_no_scheduler_answers(tmp_path):
    pytest.importorskip("distributed")
    start = time.perf_counter()
    with pytest.raises(CourseError, match="No Dask scheduler answers at tcp://127.0.0.1:9 within"):
        sweep.sweep(
            NOTEBOOK, [("seed", "1")], tmp_path / "out", scheduler="tcp://127.0.0.1:9", timeout=2
        )
    assert time.perf_counter() - start < 10
    assert complete(tmp_path / "out") == []


def test_a_sweep_as_a_file(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "notebook: notebooks/03_train_sgd.ipynb\n"
        "parameters:\n  learning_rate: [1e-3, 0.01]\n  seed: 1:5\n  published_report: false\n"
        "out: runs/lr\n"
    )
    read = sweep.read_file(file)
    assert (read["notebook"], read["out"]) == ("notebooks/03_train_sgd.ipynb", "runs/lr")
    jobs = plan(*read["parameters"])
    assert len(jobs) == 8 and jobs[-1].parameters["seed"] == 4  # YAML would read 1:5 as 65
    assert jobs[0].parameters["learning_rate"] == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is no YAML"),
        ("- 1", "is not a sweep"),
        ("notebook: [a]\nparameters: {seed: 1}", "notebook is one path. Write it behind"),
        ("notebook: {a: b}\nparameters: {seed: 1}", "notebook is one path"),
        ("notebook: ~\nparameters: {seed: 1}", "names no notebook"),
        ("notebook: a\nout: [a, b]\nparameters: {seed: 1}", "out is one path"),
        ("notebook: a\nparameters: {seed: 1, seed: 2}", "seed is given twice"),
        ("notebook: a\nnotebook: b\nparameters: {seed: 1}", "notebook is given twice"),
        ("notebook: a\nparameters: {seed: ~}", "seed has a value that is not a plain"),
        ("notebook: a\nparameters: {~: 1}", "has a value that is not a plain"),
        ("notebook: a\nparameters: ~", "is not a sweep"),
        ("[" * 10_000, "is no YAML"),
        ("parameters: {seed: 1}", "names no notebook"),
        ("notebook: x.ipynb\nparameters: {seed: {a: 1}}", "seed has a value that is not a plain"),
        ("notebook: x.ipynb\nparameters: {seed: 1}\nworker: 2", "has an entry 'worker'"),
        (
            "notebook: x.ipynb\nparameters:\n  rate: 0,01",
            "rate has the value '0,01'. Write",
        ),
    ],
)
def test_a_wrong_file(tmp_path, text, message):
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(CourseError, match=message):
        sweep.read_file(tmp_path / "sweep.yaml")


@pytest.mark.parametrize("nothing", ["", "~", "null", "' '"])
def test_a_file_without_a_folder(tmp_path, capsys, nothing):
    (tmp_path / "sweep.yaml").write_text(
        f"notebook: {NOTEBOOK}\nparameters: {{seed: 1}}\nout: {nothing}\n"
    )
    assert cli.main(["sweep", str(tmp_path / "sweep.yaml")]) == 1
    assert "No folder for the runs. Give one" in capsys.readouterr().err


def test_a_text_like_nothing_is_a_text(tmp_path):
    (tmp_path / "sweep.yaml").write_text('notebook: "~"\nparameters: {seed: 1}\nout: nullified')
    read = sweep.read_file(tmp_path / "sweep.yaml")
    assert (read["notebook"], read["out"]) == ("~", "nullified")


def test_a_missing_file(tmp_path):
    with pytest.raises(CourseError, match="no file"):
        sweep.read_file(tmp_path / "none.yaml")


# ----------------------------------------------------------------------------------- running


def test_a_failed_run_is_reported_and_the_others_go_on(quick, tmp_path, capsys):
    out = tmp_path / "out"
    options = [text for pair in QUICK for text in ("-p", *pair)]
    arguments = ["sweep", str(NOTEBOOK), *options, "-p", "batch_size", "75,601", "--out", str(out)]
    assert cli.main(arguments) == 1
    printed = capsys.readouterr()
    assert "batch_size=601 is more than the 600 training images" in printed.out
    assert "1 of 2 runs failed" in printed.err
    assert "failed   data_source=csv" in printed.out
    (done,) = complete(out)
    assert "batch_size=75" in done
    (failed,) = (out / sweep.FAILED).iterdir()
    assert {path.name for path in failed.iterdir()} == {"03_train_sgd.ipynb", "log.txt"}
    assert not (out / sweep.UNFINISHED).exists()
    assert (out / "06_compare_runs.ipynb").exists()


def test_a_run_is_the_notebook_without_its_lesson(quick, tmp_path):
    (job,) = plan(*QUICK, out=tmp_path)
    assert sweep.run_job(job) is None
    assert {path.name for path in job.folder.iterdir()} == {
        "03_train_sgd.ipynb", "checkpoint.pt", "log.txt", "metrics.json"
    }  # fmt: skip
    notebook = json.loads((job.folder / "03_train_sgd.ipynb").read_text())
    text = json.dumps(notebook)
    assert "Open the test set" in text and "DataLoader" not in text
    assert sweep.UNFINISHED not in text  # the place where it ran is gone
    assert "epoch  1/1" in (job.folder / "log.txt").read_text()
    assert sweep.find_missing([job], tmp_path) == []


def texts_below(folder):
    """Every file under a folder that is a text, by its path."""
    return {
        path: path.read_text(encoding="utf-8", errors="replace")
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def test_a_run_holds_no_solution(quick, tmp_path):
    """The exercises of notebook 4 are no lesson. It makes no result, so its run is a failed one."""
    path = NOTEBOOK.with_name("04_confusion_matrix.ipynb")
    given = [("data_source", "csv"), ("mistakes_shown", "6")]
    (job,) = sweep.plan(path, given, tmp_path / "out", 1)
    assert "There is no network in" in sweep.run_job(job)
    texts = texts_below(tmp_path / "out" / sweep.FAILED)
    assert {path.name for path in texts} >= {"04_confusion_matrix.ipynb", "log.txt"}
    source = nbformat.read(path, as_version=4)
    for path, text in texts.items():
        assert solutions.leaks(source, text) == [] and "SOLUTION" not in text, path
        found = nbformat.reads(text, as_version=4) if path.suffix == ".ipynb" else text
        assert solutions.leaks(source, found) == []


def test_a_solution_that_could_stay_stops_a_sweep(tiny, tmp_path):
    notebook = nbformat.read(tiny(), as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("# BEGIN SOLUTION\nx = 42\n# END SOLUTION"))
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    with pytest.raises(CourseError, match="tiny.ipynb, cell 3: .* looks like a solution marker"):
        sweep.sweep(tmp_path / "tiny.ipynb", [("seed", "1")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tag", ["exercise", "quiz"])
def test_a_students_own_answers_do_not_stop_a_sweep(tiny, tmp_path, tag):
    """In a student's copy no markers are left around them."""
    notebook = nbformat.read(tiny(), as_version=4)
    cell = nbformat.v4.new_code_cell("checks.rows(42)", metadata={"tags": [tag]})
    notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    (job,) = sweep.plan(tmp_path / "tiny.ipynb", [("seed", "1")], tmp_path / "out", 1)
    assert sweep.run_job(job) is None
    assert "checks.rows" not in (job.folder / "tiny.ipynb").read_text()


def test_braces_in_a_path_are_braces(tiny, tmp_path):
    """To papermill they are places for parameters."""
    folder = tmp_path / "of {seed} and {nobody}"
    folder.mkdir()
    path = tiny().rename(folder / "{tiny}.ipynb")
    (job,) = sweep.plan(path, [("seed", "1")], folder / "out", 1)
    assert sweep.run_job(job) is None
    assert (job.folder / path.name).exists() and sweep.find_missing([job], folder / "out") == []


def test_a_folder_with_another_notebooks_run(tmp_path):
    (job,) = plan(("seed", "1"), out=tmp_path)
    job.folder.mkdir(parents=True)
    with pytest.raises(CourseError, match="holds no run of 03_train_sgd.ipynb"):
        sweep.find_missing([job], tmp_path)


# A notebook that trains nothing: it copies a result that is there.
COPIES = """import shutil
from pathlib import Path
Path(run_folder).mkdir(parents=True, exist_ok=True)
shutil.copy({!r}, run_folder)"""


@pytest.fixture
def tiny(tmp_path, drawn):
    """Make a notebook with two parameters, of which `rate` has this default."""
    result = write_run(tmp_path / "result", drawn)

    def make(rate=0.1):
        parameters = f'seed: int = 0\nrate: float = {rate}\nrun_folder: str = ""'
        cells = [
            nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(COPIES.format(str(result))),
        ]
        kernel = {"name": "python3", "display_name": "Python", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "tiny.ipynb")
        return tmp_path / "tiny.ipynb"

    return make


def test_a_run_is_known_by_its_values_whatever_their_order(tiny, tmp_path):
    def missing(*parameters, notebook):
        jobs = sweep.plan(notebook, list(parameters), tmp_path / "out", 1)
        return [job.name for job in sweep.find_missing(jobs, tmp_path / "out")]

    notebook, out = tiny(), tmp_path / "out"
    for job in sweep.plan(notebook, [("seed", "0:2"), ("rate", "0.1")], out, 1):
        assert sweep.run_job(job) is None
    assert missing(("rate", "0.1"), ("seed", "0:2"), notebook=notebook) == []
    assert missing(("seed", "0:3"), notebook=notebook) == ["seed=2"]  # 0.1 is the default
    assert missing(("seed", "0"), ("rate", "0.1,0.2"), notebook=notebook) == ["seed=0,rate=0.2"]
    assert missing(("seed", "0:2"), notebook=tiny(rate=0.5)) == ["seed=0", "seed=1"]


def test_a_default_that_has_changed_is_noticed(tiny, tmp_path):
    out = tmp_path / "out"
    (job,) = sweep.plan(tiny(), [("seed", "0")], out, 1)
    assert sweep.run_job(job) is None
    (job,) = sweep.plan(tiny(rate=0.5), [("seed", "0")], out, 1)
    with pytest.raises(CourseError, match=r"with these values: rate=0.1, now 0.5. Give another"):
        sweep.find_missing([job], out)


def test_a_comparison_that_fails_does_not_hide_the_runs_that_failed(tiny, tmp_path, monkeypatch):
    def compare(folder):
        raise CourseError("06_compare_runs.ipynb failed.")

    monkeypatch.setattr(sweep, "compare", compare)
    monkeypatch.setattr(sweep, "run_jobs", lambda jobs, pool: 1)
    with pytest.raises(CourseError, match="1 of 2 runs failed.*And no comparison: 06_comp"):
        sweep.sweep(tiny(), [("seed", "0:2")], tmp_path / "out")


@pytest.mark.parametrize(
    "values", ["0,01", "0.1,-0,5", "1,02", "0,5", "1,0", ",01", ",5", "0.1,", "0.1,,0.2"]
)
def test_decimal_commas(values):
    with pytest.raises(CourseError, match="looks like a decimal comma"):
        plan(("learning_rate", values))


def test_zero_is_a_number():
    assert [job.parameters["seed"] for job in plan(("seed", "0,1"))] == [0, 1]
    assert [job.parameters["momentum"] for job in plan(("momentum", "0,0.9"))] == [0, 0.9]


def test_a_notebook_that_has_changed_is_noticed(tiny, tmp_path):
    """As `fmnist run` does: also for a run that would only stand beside the older ones."""
    out = tmp_path / "out"
    (job,) = sweep.plan(tiny(), [("seed", "0")], out, 1)
    assert sweep.run_job(job) is None
    notebook = nbformat.read(tiny(), as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("Words."))
    lesson = nbformat.v4.new_code_cell("1", metadata={"tags": ["lesson"]})
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    assert sweep.find_missing([job], out) == []
    notebook.cells.append(lesson)
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    assert sweep.find_missing([job], out) == []
    notebook.cells.append(nbformat.v4.new_code_cell("rate = 5"))
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    for seed in ("0", "1"):
        jobs = sweep.plan(tmp_path / "tiny.ipynb", [("seed", seed)], out, 1)
        with pytest.raises(CourseError, match="tiny.ipynb has changed since .* Give another --out"):
            sweep.find_missing(jobs, out)


def test_a_run_that_was_damaged_is_said(tiny, tmp_path):
    (job,) = sweep.plan(tiny(), [("seed", "0")], tmp_path / "out", 1)
    assert sweep.run_job(job) is None
    (job.folder / "tiny.ipynb").write_text('{"cells": [')
    with pytest.raises(CourseError, match="seed=0/tiny.ipynb can't be read as a notebook"):
        sweep.find_missing([job], tmp_path / "out")


def test_all_runs_of_a_sweep_take_one_source(drawn, monkeypatch, tmp_path):
    """What auto is now, as for `fmnist run`: real and generated images would be mixed."""

    def settled(seeds, found, *more):
        loaded = data.FashionMNIST(*drawn, drawn[1], found)
        monkeypatch.setattr(data, "load", lambda source: loaded)
        return sweep.settle_sources(plan(("seed", seeds), *more, out=tmp_path))

    (job,) = settled("0", "synthetic")
    assert job.source == "synthetic" and job.name == "seed=0"
    executed = nbformat.read(NOTEBOOK, as_version=4)
    executed.cells = sweep._without_lesson(NOTEBOOK).cells
    executed.metadata.papermill = {"parameters": job.given}
    write_run(job.folder, drawn)
    nbformat.write(executed, job.folder / NOTEBOOK.name)
    assert sweep.find_missing([job], tmp_path) == []
    with pytest.raises(CourseError, match="data_source='synthetic', now 'zalando'. Give another"):
        sweep.find_missing(settled("0,1", "zalando"), tmp_path)
    with pytest.raises(CourseError, match="auto,zalando names one source twice: auto is zalando"):
        settled("0", "zalando", ("data_source", "auto,zalando"))


@pytest.mark.parametrize("text", ["", "{}", '{"cells": [], "metadata": {}, "nbformat": 4}'])
def test_a_file_that_is_no_notebook(tmp_path, text):
    (tmp_path / "bad.ipynb").write_text(text)
    with pytest.raises(CourseError, match="bad.ipynb can't be read as a notebook"):
        sweep.plan(tmp_path / "bad.ipynb", [("seed", "1")], Path("x"), 1)


def test_a_notebook_of_the_course_by_its_name_alone():
    (by_name,) = sweep.plan("03_train_sgd.ipynb", [("seed", "1")], Path("x"), 1)
    assert by_name.notebook == str(NOTEBOOK)


def test_a_dead_kernel_is_a_failed_run(tmp_path):
    cells = [
        nbformat.v4.new_code_cell(
            'seed: int = 0\nrun_folder: str = ""', metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_code_cell("import os\nos._exit(1)"),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "dies.ipynb")
    (job,) = sweep.plan(tmp_path / "dies.ipynb", [("seed", "1")], tmp_path / "out", 1)
    assert "DeadKernelError" in sweep.run_job(job)
    assert not job.folder.exists()


def test_killed_five_times_and_resumed(quick, tmp_path):
    """SIGKILL at random moments: nothing half-done stays, nothing complete is done again."""
    out, chance = tmp_path / "out", random.Random(4)
    sweep_command = command(out, "--workers", 2, values="0:5")
    written = {}
    for _ in range(5):
        process = subprocess.Popen(sweep_command, start_new_session=True)
        time.sleep(chance.uniform(5, 12))
        process.kill()
        process.wait()
        time.sleep(2)  # kernels notice within a second that their parent is gone
        for name in complete(out):
            stamp = (out / name / "metrics.json").stat().st_mtime_ns
            assert written.setdefault(name, stamp) == stamp, f"{name} was run again"
    done = subprocess.run(sweep_command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"5 runs, {len(written)} of them complete" in done.stdout
    assert len(complete(out)) == 5
    for name, stamp in written.items():
        assert (out / name / "metrics.json").stat().st_mtime_ns == stamp
    assert list(out.rglob("*.part")) == [] and not (out / sweep.UNFINISHED).exists()
    assert {path.name for path in out.iterdir()} - set(complete(out)) == {
        "06_compare_runs.ipynb", ".lock"
    }  # fmt: skip


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_ctrl_c_stops_at_once_and_leaves_no_process(quick, tmp_path):
    out = tmp_path / "out"
    with open(tmp_path / "stderr.txt", "w") as stderr:
        process = subprocess.Popen(command(out), stderr=stderr)
    deadline = time.monotonic() + 60
    while not list(out.glob(f"{sweep.UNFINISHED}/*/*.ipynb")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert "The same command goes on from here" in (tmp_path / "stderr.txt").read_text()
    deadline = time.monotonic() + 30  # a kernel that is just starting notices a little later
    while (listed := str(out) in processes()) and time.monotonic() < deadline:
        time.sleep(1)
    assert not listed
    (attempt,) = (out / sweep.UNFINISHED).iterdir()
    before = {path: path.stat().st_mtime_ns for path in attempt.rglob("*")}
    time.sleep(1)
    assert before == {path: path.stat().st_mtime_ns for path in attempt.rglob("*")}


def test_two_sweeps_into_one_folder(quick, tmp_path):
    with filelock.FileLock(tmp_path / ".lock"):
        with pytest.raises(CourseError, match="Another sweep is at work"):
            sweep.sweep(NOTEBOOK, [*QUICK, ("seed", "1")], tmp_path)


# --------------------------------------------------------------------------------- a cluster


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def cluster(quick, tmp_path):
    """`dask scheduler` and two `dask worker` processes on loopback: (address, workers)."""
    pytest.importorskip("distributed")
    dask = [sys.executable, "-m", "dask"]
    address = f"tcp://127.0.0.1:{free_port()}"
    logs = open(tmp_path / "cluster.log", "w")
    start = {"stdout": logs, "stderr": logs, "start_new_session": True, "cwd": tmp_path}
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2],
         "--no-dashboard"], **start,
    )  # fmt: skip
    workers = [
        subprocess.Popen(
            [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--name", name,
             "--local-directory", str(tmp_path)], **start,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    yield address, workers
    for process in (*workers, scheduler):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    logs.close()


def test_dask_loses_a_worker_and_no_run(cluster, tmp_path):
    address, workers = cluster
    out = tmp_path / "dask"
    process = subprocess.Popen(
        command(out, "--scheduler", address, "--timeout", 60, values="0:4"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not complete(out) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(workers[0].pid, signal.SIGKILL)  # with its nanny: the machine is gone
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert len(complete(out)) == 4
    assert not (out / sweep.FAILED).exists()

    here = tmp_path / "here"
    done = subprocess.run(
        command(here, "--workers", 2, "--threads", 1, values="0:4"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert complete(here) == complete(out)
    for name in complete(here):
        assert lasting(here / name) == lasting(out / name)


# ------------------------------------------------------------------------------- comparison


def test_the_comparison_never_mixes_real_and_generated_runs(tmp_path, drawn):
    for seed in range(2):
        given = {"learning_rate": 0.1, "seed": seed, "epochs": 3}
        write_run(tmp_path / f"real{seed}", drawn, given, source="zalando", best=0.8 + seed / 10)
        write_run(tmp_path / f"drawn{seed}", drawn, given, source="synthetic", best=0.99)
    page = nbformat.read(sweep.compare(tmp_path), as_version=4)
    outputs = "".join(str(cell.get("outputs", "")) for cell in page.cells)
    assert not any("### BEGIN SOLUTION" in cell.source for cell in page.cells)
    assert "2 runs on zalando" in outputs and "0.85" in outputs  # the mean of 0.8 and 0.9
    assert "0.99" not in outputs and "GENERATED" not in outputs


def test_the_comparison_of_runs_that_left_the_test_set_closed(tmp_path, drawn):
    write_run(tmp_path / "run", drawn, test_accuracy=None)
    assert "left the test set closed" in sweep.compare(tmp_path).read_text(encoding="utf-8")


def test_the_comparison_names_runs_that_diverged(tmp_path, drawn):
    for seed, loss in enumerate((0.3, float("nan"), float("inf"))):
        given = {"learning_rate": 0.1 * (seed + 1), "seed": 0}
        write_run(tmp_path / f"{seed}", drawn, given, best=0.8 + seed / 20, last_loss=loss)
    page = nbformat.read(sweep.compare(tmp_path), as_version=4)
    outputs = "".join(str(cell.get("outputs", "")) for cell in page.cells)
    assert "2 of them diverged" in outputs and "Best mean: learning_rate 0.1" in outputs


def test_the_comparison_counts_a_run_once(tmp_path, drawn):
    for name in ("a", "the same again"):
        write_run(tmp_path / name, drawn, {"seed": 1})
    write_run(tmp_path / "b", drawn, {"seed": 2})
    page = nbformat.read(sweep.compare(tmp_path), as_version=4)
    outputs = "".join(str(cell.get("outputs", "")) for cell in page.cells)
    assert "the same seed and settings: the same again" in outputs
    assert "2 runs on synthetic" in outputs
