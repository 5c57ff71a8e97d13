"""What runs in the sandbox: the lesson of a notebook, and each answer in a process of its own.

    python -m fmnist_lib.course.grading.judge < job.json

A line for each result goes to the standard output, which no answer has: the job's `seal`, then
JSON. An answer that is a value is checked in a process in which no code of a student has run; a
function is checked where it was defined, and what it does and changes there is looked for.
"""

import ast
import builtins
import functools
import json
import linecache
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import ModuleType

import psutil
import torch

from fmnist_lib.course.grading import plain
from fmnist_lib.lessons import quiz
from fmnist_lib.storage import paths

FORKS = sys.platform == "linux"  # elsewhere there is no fork, or none that PyTorch survives
FILE = "<answer>"  # name of a student's code in tracebacks
MOST_MESSAGE = 16 * 2**20  # bytes of an answer's value
MOST_FILE = 16 * 2**20  # bytes of a file that an answer writes
MOST_PROCESSES = 64
VALUE = "answer"  # the name, in the course, of an answer that is no function or class
DEATH_SIGNAL, DUMPABLE, SUBREAPER = 1, 4, 36  # of prctl(2)

Note = Callable[[str], None]  # tells the grader at once what is unusual


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
        _listen(note)
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
    return "" if callable(value) or value is ... else " ".join(str(value).split())[:60]


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


class NoShell:
    """In place of IPython's: a line such as `%matplotlib` or `!pip` does nothing."""

    def __getattr__(self, name: str) -> Callable:
        return lambda *given, **options: None


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


# ------------------------------------------------------- what an answer does besides, and changes

# Events of Python (sys.addaudithook) that no answer needs. Of these its own code is the cause,
ITS_OWN = ("object.__", "code.__new__", "function.__new__", "gc.", "sys._", "sys.set", "sys.add")
# and of these also what it calls.
BEHIND_IT = ("os.fork", "os.exec", "os.kill", "os.posix_spawn", "os.system", "os.symlink",
             "os.link", "subprocess.", "socket.", "ctypes.", "pickle.find_class",
             "mmap.")  # fmt: skip
MAKE_CODE = ("dataclasses.py", f"collections{os.sep}__init__.py", "judge.py")  # from texts
# What libraries read of the system they run on.
OF_SYSTEM = ("/usr/", "/etc/", "/sys/", "/proc/cpuinfo", "/proc/meminfo", "/dev/null",
             "/dev/urandom")  # fmt: skip
MOST_REMARKS = 6


def _listen(note: Note) -> None:
    """Note from now on what the code of an answer makes Python do; nothing in Python ends this."""
    heard, busy, thread = set(), set(), threading.get_ident
    own = (os.path.realpath(os.getcwd()), os.path.realpath(tempfile.gettempdir()))
    known = (sys.prefix, sys.base_prefix, paths.PACKAGE, paths.data_root())
    known = (*own, *map(os.path.realpath, known), *OF_SYSTEM)
    checks = os.path.realpath(paths.PACKAGE / "lessons")

    def is_foreign(path, flags: int) -> bool:
        if not isinstance(path, (str, bytes)):
            return True  # a number: what is open already
        path = os.path.realpath(os.fsdecode(path))
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return not path.startswith(own if writes else known) or path.startswith(checks)

    def remark(event: str, details: tuple, frame) -> str:
        caller = frame.f_code.co_filename
        if event == "exec":
            made = not os.path.isabs(details[0].co_filename) and not caller.endswith(MAKE_CODE)
            return "runs code from a text" if made and _cause(frame) != LOADING else ""
        if event.startswith(ITS_OWN):
            its_own = caller == FILE or caller == "<string>"
            return f"does {event} {_detail(details)}" if its_own else ""
        if _cause(frame) != FILE or event == "open" and not is_foreign(details[0], details[2]):
            return ""
        return f"does {event} {_detail(details)}"

    def hear(event: str, details: tuple) -> None:
        if not event.startswith(("exec", "open", *ITS_OWN, *BEHIND_IT)) or thread() in busy:
            return
        busy.add(thread())
        try:
            said = remark(event, details, sys._getframe(1)).strip()
            if said and said not in heard and len(heard) < MOST_REMARKS:
                heard.add(said)
                note(said)
        finally:
            busy.discard(thread())

    sys.addaudithook(hear)


