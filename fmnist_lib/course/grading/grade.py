"""The whole way of `fmnist grade`: submissions in, marks, feedback and a picture of the class out.

A student's notebook is never run. Its answers are taken (`answers`) and pasted into the course's
own notebook, of which the cells run that they need, in a sandbox (`sandbox`, `judge`). What was
judged is kept under its content: the same command goes on, and does again only what has changed.
"""

import functools
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from difflib import get_close_matches
from pathlib import Path

import yaml
from tqdm import tqdm

from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.grading import report, sandbox
from fmnist_lib.course.grading.answers import is_answered, take
from fmnist_lib.course.grading.exercises import (
    Exercise,
    Lesson,
    bound_by,
    exercises_of,
    lesson_of,
    needed_by,
)
from fmnist_lib.course.grading.results import Graded, Result
from fmnist_lib.course.grading.submissions import read
from fmnist_lib.course.grading.suspicion import suspicions
from fmnist_lib.course.run import prepare_data
from fmnist_lib.course.sweep import dask_executor
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic, paths

GRADED = ".graded"  # folder of what was judged
# Parameters of the lessons: an answer may use what they train and measure, and no check does.
QUICK = {
    "epochs": 1, "train_images": 3000, "subset_images": 150, "permuted_images": 150,
    "test_queries": 500, "neighbour_images": 2000, "occluded_images": 2, "simulations": 500,
    "disturbed_images": 300, "rounds": 2, "device": "cpu", "dtype": "float32", "threads": 1,
}  # fmt: skip


def grade(
    submissions: str | Path,
    out: str | Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    timeout: float = 10,
    seconds: float = 60,
    memory: float = 2,
    points: str | Path | None = None,
    anonymous: bool = False,
) -> Path:
    """Grade what a class has handed in; returns the page of the class.

    submissions: see `submissions`. out: gets marks.csv, results.csv, moodle.csv, canvas.csv,
    class.html and feedback/. workers: answers at a time on this machine. scheduler: of a Dask
    cluster, which does it instead, and has to answer in `timeout` seconds. seconds, memory: for
    each answer; memory in GB. points: of a YAML file, as `read_points` takes it. anonymous: the
    page of the class names nobody.

    Raises CourseError when something is wrong with these; nothing that a student handed in does.
    """
    for name, value, fits, among in (
        ("workers", workers, workers >= 1, "1 or more"),
        ("seconds", seconds, 0 < seconds <= 3600, "above 0, up to 3,600"),
        ("memory", memory, 0.1 <= memory <= 1024, "from 0.1 to 1,024 (GB)"),
    ):
        if not fits:
            raise CourseError(f"--{name} {value:g} is not {among}.")
    out, sources = paths.in_work_folder(out), {path.stem: path for path in notebooks()}
    if out.resolve().is_relative_to(paths.in_work_folder(submissions).resolve()):
        raise CourseError(f"{out} is in the folder of the submissions. Give another --out.")
    known = [each for path in sources.values() for each in exercises_of(path)]
    marks = read_points(points, known)
    students = read(submissions, sources)
    lessons = {stem: lesson_of(path) for stem, path in sources.items()}
    graded = [Graded(student, take(student, known, lessons)) for student in students]
    asked = _handed_in(graded, known)
    if not asked:
        raise CourseError(
            f"No notebook in {submissions} holds a cell of the course's exercises. Is it the right "
            "folder?"
        )
    data_source = prepare_data("auto")
    jobs = []
    for number, each in enumerate(graded):
        _settle_what_needs_no_judge(each, asked)
        made = _jobs(each, asked, lessons, data_source, seconds, memory)
        jobs += [(number, job) for job in made]
    busy = f"Another grading is at work in {out}. Wait, or give another --out."
    with atomic.alone(out / GRADED, busy) as kept:
        done = {name: _read_kept(kept / name) for name in {job["key"] for _, job in jobs}}
        missing = {job["key"]: job for _, job in jobs if done[job["key"]] is None}
        print(
            f"students: {len(students)}, exercises: {len(asked)}, notebooks with answers: "
            f"{len(done)}, of them graded already: {len(done) - len(missing)}: {out}"
        )
        pool = dask_executor(scheduler, timeout) if scheduler else ThreadPoolExecutor(workers)
        with pool as executor:
            done |= dict(_judge_all(missing, executor, kept))
        for number, job in jobs:
            _add(graded[number], done[job["key"]])
        outcomes = {n: each for one in lessons.values() for n, each in one.outcomes.items()}
        return report.write(out, graded, asked, marks, sandbox.what_holds(), outcomes, anonymous)


# ------------------------------------------------------------------------------------ planning


