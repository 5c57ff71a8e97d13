"""The notebooks' parameters."""

import ntpath
import socket
import time
from itertools import count
from pathlib import Path, PureWindowsPath

import nbformat
import papermill
import pytest
from jupyter_client.connect import LocalPortCache
from nbformat.v4 import new_code_cell, new_notebook, new_output

from fmnist_lib.course import execute
from fmnist_lib.errors import CourseError

KNOWN = {
    "epochs": {"inferred_type_name": "int"},
    "learning_rate": {"inferred_type_name": "float"},
    "published_report": {"inferred_type_name": "bool"},
    "data_source": {"inferred_type_name": "str"},
}


def test_parameters_take_the_declared_types():
    texts = [("epochs", "2"), ("learning_rate", "1e-3"), ("published_report", "False"),
             ("data_source", "csv")]  # fmt: skip
    values = execute.parse_parameters(texts, KNOWN)
    assert values == {"epochs": 2, "learning_rate": 0.001, "published_report": False,
                      "data_source": "csv"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("epoch", "2", "There is no parameter 'epoch'. Did you mean epochs"),
        ("epochs", "2.5", "epochs='2.5' is not of type int"),
        ("learning_rate", "fast", "is not of type float"),
        ("published_report", "maybe", "is not of type bool"),
        ("data_source", "\udce4", "letters that are not in UTF-8, which a notebook can't be given"),
        ("data_source", "a\0", "has a null character in it. Take another"),
    ],
)
def test_wrong_parameters(name, text, message):
    with pytest.raises(CourseError, match=message):
        execute.parse_parameters([(name, text)], KNOWN)


def own_notebook(folder, *sources):
    """A notebook of somebody, with the parameters of the course's and these cells behind them."""
    first = new_code_cell('network: str = "Net"\nseed: int = 0', metadata={"tags": ["parameters"]})
    cells = [first, *map(new_code_cell, sources)]
    kernel = {"name": "python3", "display_name": "Python", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "own.ipynb")
    return folder / "own.ipynb"


def test_a_network_of_the_notebooks_own_is_known(tmp_path):
    path = own_notebook(tmp_path, "@register\nclass Mine(nn.Module):\n    pass")
    execute.check_values(path, {"network": "Mine"})
    with pytest.raises(CourseError, match="network='Yours' is not one of Net, .*, Mine. Correct"):
        execute.check_values(path, {"network": "Yours"})


@pytest.mark.parametrize(
    "cell", ["%matplotlib inline", "unheard_of", "import unheard_of", "exit", "raise SystemExit"]
)
def test_a_cell_that_can_not_be_looked_at_is_left_to_the_run(tmp_path, cell):
    path = own_notebook(tmp_path, f"{cell}\nparameters.check(globals(), seed=[1])")
    execute.check_values(path, {"seed": 5})


def test_an_error_of_the_course_in_an_own_cell_is_said(tmp_path):
    cell = "from fmnist_lib.errors import CourseError\nraise CourseError('Not here.')"
    path = own_notebook(tmp_path, f"{cell}\nparameters.check(globals(), seed=[1])")
    with pytest.raises(CourseError, match="Not here."):
        execute.check_values(path, {})


def test_many_values_are_looked_at_in_no_time():
    path = next(path for path in execute.notebooks() if path.stem == "03_train_sgd")
    execute.check_values(path, {})
    begin = time.perf_counter()
    execute.check_values(path, *({"seed": seed} for seed in range(1000)))
    assert time.perf_counter() - begin < 10


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:-1", ""])
def test_a_device_that_is_none(tmp_path, device):
    path = next(path for path in execute.notebooks() if path.stem == "03_train_sgd")
    with pytest.raises(CourseError, match="is unknown. Choose auto, cpu, cuda"):
        execute.check_values(path, {"device": device})


def test_a_device_of_another_machine_is_only_known_by_name():
    path = next(path for path in execute.notebooks() if path.stem == "03_train_sgd")
    execute.check_values(path, {"device": "cuda:7"}, here=False)
    with pytest.raises(CourseError, match="device='gpu' is not one of auto, cpu, cuda, mps"):
        execute.check_values(path, {"device": "gpu"}, here=False)


def test_a_parameter_that_is_given_twice():
    with pytest.raises(CourseError, match="The parameter epochs is given twice. Give it once."):
        execute.parse_parameters([("epochs", "1"), ("epochs", "2")], KNOWN)


def test_a_parameter_without_a_type_says_so():
    known = {"seed": {"inferred_type_name": "None"}}
    with pytest.raises(CourseError, match="does not say of which type seed is"):
        execute.parse_parameters([("seed", "1")], known)


def test_the_defaults_of_every_notebook_pass():
    for path in execute.notebooks():
        execute.check_values(path, {})


def test_every_parameter_has_a_type_and_a_meaning():
    for path in execute.notebooks():
        for name, spec in papermill.inspect_notebook(path).items():
            assert spec["inferred_type_name"] in ("int", "float", "bool", "str"), (path.name, name)
            assert len(spec["help"]) > 10, (path.name, name)


# ----------------------------------------------------------------- paths in executed notebooks


