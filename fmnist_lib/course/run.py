"""Executing the course's notebooks: a whole run through papermill, and their refresh in place."""

import base64
import difflib
import json
import logging
import os
import re
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path

import nbclient
import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from fmnist_lib import data, files, train
from fmnist_lib.course import results
from fmnist_lib.errors import CourseError

KERNEL = "python3"
SHARE_A_RUN = ("03_train_sgd", "04_confusion_matrix")  # 4 looks at what 3 trained
CELL_SECONDS = 60  # more of a reader's patience than a cell should take
# On generated images there is no published result to reproduce, and notebook 5's network is slower.
STAND_IN_EPOCHS = {"03_train_sgd": 8, "05_train_better": 3}
# A kernel warns that its sockets are not encrypted; they are on this machine's loopback only. And
# when it is interrupted it reports an error of its own.
QUIET = ["--IPKernelApp.log_level=50"]


def notebooks() -> list[Path]:
    """The numbered notebooks, in order."""
    found = sorted((data.project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise CourseError(
            f"No notebooks under {data.project_root()}. Run this inside a clone of the course."
        )
    return found


def parse_parameters(texts: list[tuple[str, str]], known: dict[str, dict]) -> dict:
    """Turn ("epochs", "2") into {"epochs": 2} by the types that the notebooks declare.

    known: as `papermill.inspect_notebook` returns it. Raises CourseError on an unknown name or a
    value of another type.
    """
    readers = {
        "int": int,
        "float": float,
        "str": str,
        "bool": lambda text: {"true": True, "false": False}[text.lower()],
    }
    values = {}
    for name, text in texts:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise CourseError(f"There is no parameter {name!r}. {hint}Known are: "
                              f"{', '.join(sorted(known))}.")  # fmt: skip
        kind = known[name]["inferred_type_name"]
        try:
            values[name] = readers[kind](text)
        except (ValueError, KeyError) as error:
            raise CourseError(f"{name}={text!r} is not of type {kind}.") from error
    return values


def run_course(
    name: str | None = None, parameters: list[tuple[str, str]] = (), resume: bool = False
) -> Path:
    """Execute every notebook into `runs/<name>/` and print what came out; returns that folder.

    name: default is the date and time. parameters: (name, text) pairs; each notebook takes those
    that it knows. On generated images the default is `STAND_IN_EPOCHS`.
    resume: go on with the run of this name that was stopped: notebooks that are complete stay as
        they are, and a training goes on after its last complete epoch.

    Raises CourseError before anything runs when a name, a value, the device or the data is wrong,
    and when a cell fails; the notebook as far as it ran is then in the folder.
    """
    sources = notebooks()
    inspected = {path: papermill.inspect_notebook(path) for path in sources}
    known = {key: spec for specs in inspected.values() for key, spec in specs.items()}
    given = parse_parameters(list(parameters), known)

    name = name or f"{datetime.now():%Y-%m-%d_%H%M%S}"
    folder = results.run_folder(Path("runs") / name)
    if Path(name).name != name:
        raise CourseError(
            f"--name {name!r} is not the name of a folder. Leave out slashes and dots."
        )
    if folder.exists() and not resume:
        raise CourseError(
            f"{folder} exists already. Choose another --name, delete it, or go on with it: --resume"
        )
    if resume and not folder.exists():
        raise CourseError(f"There is no {folder} to go on with. Give the --name of a stopped run.")
    train.choose_device(given.get("device", "auto"))
    print(f"Data: looking in {data.data_root()}", flush=True)
    loaded = data.load(source=given.get("data_source", "auto"))
    sizes = (f"{len(getattr(loaded, part)):,} {part}" for part in ("train", "validation", "test"))
    print(f"Data: {', '.join(sizes)} images", flush=True)
    fewer = STAND_IN_EPOCHS if loaded.source == "synthetic" and "epochs" not in given else {}
    if fewer:
        print(
            f"Generated images: {fewer['03_train_sgd']} epochs are enough (or give -p epochs 25)."
        )

    given["data_source"] = loaded.source
    folder.mkdir(parents=True, exist_ok=resume)
    for number, path in enumerate(sources, start=1):
        print(f"\n[{number}/{len(sources)}] {path.stem}", flush=True)
        if resume and is_complete(folder / path.name):
            print("complete already", flush=True)
            continue
        own = folder if path.stem in SHARE_A_RUN else folder / path.stem
        wanted = given | {"run_folder": from_project(own), "resume": resume}
        if path.stem in fewer:
            wanted["epochs"] = fewer[path.stem]
        wanted = {key: value for key, value in wanted.items() if key in inspected[path]}
        had_result = (own / "metrics.json").exists()
        try:
            execute(path, folder / path.name, wanted, cwd=path.parent, stdout_file=sys.stdout)
        except CourseError:
            if not had_result:  # a run that failed has none
                (own / "metrics.json").unlink(missing_ok=True)
            raise
        except KeyboardInterrupt:
            given_here = [text for pair in parameters for text in ("-p", *pair)]
            command = shlex.join(["fmnist", "run", "--name", name, *given_here, "--resume"])
            print(f"\nStopped. {folder} is kept; to go on from there: {command}", file=sys.stderr)
            logging.disable()  # tasks that papermill has left behind complain when Python ends
            raise
    print_summary(folder)
    return folder


def from_project(path: Path) -> str:
    """A path as it is counted from the project's folder; the whole path when it lies elsewhere."""
    root = data.project_root()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def is_complete(executed: Path) -> bool:
    """Whether every cell of a notebook was executed, none with an error.

    papermill's own marks don't tell: it marks all cells as completed when it is interrupted.
    """
    try:
        cells = nbformat.read(executed, as_version=4).cells
    except (OSError, ValueError):  # none, or half a file
        return False
    code = [cell for cell in cells if cell.cell_type == "code"]
    failed = any(output.output_type == "error" for cell in code for output in cell.outputs)
    return not failed and all(cell.execution_count for cell in code)


def execute(source: Path, output: Path, parameters: dict, **options) -> None:
    """Execute a notebook through papermill; CourseError when a cell fails."""
    try:
        papermill.execute_notebook(
            source,
            output,
            parameters=parameters,
            kernel_name=KERNEL,
            extra_arguments=QUIET,
            **options,
        )
    except PapermillExecutionError as error:
        raise CourseError(
            f"{source.name} failed in cell {error.exec_count}: {error.ename}: {error.evalue} "
            f"The notebook as far as it ran, with the whole traceback: {output}"
        ) from error
    except DeadKernelError as error:
        raise CourseError(
            f"{source.name}: its kernel died, as it does when the memory is full. The notebook as "
            f"far as it ran: {output}"
        ) from error
    except OSError as error:
        raise CourseError(
            f"{error.filename or output} can't be written: {error.strerror or error}. Make room "
            "and run again."
        ) from error
    finally:
        if output.exists():
            shorten_paths(output)


def shorten_paths(executed: Path) -> None:
    """Let the paths in an executed notebook begin in the project: it may be handed on."""
    root = json.dumps(f"{data.project_root()}{os.sep}")[1:-1]  # as JSON has it
    text = executed.read_text(encoding="utf-8")
    if root in text:
        files.write_text(executed, text.replace(root, ""))


def print_summary(folder: Path) -> None:
    """Print the headline of a run and where its files are."""
    metrics = results.read(folder)
    if metrics["data"]["source"] == "synthetic":
        print("\n" + data.NOTICE)
    print("\n" + results.headline(metrics).to_string())
    print(f"\nexecuted notebooks   {folder}")
    for file in ("metrics.json", "checkpoint.pt", "confusion_matrix.csv"):
        print(f"{file:20} {folder / file}")


def refresh(only: str = "") -> None:
    """Execute the notebooks in place, on the real data, with their default parameters.

    only: part of a notebook's name, to refresh just that one. The measured time is written into
    the line of the notebook that begins with "Running all cells". A notebook is replaced only
    when all its cells ran.
    """
    data.load(source="zalando")  # the stored outputs must be about the real data
    for path in notebooks():
        if only not in path.name:
            continue
        print(f"\n{path.name}", flush=True)
        notebook = nbformat.read(path, as_version=4)
        started = time.perf_counter()
        execute_with_times(notebook, path.parent)
        remove_widgets(notebook)
        write_running_time(notebook, time.perf_counter() - started)
        nbformat.validate(notebook)
        with files.replacing(path) as scratch:
            nbformat.write(notebook, scratch)
        write_readme_figure(notebook)


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


def remove_widgets(notebook: nbformat.NotebookNode) -> None:
    """Keep of a widget only the figure beside it: without its kernel it is an error message."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def write_running_time(notebook: nbformat.NotebookNode, seconds: float) -> None:
    """Put a measured time into the line that begins with "Running all cells"."""
    device = train.choose_device()
    minutes = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
    line = f"Running all cells took {minutes} on: {results.device_name(device)}."
    cell = notebook.cells[0]
    cell.source, count = re.subn(r"Running all cells.*", line, cell.source)
    if count != 1:
        raise CourseError('The first cell needs one line that begins with "Running all cells".')


def write_readme_figure(notebook: nbformat.NotebookNode) -> None:
    """Save the figure of a cell tagged `readme-figure`, which the README shows."""
    for cell in notebook.cells:
        if "readme-figure" in cell.metadata.get("tags", []):
            picture = base64.b64decode(cell.outputs[0].data["image/png"])
            (data.project_root() / "notebooks" / "readme_figure.png").write_bytes(picture)
