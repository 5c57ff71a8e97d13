"""How many threads, and how they wait."""

import os
import subprocess
import sys
from types import SimpleNamespace

import loky
import psutil
import pytest
import torch

from fmnist_lib import threads
from fmnist_lib.errors import CourseError
from fmnist_lib.threads import choose_threads


@pytest.fixture
def machine(monkeypatch):
    """Make a function that gives this machine so many cores, each busy to so many percent."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_torch_was_first", False)
    before = torch.get_num_threads()

    def make(busy, allowed=None, mine=None):
        mine = list(range(len(busy))) if mine is None else mine
        monkeypatch.setattr(torch, "get_num_threads", lambda: len(mine))
        monkeypatch.setattr(loky, "cpu_count", lambda: allowed or len(mine))
        monkeypatch.setattr(psutil, "cpu_percent", lambda interval, percpu: busy)
        process = SimpleNamespace(cpu_affinity=lambda: mine)
        monkeypatch.setattr(psutil, "Process", lambda: process)
        threads.usable_cores.cache_clear()

    yield make
    threads.usable_cores.cache_clear()
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("busy", "allowed", "mine", "number"),
    [
        ([0, 0], None, None, 2),
        ([20, 15], None, None, 2),  # somebody reads
        ([100, 3], None, None, 1),
        ([55, 60], None, None, 1),
        ([100, 100], None, None, 1),
        ([50] * 64, 2, None, 2),  # a container that may use 2 of 64, and their other half is free
        ([100] * 62 + [0, 0], None, [60, 61, 62, 63], 2),
    ],
)
def test_other_programs_keep_their_cores(machine, busy, allowed, mine, number):
    machine(busy, allowed, mine)
    assert choose_threads() == number


def test_a_number_of_threads_is_taken(machine, monkeypatch):
    machine([100, 100])
    assert choose_threads(2) == 2
    assert choose_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # which PyTorch has read
    assert choose_threads() == 2


@pytest.mark.parametrize("text", ["abc", "", "0", "-2"])
def test_what_is_no_number_of_threads_says_nothing(machine, monkeypatch, text):
    machine([100, 100])
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert choose_threads() == 1


@pytest.mark.parametrize("number", [-1, 1025, 10**12])
def test_a_number_of_threads_that_makes_no_sense(number):
    with pytest.raises(CourseError, match=f"threads={number} is not from 0"):
        choose_threads(number)


def test_the_load_is_that_of_other_programs(machine, monkeypatch):
    """Really measured: a process that computes meanwhile is noticed."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 1
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        assert choose_threads() == 1
    finally:
        for process in busy:
            process.kill()
            process.wait()


IMPORTED = """
import os
{first}
from fmnist_lib import threads
print(*(os.environ.get(name) for name in threads.WAIT), threads._torch_was_first)
"""


@pytest.mark.parametrize(
    ("first", "own", "printed"),
    [
        ("", {}, "4000 1 False"),
        ("import torch", {}, "4000 1 True"),
        ("", {"GOMP_SPINCOUNT": "7"}, "7 None False"),
        ("", {"OMP_WAIT_POLICY": "PASSIVE"}, "None None False"),
        ("", {"OMP_WAIT_POLICY": ""}, "4000 1 False"),
        ("import torch", {"KMP_BLOCKTIME": "0"}, "None 0 False"),
    ],
)
def test_how_threads_wait_is_set_before_pytorch_is_there(first, own, printed):
    names = {"OMP_WAIT_POLICY", *threads.WAIT}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(first=first)],
        env=environment | own, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == printed, done.stderr


def test_threads_that_could_not_be_told(machine, monkeypatch):
    machine([0, 0])
    monkeypatch.setattr(threads, "_torch_was_first", True)
    with pytest.warns(
        UserWarning, match="PyTorch was imported before fmnist_lib.* in a new kernel"
    ):
        choose_threads()
