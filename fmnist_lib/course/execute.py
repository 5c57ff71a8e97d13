"""The notebooks of the course: which there are, their parameters, executing one of them."""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from fmnist_lib.course.doctor import kernel_problem
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.parameters import check, unknown
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import project_root

KERNEL = "python3"
# A kernel warns that its sockets are not encrypted; they are on this machine's loopback only. And
# when it is interrupted it reports an error of its own.
QUIET = ["--IPKernelApp.log_level=50"]
NOT_DECISIVE = ("run_folder", "resume")


def notebooks() -> list[Path]:
    """The numbered notebooks, in order; CourseError when there are none."""
    found = sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise CourseError(
            f"No notebooks under {project_root()}. Run this inside a clone of the course."
        )
    return found


def named(paths: list[Path], part: str) -> list[Path]:
    """Those notebooks that have a text in their name; CourseError when none has."""
    if not (found := [path for path in paths if part in path.name]):
        names = ", ".join(path.stem for path in paths)
        raise CourseError(f"No notebook has {part!r} in its name. There are: {names}.")
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
            raise unknown(name, known)
        kind = known[name]["inferred_type_name"]
        try:
            values[name] = readers[kind](text)
        except (ValueError, KeyError) as error:
            raise CourseError(f"{name}={text!r} is not of type {kind}.") from error
    return values


def effective_parameters(notebook: Path, given: dict | None = None) -> dict:
    """All that decides on a run of a notebook: its parameters, those with their defaults included.

    given: what it would be run with; default: what it, an executed one, was run with. Where the
    result goes and whether a run goes on is left out.
    """
    defaults = {
        name: ast.literal_eval(spec["default"])
        for name, spec in papermill.inspect_notebook(notebook).items()
    }
    if given is None:
        metadata = nbformat.read(notebook, as_version=4).metadata
        given = metadata.get("papermill", {}).get("parameters", {})
    effective = defaults | {name: given[name] for name in given if name in defaults}
    return {name: effective[name] for name in sorted(effective) if name not in NOT_DECISIVE}


def check_values(notebook: Path, given: dict) -> None:
    """Refuse, before anything runs, values that a notebook refuses in its first cells.

    given: what it is to be run with. Raises CourseError.
    """
    from fmnist_lib.model import NETWORKS
    from fmnist_lib.sources import SOURCES  # here: PyTorch takes a second, and not all need it

    values = effective_parameters(notebook, given)
    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    own = re.findall(r"^class (\w+)", "\n".join(code), re.M)  # a network may be the notebook's
    check(values, data_source=["auto", *SOURCES], network=[*NETWORKS, *own])
    declared = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    first = next((source for source in code if "parameters.check(globals()" in source), "")
    try:
        exec(compile(first, notebook.name, "exec"), values | {"In": declared})
    except CourseError:
        raise
    except Exception:  # somebody's own cell, which needs more than this: its run will say
        return


def require_kernel() -> None:
    """CourseError when no kernel of this Python can start: what follows would be harder to read."""
    if problem := kernel_problem():
        found, remedy = problem
        raise CourseError(f"The Jupyter kernel can't start: {found}. Remedy: {remedy}")


def run_cells(
    notebook: nbformat.NotebookNode | Path, output: Path, parameters: dict, **options
) -> None:
    """Execute a notebook through papermill, in the kernel of this Python; raises what that raises.

    options: of `papermill.execute_notebook`.
    """
    require_kernel()
    papermill.execute_notebook(
        notebook,
        output,
        parameters=parameters,
        kernel_name=KERNEL,
        extra_arguments=QUIET,
        **options,
    )


def execute(
    source: Path,
    output: Path,
    parameters: dict,
    notebook: nbformat.NotebookNode | None = None,
    **options,
) -> None:
    """Execute a notebook as `run_cells` does; CourseError when it can't begin or a cell fails.

    notebook: what is executed in place of what stands in `source`.
    """
    try:
        with atomic.writing(output):
            run_cells(notebook or source, output, parameters, **options)
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
    finally:
        if output.exists():
            shorten_paths(output)


def shorten_paths(executed: Path, moved: dict[Path, Path] | None = None) -> None:
    """Let the paths in an executed notebook begin in the project or in "~": it may be handed on.

    moved: a folder that the notebook names -> where that lies now. Pictures stay as they are.
    """
    root, home = f"{project_root()}{os.sep}", os.path.expanduser("~")

    def shortened(value):
        if isinstance(value, dict):
            return {
                name: each if name.startswith("image/") else shortened(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [shortened(each) for each in value]
        if isinstance(value, str):
            for was, now in (moved or {}).items():
                value = value.replace(str(was), str(now))
            if root.strip(os.sep):  # it is not the root of all folders
                value = value.replace(root, "")
            if home.strip(f"{os.sep}.~"):  # there is one
                value = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", value)
        return value

    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
    except ValueError:  # half a file, as on a full disk; what went wrong is said elsewhere
        return
    if (changed := shortened(notebook)) != notebook:
        # As nbformat writes it.
        atomic.write_text(executed, json.dumps(changed, indent=1, ensure_ascii=False) + "\n")
