"""Time the course's training beside the same training in other programs, and write the table.

    python benchmarks/compare.py            # all, 3 epochs, 3 seeds: about 20 minutes on 2 cores

Every peer runs in a process of its own, alone on the machine. Each round (seed) runs them all, each
time starting with another one, so that a slow minute of the machine does not always hit the same.
The machine's speed in matrix products is measured in every round too: it gives the floor.
"""

import argparse
import itertools
import json
import os
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

from fmnist_lib.device import choose_device, device_name
from fmnist_lib.threads import WAIT

HERE = Path(__file__).parent
# Multiplications with addition for one image: conv1, conv2, fc1, fc2.
PRODUCTS = [20 * 24 * 24 * 25, 50 * 8 * 8 * 500, 800 * 500, 500 * 10]
# Forward, gradient of the weights, gradient of the input (which conv1 does not need).
OPERATIONS = 2 * (3 * sum(PRODUCTS) - PRODUCTS[0]) * 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas between")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    wanted = parser.parse_args()
    peers = wanted.peers.split(",")

    device = choose_device()
    epochs, rates = [], []
    for seed in range(wanted.seeds):
        rates += [{"dtype": dtype, "rate": matmul_rate(device, dtype)} for dtype in FLOORS]
        for peer in peers[seed % len(peers) :] + peers[: seed % len(peers)]:
            rows = run(peer, wanted.epochs, seed)
            epochs += rows
            times = ", ".join(f"{row['seconds']:.2f}" for row in rows)
            print(f"seed {seed} {peer:17} {times} s, {rows[-1]['accuracy']:.2%}", flush=True)
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


def run(peer: str, epochs: int, seed: int) -> list[dict]:
    options = ["--epochs", str(epochs), "--seed", str(seed)]
    command = [sys.executable, HERE / "peers.py", peer, *options]
    # How threads wait is the course's: it was set for this process when fmnist_lib was imported.
    left_out = () if peer.startswith("course") else WAIT
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{peer} failed. Install the peers with: pip install -e '.[bench]'")
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return [
        {"peer": peer, "seed": seed, "epoch": number, **row}
        for number, row in enumerate(rows, start=1)
    ]


def report(epochs: pd.DataFrame, floors: pd.Series, device: torch.device) -> str:
    """The table. The first epoch is left out of the times: Keras compiles in it.

    The best epoch of each is the least disturbed by what else the machine does, as for the floor.
    """
    last = epochs[epochs["epoch"] == epochs["epoch"].max()].groupby("peer")["accuracy"]
    timed = epochs[epochs["epoch"] > 1].groupby("peer")["seconds"]
    table = pd.DataFrame({"best s": timed.min(), "median s": timed.median()})
    ours = [peer for peer in table.index if peer.startswith("course-")]
    for column, kind in itertools.product(ours, ("best", "median")):
        short = column.removeprefix("course-")
        table[f"/ {short}, {kind}"] = table[f"{kind} s"] / table[f"{kind} s"][column]
    table = table.map("{:.2f}".format)
    table["accuracy"] = last.mean().map("{:.2%}".format)
    table["lowest"], table["highest"] = (x.map("{:.2%}".format) for x in (last.min(), last.max()))
    for peer in ours:
        share = floors[peer.removeprefix("course-")] / timed.min()[peer]
        table.loc[peer, "of the floor"] = f"{share:.0%}"
    packages = ["torch", "torchvision", "lightning", "keras", "tensorflow-cpu", "jax"]
    versions = [f"{name} {version(name)}" for name in packages]
    return "\n".join(
        [
            "```text",
            table.loc[epochs["peer"].unique()].fillna("").rename_axis(None).to_string(),
            "",
            f"{device_name(device)}; Python {platform.python_version()}, {', '.join(versions)}",
            f"60,000 images; seconds of epochs 2 to {epochs['epoch'].max()} with each of "
            f"{epochs['seed'].nunique()} seeds; test accuracy after epoch {epochs['epoch'].max()}",
            f"floor, {OPERATIONS / 1e12:.2f} TFLOP at the measured matmul rate: "
            + ", ".join(f"{dtype} {seconds:.2f} s" for dtype, seconds in floors.items()),
            "```",
        ]
    )


if __name__ == "__main__":
    main()
