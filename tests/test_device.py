"""The device and the number format."""

import pytest
import torch

from fmnist_lib.device import (
    choose_device,
    choose_dtype,
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
