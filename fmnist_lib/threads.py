"""The threads that PyTorch computes with: how many, and how they wait for each other.

After every operation they wait, and spin meanwhile: for up to 300,000 rounds (GNU's OpenMP) or for
200 ms (LLVM's and Intel's). Where another program has work to do, they take the core from the
thread that they wait for, and an epoch takes many times as long (benchmarks/README.md).
"""

import functools
import os
import re
import sys
import warnings

from fmnist_lib.errors import CourseError

WAIT = {"GOMP_SPINCOUNT": "4000", "KMP_BLOCKTIME": "1"}  # rounds, and milliseconds
_torch_was_first = False


def wait_less() -> None:
    """Let the threads spin less, unless the user has said how they wait.

    OpenMP reads this when PyTorch is loaded: the package does it when it is imported. It holds for
    the processes that this one starts, too.
    """
    global _torch_was_first
    if not any(os.environ.get(name) for name in ("OMP_WAIT_POLICY", *WAIT)):
        _torch_was_first = "torch" in sys.modules
        os.environ.update(WAIT)


def choose_threads(number: int = 0) -> int:
    """Set how many threads of the CPU PyTorch computes with; returns it.

    number: 0 for as many of the `usable_cores` as other programs leave free, at least 1, or as the
        environment variable OMP_NUM_THREADS says where it is set. Looking at the load takes 0.2 s.
    Another number changes the last digits of a result: give the same one to repeat it exactly.
    Raises CourseError for a number below 0 or above 1,024.
    """
    if not 0 <= number <= 1024:
        raise CourseError(f"threads={number} is not from 0 (those that are free) to 1,024.")
    import torch

    usual = usable_cores()
    if number == 0 and is_number_given():
        number = usual
    elif number == 0:
        import psutil

        cores = psutil.cpu_percent(interval=0.2, percpu=True)  # while this process does nothing
        process = psutil.Process()
        mine = process.cpu_affinity() if hasattr(process, "cpu_affinity") else range(len(cores))
        free = sum(1 - cores[core] / 100 for core in mine)
        number = max(1, min(usual, round(free)))
    if number > 1 and _torch_was_first:
        warnings.warn(
            "PyTorch was imported before fmnist_lib, so its threads take the processor from each "
            "other where other programs are at work. Import fmnist_lib first, in a new kernel.",
            stacklevel=2,
        )
    torch.set_num_threads(number)
    return number


def is_number_given() -> bool:
    """Whether OMP_NUM_THREADS says how many there are; OpenMP passes over what is no number."""
    return re.match(r"\s*0*[1-9]", os.environ.get("OMP_NUM_THREADS", "")) is not None


@functools.cache
def usable_cores() -> int:
    """The processor cores that this process may use.

    As PyTorch counts them, without hyper-threads and as OMP_NUM_THREADS says where that is set, but
    no more than the affinity of the process and the limits of its container (cgroups) allow.
    """
    import loky
    import torch

    return min(torch.get_num_threads(), loky.cpu_count())
