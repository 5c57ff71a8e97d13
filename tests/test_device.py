"""The device and the number format."""

import os
import subprocess
import sys
from types import SimpleNamespace

import loky
import psutil
import pytest
import torch

import fmnist_lib
from fmnist_lib import device
from fmnist_lib.device import (
    choose_device,
    choose_dtype,
    choose_threads,
    device_name,
    unsupported_gpu,
)
from fmnist_lib.errors import CourseError


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_cuda():
    with pytest.raises(CourseError, match='device="cuda" is not available.*device="auto"'):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:99999999999999999999", "cuda:²", ""])
def test_unknown_device(name):
    with pytest.raises(CourseError, match="is unknown. Choose auto, cpu"):
        choose_device(name)


def test_auto_device_is_one_that_works():
    device = choose_device("auto")
    assert torch.ones(2, device=device).sum().item() == 2


def test_dtype():
    assert choose_dtype("float32") == torch.float32
    assert choose_dtype("auto") in (torch.float32, torch.bfloat16)
    with pytest.raises(CourseError, match="dtype='float16' is unknown"):
        choose_dtype("float16")


@pytest.fixture
def gpu(monkeypatch):
    """Let there be a GPU of some capability, and a PyTorch with code for some."""

    def make(capability, built):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number=0: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number=0: "GeForce GTX 1050")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)

    return make


TODAY = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize("capability", [(5, 0), (6, 1), (7, 0), (7, 2)])
def test_a_gpu_that_this_torch_has_no_code_for(gpu, capability):
    gpu(capability, TODAY)
    with pytest.warns(UserWarning, match="GTX 1050 has the compute capability .*on the CPU"):
        assert choose_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(CourseError, match='CUDA 12.6.*Or use device="cpu"'):
            choose_device(name)


@pytest.mark.parametrize(
    ("capability", "built"),
    [
        ((7, 5), TODAY),
        ((8, 9), TODAY),  # runs the code for 8.6
        ((10, 3), TODAY),
        ((12, 1), TODAY),
        ((13, 0), TODAY),  # translated from that for 12.0
        ((6, 1), ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]),
        ((9, 0), ["sm_90a"]),
    ],
)
def test_a_gpu_that_this_torch_has_code_for(gpu, capability, built, recwarn):
    gpu(capability, built)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
    assert not recwarn.list


def test_no_code_of_another_generation(gpu):
    gpu((8, 0), ["sm_75", "sm_86", "sm_90"])  # 8.6 is later than 8.0, and 7.5 another one
    assert "8.0" in unsupported_gpu()


@pytest.mark.parametrize(
    ("cpu", "avx512", "amx", "expected"),
    [
        ("AMD EPYC", True, False, torch.bfloat16),
        ("AMD EPYC", False, False, torch.float32),
        ("Intel Xeon", True, False, torch.float32),  # slower there
        ("Intel Xeon", True, True, torch.bfloat16),
    ],
)
def test_auto_takes_bfloat16_where_it_is_faster(monkeypatch, cpu, avx512, amx, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": cpu})
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert choose_dtype("auto") == expected


def test_a_cpu_is_named_with_its_threads():
    assert f", {torch.get_num_threads()} threads" in device_name(torch.device("cpu"))


# ------------------------------------------------------------------------------------- threads


@pytest.fixture
def machine(monkeypatch):
    """Make a function that gives this machine so many cores, each busy to so many percent."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(fmnist_lib, "threads_spin", False)
    before = torch.get_num_threads()

    def make(busy, allowed=None, mine=None):
        mine = list(range(len(busy))) if mine is None else mine
        monkeypatch.setattr(torch, "get_num_threads", lambda: len(mine))
        monkeypatch.setattr(loky, "cpu_count", lambda: allowed or len(mine))
        monkeypatch.setattr(psutil, "cpu_percent", lambda interval, percpu: busy)
        process = SimpleNamespace(cpu_affinity=lambda: mine)
        monkeypatch.setattr(psutil, "Process", lambda: process)
        device.usable_cores.cache_clear()

    yield make
    device.usable_cores.cache_clear()
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("busy", "allowed", "mine", "threads"),
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
def test_other_programs_keep_their_cores(machine, busy, allowed, mine, threads):
    machine(busy, allowed, mine)
    assert choose_threads() == threads


def test_a_number_of_threads_is_taken(machine, monkeypatch):
    machine([100, 100])
    assert choose_threads(2) == 2
    assert choose_threads() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # which PyTorch has read
    assert choose_threads() == 2


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
import fmnist_lib
print(*(os.environ.get(name) for name in fmnist_lib.OPENMP_WAIT), fmnist_lib.threads_spin)
"""


@pytest.mark.parametrize(
    ("first", "own", "printed"),
    [
        ("", {}, "1000 1 False"),
        ("import torch", {}, "1000 1 True"),
        ("", {"GOMP_SPINCOUNT": "7"}, "7 None False"),
        ("", {"OMP_WAIT_POLICY": "PASSIVE"}, "None None False"),
        ("import torch", {"KMP_BLOCKTIME": "0"}, "None 0 False"),
    ],
)
def test_how_threads_wait_is_set_before_pytorch_is_there(first, own, printed):
    names = {"OMP_WAIT_POLICY", *fmnist_lib.OPENMP_WAIT}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(first=first)],
        env=environment | own, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == printed, done.stderr


def test_threads_that_could_not_be_told(machine, monkeypatch):
    machine([0, 0])
    monkeypatch.setattr(fmnist_lib, "threads_spin", True)
    with pytest.warns(
        UserWarning, match="PyTorch was imported before fmnist_lib.* in a new kernel"
    ):
        choose_threads()
