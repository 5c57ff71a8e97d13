"""Many runs of one notebook: the product of some parameters' values, here or on a cluster.

The state on disk is the truth. A run works in `OUT/.unfinished/`, and its folder appears under its
name, by one rename, when it is complete. What is there when a sweep starts is not run again.
"""

import glob
import itertools
import math
import os
import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import torch
import yaml
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from fmnist_lib import runs
from fmnist_lib.course.execute import (
    check_values,
    declared,
    effective_parameters,
    execute,
    named,
    notebooks_here,
    parse_parameters,
    read_notebook,
    require_same_code,
    require_text,
    run_cells,
    shorten_paths,
)
from fmnist_lib.course.run import prepare_data
from fmnist_lib.course.student import ASKING, student_version
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic, paths

LESSON = "lesson"  # tag of the cells that teach but add nothing to a run's result
UNFINISHED, FAILED = ".unfinished", "failed"
PAGE = "06_compare_runs.ipynb"
MOST_RUNS = 10_000  # each takes seconds at least: more are a slip
LONGEST = 86_400  # seconds to wait for a scheduler


@dataclass(frozen=True)
class Job:
    """One run of a sweep; all that a worker, here or on another machine, has to know."""

    notebook: str
    out: str  # folder of the sweep
    parameters: dict
    threads: int | None  # of the run's processor, None: what the worker's environment says
    source: str | None = None  # of the data, where the parameters say auto

    @property
    def name(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.parameters.items())

    @property
    def folder(self) -> Path:
        return Path(self.out) / self.name

    @property
    def given(self) -> dict:
        """What its notebook is run with."""
        return self.parameters | ({"data_source": self.source} if self.source else {})


