"""Where the network is trained, and in which number format."""

import platform

import torch

from fmnist_lib.errors import CourseError


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on. "auto": a CUDA GPU, else Apple's (mps), else the CPU.

    Raises CourseError when the device asked for is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    kind, _, number = name.partition(":")
    if kind not in there or (number and not number.isdecimal()):
        raise CourseError(f"device={name!r} is unknown. Choose auto, cpu, cuda, cuda:1 … or mps.")
    if not there[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise CourseError(
            f'device="{name}" is not available to this PyTorch ({torch.__version__}). Use '
            'device="auto" or "cpu"; for a GPU, see what `fmnist doctor` says about its driver.'
        )
    return torch.device(name)


def choose_dtype(name: str = "auto", device: torch.device | str = "cpu") -> torch.dtype:
    """The number format of the products. "auto": bfloat16 where the hardware has it, else float32.

    With bfloat16, autocast computes convolutions and matrix products in 16 bits; weights, loss and
    updates stay in 32.
    """
    if name not in ("auto", "float32", "bfloat16"):
        raise CourseError(f"dtype={name!r} is unknown. Choose auto, float32 or bfloat16.")
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(torch.device(device)) else "float32"
    return getattr(torch, name)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def device_name(device: torch.device) -> str:
    """The name of the GPU, or the kind of processor with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple {platform.machine()}"
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads"
