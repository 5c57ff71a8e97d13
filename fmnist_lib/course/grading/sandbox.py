"""Where the code of students runs: apart from this machine's files, network and other programs."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fmnist_lib.course.grading import judge
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths

LESSON_SECONDS = 600  # for the lesson of a notebook, up to an exercise
PATIENCE = 30  # seconds beyond its own that an answer may take, until its judge is ended
ROOM = 64 * 2**20  # bytes for all files of a notebook's answers
# Finds the package in the folder that it gets, and nowhere else.
START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from fmnist_lib.course.grading.judge import main; main()"
)
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc/ld.so.cache")


@functools.cache
def bubblewrap() -> str | None:
    """The path of bubblewrap, where it is there and this system lets it work."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    trial = [program, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return None if subprocess.run(trial, capture_output=True).returncode else program


def what_holds() -> dict[str, bool]:
    """The limits for an answer, and whether they hold on this machine."""
    is_root = hasattr(os, "getuid") and os.getuid() == 0
    return {
        "time": True,
        "memory": judge.FORKS,
        "a process for each answer": judge.FORKS,
        "number of processes": judge.FORKS and not is_root,
        "size of a file": judge.FORKS,
        "room on the disk": bool(bubblewrap()),
        "no network": bool(bubblewrap()),
        "nothing else to be read or written": bool(bubblewrap()),
    }


def run(job: dict) -> Iterator[dict]:
    """Let `judge` do a job; its messages, as they come. Ends early when it is ended or hangs."""
    # In front of each line; what somebody else writes, whom no sandbox keeps away, does not count.
    seal = os.urandom(16).hex()
    with _place() as (command, folder):
        process = subprocess.Popen(
            [*command, sys.executable, "-I", "-B", "-c", START, str(paths.PACKAGE.parent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=folder, env=_environment(folder), encoding="utf-8", errors="replace",
            start_new_session=True,
        )  # fmt: skip
        patience = None
        try:
            with process.stdin as pipe:
                pipe.write(json.dumps(job | {"seal": seal}))
            # An answer is run, then checked, each within its seconds.
            allowed = LESSON_SECONDS
            while True:
                patience = threading.Timer(allowed, process.kill)
                patience.start()
                line = process.stdout.readline()
                patience.cancel()
                if not line:
                    return
                with suppress(ValueError):
                    message = json.loads(line.partition(seal)[2])
                    yield message
                    is_asked = "begin" in message
                    allowed = 2 * job["seconds"] + PATIENCE if is_asked else LESSON_SECONDS
        finally:
            if patience:
                patience.cancel()
            process.kill()
            process.wait()
            process.stdout.close()


@contextmanager
def _place() -> Iterator[tuple[list[str], str]]:
    """What to put before a command, and the folder to run it in, which is empty."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if not bubblewrap():
            yield [], folder
            return
        seen = [*SYSTEM, sys.prefix, sys.base_prefix, paths.PACKAGE, paths.data_root()]
        binds = [part for place in seen for part in ("--ro-bind-try", str(place), str(place))]
        yield [
            bubblewrap(), "--unshare-all", "--die-with-parent", "--new-session",
            "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev",
            *binds, "--size", str(ROOM), "--tmpfs", folder, "--chdir", folder,
            "--remount-ro", "/dev", "--remount-ro", "/", "--",
        ], folder  # fmt: skip


def _environment(folder: str) -> dict[str, str]:
    """As little as it takes: what a teacher's shell knows is none of a student's business."""
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "HOME": folder,
        "TMPDIR": folder,
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": folder,
        "FMNIST_DATA": str(paths.data_root()),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def judged(job: dict) -> list[dict]:
    """The result of each exercise of a job: what `judge.judge` returns, with `id` and `seconds`.

    One that ends the judge itself costs that exercise alone. Raises CourseError when the lesson
    does not run.
    """
    left, results = [*job["exercises"]], []
    while left:
        before = len(left)
        now = left if judge.FORKS else left[:1]  # where there is no fork, each has its own judge
        begun, done = None, False
        for message in run(job | {"exercises": now}):
            if "broken" in message:
                raise CourseError(
                    f"{job['notebook']} does not run here without any answer: {message['broken']}. "
                    "Look at it with: fmnist doctor"
                )
            if "begin" in message:
                begun = message["begin"]
            elif message.get("id", ...) == begun:
                results.append(message)
                left, begun = [each for each in left if each["id"] != message["id"]], None
            done |= "done" in message
        lost = [each["id"] for each in now if each in left] if done else [begun] if begun else []
        for id in lost:
            reason = "It ends the program that grades it, or takes far too long."
            results.append({"id": id, "kind": "stopped", "reason": reason, "unusual": [reason]})
        left = [each for each in left if each["id"] not in lost]
        if len(left) == before:
            raise CourseError(
                f"The process that grades {job['notebook']} ends before the first answer, as it "
                "does when the memory is full. Give fewer --workers."
            )
    return results
