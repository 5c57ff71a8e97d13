"""`fmnist notebooks`: what is executed in place, and what is written into a notebook."""

import base64

import nbclient.exceptions
import nbformat
import pytest

from fmnist_lib.course import cli, refresh
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import quiz

PNG = b"\x89PNG and more"
FIGURE = f"""from IPython.display import Image, display
import base64
display(Image(base64.b64decode("{base64.b64encode(PNG).decode()}")))"""
FIRST = "# A title\n\nRunning all cells takes a while.\n\n- look"


def code(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Make a course of one notebook with these cells behind its title; no data is needed."""

    def make(*cells, stem="02_build_cnn"):
        path = tmp_path / f"{stem}.ipynb"
        nbformat.write(
            nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_markdown_cell(FIRST), *cells],
                metadata={"kernelspec": {"name": "python3", "display_name": "P"}},
            ),
            path,
        )
        monkeypatch.setattr(refresh, "notebooks", lambda: [path])
        monkeypatch.setattr(refresh.data, "load", lambda source: make.loaded.append(source))
        monkeypatch.setattr(quiz, "by_notebook", lambda: {stem: quiz_of_one})
        monkeypatch.setattr(quiz, "seal", lambda: make.sealed.append(stem))
        return path

    make.loaded, make.sealed = [], []
    return make


OPTIONS = {letter: quiz.Option(f"Answer {letter}.", "So.") for letter in "abc"}
quiz_of_one = {"which": quiz.Question("Which one?", OPTIONS, "b")}


def test_a_notebook_is_executed_in_place(course, capsys, tmp_path):
    path = course(
        code("print(6 * 7)"),
        code(FIGURE, "readme-figure"),
        nbformat.v4.new_markdown_cell("**Quiz.** Not yet written"),
        code('answer = ...\n# quiz.check("which", answer)', "quiz"),
    )
    assert cli.main(["notebooks", "02"]) == 0
    assert course.loaded == ["zalando"] and course.sealed == ["02_build_cnn"]
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[1].outputs[0].text == "42\n"
    assert [c.execution_count for c in notebook.cells if c.cell_type == "code"] == [1, 2, 3]
    assert notebook.cells[3].source.startswith("**Quiz 1.** Which one?\n\n- a) Answer a.")
    first = notebook.cells[0].source.splitlines()
    assert first[0] == "# A title" and first[2].startswith("Running all cells took ")
    assert (tmp_path / "readme_figure.png").read_bytes() == PNG
    printed = capsys.readouterr().out
    assert "02_build_cnn.ipynb" in printed and "s  cell   1  print(6 * 7)" in printed


def test_a_notebook_with_a_cell_that_fails_stays_as_it_was(course, tmp_path):
    path = course(code("1 / 0"))
    before = path.read_bytes()
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="ZeroDivisionError"):
        refresh.refresh()
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_notebook_that_is_none(course, capsys):
    course(code("1"))
    assert cli.main(["notebooks", "nope"]) == 1
    assert capsys.readouterr().err == (
        "fmnist: No notebook has 'nope' in its name. There are: 02_build_cnn.\n"
    )
    assert course.loaded == []


def test_questions_under_a_notebook_that_is_none(course, monkeypatch):
    path = course(code("1"))
    monkeypatch.setattr(quiz, "by_notebook", lambda: {"02_bild_cnn": quiz_of_one})
    with pytest.raises(CourseError, match="questions under '02_bild_cnn', and no notebook is call"):
        refresh.refresh()
    assert nbformat.read(path, as_version=4).cells[1].outputs == []


@pytest.mark.parametrize(
    "seconds, words", [(3.4, "3 seconds"), (89, "89 seconds"), (91, "2 minutes"), (600, "10 min")]
)
def test_the_running_time_is_written_into_its_line(seconds, words):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(FIRST)])
    refresh.write_running_time(notebook, seconds)
    assert f"\n\nRunning all cells took {words}" in notebook.cells[0].source
    assert notebook.cells[0].source.endswith("\n\n- look")


@pytest.mark.parametrize("source", ["# A title", f"{FIRST}\n{FIRST}"])
def test_a_notebook_without_one_line_for_its_time(source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(source)])
    with pytest.raises(CourseError, match="needs one line that begins with"):
        refresh.write_running_time(notebook, 1)


def test_a_cell_that_takes_too_long_is_marked(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(refresh, "CELL_SECONDS", -1)
    cells = [code("1"), code("train = 2")]
    refresh.execute_with_times(nbformat.v4.new_notebook(cells=cells), tmp_path)
    first, second = capsys.readouterr().out.splitlines()
    assert "s! cell   0  1" in first and "s  cell   1  train = 2" in second


def test_a_widget_leaves_its_figure_only():
    view = nbformat.v4.new_output(
        "display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
    )
    figure = nbformat.v4.new_output("display_data", {"image/png": "iVBORw=="})
    cells = [nbformat.v4.new_markdown_cell("text")]
    cells.append(nbformat.v4.new_code_cell("play()", outputs=[figure, view]))
    notebook = nbformat.v4.new_notebook(cells=cells)
    refresh.remove_widgets(notebook)
    assert notebook.cells[1].outputs == [figure]
