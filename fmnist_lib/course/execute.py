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

from fmnist_lib.course.doctor import kernel_problem, with_kernel
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.parameters import check, unknown
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import course, is_file, work_folder

KERNEL = "python3"
# A kernel warns that its sockets are not encrypted; they are on this machine's loopback only. And
# when it is interrupted it reports an error of its own.
QUIET = ["--IPKernelApp.log_level=50"]
NOT_DECISIVE = ("run_folder", "resume")


def notebooks() -> list[Path]:
    """The course's own notebooks, with their solutions, in order; CourseError without a clone."""
    if found := _numbered(clone() / "notebooks"):
        return found
    raise CourseError(f"There are no notebooks in {clone() / 'notebooks'}. Clone the course again.")


def clone() -> Path:
    """The folder of the course's sources; CourseError where the package is installed alone."""
    if found := course():
        return found
    raise CourseError(
        "The course's own notebooks are not here. This needs a clone of the course, and the "
        "package installed from there: pip install -e ."
    )


def notebooks_here() -> list[Path]:
    """The notebooks to be run here, in order: those in the work folder, else the course's own."""
    return _numbered(work_folder()) or notebooks()


def _numbered(folder: Path) -> list[Path]:
    """Without further copies of one, "03_train_sgd_2.ipynb"."""
    paths = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    return [path for path in paths if re.fullmatch(r"\d\d_[a-z_]+", path.stem)]


def named(paths: list[Path], part: str) -> list[Path]:
    """Those notebooks that have a text in their name; CourseError when none has."""
    if not (found := [path for path in paths if part in path.name]):
        names = ", ".join(path.stem for path in paths)
        raise CourseError(f"No notebook has {part!r} in its name. There are: {names}.")
    return found


def linked_pages(path: Path, notebook: nbformat.NotebookNode) -> list[Path]:
    """The pages of Markdown beside a notebook that it links: they go where it goes.

    The README there is for teachers, and is none of them.
    """
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    names = dict.fromkeys(re.findall(r"\]\((\w+\.md)\)", text))
    pages = [path.with_name(name) for name in names if name != "README.md"]
    return [page for page in pages if is_file(page)]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook; CourseError when it is none, as after a merge that was not finished.

    One that is damaged, or has no cells, is none either: whoever reads through here can rely on
    what the format of notebooks promises.
    """
    broken = {}
    try:
        notebook = nbformat.read(path, as_version=4, capture_validation_error=broken)
        reason = "" if notebook.cells else "it has no cells"
    except Exception as error:  # nbformat raises many kinds
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
    if error := broken.get("ValidationError"):
        where = [*error.relative_path]
        cell = f"cell {where[1] + 1}: " if where[:1] == ["cells"] and len(where) > 1 else ""
        reason = cell + str(error).splitlines()[0]
    if reason:
        raise CourseError(
            f"{path} can't be read as a notebook ({reason[:200]}). Save it in Jupyter, or take it "
            "again from where you have it."
        )
    return notebook


def _none(path: Path, error: Exception) -> CourseError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return CourseError(
        f"{path} is no notebook that can be run ({reason}). Save it in Jupyter, or take it again "
        "from where you have it."
    )


def declared(notebook: Path) -> dict[str, dict]:
    """The parameters of a notebook, as `papermill.inspect_notebook` returns them, by name.

    Raises CourseError when it is no notebook that can be run, or has a parameter without a type or
    with a default that has to be computed.
    """
    read_notebook(notebook)
    try:
        known = papermill.inspect_notebook(_literal(notebook))
    except Exception as error:  # papermill raises many kinds
        raise _none(notebook, error) from error
    for name, spec in known.items():
        try:
            ast.literal_eval(spec["default"])
        except (ValueError, SyntaxError) as error:
            raise CourseError(
                f"{notebook}: the parameter {name} has the default {spec['default']}, which has to "
                "be computed. Write its value."
            ) from error
    return known


def _literal(path: Path) -> str:
    """A path as papermill takes it: it puts parameters where braces are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def require_text(text: str | Path) -> None:
    """CourseError unless a text can be handed to a notebook, which is a file of UTF-8."""
    try:
        str(text).encode()
    except UnicodeEncodeError as error:
        raise CourseError(
            f"{str(text)!r} has letters that are not in UTF-8, which a notebook can't be given. "
            "Take another."
        ) from error
    if "\0" in str(text):
        raise CourseError(f"{str(text)!r} has a null character in it. Take another.")


