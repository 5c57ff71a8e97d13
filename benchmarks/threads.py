"""Training beside programs that compute: how PyTorch's threads wait, and how many there are.

    python benchmarks/threads.py            # about 12 minutes on 2 cores

Each number comes from a process of its own, as OpenMP reads its settings once: 6,000 images of the
published recipe after a warm-up, in float32. All settings take turns, five rounds; a neighbour is a
Python loop that never waits. Then four such processes train at once, as four kernels of a class do.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pandas as pd
import torch
from readme import write_into_readme

from fmnist_lib import threads
from fmnist_lib.device import device_name
from fmnist_lib.versions import versions

ROUNDS = 5
IMAGES = 6000
# How OpenMP waits, and how many threads there are; 0 for those that are free.
SETTINGS = {
    "PyTorch as it comes": ({}, "all"),
    "waiting less": (threads.WAIT, "all"),
    "one thread": ({}, "1"),
    "the course": (threads.WAIT, "0"),
}
TRAIN = f"""
import sys, time
import torch
from fmnist_lib.model import Net
from fmnist_lib.threads import choose_threads
from fmnist_lib.train import train_one_epoch
if sys.argv[1] != "all":
    choose_threads(int(sys.argv[1]))
torch.manual_seed(0)
net = Net().to(memory_format=torch.channels_last)
images = torch.randint(0, 256, ({IMAGES}, 28, 28), dtype=torch.uint8)
labels = torch.randint(0, 10, ({IMAGES},))
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)
train_one_epoch(net, images[:600], labels[:600], optimizer, 75)
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    train_one_epoch(net, images, labels, optimizer, 75)
    print(time.perf_counter() - start)
"""


def start(setting: str, epochs: int) -> subprocess.Popen:
    """A process that prints the seconds of so many passes over the images."""
    own, number = SETTINGS[setting]
    left = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", *threads.WAIT}
    environment = {name: value for name, value in os.environ.items() if name not in left} | own
    command = [sys.executable, "-c", f"import torch\n{TRAIN}", number, str(epochs)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def seconds_of(process: subprocess.Popen) -> list[float]:
    return [float(line) for line in process.communicate()[0].split()]


@contextmanager
def neighbours(number: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def beside_neighbours() -> pd.DataFrame:
    """Median seconds for the images: a row for each setting, a column for each number."""
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for number in (0, 1, 2):
            for setting in SETTINGS:
                with neighbours(number):
                    taken = seconds_of(start(setting, 1))
                seconds.setdefault((setting, number), []).extend(taken)
    table = pd.Series({key: median(taken) for key, taken in seconds.items()}).unstack()
    return table.loc[list(SETTINGS)]


def four_at_once(setting: str, epochs: int = 8) -> float:
    """Images a second that four processes train on, as a share of what one does alone."""
    alone = IMAGES / median(seconds_of(start(setting, epochs)))
    together = [start(setting, epochs) for _ in range(4)]
    return sum(IMAGES / median(seconds_of(process)) for process in together) / alone


def main() -> None:
    table = beside_neighbours()
    quiet = table.loc["PyTorch as it comes", 0]
    for number in (0, 1, 2):
        table[f"{number}, ratio"] = table[number] / quiet
    shares = {setting: f"{four_at_once(setting):.0%}" for setting in SETTINGS}
    table["four at once"] = pd.Series(shares)
    table.columns = [
        "alone, s", "beside 1, s", "beside 2, s", "alone", "beside 1", "beside 2", "four at once",
    ]  # fmt: skip
    found = versions()
    lines = [
        "```text",
        table.round(2).to_string(),
        "",
        f"{IMAGES:,} images, median of {ROUNDS}; ratios to PyTorch alone as it comes; four at once:"
        " images a second of all together, as a share of one alone",
        f"{device_name(torch.device('cpu'))}; torch {found['torch']}",
        "```",
    ]
    text = "\n".join(lines)
    print(text)
    write_into_readme("threads", text)


if __name__ == "__main__":
    main()
