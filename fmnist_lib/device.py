"""Where the network is trained, and in which number format."""

import platform
import re
import warnings

import torch

from fmnist_lib.errors import CourseError


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on. "auto": a CUDA GPU, else Apple's (mps), else the CPU.

    A GPU that this PyTorch has no code for is passed over by "auto", with a warning that says why.
    Raises CourseError when the device asked for is not there, or has no code here.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        if reason := unsupported_gpu():
            warnings.warn(f"{reason} Training on the CPU.", stacklevel=2)
        usable = there | {"cuda": there["cuda"] and not reason}
        name = next(kind for kind, available in usable.items() if available)
    kind, _, number = name.partition(":")
    if kind not in there or not re.fullmatch(r"(\d{1,3})?", number):
        raise CourseError(f"device={name!r} is unknown. Choose auto, cpu, cuda, cuda:1 … or mps.")
    if not there[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise CourseError(
            f'device="{name}" is not available to this PyTorch ({torch.__version__}). Use '
            'device="auto" or "cpu"; for a GPU, see what `fmnist doctor` says about its driver.'
        )
    if kind == "cuda" and (reason := unsupported_gpu(int(number or 0))):
        raise CourseError(f'{reason} Or use device="cpu".')
    return torch.device(name)


def unsupported_gpu(number: int = 0) -> str | None:
    """Why this PyTorch can't compute on a CUDA GPU, and the remedy; None when it can or none is.

    A build holds machine code ("sm_75") for some compute capabilities, which runs on those and on
    later ones of the same major number, and perhaps code that is translated for any later one
    ("compute_90") (https://docs.nvidia.com/cuda/cuda-compiler-driver-nvcc, GPU compilation).
    """
    if not torch.cuda.is_available():
        return None
    major, minor = torch.cuda.get_device_capability(number)
    built = torch.cuda.get_arch_list()
    for kind, digits in re.findall(r"(sm|compute)_(\d+)", " ".join(built)):
        of_major, of_minor = divmod(int(digits), 10)
        if (kind == "sm" and of_major == major and of_minor <= minor) or (
            kind == "compute" and (of_major, of_minor) <= (major, minor)
        ):
            return None
    return (
        f"{torch.cuda.get_device_name(number)} has the compute capability {major}.{minor}, for "
        f"which PyTorch {torch.__version__} has no code (only for {', '.join(built)}). For GPUs of "
        "capability 5.0 to 7.0, install a build of PyTorch 2.11 to 2.14 for CUDA 12.6, with the "
        "torchvision that belongs to it: pytorch.org, Previous versions."
    )


def choose_dtype(name: str = "auto", device: torch.device | str = "cpu") -> torch.dtype:
    """The number format of the products. "auto": bfloat16 where it is faster, else float32.

    With bfloat16, autocast computes convolutions and matrix products in 16 bits; weights, loss and
    updates stay in 32. An epoch of `Net` took 0.66 times as long with it on an AMD EPYC, and 1.34
    times as long on an Intel Xeon that has it (AVX-512) but no units for it (AMX).
    """
    if name not in ("auto", "float32", "bfloat16"):
        raise CourseError(f"dtype={name!r} is unknown. Choose auto, float32 or bfloat16.")
    if name == "auto":
        name = "bfloat16" if _bfloat16_is_faster(torch.device(device)) else "float32"
    return getattr(torch, name)


def _bfloat16_is_faster(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    intel = "Intel" in torch.cpu.get_capabilities().get("cpu_name", "")
    supported = torch.cpu._is_amx_tile_supported if intel else torch.cpu._is_avx512_bf16_supported
    return device.type == "cpu" and supported()


def device_name(device: torch.device) -> str:
    """The name of the GPU, or the kind of processor with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple {platform.machine()}"
    name = torch.cpu.get_capabilities().get("cpu_name") or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads"
