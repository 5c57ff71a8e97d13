"""The notebooks of the course: which there are, their parameters, executing one of them."""

import difflib
import json
import os
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import project_root

KERNEL = "python3"
# A kernel warns that its sockets are not encrypted; they are on this machine's loopback only. And
# when it is interrupted it reports an error of its own.
QUIET = ["--IPKernelApp.log_level=50"]


def notebooks() -> list[Path]:
    """The numbered notebooks, in order; CourseError when there are none."""
    found = sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise CourseError(
            f"No notebooks under {project_root()}. Run this inside a clone of the course."
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


def execute(source: Path, output: Path, parameters: dict, **options) -> None:
    """Execute a notebook through papermill; CourseError when a cell fails.

    options: of `papermill.execute_notebook`.
    """
    try:
        with atomic.writing(output):
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
    finally:
        if output.exists():
            shorten_paths(output)


def shorten_paths(executed: Path) -> None:
    """Let the paths in an executed notebook begin in the project: it may be handed on."""
    root = json.dumps(f"{project_root()}{os.sep}")[1:-1]  # as JSON has it
    text = executed.read_text(encoding="utf-8")
    if root in text:
        atomic.write_text(executed, text.replace(root, ""))
