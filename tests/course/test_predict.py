"""`fmnist predict`: which network answers, and what is said of each file."""

import re

import papermill
import pytest
import torch
from conftest import ON_CPU, new_net
from garments import BAG, TROUSER
from photos import UPRIGHT
from PIL import Image

from fmnist_lib import train
from fmnist_lib.course import cli, execute
from fmnist_lib.course import predict as predict_command
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.recipe import Recipe
from fmnist_lib.sources import SOURCES
from fmnist_lib.storage import paths


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in which no network has been trained yet."""
    monkeypatch.setattr(paths, "work_folder", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dark.png").write_bytes(UPRIGHT["dark on light"])
    (tmp_path / "light.png").write_bytes(UPRIGHT["light on dark"])
    return tmp_path


def test_predict_prints_three_classes_for_each_file(project, capsys):
    assert cli.main(["predict", "dark.png", "light.png"]) == 0
    network, _, *lines = capsys.readouterr().out.splitlines()
    assert network == f"network: Net, comes with the course, trained on {SOURCES['zalando']}"
    assert len(lines) == 2 and all(line.count("%") == 3 for line in lines)
    assert all(TROUSER in line.split("%")[0] for line in lines)


def train_own(project, drawn, path):
    """A network whose answer is always "bag", as notebook 3 would leave it."""
    (project / path).parent.mkdir(parents=True)
    net = new_net()
    with torch.no_grad():
        net.fc2.bias[CLASS_NAMES.index(BAG)] = 1e6
    fit = train.fit(net, drawn[0], drawn[1], Recipe(epochs=1, learning_rate=1e-9),
                    checkpoint=project / path, **ON_CPU)  # fmt: skip
    assert list(fit)


def test_predict_takes_the_students_own_network(project, drawn, capsys):
    train_own(project, drawn, "runs/lesson/checkpoint.pt")
    assert cli.main(["predict", "dark.png"]) == 0
    network, _, line = capsys.readouterr().out.splitlines()
    own = project / "runs" / "lesson" / "checkpoint.pt"
    assert network == f"network: Net, {own}, trained on {SOURCES['synthetic']}"
    assert re.match(rf"dark.png\s+{re.escape(BAG)}\s+100.0%", line)
    for options in (["--network", "Net"], ["--network", "ResidualNet"]):
        assert cli.main(["predict", "dark.png", *options]) == 0
        network, _, line = capsys.readouterr().out.splitlines()
        assert network.startswith(f"network: {options[1]}, comes with the course")
        assert TROUSER in line


def test_predict_takes_the_network_that_is_named(project, drawn, capsys):
    train_own(project, drawn, "elsewhere/mine.pt")
    assert cli.main(["predict", "dark.png", "--checkpoint", "elsewhere/mine.pt"]) == 0
    printed = capsys.readouterr().out
    assert f"network: Net, {project / 'elsewhere' / 'mine.pt'}" in printed and BAG in printed


def test_predict_takes_one_network(project, capsys):
    assert cli.main(["predict", "dark.png", "--network", "Net", "--checkpoint", "x.pt"]) == 1
    assert "name two networks" in capsys.readouterr().err


def test_an_own_network_that_is_torn_is_not_passed_over(project, capsys):
    own = project / "runs" / "lesson" / "checkpoint.pt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"torn")
    assert cli.main(["predict", "dark.png"]) == 1
    said = capsys.readouterr().err
    assert f"{own} is torn" in said and said.endswith("comes with the course: --network Net.\n")
    assert cli.main(["predict", "dark.png", "--network", "Net"]) == 0


def test_notebook_4_says_what_predict_does():
    """The sentence, and the place where notebook 3 leaves its network."""
    (notebook,) = [path for path in execute.notebooks() if path.stem == "04_confusion_matrix"]
    text = notebook.read_text(encoding="utf-8")
    assert "`fmnist predict photo.jpg` in a terminal. It takes the network of `runs/lesson`" in text
    for stem in ("03_train_sgd", "04_confusion_matrix"):
        (path,) = [path for path in execute.notebooks() if path.stem == stem]
        assert papermill.inspect_notebook(path)["run_folder"]["default"] == '"runs/lesson"'
    assert predict_command.OWN == "runs/lesson/checkpoint.pt"


def test_a_good_file_is_answered_beside_a_missing_one(tmp_path, capsys):
    (tmp_path / "good.png").write_bytes(UPRIGHT["dark on light"])
    files = [str(tmp_path / "good.png"), str(tmp_path / "none.png")]
    assert cli.main(["predict", *files]) == 1
    printed = capsys.readouterr().out
    assert "good.png" in printed and f"There is no file {files[1]}" in printed


def test_a_photo_of_another_user(project, monkeypatch, capsys):
    def forbidden(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", forbidden)
    assert cli.main(["predict", "dark.png"]) == 1
    assert f"You may not read {project / 'dark.png'}. Ask" in capsys.readouterr().out


def test_predict_without_a_checkpoint(capsys):
    assert cli.main(["predict", "x.png", "--checkpoint", "none.pt"]) == 1
    said = capsys.readouterr().err
    assert "There is no file" in said and "none.pt" in said


def test_a_checkpoint_that_is_a_folder(project, capsys):
    (project / "checkpoint.pt").mkdir()
    assert cli.main(["predict", "dark.png", "--checkpoint", "checkpoint.pt"]) == 1
    assert capsys.readouterr().err == f"fmnist: There is no file {project / 'checkpoint.pt'}.\n"


def test_how_many_classes_are_named(project, capsys):
    assert predict_command.predict(["dark.png"], top=5) == 0
    assert capsys.readouterr().out.splitlines()[-1].count("%") == 5


def test_how_many_files_could_not_be_read(project, capsys):
    assert predict_command.predict(["none.png", "dark.png", "nor this.png"]) == 2
    *_, line, first, last = capsys.readouterr().out.splitlines()
    assert line.startswith("dark.png") and "none.png" in first and "nor this.png" in last


@pytest.mark.parametrize("name", ["LeNet5", "../weights/Net", "./Net", "net", "Net.pt", "", " "])
def test_a_network_that_the_course_has_not(project, capsys, name):
    assert cli.main(["predict", "dark.png", "--network", name]) == 1
    assert f"no trained {name!r}, only with: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", " "])
def test_a_checkpoint_without_a_name(project, capsys, name):
    assert cli.main(["predict", "dark.png", "--checkpoint", name]) == 1
    assert "--checkpoint is empty. Give a file" in capsys.readouterr().err
    assert cli.main(["predict", "dark.png", "--checkpoint", name, "--network", "Net"]) == 1
    assert "name two networks" in capsys.readouterr().err
