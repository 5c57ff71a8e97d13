"""torchrun from a notebook: with no name to resolve, to an end in any case, with its reasons."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import torchrun as module
from fmnist_lib.lessons.torchrun import torchrun

MODULES = {
    "together": """
        import os, sys, torch, torch.distributed as dist
        dist.init_process_group("gloo")
        total = torch.ones(1)
        dist.all_reduce(total)
        said = [str(int(total)), os.environ["OMP_NUM_THREADS"], str(torch.cuda.device_count())]
        open(f"{sys.argv[1]}.{dist.get_rank()}", "w").write(" ".join(said + sys.argv[2:]))
        dist.barrier()
        dist.destroy_process_group()
    """,
    "refusing": """
        import os, sys, time
        print("what it printed before")
        if os.environ["RANK"] == "1":
            sys.exit("fmnist train: momentum=3 is not below 1. Correct it.")
        time.sleep(100)
    """,
    "failing": """
        def divide():
            return 1 / 0
        divide()
    """,
    "one_fails": """
        import torch, torch.distributed as dist
        dist.init_process_group("gloo")
        dist.barrier()
        if dist.get_rank() == 1:
            torch.ones(3) + torch.ones(4)
        dist.all_reduce(torch.ones(3))
    """,
    "one_is_killed": """
        import os, signal, torch, torch.distributed as dist
        dist.init_process_group("gloo")
        dist.barrier()
        if dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        dist.all_reduce(torch.ones(3))
    """,
    "crashing": """
        import os, signal, time
        if os.environ["RANK"] == "0":
            os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(100)
    """,
    "silent": """
        import os
        print("its last words")
        os._exit(3)
    """,
    "endless": """
        import os, sys, time
        open(f"{sys.argv[1]}.{os.environ['RANK']}", "w").write(str(os.getpid()))
        print("begun", flush=True)
        time.sleep(100)
    """,
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A folder with the modules above, which the processes can import."""
    for name, source in MODULES.items():
        lines = [line.removeprefix("        ") for line in source.splitlines()]
        (tmp_path / f"{name}.py").write_text("\n".join(lines))
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return tmp_path


def test_processes_work_together_and_two_runs_do_not_meet(modules, capfd):
    runs = [
        threading.Thread(target=torchrun, args=(count, "together", modules / f"{count}", "--a", 2))
        for count in (1, 2)
    ]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    said = {path.name: path.read_text() for path in modules.glob("?.?")}
    assert said == {"1.0": "1 1 0 --a 2", "2.0": "2 1 0 --a 2", "2.1": "2 1 0 --a 2"}
    assert capfd.readouterr() == ("", "")


