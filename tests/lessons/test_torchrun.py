"""torchrun from a notebook: with no name to resolve, to an end in any case, with its reasons."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from fmnist_lib.errors import CourseError
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
        import os, sys
        print("what it printed before")
        if os.environ["RANK"] == "1":
            sys.exit("fmnist train: momentum=3 is not below 1. Correct it.")
    """,
    "failing": "1 / 0",
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


def test_a_refusal_is_the_message(modules, capsys):
    with pytest.raises(CourseError) as error:
        torchrun(2, "refusing")
    assert str(error.value) == (
        "torchrun failed. fmnist train: momentum=3 is not below 1. Correct it. "
        "All that it said stands above."
    )
    assert "what it printed before" in capsys.readouterr().out


def test_an_error_is_shown_whole(modules, capsys):
    with pytest.raises(CourseError, match="^torchrun failed. All that it said stands above.$"):
        torchrun(2, "failing")
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().out


def test_the_refusal_of_a_training(tmp_path):
    options = ["--data-source", "synthetic", "--batch-size", 1, "--out", tmp_path / "run"]
    with pytest.raises(CourseError, match="batch_size=1 is less than one image for each of the 2"):
        torchrun(2, "fmnist_lib.course.train", *options)


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
    assert capsys.readouterr().out.count("begun") == 2


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