def parse_parameters(texts: list[tuple[str, str]], known: dict[str, dict]) -> dict:
    """Turn ("epochs", "2") into {"epochs": 2} by the types that the notebooks declare.

    known: as `declared` returns it. Raises CourseError on a name that is unknown or given twice, a
    value of another type, and a parameter that each run is given by the command.
    """
    readers = {
        "int": int,
        "float": float,
        "str": str,
        "bool": lambda text: {"true": True, "false": False}[text.lower()],
    }
    values = {}
    for name, text in texts:
        if name in NOT_DECISIVE:
            raise CourseError(f"{name} is set for each run by the command. Leave it out.")
        if name in values:
            raise CourseError(f"The parameter {name} is given twice. Give it once.")
        if name not in known:
            raise unknown(name, known)
        require_text(text)
        kind = known[name]["inferred_type_name"]
        if kind not in readers:
            raise CourseError(
                f"The notebook does not say of which type {name} is. Write it there: {name}: int = "
                "0, or float, bool or str."
            )
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
        name: ast.literal_eval(spec["default"]) for name, spec in declared(notebook).items()
    }
    if given is None:
        metadata = read_notebook(notebook).metadata
        given = metadata.get("papermill", {}).get("parameters", {})
    effective = defaults | {name: given[name] for name in given if name in defaults}
    return {name: effective[name] for name in sorted(effective) if name not in NOT_DECISIVE}


def require_same_code(
    executed: Path, source: Path, notebook: nbformat.NotebookNode, remedy: str
) -> None:
    """CourseError, which ends with a remedy, when a notebook is not what was executed.

    notebook: what of `source` is run. Parameters are no matter of code: their values are compared.
    """
    if _code(read_notebook(executed)) != _code(notebook):
        raise CourseError(f"{source.name} has changed since {executed} was made. {remedy}")


def _code(notebook: nbformat.NotebookNode) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    parameters = {"parameters", "injected-parameters"}
    # Paths are shortened in what was executed.
    return [_short(c.source) for c in cells if not parameters & {*c.metadata.get("tags", [])}]


def check_values(notebook: Path, *given: dict, here: bool = True) -> None:
    """Refuse, before anything runs, values that a notebook refuses in its first cells.

    given: what it is to be run with, each time. here: whether on this machine, which then has to
    have the device. Raises CourseError.
    """
    from fmnist_lib.device import choose_device, choose_dtype
    from fmnist_lib.model import NETWORKS
    from fmnist_lib.sources import SOURCES  # here: PyTorch takes a second, and not all need it

    cells = read_notebook(notebook).cells
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    own = re.findall(r"^class (\w+)", "\n".join(sources), re.M)  # a network may be the notebook's
    inputs = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    first = next((source for source in sources if "parameters.check(globals()" in source), "")
    defaults = effective_parameters(notebook, given={})
    for each in given:
        values = defaults | {name: each[name] for name in each if name in defaults}
        check(values, data_source=["auto", *SOURCES], network=[*NETWORKS, *own])
        choose_dtype(values.get("dtype", "auto"))
        device = str(values.get("device", "auto"))
        if here:
            choose_device(device)
        else:
            check({"device": device.partition(":")[0]}, device=["auto", "cpu", "cuda", "mps"])
        try:
            exec(compile(first, notebook.name, "exec"), values | {"In": inputs})
        except CourseError:
            raise
        except (Exception, SystemExit):  # somebody's own cell, which needs more: its run will say
            continue


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
    with_kernel(
        papermill.execute_notebook,
        _literal(notebook) if isinstance(notebook, Path) else notebook,
        _literal(output),
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
    except RuntimeError as error:  # jupyter_client's, when it waits for a kernel to begin
        raise CourseError(
            f"{source.name}: no kernel began: {error}. `fmnist doctor` looks for the reason."
        ) from error
    finally:
        if output.exists():
            shorten_paths(output)


def shorten_paths(executed: Path, moved: dict[Path, Path] | None = None) -> None:
    """Let paths in an executed notebook begin in the work folder or in "~": it may be handed on.

    moved: a folder that the notebook names -> where that lies now. Pictures stay as they are.
    """

    def shortened(value):
        if isinstance(value, dict):
            return {
                name: each if name.startswith("image/") else shortened(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [shortened(each) for each in value]
        return _short(value, moved) if isinstance(value, str) else value

    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
    except ValueError:  # half a file, as on a full disk; what went wrong is said elsewhere
        return
    if (changed := shortened(notebook)) != notebook:
        # As nbformat writes it.
        atomic.write_text(executed, json.dumps(changed, indent=1, ensure_ascii=False) + "\n")


def _short(text: str, moved: dict[Path, Path] | None = None) -> str:
    home = os.path.expanduser("~")
    for was, now in (moved or {}).items():
        text = text.replace(str(was), str(now))
    for folder in filter(None, (course(), work_folder())):
        root = f"{folder}{os.sep}"
        if root.strip(os.sep):  # it is not the root of all folders
            text = text.replace(root, "")
    if home.strip(f"{os.sep}.~"):  # there is one
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    return text
