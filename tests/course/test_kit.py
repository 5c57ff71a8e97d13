"""The student kit: what is in it, that it works alone, and that no solution gets out with it."""

import base64
import io
import json
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest

from fmnist_lib.course import cli, execute, kit
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import envelope

SECRET = "return images.flip(2)"  # of notebook 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return kit.build(tmp_path_factory.mktemp("kit"))


def contents(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def packed(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive.getvalue()


@pytest.fixture(scope="module")
def files(made):
    return contents(made.read_bytes())


@pytest.fixture(scope="module")
def wheel(files):
    (name,) = (name for name in files if name.endswith(".whl"))
    return name


def test_what_is_in_it(files, wheel):
    names = {name.removeprefix("fmnist-course/") for name in files}
    notebooks = {path.name for path in execute.notebooks()}
    install = {"install/constraints.txt", wheel.removeprefix("fmnist-course/")}
    assert names == notebooks | install | {"START.html", "explain.html", "numpy_to_torch.md"}
    start = files["fmnist-course/START.html"].decode()
    assert wheel.rpartition("/")[2] in start and "Python 3.11 or newer" in start
    assert not re.search(r"WHEEL|PYTHON|<(img|script|link)\b", start)
    inside = contents(files[wheel])
    for wanted in ("weights/Net.pt", "results/final/published/seed=0", "lessons/play/play.css"):
        assert any(name.startswith(f"fmnist_lib/{wanted}") for name in inside), wanted


def test_answers_are_in_envelopes_and_work(files, wheel, tmp_path):
    """A check and the quiz of the package as students install it, in a process of its own."""
    (tmp_path / "site").mkdir()
    with zipfile.ZipFile(io.BytesIO(files[wheel])) as opened:
        opened.extractall(tmp_path / "site")
    for path in execute.notebooks():
        module = tmp_path / "site" / "fmnist_lib" / "lessons" / "checks" / f"{path.stem[3:]}.py"
        assert module.read_text().count("\n") == 5 and envelope.MARK in module.read_text()
    code = (
        "import fmnist_lib\n"
        "from fmnist_lib.lessons import quiz\n"
        "from fmnist_lib.lessons.checks import explore_data\n"
        "print(fmnist_lib.__file__)\n"
        "print(explore_data.mirror(lambda images: images.flip(2)).kind)\n"
        "print(explore_data.mirror(lambda images: images.flip(1)).reason)\n"
        "print(quiz.judge('balance', 'b').kind)\n"
        "from fmnist_lib import runs\n"
        "print(len(runs.read_all('results/few_epochs')[0]))\n"
        "runs.claim('runs/mine')\n"
    )
    work = tmp_path / "a folder with blanks"
    work.mkdir()
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n",
    ]
    command[-1] += code
    done = subprocess.run(command, cwd=work, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert str(tmp_path / "site") in said[0]
    assert [said[2], said[5]] == ["right", "right"], said
    assert "upside down" in said[4] and said[6] == "55"
    assert (work / "runs" / "mine").is_dir()


def test_the_notebooks_are_blank_and_ask(files):
    for path in execute.notebooks():
        notebook = nbformat.reads(files[f"fmnist-course/{path.name}"].decode(), as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        assert any("..." in cell.source for cell in code)


def notebook_with(change):
    def plant(files, wheel):
        name = "fmnist-course/01_explore_data.ipynb"
        notebook = nbformat.reads(files[name].decode(), as_version=4)
        change(notebook)
        return files | {name: nbformat.writes(notebook)}

    return plant


def in_the_wheel(name, content):
    return lambda files, wheel: files | {wheel: packed(contents(files[wheel]) | {name: content})}


def beside(name, content):
    return lambda files, wheel: files | {f"fmnist-course/{name}": content}


def code_cell(notebook):
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def output(kind, text, **metadata):
    return nbformat.v4.new_output("display_data", {kind: text}, metadata=metadata)


HIDDEN = base64.b64encode(f"def mirror(images):\n    {SECRET}\n".encode()).decode()
PLANTED = {
    "a module in the wheel": in_the_wheel("fmnist_lib/answers.py", f"# {SECRET}\n"),
    "a module that is read, in the wheel": in_the_wheel("fmnist_lib/data.py", f"# {SECRET}\n"),
    "the quiz as it is": in_the_wheel("fmnist_lib/results/a.csv", SECRET),
    "the wheel's description": in_the_wheel("fmnist_lib-0.1.0.dist-info/METADATA", SECRET),
    "a cell": notebook_with(lambda n: code_cell(n).update(source=f"x\n{SECRET}")),
    "Markdown": notebook_with(lambda n: n.cells[0].update(source=f"Use `{SECRET}`.")),
    "an output": notebook_with(lambda n: code_cell(n).outputs.append(output("text/plain", SECRET))),
    "base64": notebook_with(lambda n: code_cell(n).outputs.append(output("image/png", HIDDEN))),
    "an alt text": notebook_with(
        lambda n: code_cell(n).outputs.append(
            output("image/png", "AAAA", **{"image/png": {"alt": SECRET}})
        )
    ),
    "metadata": notebook_with(lambda n: n.metadata.update(answer=SECRET)),
    "metadata of a cell": notebook_with(lambda n: code_cell(n).metadata.update(answer=SECRET)),
    "a marker": notebook_with(lambda n: n.cells[0].update(source="### BEGIN SOLUTION")),
    "a page": beside("numpy_to_torch.md", f"# Page\n\n    {SECRET}\n"),
    "the first page": beside("START.html", f"<p>return <b>images.flip</b>(2)</p> {SECRET}"),
    "UTF-16": beside("numpy_to_torch.md", SECRET.encode("utf-16")),
}


@pytest.fixture(scope="module")
def small(files, wheel):
    """The kit without what takes long to search and is searched in the same way."""
    inside = {name: text for name, text in contents(files[wheel]).items() if "results/" not in name}
    inside = {name: text for name, text in inside.items() if not name.endswith(".pt")}
    return files | {wheel: packed(inside)}


def test_a_kit_passes(small):
    kit.require_no_solution(packed(small))


@pytest.mark.parametrize("where", PLANTED)
def test_a_planted_solution_is_found(where, small, wheel):
    with pytest.raises(CourseError, match="would show a line of a solution"):
        kit.require_no_solution(packed(PLANTED[where](small, wheel)))


@pytest.mark.parametrize(
    "name",
    ["course.bundle", ".git/HEAD", "runs/lesson/metrics.json", "01_explore_data.py",
     "notebooks/01_explore_data.ipynb", "install/other.whl", "old.zip", "../START.html"],
)  # fmt: skip
def test_what_does_not_belong_into_it(name, small):
    with pytest.raises(CourseError, match=f"{re.escape(name)} does not belong into the kit"):
        kit.require_no_solution(packed(small | {f"fmnist-course/{name}": b"# v2 git bundle\n"}))


def test_what_does_not_belong_into_the_wheel(small, wheel):
    changed = in_the_wheel("notebooks/01_explore_data.ipynb", "{}")(small, wheel)
    with pytest.raises(CourseError, match="does not belong into the kit"):
        kit.require_no_solution(packed(changed))


def test_what_an_archive_keeps_of_a_file_that_was_replaced(small):
    """zip's own tools append the new one, and the old one stays where it was."""
    archive = io.BytesIO(packed(small))
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("fmnist-course/answers.md", SECRET)
        opened.filelist.pop()  # only its name is gone
    with pytest.raises(CourseError, match="bytes that belong to none of its files"):
        kit.require_no_solution(archive.getvalue())
    with zipfile.ZipFile(archive := io.BytesIO(packed(small)), "a") as opened:
        opened.comment = SECRET.encode()
    with pytest.raises(CourseError, match="bytes that belong to none of its files"):
        kit.require_no_solution(archive.getvalue())
    with pytest.raises(CourseError, match="bytes that belong to none of its files"):
        kit.require_no_solution(SECRET.encode() + packed(small))


def test_a_kit_that_would_show_a_solution_is_not_written(made, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(kit, "student_files", lambda **_: {"numpy_to_torch.md": SECRET})
    (tmp_path / kit.KIT).write_text("of yesterday")
    assert cli.main(["kit", "--out", str(tmp_path)]) == 1
    assert "numpy_to_torch.md in the kit would show" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [kit.KIT]
    assert (tmp_path / kit.KIT).read_text() == "of yesterday"


def test_without_a_clone_no_kit_is_made(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(execute, "course", lambda: None)
    assert cli.main(["kit", "--out", str(tmp_path / "new")]) == 1
    assert "needs a clone of the course" in capsys.readouterr().err


def test_a_wheel_that_cannot_be_built_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(kit, "BUILD", "raise SystemExit('No module named setuptools')")
    with pytest.raises(
        CourseError, match=r"can't be built \(No module named setuptools\). Install"
    ):
        kit.build_wheel(tmp_path)


def test_an_envelope_gives_back_what_is_put_in():
    text = 'x = "…"\n' * 50
    assert envelope.opened(envelope.closed(text)) == text != envelope.closed(text)
    assert envelope.opened(text) == text
    assert json.dumps(envelope.closed(text)) == f'"{envelope.closed(text)}"'