def sweep(
    notebook: str | Path,
    parameters: list[tuple[str, str]],
    out: str | Path,
    *,
    workers: int = 1,
    threads: int | None = None,
    scheduler: str | None = None,
    timeout: float = 10,
) -> Path | None:
    """Run a notebook with every combination of values, then the comparison; returns its page.

    parameters: (name, values) with values as `read_values` takes them.
    out: gets one folder a run, named after its parameters. Complete runs there are kept.
    workers: runs at a time on this machine. threads: of each; default: the processor's, divided.
    scheduler: address of a Dask scheduler that runs them instead; it must answer in `timeout`
        seconds, and its workers must see the same folders.

    Raises CourseError before any run when something is wrong with these, and at the end when runs
    failed: their notebooks and logs are then under `out`/failed.
    """
    if workers < 1 or (threads is not None and not 1 <= threads <= 1024):
        raise CourseError("--workers and --threads are numbers of 1 or more, threads up to 1,024.")
    if scheduler is not None and not scheduler.strip():
        raise CourseError("--scheduler is empty. Give its address, or leave the option out.")
    if not 0 < timeout <= LONGEST:  # nor is it nan
        raise CourseError(f"--timeout is a number of seconds above 0, up to {LONGEST:,}.")
    out = paths.in_work_folder(out)
    if not scheduler:
        threads = threads or max(1, torch.get_num_threads() // workers)
    jobs = plan(notebook, parameters, out, threads, here=not scheduler)
    _require_place(out / PAGE)
    # A run is a kernel, which is a process; the threads here only wait for theirs.
    executor = dask_executor(scheduler, timeout) if scheduler else ThreadPoolExecutor(workers)
    with ExitStack() as stack:
        pool = stack.enter_context(executor)
        jobs = settle_sources(jobs)
        stack.enter_context(_own_folder(out))
        missing = find_missing(jobs, out)
        print(f"{len(jobs)} runs, {len(jobs) - len(missing)} of them complete: {out}", flush=True)
        failed = run_jobs(missing, pool)
        said = (
            f"{failed} of {len(jobs)} runs failed, for the reasons above. Their notebooks and logs "
            f"are in {out / FAILED}. The same command runs only these again."
        )
        try:
            page = compare(out) if failed < len(jobs) else None
        except CourseError as error:
            raise CourseError(f"{said} And no comparison: {error}" if failed else error) from error
    if failed:
        raise CourseError(said)
    return page


# ---------------------------------------------------------------------------------- planning


def plan(
    notebook: str | Path,
    parameters: list[tuple[str, str]],
    out: Path,
    threads: int | None,
    here: bool = True,
) -> list[Job]:
    """The jobs of a sweep, one for each combination; CourseError when one can't be.

    here: whether they run on this machine.
    """
    for path in (notebook, out):
        require_text(path)
    notebook = _find_notebook(notebook)
    known = declared(notebook)
    if "run_folder" not in known:
        raise CourseError(f"{notebook.name} has no parameter run_folder, so no result to compare.")
    grid = read_values(parameters, known)
    if (number := math.prod(map(len, grid.values()))) > MOST_RUNS:
        raise CourseError(
            f"These are {number:,} runs. A sweep has up to {MOST_RUNS:,}: give fewer."
        )
    _without_lesson(notebook)  # which refuses what it must
    jobs = [
        Job(str(notebook), str(out), dict(zip(grid, values)), threads)
        for values in itertools.product(*grid.values())
    ]
    for job in jobs:
        if not re.fullmatch(r"[\w.,=+-]{1,200}", job.name):
            raise CourseError(
                f"{job.name!r} can't be the name of a folder: values may have letters, digits and "
                "_ . + -, and 200 characters in all."
            )
    check_values(notebook, *(job.parameters for job in jobs), here=here)
    return jobs


def _require_place(page: Path) -> None:
    """CourseError when the comparison would overwrite a notebook that is no comparison."""
    if not page.exists():
        return
    made_with = read_notebook(page).metadata.get("papermill", {}).get("parameters", {})
    if "runs_folder" not in made_with:
        raise CourseError(
            f"{page} is not the comparison of a sweep, and would be overwritten by it. Give "
            "another --out."
        )


def settle_sources(jobs: list[Job]) -> list[Job]:
    """Let all jobs take the data that is here now: "auto" might be another source for a later one.

    Loads the data of each source that they name, once. Raises CourseError when that fails, and when
    two jobs turn out to be the same.
    """
    defaults = effective_parameters(Path(jobs[0].notebook), given={})
    if "data_source" not in defaults:
        return jobs
    asked = [job.parameters.get("data_source", defaults["data_source"]) for job in jobs]
    found = {name: prepare_data(name) for name in dict.fromkeys(asked)}
    if len(set(found.values())) < len(found):
        raise CourseError(
            f"data_source={','.join(found)} names one source twice: auto is "
            f"{found['auto']} here. Each is run once."
        )
    return [replace(job, source=found[name]) for job, name in zip(jobs, asked)]


def read_values(texts: list[tuple[str, str]], known: dict[str, dict]) -> dict[str, list]:
    """The values of each parameter, from "0.1,0.2" or, for integers, "0:5" (0 to 4).

    known: as `execute.declared` returns it. Raises CourseError on an unknown name, a value of
    another type, a value or name given twice, no value at all, and too many of them.
    """
    grid: dict[str, list] = {}
    for name, text in texts:
        if name in grid:
            raise CourseError(f"The parameter {name} is given twice. Put all values in one list.")
        span = re.fullmatch(r"\s*(-?\d{1,20}):(-?\d{1,20})\s*", text)
        if span and known.get(name, {}).get("inferred_type_name") == "int":
            parts = _span(name, int(span[1]), int(span[2]))
        else:
            parts = [part.strip() for part in text.split(",")]
        if not any(parts):
            raise CourseError(f"{name} {text!r} has no value, so there is nothing to run.")
        # 0,01 would be 0 and 1, and 0,5 would be 0 and 5.
        commas = r"(^|,) *[+-]?\d+,(0\d*|(?<=0,)\d+) *(,|$)"
        fraction = known.get(name, {}).get("inferred_type_name") == "float"
        if not all(parts) or (fraction and re.search(commas, text)):
            raise CourseError(
                f"{name} {text!r} looks like a decimal comma, or lacks a value. Write numbers with "
                "a point, 0.01, and a comma only between two values."
            )
        values = [parse_parameters([(name, part)], known)[name] for part in parts]
        if len(set(values)) < len(values):
            raise CourseError(f"{name} {text!r} has one value twice. Each is run once.")
        grid[name] = values
    if not grid:
        raise CourseError("No parameter to vary. Give one, such as -p seed 0:3.")
    return grid


def _span(name: str, start: int, stop: int) -> list[str]:
    if stop - start > MOST_RUNS:
        raise CourseError(
            f"{name} has {stop - start:,} values. A sweep has up to {MOST_RUNS:,} runs: give fewer."
        )
    return [str(number) for number in range(start, stop)]


class _Texts(yaml.BaseLoader):
    """Leaves every value as its text: else 1:5 is 65 and 1e-3 no number. Nothing (~) is None."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise yaml.MarkedYAMLError(
                problem=f"{twice[0]} is given twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


_NULL = "tag:yaml.org,2002:null"
_Texts.add_implicit_resolver(_NULL, re.compile("(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Texts.add_constructor(_NULL, lambda loader, node: None)


def read_file(path: str | Path) -> dict:
    """A sweep as a YAML file: `notebook`, `parameters` and perhaps `out`.

    A list of values, one value or a range, each as on the command line. Raises CourseError.
    """
    path = paths.find(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Texts)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CourseError(f"{path} is no YAML: {error}") from error
    form = "Expected are `notebook:`, `parameters:` with one line for each, and perhaps `out:`."
    if not isinstance(content, dict) or not isinstance(content.get("parameters"), dict):
        raise CourseError(f"{path} is not a sweep. {form}")
    if wrong := [key for key in content if key not in ("notebook", "parameters", "out")]:
        raise CourseError(f"{path} has an entry {wrong[0]!r}. {form}")
    places = {name: _one_text(path, name, content.get(name)) for name in ("notebook", "out")}
    if not places["notebook"]:
        raise CourseError(f"{path} names no notebook. {form}")
    parameters = []
    for name, values in content["parameters"].items():
        values = values if isinstance(values, list) else [values]
        if not all(isinstance(value, str) for value in (name, *values)):
            raise CourseError(f"{path}: {name} has a value that is not a plain one. {form}")
        if commas := [value for value in values if "," in value]:
            raise CourseError(
                f"{path}: {name} has the value {commas[0]!r}. Write numbers with a point, and "
                "several values as a list: [0.01, 0.1]."
            )
        parameters.append((name, ",".join(values)))
    return places | {"parameters": parameters}


def _one_text(path: Path, name: str, value) -> str | None:
    """A value of a sweep's file; None for one that is not given, or blank."""
    if value is not None and not isinstance(value, str):
        raise CourseError(f"{path}: {name} is one path. Write it behind `{name}:`, without more.")
    return value if value and value.strip() else None


def _find_notebook(name: str | Path) -> Path:
    """A notebook that somebody names; by its name alone one of the course, wherever it lies."""
    here = {path.name: path for path in notebooks_here()}
    known = ", ".join(map(paths.from_work_folder, here.values()))
    try:
        path = here[str(name)] if str(name) in here else paths.find(name)
    except CourseError as error:
        raise CourseError(f"{error} The course has {known}.") from error
    if path.suffix != ".ipynb":
        raise CourseError(f"{path} is no notebook. The course has {known}.")
    return path.resolve()


@contextmanager
def _own_folder(out: Path) -> Iterator[None]:
    """Make the folder, for this sweep alone; remove what an interrupted one left half-done."""
    busy = f"Another sweep is at work in {out}. Wait, or give another --out."
    with atomic.alone(out, busy):
        shutil.rmtree(out / UNFINISHED, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def find_missing(jobs: list[Job], out: Path) -> list[Job]:
    """The jobs of which no complete run lies in the folder, whatever its name is there.

    What a run is, its parameters say, those with their defaults included and in any order. Raises
    CourseError when the folder of a job holds something else: a run of another notebook, or of the
    same with other defaults; and when the code of the notebook has changed since any run there.
    """
    notebook = Path(jobs[0].notebook)
    now, known = _without_lesson(notebook), {}
    for executed in out.glob(f"*/{glob.escape(notebook.name)}"):
        known[executed.parent] = effective_parameters(executed)
        require_same_code(executed, notebook, now, "Give another --out.")
    defaults = effective_parameters(notebook, given={})
    missing = []
    for job in jobs:
        given = {name: value for name, value in job.given.items() if name in defaults}
        wanted, there = defaults | given, known.get(job.folder)
        if job.folder.exists() and there != wanted:
            changed = [f"{name}={there.get(name)!r}, now {wanted[name]!r}" for name in wanted
                       if there and there.get(name) != wanted[name]]  # fmt: skip
            raise CourseError(
                f"{job.folder} holds no run of {notebook.name} with these values"
                f"{': ' if changed else ''}{', '.join(changed)}. Give another --out."
            )
        if wanted not in known.values():
            missing.append(job)
    for folder in known:
        runs.read(folder)
    return missing


# ----------------------------------------------------------------------------------- running


def run_jobs(jobs: list[Job], pool: Executor) -> int:
    """Run them all, one failing or not; returns how many failed."""
    failures = 0
    with tqdm(total=len(jobs), unit="run", disable=not jobs) as bar:
        running = {pool.submit(run_job, job): job for job in jobs}
        try:
            for future in as_completed(running):
                name, error = running[future].name, future.exception()
                reason = f"{type(error).__name__}: {error}" if error else future.result()
                if reason:
                    failures += 1
                    bar.write(f"failed   {name}: {reason}", file=sys.stdout)
                bar.update()
        except KeyboardInterrupt:
            print("\nStopped. The same command goes on from here.", file=sys.stderr, flush=True)
            os._exit(130)  # no thread can be interrupted, but a kernel ends without its parent
    return failures


def run_job(job: Job) -> str | None:
    """Do one run; None when its folder is complete, else the reason why not."""
    attempt = Path(job.out) / UNFINISHED / f"{job.name}~{uuid.uuid4().hex[:8]}"
    attempt.mkdir(parents=True)
    if job.threads:
        os.environ["OMP_NUM_THREADS"] = str(job.threads)  # the kernel takes its environment from us
    shutil.rmtree(Path(job.out) / FAILED / job.name, ignore_errors=True)
    reason = _execute(job, attempt)
    target = Path(job.out) / FAILED / job.name if reason else job.folder
    target.parent.mkdir(exist_ok=True)
    executed = attempt / Path(job.notebook).name
    if executed.exists():  # what it printed should name the place where it will lie
        shorten_paths(executed, moved={attempt: target})
    try:
        atomic.patiently(os.rename, attempt, target)
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(attempt)  # a worker that was taken for dead has finished this run
    return reason


def _execute(job: Job, folder: Path) -> str | None:
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        try:
            run_cells(
                _without_lesson(Path(job.notebook)),
                folder / Path(job.notebook).name,
                {**job.given, "run_folder": str(folder)},
                progress_bar=False,
                stdout_file=log,
                stderr_file=log,
                shutdown_kernel="immediate",  # all is written; PyTorch's farewell takes a second
            )
            runs.read(folder)
        except PapermillExecutionError as error:
            return f"cell {error.exec_count}: {error.ename}: {error.evalue}"
        except Exception as error:  # a dead kernel, a full disk …: the other runs go on
            return f"{type(error).__name__}: {error}"
    return None


def _without_lesson(path: Path) -> nbformat.NotebookNode:
    """What of a notebook makes its result; a run's folder is handed on, so without any solution.

    Raises CourseError when one could stay, as `student_version` does.
    """
    notebook = read_notebook(path)
    left_out = ASKING | {LESSON}
    notebook.cells = [c for c in notebook.cells if not left_out & {*c.metadata.get("tags", [])}]
    return student_version(notebook, name=path.name)


@contextmanager
def dask_executor(address: str, timeout: float) -> Iterator[Executor]:
    """The workers of a Dask cluster as an Executor; CourseError when it doesn't answer."""
    try:
        from distributed import Client
    except ImportError as error:
        raise CourseError(
            'Dask is not installed. Install it with: pip install -e ".[cluster]"'
        ) from error
    try:
        client = Client(address, timeout=timeout)
    except Exception as error:  # Dask raises many kinds, KeyError for an address that is none
        raise CourseError(
            f"No Dask scheduler answers at {address} within {timeout:g} seconds. Start one with "
            "`dask scheduler`, and give the address that it prints."
        ) from error
    with client, client.get_executor(pure=False) as executor:
        yield executor


# -------------------------------------------------------------------------------- comparison


def compare(folder: Path) -> Path:
    """Execute notebook 06 on a folder of runs; returns the page."""
    (source,) = named(notebooks_here(), PAGE)
    page = folder / PAGE
    notebook = read_notebook(source)
    if source.parent != paths.work_folder():  # with solutions, and a student may have made the runs
        notebook = student_version(notebook, name=source.name)
    execute(source, page, {"runs_folder": str(folder)}, notebook, progress_bar=False)
    return page
