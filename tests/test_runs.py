"""Results on disk: one file a run, and what reads them."""

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ON_CPU, new_net, write_run
from forked import FORKS, notebook_3

from fmnist_lib import checkpoints, runs, train
from fmnist_lib.data import FashionMNIST
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import paths
from fmnist_lib.versions import PACKAGES


@pytest.fixture
def written(tmp_path, drawn):
    write_run(tmp_path, drawn)
    return tmp_path


def test_metrics_say_what_made_them(written):
    metrics = runs.read(written)
    assert metrics["data"] == {"source": "synthetic", "train": 600, "validation": 200, "test": 200}
    assert metrics["best_epoch"] == 2 and metrics["validation_accuracy"] == 0.8
    assert metrics["published_report"]["best_test_accuracy"] == 0.73
    assert metrics["published_report"]["mean_test_accuracy"] == pytest.approx(0.67)
    assert metrics["training_seconds"] == 6.0 and len(metrics["history"]) == 3
    assert metrics["device"] == "cpu" and metrics["dtype"] == "float32"
    assert metrics["versions"].keys() == {"python", *PACKAGES}
    assert [p.name for p in written.iterdir()] == ["metrics.json"]


def test_headline_separates_the_honest_from_the_published_way(written):
    table = runs.headline(runs.read(written))
    assert "GENERATED" in table["data"]
    assert table["test accuracy, epoch chosen on validation"] == "70.00% (epoch 2)"
    assert table["published way: best test accuracy"] == "73.00%"


def test_a_run_that_leaves_the_test_set_closed(tmp_path, drawn):
    write_run(tmp_path / "run", drawn, test_accuracy=None, notes={"network": "Net"})
    metrics = runs.read(tmp_path / "run")
    assert metrics["test_accuracy"] is None and metrics["confusion_matrix"] is None
    assert metrics["notes"] == {"network": "Net"}
    headline = runs.headline(metrics)
    assert headline["test accuracy, epoch chosen on validation"] == "the test set was not opened"
    table, _ = runs.read_all(tmp_path)
    assert table["test_accuracy"].isna().all()


def test_a_run_without_an_epoch_has_no_result(tmp_path, drawn):
    with pytest.raises(CourseError, match="No epoch is complete"):
        runs.write(
            tmp_path,
            recipe=Recipe(),
            history=[],
            data=FashionMNIST(drawn[0], drawn[1], drawn[1], "synthetic"),
            train_images=600,
            device=torch.device("cpu"),
            dtype=torch.float32,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        ("{", "is not JSON"),
        ('{"format": 0}', "has format 0"),
        ("[]", "has format None"),
        ("{}", "has format None"),
    ],
)
def test_unreadable_metrics(tmp_path, content, message):
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(CourseError, match=message):
        runs.read(tmp_path)


def test_a_result_of_the_course_is_restored_and_not_deleted(tmp_path, monkeypatch):
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(CourseError, match="is not JSON. Delete it and run again."):
        runs.read(tmp_path)
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    with pytest.raises(CourseError, match="is not JSON. It comes with the course: restore it"):
        runs.read(tmp_path)


def test_all_runs_of_a_folder(tmp_path, drawn):
    for rate in (0.1, 0.01):
        for seed in (0, 1):
            given = {"learning_rate": rate, "seed": seed, "epochs": 3}
            write_run(tmp_path / f"{rate},{seed}", drawn, given, best=0.75 + rate)
    write_run(tmp_path / "failed" / "0.1,2", drawn)  # not beside the others: no complete run
    table, epochs = runs.read_all(tmp_path)
    assert list(table.index) == ["0.01,0", "0.01,1", "0.1,0", "0.1,1"]
    assert runs.varied(table) == ["learning_rate"]
    assert table["validation_accuracy"].tolist() == [0.76, 0.76, 0.85, 0.85]
    assert table["images_per_second"].unique() == [600 * 3 / 6.0]
    assert len(epochs) == 12 and epochs.loc["0.1,1", "epoch"].tolist() == [1, 2, 3]


def test_a_step_of_notebook_5_stands_for_all_that_it_changes(tmp_path, drawn):
    for seed in (0, 1):
        write_run(tmp_path / f"raw{seed}", drawn, {"seed": seed}, step="raw")
        write_run(tmp_path / f"flip{seed}", drawn, {"seed": seed, "flip": True}, step="flip")
    assert runs.varied(runs.read_all(tmp_path)[0]) == ["step"]
    write_run(tmp_path / "other", drawn, {"learning_rate": 0.1}, step="raw")
    assert set(runs.varied(runs.read_all(tmp_path)[0])) == {"learning_rate", "flip", "step"}


