"""The same seed gives the same weights, bit for bit, on one CPU: in any order and from anywhere."""

import os
import subprocess
import sys

import papermill
import pytest
from conftest import equal

from fmnist_lib import checkpoints
from fmnist_lib.course import execute

PARAMETERS = {"epochs": 2, "train_images": 600, "dtype": "float32", "device": "cpu"}
# Two trainings in one process, each as notebook 3 does it.
TRAIN = """
import sys, torch
from fmnist_lib import data, model, train
from fmnist_lib.recipe import Recipe
loaded = data.load(source="csv")
for seed in map(int, sys.argv[2:]):
    torch.manual_seed(seed)
    list(train.fit(model.Net(), loaded.train[:600], loaded.validation, Recipe(epochs=2, seed=seed),
                   dtype="float32", device="cpu", checkpoint=f"{sys.argv[1]}/{seed}.pt"))
"""


@pytest.fixture(scope="module")
def environment(csv_root):
    return {"FMNIST_DATA": str(csv_root), "OMP_NUM_THREADS": "2"}


@pytest.fixture(scope="module")
def weights(environment, tmp_path_factory):
    """(order, seed) → weights after a training in that order, in a process of its own."""
    found = {}
    for order in ("0 1", "1 0"):
        folder = tmp_path_factory.mktemp("order")
        command = [sys.executable, "-c", TRAIN, str(folder), *order.split()]
        subprocess.run(command, env=os.environ | environment, check=True)
        for seed in (0, 1):
            found[order, seed] = checkpoints.read(folder / f"{seed}.pt")["model"]
    return found


def test_in_one_order_or_the_other(weights):
    for seed in (0, 1):
        assert equal(weights["0 1", seed], weights["1 0", seed])
    assert not equal(weights["0 1", 0], weights["0 1", 1])


def test_from_papermill(weights, environment, monkeypatch, tmp_path):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = PARAMETERS | {"seed": 1, "data_source": "csv", "subset_images": 20,
                      "run_folder": str(tmp_path)}  # fmt: skip
    path = next(path for path in execute.notebooks() if path.stem == "03_train_sgd")
    papermill.execute_notebook(
        path, tmp_path / "executed.ipynb", given, kernel_name=execute.KERNEL, progress_bar=False
    )
    state = checkpoints.read(tmp_path / "checkpoint.pt")
    assert equal(state["model"], weights["0 1", 1])
