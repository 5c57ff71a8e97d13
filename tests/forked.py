"""What the processes run that are forked by tests; it imports little, as each of them does so."""

import hashlib
import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path
from unittest import mock

import torch

from fmnist_lib import checkpoints, data, runs, synthetic, train
from fmnist_lib.data import FashionMNIST, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import csv, download

# They are forked from a process that has imported PyTorch but computed nothing: they start in
# milliseconds, and OpenMP, which doesn't survive a fork, is as new in each.
FORKS = None
if hasattr(os, "fork"):  # Windows can't
    FORKS = multiprocessing.get_context("forkserver")
    FORKS.set_forkserver_preload(
        ["fmnist_lib.runs", "fmnist_lib.train", "torchvision.datasets", "requests"]
    )


RECIPES = {
    "published": {},
    "every option": {
        "nesterov": True, "weight_decay": 1e-3, "schedule": "one-cycle", "label_smoothing": 0.1,
        "flip": True, "shift": 2, "erase": 5, "average": 0.9,
    },
}  # fmt: skip


def train_in_a_process(folder: Path, recipe: str, die_in_write: tuple[int, str] | None = None):
    """Train, resuming what is there; die in the so-many-th write of a checkpoint if told to."""
    torch.set_num_threads(1)
    images, labels = torch.load(folder.parent / "drawn.pt")
    split = Split(images, labels, "synthetic")
    if die_in_write:
        _die(*die_in_write)
    torch.manual_seed(0)
    net = Net()
    history = list(
        train.fit(
            net, split[:400], split[400:], Recipe(epochs=5, **RECIPES[recipe]),
            device="cpu", dtype="float32", checkpoint=folder / "checkpoint.pt", resume=True,
        )
    )  # fmt: skip
    rows = [(row.epoch, row.train_loss, row.validation_loss) for row in history]
    torch.save({"weights": net.state_dict(), "history": rows}, folder / "end.pt")


def notebook_3(folder: Path, images, labels, seed: int, begin_after: float) -> str:
    """What notebook 3 does with a run folder, two epochs long; how it ended."""
    torch.set_num_threads(1)
    split = Split(images, labels, "synthetic")
    time.sleep(begin_after)
    recipe = Recipe(epochs=2, learning_rate=0.01 * (seed + 1), seed=seed)
    torch.manual_seed(seed)
    try:
        claimed = runs.claim(folder)
        checkpoint = claimed / "checkpoint.pt"
        epochs = train.fit(
            Net(), split[:400], split[400:], recipe, device="cpu", checkpoint=checkpoint
        )
        runs.begin(claimed)
        history = list(epochs)
        best, _ = checkpoints.load_model(checkpoint)
        runs.write(
            claimed, recipe=recipe, history=history,
            data=FashionMNIST(split[:400], split[400:], split[400:], "synthetic"),
            train_images=400, device=torch.device("cpu"), dtype=torch.float32,
            test_accuracy=train.measure(best, split[400:])[1],
        )  # fmt: skip
    except CourseError as error:
        return str(error)
    return "written"


def _die(number: int, where: str):
    """In write `number`: with half of the bytes written, all of them, or all in their place."""
    writes, write, replace = iter(range(1, 100)), Path.write_bytes, os.replace

    def write_bytes(path, content):
        this = next(writes)
        write(path, content[: len(content) // 2] if (this, where) == (number, "half") else content)
        if this == number and where != "in place":
            os.kill(os.getpid(), signal.SIGKILL)

    def replace_and_die(source, target):
        replace(source, target)
        if where == "in place" and next(replaces) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    replaces = iter(range(1, 100))
    Path.write_bytes, os.replace = write_bytes, replace_and_die


# One of thirty students, before a server of test_faults.py.
DIGITS = b"handwritten digits"


def student_joins(barrier, address, published, timeout=1):
    """What the test would monkeypatch, but in a process of its own."""
    from torchvision.datasets import FashionMNIST

    torch.set_num_threads(1)
    FashionMNIST.mirrors = [address]
    download.FILES = published
    download.MNIST_FILES = dict.fromkeys(published, hashlib.md5(DIGITS).hexdigest())
    download.TIMEOUT, download.PAUSES = timeout, (0.1, 0.1, 0.2)
    synthetic.generate = partial(synthetic.generate, 100, 50)
    globals()["ready"] = barrier


def student_loads(root, source):
    globals()["ready"].wait()
    try:
        loaded = data.load(root, source, validation=0)
    except CourseError as error:
        return str(error)
    return loaded.source, int(loaded.train.images.sum()), len(loaded.test)


def without_rights(read, *arguments):
    """What a function returns to a user who is not root, or the message with which it refuses."""
    torch.set_num_threads(1)
    if os.geteuid() == 0:
        os.setgid(65534), os.setuid(65534)
    try:
        return "right", read(*arguments)
    except CourseError as error:
        return type(error).__name__, str(error)
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"


def without_waiting(function, *arguments):
    """The same function, which may not sleep."""
    with mock.patch("time.sleep", side_effect=AssertionError("it waits")):
        return function(*arguments)


def load(root, source="auto"):
    return data.load(root, source, validation=0).source


def touch(path):
    """Whether a file may be made here."""
    try:
        path.touch()
    except PermissionError:
        return False
    return True


def write_csv(path):
    return csv.write(path, torch.zeros(1, 28, 28, dtype=torch.uint8), torch.zeros(1))
