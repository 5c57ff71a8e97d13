"""`fmnist notebooks`: executing the notebooks in place, for those who edit the course."""

import base64
import json
import re
import time
from pathlib import Path

import nbclient
import nbformat
from nbformat.v4 import new_code_cell

from fmnist_lib import data
from fmnist_lib.course.doctor import with_kernel
from fmnist_lib.course.execute import KERNEL, QUIET, named, notebooks, read_notebook
from fmnist_lib.course.grading import exercises
from fmnist_lib.course.grading.exercises import OUTCOMES
from fmnist_lib.device import choose_device, device_name
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import quiz
from fmnist_lib.storage import atomic

CELL_SECONDS = 60  # more of a reader's patience than a cell should take
# Executed behind the last cell, and not kept: what became of that which students predict.
LAST = "import json; from fmnist_lib.lessons import guesses; print(json.dumps(guesses.outcomes()))"


def refresh(only: str = "") -> None:
    """Execute the notebooks in place, on the real data, with their default parameters.

    only: part of a notebook's name, to refresh just that one. The text of the quiz comes from
    `lessons/quiz.yaml`; the measured time is written into the line of the notebook that begins with
    "Running all cells". A notebook is replaced only when all its cells ran. Raises CourseError when
    no notebook is meant, and when the quiz can't be written into one.
    """
    chosen = named(notebooks(), only)
    quiz.seal()
    stems = [path.stem for path in notebooks()]
    if strange := [stem for stem in quiz.by_notebook() if stem not in stems]:
        raise CourseError(
            f"quiz.yaml has questions under {strange[0]!r}, and no notebook is called so. Put them "
            f"under one of {', '.join(stems)}."
        )
    data.load(source="zalando")  # the stored outputs must be about the real data
    for path in chosen:
        print(f"\n{path.name}", flush=True)
        notebook = read_notebook(path)
        quiz.write_into(notebook, path.stem)
        exercises.write_ids(notebook, path.stem)
        notebook.cells.append(new_code_cell(LAST))
        started = time.perf_counter()
        execute_with_times(notebook, path.parent)
        notebook.metadata[OUTCOMES] = json.loads(notebook.cells.pop().outputs[0].text)
        remove_widgets(notebook)
        write_running_time(notebook, time.perf_counter() - started)
        nbformat.validate(notebook)
        with atomic.replacing(path) as scratch:
            nbformat.write(notebook, scratch)
        write_readme_figure(notebook, path.parent)


def execute_with_times(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute a notebook in memory; print each code cell's seconds as it ends.

    A cell that takes over `CELL_SECONDS` and does not train is marked with "!".
    """
    starts = {}

    def begin(cell, cell_index):
        starts[cell_index] = time.perf_counter()

    def end(cell, cell_index, execute_reply):
        first_line = cell.source.partition("\n")[0][:60]
        seconds = time.perf_counter() - starts[cell_index]
        mark = "!" if seconds > CELL_SECONDS and "train" not in cell.source else " "
        print(f"{seconds:8.1f} s{mark} cell {cell_index:3}  {first_line}", flush=True)

    def run():
        nbclient.NotebookClient(
            notebook,
            timeout=None,
            kernel_name=KERNEL,
            extra_arguments=QUIET,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            on_cell_execute=begin,
            on_cell_executed=end,
            resources={"metadata": {"path": str(folder)}},
        ).execute()

    with_kernel(run)


def remove_widgets(notebook: nbformat.NotebookNode) -> None:
    """Keep of a widget only the figure beside it: without its kernel it is an error message."""
    for cell in notebook.cells:
        if "outputs" in cell:
            view = "application/vnd.jupyter.widget-view+json"
            cell.outputs = [each for each in cell.outputs if view not in each.get("data", {})]


def write_running_time(notebook: nbformat.NotebookNode, seconds: float) -> None:
    """Put a measured time into the line that begins with "Running all cells"."""
    device = choose_device()
    minutes = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
    line = f"Running all cells took {minutes} on: {device_name(device)}."
    cell = notebook.cells[0]
    cell.source, count = re.subn(r"Running all cells.*", line, cell.source)
    if count != 1:
        raise CourseError('The first cell needs one line that begins with "Running all cells".')


def write_readme_figure(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Save the figure of a cell tagged `readme-figure`, which the README shows."""
    for cell in notebook.cells:
        if "readme-figure" in cell.metadata.get("tags", []):
            picture = base64.b64decode(cell.outputs[0].data["image/png"])
            (folder / "readme_figure.png").write_bytes(picture)
