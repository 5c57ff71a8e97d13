"""`fmnist train`: its options, and how it ends. Under torchrun: tests/test_distributed.py."""

import dataclasses
import os
import re
import signal
import subprocess
import sys

import pytest

from fmnist_lib import checkpoints, distributed, runs
from fmnist_lib.course import cli
from fmnist_lib.course.train import _device, train
from fmnist_lib.recipe import Recipe
from fmnist_lib.sources import SOURCES

QUICK = ["--data-source", "csv", "--train-images", "500", "--dtype", "float32"]


@pytest.fixture
def quick(csv_root, monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    monkeypatch.delenv("WORLD_SIZE", raising=False)


def test_every_field_of_the_recipe_is_an_option_with_its_meaning(capsys):
    assert cli.main(["train", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for one in dataclasses.fields(Recipe):
        assert f"--{one.name.replace('_', '-')}" in printed
        assert one.metadata["meaning"] in printed


def test_the_help_names_every_source(capsys):
    assert cli.main(["train", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"{', '.join(['auto', *SOURCES][:-1])} or {[*SOURCES][-1]}" in printed


def test_options_become_the_recipe():
    given = train.make_context("train", ["--out", "x", "--flip", "--shift", "2"]).params
    assert given["flip"] is True and given["shift"] == 2 and given["nesterov"] is False
    assert given["learning_rate"] == 0.01 and given["schedule"] == "constant"


def test_a_training_writes_its_result_and_goes_on(quick, tmp_path, capsys):
    command = ["train", *QUICK, "--out", str(tmp_path), "--network", "BatchNormNet", "--seed", "3"]
    assert cli.main([*command, "--epochs", "1"]) == 0
    assert cli.main([*command, "--epochs", "2"]) == 0
    assert capsys.readouterr().out.count("epoch  1/1") == 2  # the second time it is only shown
    metrics = runs.read(tmp_path)
    assert [row["epoch"] for row in metrics["history"]] == [1, 2]
    expected = {"network": "BatchNormNet", "seed": 3, "processes": 1, "epochs": 2}
    assert expected.items() <= metrics["parameters"].items()
    assert checkpoints.read(tmp_path / "checkpoint.pt")["network"] == "BatchNormNet"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--momentum", "2"], "momentum=2.0 is not at least 0 and below 1"),
        (["--network", "LeNet5"], "There is no network 'LeNet5'. Known are: Net, "),
        (["--data-source", "mnist"], "source='mnist' is unknown"),
        (["--train-images", "5135"], "5,135 is more than there are for training: 5,134."),
        (["--batch-size", "501"], "batch_size=501 is more than the 500 training images"),
    ],
)
def test_a_value_that_makes_no_sense(quick, tmp_path, capsys, options, message):
    assert cli.main(["train", "--out", str(tmp_path / "new"), *QUICK, *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--device", "gpu"], ["--dtype", "float64"]])
def test_what_is_refused_leaves_no_folder(quick, tmp_path, capsys, options):
    assert cli.main(["train", "--out", str(tmp_path / "new"), *QUICK, *options]) == 1
    assert "is unknown. Choose auto" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("asked", ["cuda", "mps", "cuda:1", "gpu"])
def test_under_torchrun_a_process_has_its_device(quick, monkeypatch, tmp_path, capsys, asked):
    monkeypatch.setattr(distributed, "join", lambda: "cpu")
    assert cli.main(["train", "--out", str(tmp_path / "new"), *QUICK, "--device", asked]) == 1
    said = capsys.readouterr().err
    assert f"--device {asked} can't be chosen under torchrun" in said and "computes on cpu" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "asked, given, device",
    [
        ("auto", None, "auto"),
        ("cuda", None, "cuda"),
        ("auto", "cuda:1", "cuda:1"),
        ("cuda", "cuda:1", "cuda:1"),
        ("cuda:1", "cuda:1", "cuda:1"),
        ("cpu", "cpu", "cpu"),
    ],
)
def test_the_device_of_a_process(asked, given, device):
    assert _device(asked, given) == device


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "many"], "'many' is not a valid integer"),
        (["--schedule", "cosine"], "'cosine' is not one of 'constant', 'one-cycle'"),
        (["--learning-rat", "1"], "No such option"),
        (["--train-images", "0"], "0 is not in the range"),
    ],
)
def test_an_option_that_is_none(tmp_path, capsys, options, message):
    assert cli.main(["train", "--out", str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="sends Ctrl-C as POSIX does")
def test_a_training_stopped_with_ctrl_c_says_how_to_go_on(quick, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fmnist_lib.course.train", *QUICK, "--out", str(tmp_path),
         "--epochs", "100"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if re.match("epoch +2/", line):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in errors
    assert "The same command goes on after the last complete epoch." in errors
    assert len(checkpoints.read(tmp_path / "checkpoint.pt")["history"]) >= 2
    assert not (tmp_path / "metrics.json").exists()