def test_real_and_generated_runs_are_told_apart(tmp_path, drawn):
    write_run(tmp_path / "a", drawn, source="zalando")
    write_run(tmp_path / "b", drawn, source="synthetic")
    table, _ = runs.read_all(tmp_path)
    assert table["data"].to_dict() == {"a": "zalando", "b": "synthetic"}
    assert runs.varied(table) == []


def test_a_run_that_diverged_is_recorded_and_never_the_best(tmp_path, drawn):
    for seed, loss in enumerate((0.3, float("nan"), float("inf"))):
        given = {"learning_rate": 0.1 * (seed + 1), "seed": 0}
        write_run(tmp_path / f"{seed}", drawn, given, best=0.8 + seed / 20, last_loss=loss)
    content = (tmp_path / "1" / "metrics.json").read_text()
    assert json.loads(content, parse_constant=pytest.fail)["diverged"] is True  # no NaN in it
    assert "in epoch 3" in runs.headline(runs.read(tmp_path / "1"))["DIVERGED"]
    table, _ = runs.read_all(tmp_path)
    assert table["diverged"].tolist() == [False, True, True]
    assert table["validation_accuracy"].idxmax() == "0" and table["test_accuracy"].count() == 1


def test_a_run_that_diverged_at_once_has_no_accuracy(tmp_path, drawn):
    lost = Epoch(1, 3, float("nan"), 0.1, float("nan"), 0.1, None, 2.0, 0.5)
    runs.write(
        tmp_path / "run",
        recipe=Recipe(epochs=3),
        history=[lost],
        data=FashionMNIST(drawn[0], drawn[1], drawn[1], "synthetic"),
        train_images=600,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    metrics = runs.read(tmp_path / "run")
    assert metrics["best_epoch"] == 0 and metrics["validation_accuracy"] is None
    assert metrics["history"][0]["train_loss"] is None
    assert "initial weights" in runs.headline(metrics)["validation accuracy of that epoch"]
    with pytest.raises(CourseError, match="Every run diverged"):
        runs.require_finished(runs.read_all(tmp_path)[0])


def test_a_run_that_begins_removes_the_result_of_the_one_before(written):
    (written / "checkpoint.pt").write_text("kept until the first epoch is complete")
    (written / "confusion_matrix.csv").write_text("of the network of before")
    folder = runs.claim(written)
    assert folder == written and (written / "metrics.json").exists()  # it may be refused yet
    runs.begin(folder)
    assert [path.name for path in written.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("name", ["", ".", "..", "runs/..", "/"])
def test_the_work_folder_itself_is_no_run(tmp_path, monkeypatch, name):
    for module in (paths, runs):
        monkeypatch.setattr(module, "work_folder", lambda: tmp_path / "course")
    with pytest.raises(CourseError, match="can't have .*, where you work. Choose a folder in"):
        runs.claim(name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_whose_parent_may_not_be_written(tmp_path, monkeypatch):
    folder = tmp_path / "shared" / "mine"
    monkeypatch.setattr(runs.os, "access", lambda path, mode: Path(path) != folder.parent)
    runs.claim(folder)
    assert [path.name for path in folder.iterdir()] == [".lock"]
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


CLAIM = """
import sys
from fmnist_lib import runs
try:
    runs.claim(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
print("ready", flush=True)
sys.stdin.read()
"""


def other_process(folder):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", CLAIM, str(folder)], **pipes)


def test_a_folder_belongs_to_one_run_at_a_time(written):
    other = other_process(written)
    assert other.stdout.readline() == "ready\n"
    with pytest.raises(CourseError, match="Another notebook or command trains into"):
        runs.claim(written)
    assert runs.read(written)["best_epoch"] == 2
    other.kill()  # without any farewell
    other.wait()
    assert runs.claim(written) == runs.claim(written) == written  # the same notebook once more
    late = other_process(written)
    assert late.stdout.readline().startswith("CourseError Another notebook or command")
    late.communicate()


def test_a_result_is_of_the_network_beside_it(written, drawn):
    checkpoint = written / "checkpoint.pt"
    list(train.fit(new_net(), *drawn, Recipe(epochs=1), checkpoint=checkpoint, **ON_CPU))
    before = (written / "metrics.json").read_bytes()
    with pytest.raises(CourseError, match="checkpoint.pt comes from another training since"):
        write_run(written, drawn, best=0.9)
    assert (written / "metrics.json").read_bytes() == before


@pytest.mark.skipif(FORKS is None, reason="Windows can't fork")
def test_two_notebooks_at_once_never_mix_their_results(tmp_path, drawn):
    """20 times, the second beginning at a random moment of the first."""
    chance, ends = random.Random(7), []
    split = drawn[0]
    with FORKS.Pool(2) as pool:
        for number in range(20):
            folder = tmp_path / f"{number}"
            delays = [0, chance.random()]
            given = [(folder, split.images, split.labels, n, delays[n]) for n in (0, 1)]
            ends.append(pool.starmap(notebook_3, given, chunksize=1))
            metrics = runs.read(folder)
            best, state = checkpoints.load_model(folder / "checkpoint.pt")
            made = metrics["parameters"]
            assert state["recipe"] == {name: made[name] for name in state["recipe"]}
            assert state["history"] == metrics["history"]
            assert metrics["test_accuracy"] == train.measure(best, split[400:])[1]
    assert {end for pair in ends for end in pair} - {"written"}  # some were refused
    assert all("written" in pair for pair in ends)


def test_whoever_has_written_a_result_lets_go_of_the_folder(written, drawn):
    write_run(written, drawn)
    other = other_process(written)
    assert other.stdout.readline() == "ready\n"
    with pytest.raises(CourseError, match="Another notebook or command trains into"):
        write_run(written, drawn)  # as in a cell that is run once more
    other.communicate()


def test_no_number_that_is_none_gets_into_a_file(tmp_path, drawn):
    notes = {"deep": [{"infinite": float("inf")}, (float("nan"), 1.5)]}
    write_run(tmp_path, drawn, test_loss=float("inf"), test_accuracy=0.5, notes=notes)
    text = (tmp_path / "metrics.json").read_text()
    metrics = json.loads(text, parse_constant=pytest.fail)
    assert metrics["test_loss"] is None
    assert metrics["notes"] == {"deep": [{"infinite": None}, [None, 1.5]]}


@pytest.mark.parametrize(
    "change",
    [
        {"history": None}, {"history": [1]}, {"parameters": None}, {"training_seconds": 0},
        {"training_seconds": "long"}, {"data": {}}, {"data": {"source": "mnist", "train": 1}},
        {"versions": []}, {"test_accuracy": "good"}, {"published_report": {"best": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_that_is_no_result(written, change):
    path = written / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CourseError, match="is no result of this course"):
        runs.read(written)


def test_half_a_result(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text('{"format": 2}')
    with pytest.raises(CourseError, match="is no result of this course, or not a whole one"):
        runs.read_all(tmp_path)


def test_a_run_counts_once_whatever_its_folder_is_called(tmp_path, drawn):
    for name in ("a", "again", "once more"):
        write_run(tmp_path / name, drawn, {"seed": 1})
    write_run(tmp_path / "other", drawn, {"seed": 2})
    table, _ = runs.read_all(tmp_path)
    assert runs.repeated(table) == ["again", "once more"]
    assert runs.repeated(table.drop(runs.repeated(table))) == []


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(CourseError, match="no run in .* Make some"):
        runs.read_all(tmp_path)


def test_a_run_is_told_by_its_recipe_and_by_what_else_was_varied(tmp_path, drawn):
    for network in ("Net", "RawNet"):
        given = {"network": network, "test_accuracy": 0.7}
        write_run(tmp_path / network, drawn, {"epochs": 3, "shift": 2}, **given)
    expected = dataclasses.asdict(Recipe(epochs=3, shift=2)) | {"network": "Net"}
    assert runs.read(tmp_path / "Net")["parameters"] == expected
    assert runs.varied(runs.read_all(tmp_path)[0]) == ["network"]


def test_a_new_run_counts_from_the_work_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "work_folder", lambda: tmp_path)
    assert runs.claim("runs/mine") == tmp_path / "runs" / "mine"
    assert (tmp_path / "runs" / "mine").is_dir()


def test_a_run_where_no_folder_can_be(written):
    with pytest.raises(CourseError, match="metrics.json can't be written"):
        runs.claim(written / "metrics.json")
    assert runs.read(written)["best_epoch"] == 2