def test_where_the_name_of_the_machine_can_not_be_resolved(modules):
    """In a network of its own, with a name that nobody knows."""
    unshare = ["unshare", "--uts", "--net"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"]).returncode:
        pytest.skip("only root on Linux may have another name")
    run = "from fmnist_lib.lessons.torchrun import torchrun; torchrun(2, 'together', 'said')"
    script = f'ip link set lo up; hostname no-such-machine; exec {sys.executable} -c "{run}"'
    done = subprocess.run(
        [*unshare, "sh", "-c", script], cwd=modules, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert (modules / "said.1").read_text().startswith("2 ")


def failure(capfd, processes, module, *options, **given):
    """What the error of a run says, behind its first words; and what was printed."""
    with pytest.raises(CourseError) as error:
        torchrun(processes, module, *options, **given)
    printed = capfd.readouterr()
    assert printed.err == ""
    start, _, text = str(error.value).partition("torchrun failed. ")
    assert start == "", str(error.value)
    return text, printed.out


CORRECT = "Its last lines stand above: correct what they name, and run the cell again."


def test_a_refusal_is_the_message(modules, capfd):
    assert failure(capfd, 2, "refusing") == (
        "Process 1 (the first is 0) says: fmnist train: momentum=3 is not below 1. Correct it.",
        "",
    )


def test_an_error_in_every_process_is_shown_once(modules, capfd):
    said, shown = failure(capfd, 2, "failing")
    # The other one may be ended before it comes to its own error.
    who = "(Each of the 2 processes|Process [01] .the first is 0.)"
    reason = re.escape(f"stopped with ZeroDivisionError: division by zero. {CORRECT}")
    assert re.fullmatch(f"{who} {reason}", said)
    lines = shown.splitlines()
    assert lines[0].endswith("(the first is 0) said last:") and len(lines) <= 13
    assert lines[1].startswith("Traceback") and lines[-1] == "ZeroDivisionError: division by zero"
    assert shown.count("return 1 / 0") == 1 and "torch" not in shown


def test_of_two_errors_that_of_the_other_process_is_left_out(modules, capfd):
    """The other one only finds that nobody answers."""
    said, shown = failure(capfd, 2, "one_fails")
    start = "Process 1 (the first is 0) stopped with RuntimeError: The size of tensor a (3) must"
    assert said.startswith(start) and said.endswith(CORRECT)
    assert shown.startswith("Process 1 (the first is 0) said last:\nTraceback")
    assert "torch.ones(3) + torch.ones(4)" in shown
    assert "gloo" not in shown and "[rank1]" not in shown


def test_a_process_that_is_killed(modules, capfd):
    """As a system does when its memory is full."""
    assert failure(capfd, 2, "one_is_killed") == (
        "Process 1 (the first is 0) was killed from outside (SIGKILL). A system does so when its "
        "memory is full. Close other programs, or start fewer processes, and run the cell again.",
        "",
    )


def test_a_process_that_crashes(modules, capfd):
    said, shown = failure(capfd, 2, "crashing")
    assert said.startswith("Process 0 (the first is 0) was ended by the system (SIGSEGV), with no")
    assert said.endswith("start fewer processes.") and shown == ""


def test_a_process_that_gives_no_reason(modules, capfd):
    said, shown = failure(capfd, 1, "silent")
    assert said == "Process 0 (the first is 0) ended with the status 3 and gave no reason."
    assert shown == "Process 0 (the first is 0) said last:\nits last words\n"


def test_a_module_that_is_not_there(capfd):
    said, shown = failure(capfd, 1, "no_such_module")
    assert said == "Process 0 (the first is 0) says: No module named no_such_module"
    assert shown == ""


REFUSED = {
    "too many processes for the batch": (
        ["--batch-size", 1],
        "fmnist train: batch_size=1 is less than one image for each of the 2 processes. "
        "Start fewer, or raise batch_size.",
    ),
    "an option that there is not": (
        ["--momentun", 0.5],
        "No such option '--momentun'. Did you mean '--momentum'?",
    ),
    "a value that makes no sense": (
        ["--momentum", 3],
        "fmnist train: momentum=3.0 is not at least 0 and below 1. Correct it, run again.",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_refusal_of_a_training(what, tmp_path, capfd):
    options, message = REFUSED[what]
    given = ["--data-source", "synthetic", "--out", tmp_path / "run", *options]
    said, shown = failure(capfd, 2, "fmnist_lib.course.train", *given)
    assert said.endswith(f" says: {message}") and said.count(message[-20:]) == 1 and shown == ""


def test_an_error_of_the_course_needs_no_traceback(tmp_path, capfd):
    options = ["--data-source", "nowhere", "--out", tmp_path / "times.csv"]
    said, shown = failure(capfd, 1, "fmnist_lib.lessons.stopwatch", *options)
    assert said.startswith("Process 0 (the first is 0) says: source='nowhere' is unknown. Choose")
    assert shown == ""


def test_processes_that_do_not_find_each_other(modules, capfd, monkeypatch):
    """Nobody listens at the address where they are to meet."""
    nowhere = ("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:9", "--local-addr=127.0.0.1")
    limits = ("--rdzv-conf", "is_host=0,timeout=3,read_timeout=3")
    monkeypatch.setattr(module, "HERE", (*nowhere, *limits))
    said, shown = failure(capfd, 2, "failing")
    assert said.startswith("Its processes did not come to work together: torch.distributed.")
    assert "The connection to the C10d store has failed" in said and "firewall" in said
    assert said.endswith("have that allowed.") and shown == ""


def test_no_process_at_all():
    with pytest.raises(CourseError, match="processes=0 is less than 1. Start at least one."):
        torchrun(0, "failing")


def ended(modules):
    """Whether both processes have ended that wrote down their numbers."""
    numbers = [int((modules / f"pid.{rank}").read_text()) for rank in (0, 1)]
    return not any(os.path.exists(f"/proc/{number}") for number in numbers)


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_it_comes_to_an_end(modules, capsys):
    begin = time.monotonic()
    with pytest.raises(CourseError, match="did not end within 8 s, and was stopped"):
        torchrun(2, "endless", modules / "pid", seconds=8)
    assert time.monotonic() - begin < 40 and ended(modules)
    assert capsys.readouterr().out == "Process 0 said last:\nbegun\n"  # once, not once a process


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_the_kernel_can_be_interrupted(modules):
    def interrupt():
        while not (modules / "pid.0").exists() or not (modules / "pid.1").exists():
            time.sleep(0.1)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)  # as JupyterLab's ■ does

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        torchrun(2, "endless", modules / "pid", seconds=60)
    assert ended(modules)


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_an_interrupt_of_all_that_belong_to_the_kernel(modules):
    """Jupyter sends it to the processes that the kernel has started as well."""
    call = f"torchrun(2, 'endless', {str(modules / 'pid')!r}, seconds=60)"
    script = f"from fmnist_lib.lessons.torchrun import torchrun; {call}"
    kernel = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    while not (modules / "pid.0").exists() or not (modules / "pid.1").exists():
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(kernel.pid, signal.SIGINT)
    said, errors = kernel.communicate(timeout=60)
    assert said == "" and errors.splitlines()[-1] == "KeyboardInterrupt"
    assert errors.count("Traceback") == 1  # the kernel's own, and none of torchrun's
    assert ended(modules)
