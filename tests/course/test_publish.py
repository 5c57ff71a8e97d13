"""Links to Colab and Binder, on copies of the notebooks; neither service is reached here."""

import shutil
import sys
import types

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from fmnist_lib.course import cli, execute, publish, solutions, student

REPOSITORY = "somebody/fashion-course"
NOTEBOOKS = execute.notebooks()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the README and the notebooks."""
    shutil.copy(NOTEBOOKS[0].parent.parent / "README.md", tmp_path)
    copies = [tmp_path / path.name for path in NOTEBOOKS]
    for path, copy in zip(NOTEBOOKS, copies):
        shutil.copy(path, copy)
    shutil.copy(NOTEBOOKS[0].with_name("numpy_to_torch.md"), tmp_path)
    monkeypatch.setattr(publish, "notebooks", lambda: copies)
    monkeypatch.setattr(publish, "course", lambda: tmp_path)
    return tmp_path


def install_cell(path):
    cells = nbformat.read(path, as_version=4).cells
    (cell,) = [cell for cell in cells if publish.COLAB in cell.metadata.get("tags", [])]
    assert cells.index(cell) == 1  # before anything is imported
    return cell.source


def test_links_and_install_cell(project, capsys):
    before = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    assert cli.main(["publish", REPOSITORY]) == 0
    assert "fmnist notebooks" in capsys.readouterr().out
    for path in project.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        title = notebook.cells[0].source
        assert title.startswith("# ") and "\nIn this notebook you will\n" in title
        for site in ("colab.research.google.com/github", "mybinder.org/v2/gh"):
            assert f"https://{site}/{REPOSITORY}/" in title
        assert title.count(f"student/{path.name}") == 2
        assert [c.source for c in notebook.cells[2:]] == [
            c.source for c in before[path.name].cells[1:]
        ]
        copy = nbformat.read(project / "student" / path.name, as_version=4)
        assert publish.INSTALL.format(repository=REPOSITORY) == copy.cells[1].source
        wanted = student.student_version(notebook, blank=True)
        assert copy == wanted and solutions.leaks(notebook, copy) == []
    assert (project / "student" / "numpy_to_torch.md").exists()
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# Convolutional networks") and f"gh/{REPOSITORY}/HEAD" in readme


def test_a_second_time_changes_nothing_and_another_name_replaces_the_first(project, capsys):
    cli.main(["publish", REPOSITORY])
    capsys.readouterr()
    cli.main(["publish", REPOSITORY])
    assert "changed" not in capsys.readouterr().out
    cli.main(["publish", "somebody.else/course"])
    for path in [*project.glob("*.ipynb"), *project.glob("student/*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        assert REPOSITORY not in text and "somebody.else/course" in text
    assert "somebody.else/course" in install_cell(next(project.glob("01*.ipynb")))


class Shell:
    """Stands for IPython: notes the commands that a cell gives to the system and to magics."""

    def __init__(self):
        self.commands = []

    def system(self, command):
        self.commands.append(command)

    def run_line_magic(self, name, line):
        self.commands.append(f"%{name} {line}")


@pytest.mark.parametrize("on_colab", [False, True])
def test_the_install_cell_acts_on_colab_only(project, monkeypatch, on_colab):
    cli.main(["publish", REPOSITORY])
    python = TransformerManager().transform_cell(install_cell(next(project.glob("03*.ipynb"))))
    shell = Shell()
    if on_colab:
        monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(python, {"get_ipython": lambda: shell})
    if on_colab:
        assert f"https://github.com/{REPOSITORY} /content/course" in shell.commands[0]
        assert shell.commands[1].startswith("%pip install") and len(shell.commands) == 3
        assert shell.commands[2] == "%cd -q /content/course/student"
    else:
        assert shell.commands == []


NO_NAMES = ["course", "https://github.com/a/b", "a/b/c", "", "../..", "./.", "a/..", ".../b", "ä/ß",
            "a/b\n", "a/b c", "a/\u0661"]  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_is_none(project, capsys, name):
    before = {path: path.read_bytes() for path in project.iterdir()}
    assert cli.main(["publish", name]) == 1
    assert "is not OWNER/NAME" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in project.iterdir()} == before


@pytest.mark.parametrize("name", ["a/.github", "A-1/b_c.d", "..a/b..", "1/2"])
def test_a_name_that_is_one(project, name):
    assert cli.main(["publish", name]) == 0
