"""What runs in the sandbox: the lesson of a notebook, and each answer in a process of its own.

    python -m fmnist_lib.course.grading.judge < job.json

A line of JSON for each result goes to the standard output, which no answer has: see `main`. An
answer that is a value is checked in a process in which no code of a student has run; a function is
checked where it was defined, and what it has changed there is looked for.
"""

import ast
import json
import linecache
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import psutil
import torch

from fmnist_lib.course.grading import plain
from fmnist_lib.lessons import quiz, verdict

FORKS = sys.platform == "linux"  # elsewhere there is no fork, or none that PyTorch survives
FILE = "<answer>"  # name of a student's code in tracebacks
MOST_MESSAGE = 16 * 2**20  # bytes of an answer's value
MOST_FILE = 16 * 2**20  # bytes of a file that an answer writes
MOST_PROCESSES = 64
DEATH_SIGNAL, DUMPABLE, SUBREAPER = 1, 4, 36  # of prctl(2)


def main() -> None:
    """Read a job, do it, and write a line for each result; whatever else is printed is lost."""
    job = json.loads(sys.stdin.read())
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    _keep_apart()

    def say(**message) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    torch.set_num_threads(1)  # OpenMP's threads don't survive a fork
    namespace, place = {"__name__": "__main__", "get_ipython": NoShell}, 0
    for exercise in job["exercises"]:
        while place < len(job["cells"]) and job["cells"][place][0] < exercise["place"]:
            number, source = job["cells"][place]
            place += 1
            try:
                exec(compile(source, f"<cell {number + 1}>", "exec"), namespace)
            except BaseException as error:  # noqa: B902, the course's own cell must not fail
                say(broken=f"cell {number + 1}: {type(error).__name__}: {error}")
                return
        say(begin=exercise["id"])
        started = time.perf_counter()
        result = judge(exercise, namespace, job["seconds"], int(job["memory"] * 2**30), channel)
        say(id=exercise["id"], seconds=time.perf_counter() - started, **result)
    say(done=True)


def _keep_apart() -> None:
    """No child may look into this process; one that loses its parent becomes a child of this.

    And this ends with the process that has started it.
    """
    if FORKS:
        import ctypes

        library = ctypes.CDLL(None)
        library.prctl(DEATH_SIGNAL, signal.SIGKILL)
        library.prctl(DUMPABLE, 0)
        library.prctl(SUBREAPER, 1)


def judge(exercise: dict, namespace: dict, seconds: float, memory: int, channel=None) -> dict:
    """The result of one answer: kind, reason, more, given, unusual; see `results.Result`.

    exercise: `code` of the answer, `check` and `answer`, the code of the check and the name it is
    given. namespace: what the lesson has defined so far; it stays as it is.
    """

    def answer() -> dict:
        before = _state()
        value = _value(exercise, dict(namespace))
        given = {"given": _shown(value)}
        try:
            return given | {"value": plain.as_json(value), "unusual": _changes(before)}
        except plain.NotPlainError:
            said = _checked(exercise, namespace, value)
            return given | said | {"unusual": _changes(before)}

    said = apart(answer, seconds, memory, channel)
    if "value" in said:
        value = plain.from_json(said.pop("value"))
        said |= apart(lambda: _checked(exercise, namespace, value), seconds, memory, channel)
    return said


def _value(exercise: dict, names: dict):
    """What a student's code gives the name that is checked."""
    code = exercise["code"]
    linecache.cache[FILE] = len(code), None, code.splitlines(keepends=True), FILE
    exec(compile(code, FILE, "exec"), names)
    return names.get(exercise["answer"], ...)


def _checked(exercise: dict, namespace: dict, value) -> dict:
    """What the check says of a value."""
    call = compile(ast.parse(exercise["check"], mode="eval"), "<check>", "eval")
    said = eval(call, namespace | {exercise["answer"]: value})
    result = {"kind": said.kind, "reason": said.reason, "more": said.more}
    if exercise["is_quiz"]:
        result["given"] = quiz.meant(value, quiz.questions()[said.name]) or _shown(value)
    return result


def _shown(value) -> str:
    return "" if callable(value) or value is ... else " ".join(str(value).split())[:60]


# ----------------------------------------------------------------------- a process for an answer


def apart(task: Callable[[], dict], seconds: float, memory: int, channel=None) -> dict:
    """What a task returns that runs in a process of its own; a sentence, if it does not end well.

    channel: a file that the process must not have. Where there is no fork it runs here.
    """
    if not FORKS:
        return _outcome(task)
    reader, writer = os.pipe()
    if not (pid := os.fork()):
        try:
            os.close(reader)
            if channel is not None:
                os.close(channel.fileno())
            os.setsid()
            _limit(memory)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(json.dumps(_outcome(task)).encode())
        except BaseException:  # noqa: B902, nobody above is to go on as if it were the parent
            pass
        finally:
            os._exit(0)
    os.close(writer)
    message, problem = _hear(reader, pid, seconds, memory)
    os.close(reader)
    _end_all()
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    if problem:
        return _stopped(problem)
    try:
        said = json.loads(message)
        return said if isinstance(said, dict) else _stopped(SILENT)
    except ValueError:
        return _stopped(FORGED if message else SILENT)


