"""What runs in the sandbox: the lesson of a notebook, and each answer in a process of its own.

    python -m fmnist_lib.course.grading.judge < job.json

A line for each result goes to the standard output, which no answer has: the job's `seal`, then
JSON. An answer that is a value is checked in a process in which no code of a student has run; a
function is checked where it was defined, and what it does and changes there is looked for.
"""

import ast
import functools
import json
import linecache
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module

import psutil
import torch

from fmnist_lib.course.grading import plain
from fmnist_lib.course.grading.watch import FILE, Note, Watch, listen
from fmnist_lib.lessons import quiz

FORKS = sys.platform == "linux"  # elsewhere there is no fork, or none that PyTorch survives
MOST_MESSAGE = 16 * 2**20  # bytes of an answer's value
MOST_FILE = 16 * 2**20  # bytes of a file that an answer writes
MOST_PROCESSES = 64
VALUE = "answer"  # the name, in the course, of an answer that is no function or class
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
        channel.write(job["seal"] + json.dumps(message) + "\n")
        channel.flush()

    # They remember it: else each answer had to read it again, and seemed to change something.
    quiz.questions(), tempfile.gettempdir()
    if any("optim" in each["code"] for each in job["exercises"]):
        import_module("torch._dynamo")  # every optimizer loads it: once here, not in each answer
    torch.set_num_threads(1)  # OpenMP's threads don't survive a fork
    namespace, place = {"__name__": "__main__", "get_ipython": NoShell, "display": _nothing}, 0
    for exercise in job["exercises"]:
        while place < len(job["cells"]) and job["cells"][place][0] < exercise["place"]:
            number, source, is_for_checks = job["cells"][place]
            place += 1
            try:
                exec(compile(source, f"<cell {number + 1}>", "exec"), namespace)
            except BaseException as error:  # noqa: B902, what it gives is missing; its user will say
                if is_for_checks:
                    say(broken=f"cell {number + 1}: {type(error).__name__}: {error}")
                    return
        say(begin=exercise["id"])
        started = time.perf_counter()
        there = {*os.listdir()}
        result = judge(exercise, namespace, job["seconds"], int(job["memory"] * 2**30), channel)
        _remove_all_but(there)
        say(id=exercise["id"], seconds=time.perf_counter() - started, **result)
    say(done=True)


def _keep_apart() -> None:
    """No child may look into this process; one that loses its parent becomes a child of this.

    And this ends with the process that has started it.
    """
    if FORKS:
        _end_with_parent()
        _library().prctl(DUMPABLE, 0)
        _library().prctl(SUBREAPER, 1)


def _end_with_parent() -> None:
    _library().prctl(DEATH_SIGNAL, signal.SIGKILL)


@functools.cache
def _library():
    import ctypes

    return ctypes.CDLL(None)


def _remove_all_but(names: set[str]) -> None:
    """Leave nothing of an answer's files in this folder: neither a full disk nor a message."""
    for name in {*os.listdir()} - names:
        if os.path.isdir(name) and not os.path.islink(name):
            shutil.rmtree(name, ignore_errors=True)
        else:
            with suppress(OSError):
                os.remove(name)


def judge(exercise: dict, namespace: dict, seconds: float, memory: int, channel=None) -> dict:
    """The result of one answer: kind, reason, more, given, unusual; see `results.Result`.

    exercise: `code` of the answer, `check` and `answer`, the code of the check and the name it is
    given. namespace: what the lesson has defined so far; it stays as it is.
    """

    def answer(note: Note) -> dict:
        watch = Watch()
        listen(note)
        value = _value(exercise, dict(namespace))
        given = {"given": _shown(value)}
        try:
            return given | {"value": plain.as_json(value), "unusual": watch.changes()}
        except plain.NotPlainError:
            sys.setprofile(watch.at_border(note))
            said = _checked(exercise, namespace, value)
            sys.setprofile(None)
            return given | said | {"unusual": watch.changes()}

    said = apart(answer, seconds, memory, channel)
    if "value" in said:
        value = plain.from_json(said.pop("value"))
        check = apart(lambda _: _checked(exercise, namespace, value), seconds, memory, channel)
        said |= check | {"unusual": said["unusual"] + check["unusual"]}
    elif exercise["answer"] == VALUE and said["kind"] == "right":
        said["unusual"].append("is no plain value, and so was checked beside the answer's own code")
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
    text = "" if callable(value) or value is ... else " ".join(str(value).split())
    return text if len(text) <= 100 else f"{text[:100]}…"