@pytest.fixture
def shortened(tmp_path, monkeypatch):
    """An output after its notebook was shortened, on a machine with these folders."""

    def shorten(text, project, home, moved=None, data=None, separator="/"):
        monkeypatch.setattr(execute, "work_folder", lambda: project)
        monkeypatch.setattr(execute.os, "sep", separator)
        monkeypatch.setattr(execute.os.path, "expanduser", lambda _: str(home))
        output = new_output("display_data", {"text/plain": text} | (data or {}))
        path = tmp_path / "executed.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(outputs=[output])]), path)
        execute.shorten_paths(path, moved)
        monkeypatch.undo()
        return nbformat.read(path, as_version=4).cells[0].outputs[0].data

    return shorten


@pytest.mark.parametrize(
    ("text", "project", "home", "short"),
    [
        ("/home/ada/fmnist/runs/a", "/home/ada/fmnist", "/home/ada", "runs/a"),
        ("/home/ada/venv/torch.py", "/home/ada/fmnist", "/home/ada", "~/venv/torch.py"),
        ("in /home/ada: none", "/srv/fmnist", "/home/ada", "in ~: none"),
        ("/home/adams/x", "/srv/fmnist", "/home/ada", "/home/adams/x"),
        ("/home/jörg/Übung/runs/a", "/home/jörg/Übung", "/home/jörg", "runs/a"),
        ("/home/学生/課程/runs", "/home/学生/課程", "/home/学生", "runs"),
        ('/home/o\'hara/a "b"/runs', '/home/o\'hara/a "b"', "/home/o'hara", "runs"),
        ("\x1b[32m/home/jörg/x.py\x1b[39m:3", "/srv/a", "/home/jörg", "\x1b[32m~/x.py\x1b[39m:3"),
        # Nothing but separators is left of these folders, as in a container:
        ("https://x.org/a and /a/b", "/", "/", "https://x.org/a and /a/b"),
        ("./a and ../b", "/srv/fmnist", ".", "./a and ../b"),
        ("~/a", "/srv/fmnist", "~", "~/a"),  # there is no home
    ],
)
def test_paths_are_shortened(shortened, text, project, home, short):
    assert shortened(text, Path(project), home)["text/plain"] == short


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (r"C:\Users\Jörg\fmnist\runs\a", r"runs\a"),
        (r"C:\Users\Jörg\venv\x.py", r"~\venv\x.py"),
        (r"C:\Users\Jörgen\x", r"C:\Users\Jörgen\x"),
        (r"D:\new\table", r"D:\new\table"),
    ],
)
def test_paths_with_backslashes_are_shortened(shortened, text, short):
    project, home = PureWindowsPath(r"C:\Users\Jörg\fmnist"), r"C:\Users\Jörg"
    assert shortened(text, project, home, separator=ntpath.sep)["text/plain"] == short


def test_a_folder_that_was_moved_is_named_where_it_lies(shortened):
    attempt, target = Path("/srv/Übung/out/.now/a~1"), Path("/srv/Übung/out/a")
    moved = {attempt: target}
    text = f"{attempt}/log.txt in {attempt}"
    data = shortened(text, Path("/srv/Übung"), "/root", moved)
    assert data["text/plain"] == "out/a/log.txt in out/a"


def test_pictures_stay_as_they_are(shortened):
    picture = {"image/png": "iVBOR/a/bAAA"}
    assert shortened("/a/b", Path("/a"), "/root", data=picture) == {"text/plain": "b"} | picture


def test_only_what_has_to_be_changed_is_changed(tmp_path, monkeypatch):
    path = tmp_path / "executed.ipynb"
    path.write_bytes(execute.notebooks()[0].read_bytes())
    text, written = path.read_text(encoding="utf-8"), path.stat().st_mtime_ns
    execute.shorten_paths(path)
    assert path.stat().st_mtime_ns == written
    # Of one that is changed, all else stays as nbformat has written it.
    monkeypatch.setattr(execute, "work_folder", lambda: Path("/content/course"))
    path.write_text(text.replace('"# ', '"/content/course/a ', 1), encoding="utf-8")
    execute.shorten_paths(path)
    assert path.read_text(encoding="utf-8") == text.replace('"# ', '"a ', 1)


@pytest.mark.parametrize("taken", [2, 3])
def test_a_kernel_whose_port_was_taken_starts_again(tmp_path, monkeypatch, taken):
    """A program took the port between jupyter_client's choice and the kernel's start."""
    free, calls, source = LocalPortCache.find_available_port, count(), own_notebook(tmp_path, "")
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = [other.getsockname()[1]] * taken

        def find(self, ip):  # for each kernel five times
            return ports.pop() if next(calls) % 5 == 0 and ports else free(self, ip)

        monkeypatch.setattr(LocalPortCache, "find_available_port", find)
        arguments = source, tmp_path / "out.ipynb", {"seed": 4}
        if taken == 3:
            with pytest.raises(CourseError, match="no kernel began: Kernel died .* `fmnist"):
                execute.execute(*arguments, progress_bar=False)
        else:
            execute.execute(*arguments, progress_bar=False)
    assert not ports and next(calls) == 15


def test_a_kernel_that_cannot_start_is_said_before_anything_runs(tmp_path, monkeypatch):
    gone = ("python3 starts /gone/python, which is gone", "python -m ipykernel install")
    monkeypatch.setattr(execute, "kernel_problem", lambda: gone)
    with pytest.raises(CourseError, match="kernel can.t start: python3 starts /gone.*ipykernel"):
        execute.execute(execute.notebooks()[0], tmp_path / "out.ipynb", {})
    assert list(tmp_path.iterdir()) == []