LOADING = "<frozen importlib._bootstrap>"


def _cause(frame) -> str:
    """Whether a module that is being loaded or an answer's code is at work: LOADING, FILE or ""."""
    while frame is not None:
        if frame.f_code.co_filename in (LOADING, FILE):
            return frame.f_code.co_filename
        frame = frame.f_back
    return ""


def _detail(details: tuple) -> str:
    return next((each[:60] for each in details if isinstance(each, str)), "")


# What libraries change by themselves: PyTorch, when an optimizer first loads its compiler; copy.
LIVELY = {"__warningregistry__", "manual_seed", "_spmd_types_available", "__slotnames__"}
SHADOWING = {*dir(builtins)}  # in a module, they go before those that all know


def _watched() -> Iterator[ModuleType | type]:
    """What checks rely on: the package's modules, and the modules and classes that they name."""
    own = [module for name, module in [*sys.modules.items()] if name.startswith("fmnist_lib")]
    found = [*own, *(sys.modules[name] for name in ("builtins", "json", "os", "sys", "select"))]
    named = [value for module in (*own, torch.nn) for value in [*vars(module).values()]]
    found += [each for each in named if isinstance(each, (ModuleType, type))]
    yield from {id(each): each for each in found}.values()


class Watch:
    """All that checks rely on, as it is now; kept alive, so that nothing else gets its address."""

    def __init__(self):
        self.kept = [(each, vars(each), dict(vars(each))) for each in _watched()]
        self.inner = {
            id(value): (value, _inner(value)) for _, _, e in self.kept for value in e.values()
        }
        self.tensors = {*_kinds_of_tensors()}

    def changes(self, also_inner: bool = True) -> list[str]:
        """What is no longer as it was, such as `torch.allclose` after an assignment to it.

        also_inner: the code of functions, too, which takes longer.
        """
        found = []
        for place, now, before in self.kept:
            changed = [name for name, value in before.items() if now.get(name, ...) is not value]
            if len(now) > len(before):
                changed += [
                    name
                    for name in now.keys() - before.keys()
                    if isinstance(place, type) or name in SHADOWING
                ]
            where = getattr(place, "__qualname__", place.__name__)
            found += [f"changes {where}.{name}" for name in changed if name not in LIVELY]
        for value, inner in self.inner.values() if also_inner else ():
            if any(one is not two for one, two in zip(inner, _inner(value))):
                found.append(f"changes the code of {value.__name__}")
        new = {*_kinds_of_tensors()} - self.tensors
        return found + [f"makes a kind of tensors, {kind.__name__}" for kind in new]

    def at_border(self, note: Note) -> Callable:
        """For `sys.setprofile`: looks where an answer's code begins or ends within a check.

        What is as it was again when the check is over does so not stay unnoticed.
        """
        noted = set()

        def look(frame, event: str, _) -> None:
            if event not in ("call", "return") or frame.f_code.co_filename != FILE:
                return
            if frame.f_back is None or frame.f_back.f_code.co_filename != FILE:
                for change in {*self.changes(also_inner=False)} - noted:
                    noted.add(change)
                    if len(noted) <= MOST_REMARKS:
                        note(change)

        return look


def _inner(value) -> tuple:
    return getattr(value, "__code__", None), getattr(value, "__defaults__", None)


def _kinds_of_tensors() -> Iterator[type]:
    """Classes of tensors, but for those that stand in a module, as PyTorch's own do."""
    found = [torch.Tensor]
    for kind in found:
        found += type.__subclasses__(kind)
        if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
            yield kind


if __name__ == "__main__":
    main()
