"""The `fmnist` command as a user starts it."""

import os
import subprocess
import sys

import pytest
import torch

from fmnist_lib.course import cli
from fmnist_lib.storage import csv, paths


def fmnist(*arguments, root):
    """The real command in a process of its own, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "fmnist_lib.course.cli", *arguments],
        env=os.environ | {"FMNIST_DATA": str(root)},
        capture_output=True,
        text=True,
    )


def test_a_torn_file_ends_with_one_paragraph_and_a_status(data_folder):
    path = paths.raw_folder(data_folder) / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(b"torn")
    done = fmnist("run", root=data_folder)
    assert done.returncode == 1
    assert "is torn or altered" in done.stderr and "Delete this file" in done.stderr
    assert "Traceback" not in done.stderr and "\n" not in done.stderr.strip()


def test_a_bad_csv_ends_with_one_paragraph_and_a_status(tmp_path, drawn):
    for split, name in zip(drawn, csv.FILES, strict=True):
        csv.write(tmp_path / name, split.images, split.labels)
    path = tmp_path / csv.FILES[1]
    path.write_text(path.read_text().replace("\n", "\n1", 1))  # 5 becomes 15, say
    done = fmnist("run", "-p", "data_source", "csv", root=tmp_path)
    assert done.returncode == 1
    assert "line 2: label 1" in done.stderr and "Labels are 0 to 9" in done.stderr
    assert "Traceback" not in done.stderr and "\n" not in done.stderr.strip()


@pytest.mark.parametrize(
    "command", ["sweep notebooks/03_train_sgd.ipynb -p seed 1", "student", "handouts", "train"]
)
def test_a_folder_without_a_name(command, capsys):
    """Else it would be the project's own."""
    assert cli.main([*command.split(), "--out", ""]) == 2
    assert "'--out': The name of a folder is empty. Give one" in capsys.readouterr().err


def test_csv_command(data_folder, tmp_path, monkeypatch, capsys, drawn):
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    assert cli.main(["csv", str(tmp_path / "csv")]) == 0
    assert "600 images" in capsys.readouterr().out
    images, _ = csv.read(tmp_path / "csv" / "fashion-mnist_train.csv")
    assert torch.equal(images, drawn[0].images)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete a folder that is in use")
def test_a_current_folder_that_is_gone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    for command in (["predict", "photo.jpg"], ["train", "--out", "runs/x"], ["student"]):
        assert cli.main(command) == 1
        assert "The current folder has been deleted. Change to another" in capsys.readouterr().err
