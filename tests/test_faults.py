"""Faults injected: processes killed, thirty at once on one folder, bad servers, a full disk."""

import random
import shutil
import signal
import time

import pytest
import torch
from conftest import ON_CPU, equal, new_net, small_disk
from forked import (
    FORKS,
    RECIPES,
    load,
    student_joins,
    student_loads,
    touch,
    train_in_a_process,
    without_rights,
    without_waiting,
    write_csv,
)

from fmnist_lib import checkpoints, data, runs, train
from fmnist_lib.errors import CourseError
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import atomic, csv, download, idx, paths

pytestmark = pytest.mark.skipif(FORKS is None, reason="Windows can't fork")


# --------------------------------------------------------------------- killed while training


def start(folder, *arguments):
    folder.mkdir(exist_ok=True)
    process = FORKS.Process(target=train_in_a_process, args=(folder, *arguments))
    process.start()
    return process


@pytest.fixture(scope="module", params=RECIPES)
def uninterrupted(request, drawn, tmp_path_factory):
    """A run from beginning to end: its folder's parent, recipe, seconds and result."""
    folder = tmp_path_factory.mktemp("killed")
    torch.save((drawn[0].images, drawn[0].labels), folder / "drawn.pt")
    begin = time.monotonic()
    start(folder / "whole", request.param).join()
    seconds = time.monotonic() - begin
    return folder, request.param, seconds, torch.load(folder / "whole" / "end.pt")


# Ten of each recipe: seven at random, three in a write.
IN_A_WRITE = [(1, "half"), (3, "written"), (3, "in place")]


@pytest.mark.parametrize("moment", [*range(7), *IN_A_WRITE], ids=str)
def test_a_killed_training_resumes_to_the_same_end(uninterrupted, moment):
    parent, recipe, seconds, expected = uninterrupted
    folder = parent / f"{moment}"
    if isinstance(moment, tuple):
        process = start(folder, recipe, moment)
    else:
        process = start(folder, recipe)
        time.sleep(seconds * random.Random(f"{recipe} {moment}").random())
        process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL or (folder / "end.pt").exists()

    path = folder / "checkpoint.pt"
    left = checkpoints.read(path) if path.exists() else {"history": []}  # never unreadable
    if isinstance(moment, tuple):
        number, where = moment
        assert len(left["history"]) == (number if where == "in place" else number - 1)
    again = start(folder, recipe)
    again.join(60)
    assert again.exitcode == 0
    result = torch.load(folder / "end.pt")
    assert result["history"] == expected["history"]
    assert equal(result["weights"], expected["weights"])
    if path.exists() and left["history"]:
        assert sorted(p.name for p in folder.iterdir()) == ["checkpoint.pt", "end.pt"]


def test_a_full_disk_keeps_the_last_checkpoint(drawn, tmp_path):
    recipe = Recipe(epochs=3)
    whole = new_net()
    expected = [row.train_loss for row in train.fit(whole, *drawn, recipe, **ON_CPU)]

    path = tmp_path / "disk" / "checkpoint.pt"
    path.parent.mkdir()
    with small_disk(path.parent, "8m"):  # one checkpoint has 5 MB, two find no place
        run = train.fit(new_net(), *drawn, recipe, checkpoint=path, resume=True, **ON_CPU)
        assert next(run).train_loss == expected[0]
        with pytest.raises(CourseError, match=r"can't be written: No space left.*is as it was"):
            next(run)
        assert [path.name for path in path.parent.iterdir()] == ["checkpoint.pt"]
        left = checkpoints.read(path)
    assert len(left["history"]) == 1
    path = tmp_path / "checkpoint.pt"  # where there is room
    checkpoints.write(path, left)
    resumed = new_net(seed=99)
    run = train.fit(resumed, *drawn, recipe, checkpoint=path, resume=True, **ON_CPU)
    assert [row.train_loss for row in run] == expected
    assert equal(resumed.state_dict(), whole.state_dict())


# ---------------------------------------------------------------- thirty on one empty folder


STUDENTS = 30


def thirty_load(root, serve, source="zalando"):
    (root / "FashionMNIST").mkdir(parents=True)
    serve.wait = 0.8 if serve.fault else 0
    # Thirty processes on a busy machine: a server that is only slow is not to be given up.
    timeout = 1 if serve.fault == "hangs" else 20
    given = (FORKS.Barrier(STUDENTS), serve.address, download.FILES, timeout)
    with FORKS.Pool(STUDENTS, student_joins, given) as pool:
        return pool.starmap(student_loads, [(root, source)] * STUDENTS, chunksize=1)


def whole_files(root):
    """The names of the files that a student would see; each must be a whole one."""
    files = [path for path in paths.raw_folder(root).iterdir() if path.name[0] != "."]
    for path in files:
        download.verify(path)
    assert not list(paths.raw_folder(root).glob(".downloading-*"))
    return sorted(path.name for path in files)


@pytest.mark.parametrize("fault", ["", "cuts some", "503 at first"])
def test_thirty_processes_fetch_the_files_once(serve, tmp_path, drawn, fault):
    serve.fault = fault
    answers = thirty_load(tmp_path / "new", serve)
    assert answers == [("zalando", int(drawn[0].images.sum()), 200)] * STUDENTS
    assert whole_files(tmp_path / "new") == sorted(download.FILES)
    assert len(serve.requests) == 4 if not fault else 4 < len(serve.requests) < 4 + 4


