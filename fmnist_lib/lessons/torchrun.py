"""torchrun on this machine, called from a notebook: it comes to an end, and says why it failed."""

import os
import subprocess
import sys

from fmnist_lib.errors import CourseError

# Addresses that need no name. With torchrun's own --standalone the processes look for each other
# by the name of this machine, and for ever where no server knows it.
HERE = ("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1")


def torchrun(processes: int, module: str, *options, seconds: float = 600) -> None:
    """Run a module in so many processes, each with one thread of the CPU, until all have ended.

    options: of the module, by str(). Raises CourseError, with what was printed in front of it, when
    one of the processes fails or when they take longer than `seconds`.
    """
    command = [sys.executable, "-m", "torch.distributed.run", *HERE]
    command += ["--nproc-per-node", str(processes), "-m", module, *map(str, options)]
    # Without a GPU, which not every process would have.
    alone = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    started = subprocess.Popen(
        command, env=alone, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = started.communicate(timeout=seconds)
    except BaseException as error:  # ■ as well
        said = _end(started)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        reason = (
            f"torchrun did not end within {seconds:.0f} s, and was stopped. Give it less to do."
        )
    else:
        if started.returncode == 0:
            return
        # Its last lines are torchrun's own; one of the course says what to do.
        own = [line for line in said.splitlines() if line.startswith("fmnist ")]
        reason = " ".join(["torchrun failed.", *own[:1]])
    print(said)
    raise CourseError(f"{reason} All that it said stands above.")


def _end(started: subprocess.Popen) -> str:
    """End torchrun and its processes; returns what they printed."""
    started.terminate()  # it ends its processes, for which it needs a moment
    try:
        return started.communicate(timeout=40)[0]
    except subprocess.TimeoutExpired:
        started.kill()
        return started.communicate()[0]