# ----------------------------------------------------------------------- a process for an answer


def apart(task: Callable[[Note], dict], seconds: float, memory: int, channel=None) -> dict:
    """What a task returns that runs in a process of its own; a sentence, if it does not end well.

    The task gets a function that notes what is unusual, which no later end of the process undoes.
    channel: a file that the process must not have. Where there is no fork it runs here.
    """
    if not FORKS:
        noted: list[str] = []
        said = _outcome(task, noted.append)
        return said | {"unusual": noted + said.get("unusual", [])}
    reader, writer = os.pipe()
    # In front of each line: who only finds the pipe can't write one that counts.
    seal = os.urandom(16).hex().encode()
    if not (pid := os.fork()):
        try:
            os.close(reader)
            if channel is not None:
                os.close(channel.fileno())
            os.setsid()
            _end_with_parent()
            _limit(memory)
            with os.fdopen(writer, "wb") as pipe:

                def tell(message: dict, dumps=json.dumps) -> None:
                    pipe.write(seal + dumps(message).encode() + b"\n")
                    pipe.flush()

                tell(_outcome(task, lambda remark: tell({"unusual": [remark]})))
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
    return _understood(message, seal, problem)


def _nothing(*given, **options) -> None:
    """In place of what shows something in a notebook."""


class NoShell:
    """In place of IPython's: a line such as `%matplotlib` or `!pip` does nothing."""

    def __getattr__(self, name: str) -> Callable:
        return _nothing


SILENT = "It ends the program, or lets it crash, before there is a result."
FORGED = "It writes into the channel of the grader, so that no result arrives."


def _understood(message: bytearray, seal: bytes, problem: str) -> dict:
    """The one result in the lines of a process, with all that it has noted; else the problem."""
    results, unusual = [], []
    for line in message.splitlines(keepends=True):
        if not line.endswith(b"\n"):  # its end was cut off by a limit
            problem = problem or FORGED
        elif not line.startswith(seal):
            problem = FORGED
        else:
            said = json.loads(line.removeprefix(seal))
            unusual += said.pop("unusual", [])
            results += [said] if said else []
    if problem or len(results) != 1:
        problem = problem or (FORGED if results else SILENT)
        unusual += [problem] if problem == FORGED else []
        results = [_stopped(problem)]
    return results[0] | {"unusual": [*dict.fromkeys(unusual)]}


def _stopped(problem: str) -> dict:
    return {"kind": "stopped", "reason": problem}


def _outcome(task: Callable[[Note], dict], note: Note) -> dict:
    """What a task returns; what stopped it, in words."""
    try:
        return task(note)
    except MemoryError:
        return _stopped("It needs more memory than an answer may have.")
    except SyntaxError as error:
        line = (error.text or "").strip()
        return _stopped(f"It is no Python ({error.msg}): {line}")
    except EOFError:
        return _stopped("It asks for something to be typed, and nobody is there. Write the value.")
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


def _hear(reader: int, pid: int, seconds: float, memory: int) -> tuple[bytearray, str]:
    """The message of a process, or why it was ended."""
    message, end = bytearray(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        ready, _, _ = select.select([reader], [], [], min(left, 0.2))
        if ready:
            part = os.read(reader, 1 << 20)
            if not part:
                return message, ""
            message += part
            if len(message) > MOST_MESSAGE:
                return message, "Its value is too large to be checked."
        elif problem := _too_much(memory):
            return message, problem
        elif _is_over(pid):  # what it has left behind may hold the pipe open
            rest, _, _ = select.select([reader], [], [], 0)
            if not rest:
                return message, ""
    return message, f"It takes longer than {seconds:g} seconds."


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


if __name__ == "__main__":
    main()