def read_points(path: str | Path | None, known: list[Exercise]) -> dict[str, float]:
    """The points of each exercise, 1 where a file does not say otherwise.

    In it stands `explore_data.mirror: 2`, or `explore_data: 0.5` for each of a notebook. Raises
    CourseError for another name, and for a number that is none or negative.
    """
    points = {each.id: 1.0 for each in known}
    if path is None:
        return points
    path = paths.find(path)
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}," if mark else ""
        raise CourseError(
            f"{path}{place} is no YAML. A line is such as `{known[0].id}: 2`."
        ) from error
    if not isinstance(written, dict):
        raise CourseError(f"{path} should have lines such as `{known[0].id}: 2`.")
    of_notebook = {each.notebook[3:] for each in known}
    # A notebook's first, so that those of single exercises go before them.
    for name, value in sorted(written.items(), key=lambda item: str(item[0]) not in of_notebook):
        number = type(value) in (int, float) and math.isfinite(value) and value >= 0
        if not number:
            raise CourseError(f"{path}: {name} has {value!r} points. Give a number of 0 or more.")
        meant = [id for id in points if name in (id, id.partition(".")[0])]
        if not meant:
            near = get_close_matches(str(name), [*points, *of_notebook], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise CourseError(f"{path}: there is no exercise {name!r}.{hint}")
        points |= dict.fromkeys(meant, float(value))
    return points


def _needed_cells(
    lesson: Lesson, for_checks: set[str], for_answers: set[str], data_source: str
) -> list[tuple[int, str, bool]]:
    """The cells of a lesson that define these names, and those that they need in turn.

    Each with its place, its source, and whether a check needs it.
    """
    kept, checks, answers = [], set(for_checks), set(for_answers)
    for place, source in reversed(lesson.cells):
        names = bound_by(source)
        if not names & (checks | answers):
            continue
        is_for_checks = bool(names & checks)
        if is_for_checks:
            checks |= needed_by(source)
        answers |= needed_by(source)
        given = {**QUICK, "data_source": data_source}
        if "data_source" in names:  # the cell with the parameters
            lines = [f"{name} = {value!r}" for name, value in given.items() if name in names]
            source = "\n".join([source, *lines])
        kept.append((place, source, is_for_checks))
    return kept[::-1]


def _handed_in(graded: list[Graded], known: list[Exercise]) -> list[Exercise]:
    """The exercises of the notebooks of which anybody has a cell."""
    there = {id for each in graded for id in each.taken.answers}
    stems = {each.notebook for each in known if each.id in there}
    return [each for each in known if each.notebook in stems]


def _settle_what_needs_no_judge(graded: Graded, asked: list[Exercise]) -> None:
    for exercise in asked:
        answer = graded.taken.answers.get(exercise.id)
        if answer is None:
            reason = "No cell with an answer to it was handed in."
            graded.results[exercise.id] = Result("missing", reason)
        elif not is_answered(answer.code, exercise.call.answer):
            reason = "The dots are still there." if answer.code.strip() else "The cell is empty."
            graded.results[exercise.id] = Result("open", reason, code=answer.code)


def _jobs(
    graded: Graded,
    asked: list[Exercise],
    lessons: dict[str, Lesson],
    data_source: str,
    seconds: float,
    memory: float,
) -> Iterator[dict]:
    """A job for `sandbox.judged` for each notebook of a student, with `key`: what it depends on."""
    for stem, lesson in lessons.items():
        these = [e for e in asked if e.notebook == stem and e.id not in graded.results]
        if not these:
            continue
        exercises, for_checks, for_answers = [], set(), set()
        for one in these:
            code = graded.taken.answers[one.id].code
            for_checks |= needed_by(one.call.code) - {one.call.answer}
            for_answers |= needed_by(code)
            exercises.append(
                {
                    "id": one.id, "place": one.place, "is_quiz": one.call.is_quiz, "code": code,
                    "check": one.call.code, "answer": one.call.answer,
                }
            )  # fmt: skip
        job = {
            "notebook": stem,
            "cells": _needed_cells(lesson, for_checks, for_answers, data_source),
            "exercises": exercises,
            "seconds": seconds,
            "memory": memory,
        }
        text = json.dumps([job, _of_checks(), sandbox.what_holds()], sort_keys=True)
        yield job | {"key": hashlib.sha256(text.encode()).hexdigest()[:32] + ".json"}


@functools.cache
def _of_checks() -> str:
    """What tells one state of the package from another."""
    digest = hashlib.sha256()
    for path in sorted(paths.PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# ------------------------------------------------------------------------------------- judging


def _read_kept(path: Path) -> list[dict] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _judge_all(
    jobs: dict[str, dict], pool: Executor, kept: Path
) -> Iterator[tuple[str, list[dict]]]:
    """The results of each job by its key, which are kept as soon as they are there."""
    with tqdm(total=len(jobs), unit="notebook", disable=not jobs) as bar:
        running = {pool.submit(sandbox.judged, job): key for key, job in jobs.items()}
        try:
            for future in as_completed(running):
                key, results = running[future], future.result()
                atomic.write_text(kept / key, json.dumps(results))
                bar.update()
                yield key, results
        except CourseError:
            for future in running:
                future.cancel()
            raise
        except KeyboardInterrupt:
            print("\nStopped. The same command goes on from here.", file=sys.stderr, flush=True)
            os._exit(130)  # the threads wait for processes that end without their parent


def _add(graded: Graded, results: Iterable[dict]) -> None:
    for said in results:
        code = graded.taken.answers[said["id"]].code
        graded.results[said["id"]] = Result(
            said["kind"],
            said.get("reason", ""),
            said.get("more", ""),
            said.get("given", ""),
            code,
            (*suspicions(code), *said.get("unusual", [])),
        )
