"""`fmnist run`: the whole course through papermill, into a folder of its own."""

import logging
import re
import shlex
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from fmnist_lib import data, runs, synthetic
from fmnist_lib.course.execute import (
    check_values,
    declared,
    effective_parameters,
    execute,
    notebooks_here,
    parse_parameters,
    read_notebook,
    require_same_code,
)
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic, paths

SHARE_A_RUN = ("03_train_sgd", "04_confusion_matrix")  # 4 looks at what 3 trained
# On generated images there is no published result to reproduce, and notebook 7's network is slower.
STAND_IN_EPOCHS = {"03_train_sgd": 8, "07_train_better": 3}


def run_course(
    name: str | None = None, parameters: list[tuple[str, str]] = (), resume: bool = False
) -> Path:
    """Execute every notebook into `runs/<name>/` and print what came out; returns that folder.

    name: default is the date and time. parameters: (name, text) pairs; each notebook takes those
    that it knows. On generated images the default is `STAND_IN_EPOCHS`.
    resume: go on with the run of this name that was stopped, or with more epochs: notebooks that
        are complete stay as they are, and a training goes on after its last complete epoch.

    Raises CourseError before anything runs when a name, a value, the device or the data is wrong,
    or a run that is to be gone on with was another one; and when a cell fails: the notebook as far
    as it ran is then in the folder.
    """
    inspected = {path: declared(path) for path in notebooks_here()}
    known = {key: spec for specs in inspected.values() for key, spec in specs.items()}
    given = parse_parameters(list(parameters), known)
    name = f"{datetime.now():%Y-%m-%d_%H%M%S}" if name is None else name
    folder = _choose_folder(name, resume)
    for path, its_own in inspected.items():
        check_values(path, {key: given[key] for key in given if key in its_own})
    given["data_source"] = prepare_data(given.get("data_source", "auto"))
    fewer = STAND_IN_EPOCHS if given["data_source"] == "synthetic" and "epochs" not in given else {}
    if fewer:
        few = fewer["03_train_sgd"]
        print(f"Generated images: {few} epochs are enough (or give -p epochs 25).")

    wanted = {}
    for path, its_own in inspected.items():
        values = given | ({"epochs": fewer[path.stem]} if path.stem in fewer else {})
        wanted[path] = {name: value for name, value in values.items() if name in its_own}
    done = [path for path in wanted if is_done(folder / path.name, path, wanted[path])]
    if SHARE_A_RUN[0] not in [path.stem for path in done]:  # what looks at its network, anew
        done = [path for path in done if path.stem not in SHARE_A_RUN]

    atomic.make_folder(folder)
    for number, path in enumerate(wanted, start=1):
        print(f"\n[{number}/{len(wanted)}] {path.stem}", flush=True)
        if path in done:
            print("complete already", flush=True)
            continue
        run = folder if path.stem in SHARE_A_RUN else folder / path.stem
        where = {"run_folder": paths.from_work_folder(run), "resume": resume}
        where = {name: where[name] for name in where if name in inspected[path]}
        try:
            _execute(path, folder / path.name, wanted[path] | where, run / "metrics.json")
        except KeyboardInterrupt:
            given_here = [text for pair in parameters for text in ("-p", *pair)]
            command = shlex.join(["fmnist", "run", "--name", name, *given_here, "--resume"])
            print(f"\nStopped. {folder} is kept; to go on from there: {command}", file=sys.stderr)
            logging.disable()  # tasks that papermill has left behind complain when Python ends
            raise
    print_summary(folder)
    return folder


def _choose_folder(name: str, resume: bool) -> Path:
    if not re.fullmatch(r"\w[\w .+-]*", name):
        raise CourseError(
            f"--name {name!r} is not the name of a folder. Take letters, digits and - _ . +, and "
            "begin with a letter or a digit."
        )
    folder = paths.in_work_folder(Path("runs") / name)
    if folder.exists() and not resume:
        raise CourseError(
            f"{folder} exists already. Choose another --name, delete it, or go on with it: --resume"
        )
    if resume and not folder.exists():
        raise CourseError(f"There is no {folder} to go on with. Give the --name of a stopped run.")
    return folder


def prepare_data(source: str) -> str:
    """Load the data once, which downloads it if need be; returns the source that it came from."""
    print(f"Data: looking in {paths.data_root()}", flush=True)
    loaded = data.load(source=source)
    sizes = (f"{len(getattr(loaded, part)):,} {part}" for part in ("train", "validation", "test"))
    print(f"Data: {', '.join(sizes)} images", flush=True)
    return loaded.source


def _execute(source: Path, output: Path, parameters: dict, result: Path) -> None:
    """Execute one notebook; one that fails leaves no result that was not there before."""
    had_result = result.exists()
    try:
        execute(source, output, parameters, cwd=source.parent, stdout_file=sys.stdout)
    except CourseError:
        if not had_result:
            with suppress(CourseError):  # it is not to hide why the notebook failed
                atomic.remove(result)
        raise


def is_done(executed: Path, source: Path, wanted: dict) -> bool:
    """Whether an executed notebook is complete and what is wanted now; False where it goes on.

    wanted: the parameters given. Raises CourseError when it was made from another notebook, or with
    other parameters, but for fewer epochs: what is there would pass for what is asked for.
    """
    if not is_complete(executed):
        return False
    require_same_code(executed, source, read_notebook(source), "Begin a run of another --name.")
    was, now = effective_parameters(executed), effective_parameters(source, wanted)
    changed = [name for name in now if was.get(name) != now[name]]
    if changed == ["epochs"] and now["epochs"] > was["epochs"]:
        return False
    if changed:
        values = ", ".join(f"{name}={was.get(name)!r}, now {now[name]!r}" for name in changed)
        raise CourseError(
            f"{executed} was made with other parameters: {values}. Give those again, or begin a "
            "run of another --name."
        )
    return True


def is_complete(executed: Path) -> bool:
    """Whether every cell of a notebook was executed, none with an error.

    papermill's own marks don't tell: it marks all cells as completed when it is interrupted.
    """
    try:
        cells = read_notebook(executed).cells
    except CourseError:  # none, or half a file
        return False
    code = [cell for cell in cells if cell.cell_type == "code"]
    failed = any(output.output_type == "error" for cell in code for output in cell.outputs)
    return not failed and all(cell.execution_count for cell in code)


def print_summary(folder: Path) -> None:
    """Print the headline of a run and where its files are."""
    metrics = runs.read(folder)
    if metrics["data"]["source"] == "synthetic":
        print("\n" + synthetic.NOTICE)
    print("\n" + runs.headline(metrics).to_string())
    print(f"\nexecuted notebooks   {folder}")
    for file in ("metrics.json", "checkpoint.pt", "confusion_matrix.csv"):
        print(f"{file:20} {folder / file}")
