"""The device and the number format."""

import pytest
import torch

from fmnist_lib.device import choose_device, choose_dtype, device_name
from fmnist_lib.errors import CourseError


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_cuda():
    with pytest.raises(CourseError, match='device="cuda" is not available.*device="auto"'):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
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


def test_a_cpu_is_named_with_its_threads():
    assert f", {torch.get_num_threads()} threads" in device_name(torch.device("cpu"))
