"""Time the course's training beside the same training in other programs, and write the table.

    python benchmarks/compare.py            # all, 4 epochs, 3 seeds: about 20 minutes on 2 cores

Every peer is a process of its own. They take turns, one epoch each, every time beginning with
another one, while the others wait: a slow minute of the machine hits them all alike. Its speed in
matrix products is measured in every round too, and gives the floor.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from peers import PEERS
from readme import write_into_readme

from fmnist_lib.course.results import device_name
from fmnist_lib.train import choose_device

HERE = Path(__file__).parent
# Multiplications with addition for one image: conv1, conv2, fc1, fc2.
PRODUCTS = [20 * 24 * 24 * 25, 50 * 8 * 8 * 500, 800 * 500, 500 * 10]
# Forward, gradient of the weights, gradient of the input (which conv1 does not need).
OPERATIONS = 2 * (3 * sum(PRODUCTS) - PRODUCTS[0]) * 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas between")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    peers = wanted.peers.split(",")

    device = choose_device()
    epochs, rates = [], []
    for seed in range(wanted.seeds):
        waiting = {peer: start(peer, wanted.epochs, seed) for peer in peers}
        for epoch in range(1, wanted.epochs + 1):
            rates += [{"dtype": dtype, "rate": matmul_rate(device, dtype)} for dtype in FLOORS]
            first = (seed * wanted.epochs + epoch) % len(peers)
            for peer in peers[first:] + peers[:first]:
                row = {"seed": seed, "epoch": epoch, "peer": peer, **one_epoch(waiting[peer])}
                print(*row.values(), flush=True)
                epochs.append(row)
        for process in waiting.values():
            process.wait()
    floors = OPERATIONS / pd.DataFrame(rates).groupby("dtype")["rate"].median()
    text = report(pd.DataFrame(epochs), floors, device)
    print(f"\n{text}")
    write_into_readme(f"compare-{device.type}", text)


FLOORS = ("float32", "bfloat16")


def matmul_rate(device: torch.device, dtype: str) -> float:
    """Operations per second in products of square matrices: the best of 20."""
    size = 2000 if device.type == "cpu" else 8000
    matrix = torch.randn(size, size, device=device, dtype=getattr(torch, dtype))
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # fetching a number waits for the product
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def start(peer: str, epochs: int, seed: int) -> subprocess.Popen:
    options = ["--epochs", str(epochs), "--seed", str(seed)]
    command = [sys.executable, HERE / "peers.py", peer, *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


def one_epoch(process: subprocess.Popen) -> dict:
    """Let a peer run its next epoch; its seconds and test accuracy."""
    process.stdin.write("\n")
    process.stdin.flush()
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    sys.exit(f"{process.stderr.read()}\nA peer failed. Install them with pip install '.[bench]'.")


def report(epochs: pd.DataFrame, floors: pd.Series, device: torch.device) -> str:
    """The table. The first epoch is left out of the times: Keras compiles in it."""
    last = epochs[epochs["epoch"] == epochs["epoch"].max()].groupby("peer")["accuracy"]
    rounds = epochs[epochs["epoch"] > 1].set_index(["seed", "epoch", "peer"])["seconds"].unstack()
    ours = [peer for peer in rounds if peer.startswith("course-")]
    table = pd.DataFrame({"s/epoch": rounds.median().map("{:.2f}".format)})
    for peer in ours:  # the ratio within each round, then the median
        table[f"/ {peer}"] = rounds.div(rounds[peer], axis=0).median().map("{:.2f}".format)
    table["test accuracy"] = last.mean().map("{:.2%}".format)
    table["lowest"], table["highest"] = (x.map("{:.2%}".format) for x in (last.min(), last.max()))
    for peer in ours:
        share = floors[peer.removeprefix("course-")] / rounds[peer].median()
        table.loc[peer, "of the floor"] = f"{share:.0%}"
    packages = ["torch", "torchvision", "lightning", "keras", "tensorflow-cpu", "jax"]
    versions = [f"{name} {version(name)}" for name in packages]
    return "\n".join(
        [
            "```text",
            table.loc[[peer for peer in PEERS if peer in table.index]].fillna("").to_string(),
            "",
            f"{device_name(device)}; Python {platform.python_version()}, {', '.join(versions)}",
            f"60,000 images; seconds: median over epochs 2 to {epochs['epoch'].max()} and "
            f"{epochs['seed'].nunique()} seeds; accuracy: after epoch {epochs['epoch'].max()}",
            f"floor, {OPERATIONS / 1e12:.2f} TFLOP at the measured matmul rate: "
            + ", ".join(f"{dtype} {seconds:.2f} s" for dtype, seconds in floors.items()),
            "```",
        ]
    )


if __name__ == "__main__":
    main()