class NoShell:
    """In place of IPython's: a line such as `%matplotlib` or `!pip` does nothing."""

    def __getattr__(self, name: str) -> Callable:
        return lambda *given, **options: None


SILENT = "It ends the program, or lets it crash, before there is a result."
FORGED = "It writes into the channel of the grader, so that no result arrives."


def _stopped(problem: str) -> dict:
    unusual = [problem] if problem == FORGED else []
    return {"kind": "stopped", "reason": problem, "unusual": unusual}


def _outcome(task: Callable[[], dict]) -> dict:
    """What a task returns; what stopped it, in words."""
    try:
        return task()
    except MemoryError:
        return _stopped("It needs more memory than an answer may have.")
    except SyntaxError as error:
        line = (error.text or "").strip()
        return _stopped(f"It is no Python ({error.msg}): {line}")
    except (SystemExit, KeyboardInterrupt, GeneratorExit):
        return _stopped("It ends the program, as `exit()` does, before there is a result.")
    except BaseException as error:  # noqa: B902, a student's code may raise anything
        places = traceback.extract_tb(error.__traceback__)
        lines = [place.lineno for place in places if place.filename == FILE]
        line = linecache.getline(FILE, lines[-1]).strip() if lines else ""
        where = f" in the line `{line}`" if line else ""
        with suppress(BaseException):  # its own __str__, too
            return _stopped(f"It stops{where}: {type(error).__name__}: {str(error)[:200]}")
        return _stopped(f"It stops{where}: {type(error).__name__}")


def _limit(memory: int) -> None:
    """Of this process and its children: memory beyond what is there, size of files, processes."""
    import resource

    used = psutil.Process().memory_info().vms
    for what, limit in (
        (resource.RLIMIT_AS, used + memory),
        (resource.RLIMIT_FSIZE, MOST_FILE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, _processes_of_user() + MOST_PROCESSES),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (limit, limit))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that is too large: an error, no end


def _processes_of_user() -> int:
    mine, count = os.getuid(), 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        if process.info["uids"] and process.info["uids"].real == mine:
            count += process.info["num_threads"] or 1
    return count


def _hear(reader: int, pid: int, seconds: float, memory: int) -> tuple[bytes, str]:
    """The message of a process, or why it was ended."""
    message, end = b"", time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], min(left, 0.2))
        if ready:
            part = os.read(reader, 1 << 20)
            if not part:
                return message, ""
            message += part
            if len(message) > MOST_MESSAGE:
                return b"", "Its value is too large to be checked."
        elif problem := _too_much(memory):
            return b"", problem
        elif _is_over(pid):  # what it has left behind may hold the pipe open
            rest, _, _ = select.select([reader], [], [], 0)
            if not rest:
                return message, ""
    return b"", f"It takes longer than {seconds:g} seconds."


def _is_over(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _children() -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        yield from psutil.Process().children(recursive=True)


def _too_much(memory: int) -> str:
    """Whether all processes of an answer together are too many or too large."""
    total, count = 0, 0
    for child in _children():
        with suppress(psutil.Error):
            total, count = total + child.memory_info().rss, count + 1
    if count > MOST_PROCESSES:
        return f"It starts more than {MOST_PROCESSES} processes."
    # What this process has, its fork shares.
    if total > memory + psutil.Process().memory_info().rss:
        return "It needs more memory than an answer may have."
    return ""


def _end_all() -> None:
    """End every process that an answer has started; none can have left this one's descent."""
    for _ in range(100):
        children = list(_children())
        for child in children:
            with suppress(psutil.Error):
                child.suspend()
        for child in children:
            with suppress(psutil.Error):
                child.kill()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not children:
            return
        time.sleep(0.01)


# ------------------------------------------------------------------- what an answer has changed


def _watched() -> Iterator[tuple[str, dict]]:
    """What checks rely on: modules and classes, by name, with all that they hold."""
    for name, module in [*sys.modules.items()]:
        if name.startswith("fmnist_lib") or name in ("builtins", "json", "os", "sys", "select"):
            yield name, vars(module)
    for module in (torch, torch.nn.functional, np, np.testing):
        yield module.__name__, vars(module)
    for kind in (torch.Tensor, torch.nn.Module, verdict.Verdict):
        yield f"{kind.__module__}.{kind.__name__}", vars(kind)


def _state() -> dict[tuple[str, str], tuple]:
    """Every entry of what is watched; kept alive, so that no other object gets its address."""
    return {
        (where, name): (
            value,
            getattr(value, "__code__", None),
            getattr(value, "__defaults__", None),
        )
        for where, entries in _watched()
        for name, value in [*entries.items()]
        if not name.startswith("__") or callable(value)
    }


def _changes(before: dict) -> list[str]:
    """What is no longer as it was, such as `torch.allclose` after an assignment to it."""
    now = _state()
    return [
        f"changes {'.'.join(key)}"
        for key, parts in before.items()
        if key not in now or any(one is not two for one, two in zip(parts, now[key]))
    ]


if __name__ == "__main__":
    main()
