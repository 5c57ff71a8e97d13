"""torchrun on this machine, called from a notebook: it comes to an end, and says why it failed."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fmnist_lib.errors import CourseError

# Addresses that need no name. With torchrun's own --standalone the processes look for each other
# by the name of this machine, and for ever where no server knows it.
HERE = ("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1")
SHOWN = 12  # lines of what a failed process said
# How an error ends that another process has caused, by ending in the middle of an exchange.
OF_ANOTHER = re.compile(r"gloo|Connection (?:closed|reset) by peer|torch\.distributed\.Dist")


def torchrun(processes: int, module: str, *options, seconds: float = 600) -> None:
    """Run a module in so many processes, each with one thread of the CPU, until all have ended.

    options: of the module, by str(). What the processes print is not shown. Raises CourseError when
    one of them fails, or when they take longer than `seconds`: it says which process, what was
    wrong and what to do. The last lines of an error that is not the course's are printed before.
    """
    if processes < 1:
        raise CourseError(f"processes={processes} is less than 1. Start at least one.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "torch.distributed.run", *HERE]
        command += ["--nproc-per-node", str(processes), "--log-dir", folder, "--redirects", "3"]
        command += ["-m", module, *map(str, options)]
        # Without a GPU, which not every process would have.
        alone = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
        started = subprocess.Popen(
            command, env=os.environ | alone, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = started.communicate(timeout=seconds)
        except BaseException as error:  # ■ as well
            _end(started)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            _show(_said(folder, 0, "stdout"), "Process 0 said last:")
            raise CourseError(
                f"torchrun did not end within {seconds:.0f} s, and was stopped. Give it less to "
                "do, such as fewer images or processes, or more seconds."
            ) from None
        if started.returncode:
            raise CourseError(f"torchrun failed. {_reason(said, Path(folder), processes)}")


def _end(started: subprocess.Popen) -> None:
    """End torchrun and its processes."""
    started.terminate()  # it ends its processes, for which it needs a moment
    try:
        started.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        started.kill()
        started.communicate()


# ------------------------------------------------------------------------------- why it failed


@dataclass(frozen=True)
class Failure:
    """How one process failed. status: 0 where torchrun does not say; below 0 it is a signal."""

    rank: int
    status: int
    message: str  # the line that says it, "" where none does
    lines: list[str]  # of its error, to be shown; none where the message says all

    @property
    def likelihood(self) -> int:
        """The lower, the more likely it is the cause of the others."""
        if self.message and not (self.lines and OF_ANOTHER.search(self.message)):
            return 0
        return 1 if self.status < 0 and self.status != -signal.SIGTERM else 2


def _reason(said: str, folder: Path, processes: int) -> str:
    """Which process failed, of what, and what to do; prints its last lines if they tell more."""
    table = re.findall(r"rank\s*: (\d+) \(local_rank.*?exitcode\s*: (-?\d+)", said, re.S)
    status = {int(rank): int(code) for rank, code in table}
    failures = [_failure(folder, rank, status.get(rank, 0)) for rank in range(processes)]
    failures = [each for each in failures if each.status or each.message]
    if not failures:
        return (
            f"Its processes did not come to work together: {_own(said.splitlines())[0]} They talk "
            "over 127.0.0.1, this machine's own address, which a firewall or a container without "
            "a network may forbid. Run the cell again; if it comes again, have that allowed."
        )
    first = min(failures, key=lambda each: each.likelihood)
    alike = [each for each in failures if each.message and each.message == first.message]
    who = f"Each of the {processes} processes" if len(alike) == processes > 1 else _name(first.rank)
    if first.message and not first.lines:
        return f"{who} says: {first.message}"
    if first.message:
        _show(first.lines, f"{_name(first.rank)} said last:")
        return (
            f"{who} stopped with {first.message.rstrip('.')}. Its last lines stand above: correct "
            "what they name, and run the cell again."
        )
    if first.status < 0:
        return f"{who} {_of_signal(-first.status)}"
    _show(_said(folder, first.rank, "stdout"), f"{who} said last:")
    return f"{who} ended with the status {first.status} and gave no reason."


def _name(rank: int) -> str:
    return f"Process {rank} (the first is 0)"


def _failure(folder: Path, rank: int, status: int) -> Failure:
    lines = _said(folder, rank, "stderr")
    raised = any(line.startswith("Traceback (most recent call last)") for line in lines)
    if not raised and status <= 0:  # nothing but warnings
        return Failure(rank, status, "", [])
    message, lines = _own(lines)
    name, _, text = message.partition(": ")
    if name.rpartition(".")[2] == "CourseError":
        message, lines = text, []
    return Failure(rank, status, message, lines if raised else [])


def _said(folder: str | Path, rank: int, stream: str) -> list[str]:
    """What a process wrote, in its last attempt, without the mark of its rank."""
    files = sorted(Path(folder).glob(f"*/attempt_*/{rank}/{stream}.log"))
    text = files[-1].read_text(encoding="utf-8", errors="replace") if files else ""
    return [re.sub(r"^\[rank\d+\]: ?", "", line) for line in text.splitlines()]


def _own(lines: list[str]) -> tuple[str, list[str]]:
    """The line that says what was wrong, and the lines to show with it."""
    begins = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if begins:
        lines = lines[begins[-1] :]
        ends = [n for n, line in enumerate(lines) if n and re.match(r"[A-Za-z_]", line)]
        lines = lines[: ends[0] + 1] if ends else lines
    lines = [line for line in lines if line.strip()]
    last = lines[-1] if lines else ""
    # "…/bin/python: No module named x", "Error: No such option"
    return re.sub(r"^\S*python[\d.]*(?:\.exe)?: |^Error: ", "", last), lines


def _of_signal(number: int) -> str:
    name = signal.Signals(number).name if number in [*signal.Signals] else f"signal {number}"
    if name == "SIGKILL":
        return (
            "was killed from outside (SIGKILL). A system does so when its memory is full. Close "
            "other programs, or start fewer processes, and run the cell again."
        )
    return (
        f"was ended by the system ({name}), with no error of Python. Run the cell again; if it "
        "comes again, start fewer processes."
    )


def _show(lines: list[str], title: str) -> None:
    if lines:
        print("\n".join([title, *lines[-SHOWN:]]))
