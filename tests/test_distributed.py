"""Training under torchrun: the same result as one process, and life after a dead rank."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from fmnist_lib import checkpoints, runs
from fmnist_lib.lessons.torchrun import HERE

OPTIONS = ["--data-source", "csv", "--train-images", "500", "--dtype", "float32"]


@pytest.fixture(scope="module")
def environment(csv_root):
    """The environment of the processes; the data is two small CSV files."""
    return os.environ | {"FMNIST_DATA": str(csv_root), "OMP_NUM_THREADS": "1"}


def start(environment, out, *options, processes=None, restarts=0):
    torchrun = ["-m", "torch.distributed.run", *HERE, "--nproc-per-node", str(processes),
                "--max-restarts", str(restarts)]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, *(torchrun if processes else []), "-m", "fmnist_lib.course.train",
         *OPTIONS, "--out", str(out), *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def weights(out):
    return checkpoints.read(Path(out) / "checkpoint.pt")["model"]


@pytest.fixture(scope="module")
def alone(environment, tmp_path_factory):
    """Four epochs in one process."""
    out = tmp_path_factory.mktemp("alone")
    process = start(environment, out, "--epochs", "4")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


def assert_same_result(out, expected):
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(out)[name], value, rtol=1e-3, atol=1e-5)
    histories = [runs.read(folder)["history"] for folder in (out, expected)]
    assert len(histories[0]) == len(histories[1]) == 4
    for ours, theirs in zip(*histories):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
        assert ours["train_accuracy"] == pytest.approx(theirs["train_accuracy"], abs=0.004)


# 500 images in batches of 75 leave 50 for the last one; three processes share neither evenly.
@pytest.mark.parametrize("processes", [2, 3])
def test_many_processes_equal_one(environment, alone, tmp_path, processes):
    process = start(environment, tmp_path, "--epochs", "4", processes=processes)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert printed.count("epoch  1/4") == 1  # only one of them prints
    assert_same_result(tmp_path, alone)
    assert runs.read(tmp_path)["parameters"]["processes"] == processes


def test_leaving_ends_every_thread_of_the_group(tmp_path):
    # One that is left may abort its process when Python ends: one run of many (pytorch #179291).
    if not Path("/proc/self/task").exists():
        pytest.skip("reads the names of threads as Linux shows them")
    script = tmp_path / "leave.py"
    script.write_text(
        "import fmnist_lib, torch\n"
        "from pathlib import Path\n"
        "from fmnist_lib import distributed\n"
        "def name(path):\n"
        "    try: return path.read_text().strip()\n"
        "    except OSError: return 'ended in between'\n"
        "def threads():\n"
        "    return [name(path) for path in Path('/proc/self/task').glob('*/comm')]\n"
        "distributed.join()\n"
        "def train():\n"
        "    network = distributed.parallel(torch.nn.Linear(3, 2), 4, 8)\n"
        "    network(torch.ones(4, 3)).sum().backward()\n"
        "    assert 'pt_gloo_runloop' in threads(), threads()\n"
        "train()\n"
        "distributed.leave()\n"
        "assert not [name for name in threads() if 'gloo' in name], threads()\n"
    )
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *HERE, "--nproc-per-node", "2", script],
        check=True, env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip


def rank_processes(launcher):
    """The pids of torchrun's children."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(launcher.pid)], capture_output=True, text=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def kill_one_after_first_epoch(process):
    for line in process.stdout:
        if "epoch  1/" in line:
            os.kill(rank_processes(process)[-1], signal.SIGKILL)
            return
    pytest.fail(process.stderr.read())


def test_a_dead_rank_ends_the_job_and_the_same_command_goes_on(environment, alone, tmp_path):
    process = start(environment, tmp_path, "--epochs", "4", processes=2)
    kill_one_after_first_epoch(process)
    started = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert time.monotonic() - started < 40
    assert not (tmp_path / "metrics.json").exists()
    assert 1 <= len(checkpoints.read(tmp_path / "checkpoint.pt")["history"]) < 4

    process = start(environment, tmp_path, "--epochs", "4", processes=2)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert_same_result(tmp_path, alone)


def test_torchrun_restarts_from_the_checkpoint(environment, alone, tmp_path):
    process = start(environment, tmp_path, "--epochs", "4", processes=2, restarts=1)
    kill_one_after_first_epoch(process)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert_same_result(tmp_path, alone)


def test_a_batch_too_small_to_share(environment, tmp_path):
    process = start(environment, tmp_path, "--batch-size", "1", processes=2)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "batch_size=1 is less than one image for each of the 2 processes" in errors
    assert list(tmp_path.iterdir()) == []


SEES = """
import os
import torch.distributed as dist
from fmnist_lib import distributed
distributed.join()
rank = dist.get_rank()
seen = f"rank {rank} {distributed.as_main(rank == 0)} {distributed.as_main(rank == 1)}\\n"
os.write(1, seen.encode())  # in one go: both processes write to one pipe
distributed.leave()
"""


def test_what_the_main_process_sees_holds_for_all(environment, tmp_path):
    """A checkpoint, say, on a disk that shows new files later on other machines."""
    script = tmp_path / "sees.py"
    script.write_text(SEES)
    torchrun = ["-m", "torch.distributed.run", *HERE, "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, str(script)], env=environment, capture_output=True, text=True
    )
    lines = sorted(line for line in done.stdout.splitlines() if line.startswith("rank"))
    assert lines == ["rank 0 True False", "rank 1 True False"], done.stderr
