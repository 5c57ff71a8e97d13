"""`fmnist explain`: of which network the page is, and where it is written."""

import pytest
import torch

from fmnist_lib import checkpoints, train
from fmnist_lib.course import cli
from fmnist_lib.model import NETWORKS, build
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import paths


@pytest.fixture
def project(tmp_path, monkeypatch, data_folder):
    """A project without a trained network, and with data."""
    monkeypatch.setattr(paths, "work_folder", lambda: tmp_path)
    monkeypatch.setenv("FMNIST_DATA", str(data_folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train_own(drawn, path, network):
    assert list(train.fit(network, drawn[0], drawn[1], Recipe(epochs=1), checkpoint=path,
                          device="cpu", dtype="float32"))  # fmt: skip


def test_of_the_shipped_network_and_of_the_students_own(project, drawn, capsys):
    assert cli.main(["explain"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"page   {project / 'see.html'}"
    shipped = (project / "see.html").read_text(encoding="utf-8")
    assert "See Net think" in shipped
    train_own(drawn, project / "runs" / "lesson" / "checkpoint.pt", build("BatchNormNet"))
    assert cli.main(["explain"]) == 0
    assert "See BatchNormNet think" in (project / "see.html").read_text(encoding="utf-8")
    assert cli.main(["explain", "--network", "Net", "--out", "pages/net.html"]) == 0
    assert (project / "pages" / "net.html").read_text(encoding="utf-8") == shipped
    assert cli.main(["explain", "runs/lesson/checkpoint.pt", "--out", "own.html"]) == 0
    assert "See BatchNormNet think" in (project / "own.html").read_text(encoding="utf-8")


WRONG = {
    "no checkpoint": (["gone.pt"], "There is no"),
    "a folder": (["--out", "runs"], "is a folder. Name a file in it"),
    "two networks": (["runs/x.pt", "--network", "Net"], "name two networks"),
    "another network": (["--network", "Nte"], "comes with no trained 'Nte'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_said_and_nothing_is_written(project, capsys, name):
    (project / "runs").mkdir()
    options, message = WRONG[name]
    assert cli.main(["explain", *options]) != 0
    said = capsys.readouterr()
    assert message in said.err + said.out and "Traceback" not in said.err + said.out
    assert list(project.glob("*.html")) == []


def test_what_the_page_does_not_know_leaves_the_old_page(project, drawn, capsys, monkeypatch):
    class Gated(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.gate = torch.nn.Conv2d(1, 1, 19), torch.nn.Sigmoid()

        def forward(self, x):
            return self.gate(self.conv(x)).flatten(1)[:, :10]

    monkeypatch.setitem(NETWORKS, "Gated", Gated)
    path = project / "gated.pt"
    train_own(drawn, path, Gated())
    (project / "see.html").write_text("old")
    assert cli.main(["explain", "gated.pt"]) != 0
    said = capsys.readouterr()
    assert "does not know sigmoid, which gate (Sigmoid) computes" in said.err + said.out
    assert (project / "see.html").read_text() == "old"
    assert checkpoints.read(path)["network"] == "Gated"