@pytest.mark.parametrize(
    ("fault", "message", "asked"),
    [
        ("503", "HTTP status 503", 4),
        ("MNIST", "the server has MNIST, the handwritten digits", 1),
        ("login page", "a web page came instead; does this network ask you to log in", 1),
        ("hangs", "timed out after 0 bytes", 1),
    ],
)
def test_thirty_processes_and_a_server_that_has_nothing(serve, tmp_path, fault, message, asked):
    serve.fault = fault
    answers = thirty_load(tmp_path / "new", serve)
    wrong = [each for each in answers if message not in each or "FMNIST_DATA" not in each]
    assert wrong == []
    assert whole_files(tmp_path / "new") == []
    assert len(serve.requests) < 5 * asked  # a few may come late, but not all thirty in turn


def test_thirty_processes_go_on_with_the_stand_in(serve, tmp_path):
    serve.fault = "hangs"
    answers = thirty_load(tmp_path / "new", serve, "auto")
    assert [answer for answer in answers if answer[0] != "synthetic"] == []


def test_a_download_that_was_killed_is_begun_again(serve, tmp_path, drawn):
    left = paths.raw_folder(tmp_path) / ".downloading-abc"
    left.mkdir(parents=True)
    (left / "train-images-idx3-ubyte.gz").write_bytes(b"half")
    assert torch.equal(data.load(tmp_path, validation=0).train.images, drawn[0].images)
    assert not left.exists()


# ------------------------------------------------------------- what another user may not touch


@pytest.fixture
def other_user(tmp_path, data_folder):
    """What another user gets from a function: ("right", its value), or the error and its text."""
    for parent in tmp_path.parents:
        if "pytest" in str(parent):  # whose folders only their owner may enter
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    given = (None, "http://127.0.0.1:9", download.FILES)
    with FORKS.Pool(1, student_joins, given) as pool:
        yield lambda *what: pool.apply(without_rights, what)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)


def test_a_folder_that_is_read_only(other_user, data_folder):
    for path in (data_folder, *data_folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert other_user(touch, data_folder / "new") == ("right", False)
    assert other_user(load, data_folder, "zalando") == ("right", "zalando")


@pytest.mark.parametrize("locked", ["t10k-labels-idx1-ubyte.gz", "raw", "FashionMNIST", "root"])
def test_data_that_may_not_be_read_is_no_reason_for_the_stand_in(other_user, data_folder, locked):
    (path,) = [x for x in (data_folder, *data_folder.rglob("*")) if x.name == locked]
    path.chmod(0)
    kind, said = other_user(load, data_folder)
    assert kind == "CourseError" and f"{path}" in said and "can't be read: Perm" in said, said
    assert "let you read it" in said and "Delete" not in said


def test_a_folder_that_lacks_a_file_and_may_not_be_written(other_user, data_folder):
    raw = paths.raw_folder(data_folder)
    (raw / "t10k-labels-idx1-ubyte.gz").unlink()
    before = sorted(data_folder.rglob("*"))
    kind, said = other_user(load, data_folder, "zalando")
    assert kind == "DownloadFailed" and f"{raw}" in said and "Permission denied" in said, said
    shutil.rmtree(raw)
    before = sorted(data_folder.rglob("*"))
    kind, said = other_user(load, data_folder, "zalando")
    assert kind == "DownloadFailed" and f"({raw}: Permission denied)" in said, said
    assert sorted(data_folder.rglob("*")) == before
    assert other_user(load, data_folder, "auto") == ("right", "synthetic")


READERS = {
    "idx": idx.read,
    "CSV": csv.read,
    "a file that is named": paths.find,
    "a checkpoint": checkpoints.read,
    "a result": runs.read,
}


@pytest.mark.parametrize("locked", ["file", "folder"])
@pytest.mark.parametrize("what", READERS)
def test_a_file_that_may_not_be_read(other_user, tmp_path, what, locked):
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "metrics.json"
    path.write_text("{}")
    (path if locked == "file" else folder).chmod(0)
    given = folder if what == "a result" else path
    kind, said = other_user(READERS[what], given)
    if what == "a file that is named" and locked == "file":
        assert kind == "right"  # which need not be read to be there
        return
    assert kind == "CourseError", said
    assert f"{path} can't be read: Permission denied" in said and "let you read it" in said, said
    assert "Delete" not in said


def test_a_folder_that_may_not_be_written(other_user, tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "file").write_text("old")
    folder.chmod(0o555)
    for write, *given in (
        (atomic.write_text, folder / "file", "new"),
        (atomic.make_folder, folder / "new"),
        (atomic.remove, folder / "file"),
        (write_csv, folder / "file"),
        (runs.claim, folder / "run"),
    ):
        kind, said = other_user(without_waiting, write, *given)  # there is nothing to wait for
        assert kind == "CourseError" and "can't be written: Permission denied" in said, said
        assert f"{given[0]}" in said and "Ask the owner" in said and "Make room" not in said
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("file", "old")]
