"""Where the time of a training step goes: the operations of 100 batches on the CPU, by kind."""

import pandas as pd
import torch
from readme import write_into_readme
from torch import optim
from torch.profiler import ProfilerActivity, profile

from fmnist_lib.data import load
from fmnist_lib.device import device_name
from fmnist_lib.model import Net
from fmnist_lib.train import train_one_epoch

BATCHES, BATCH_SIZE = 100, 75
KINDS = {  # part of an operation's name → what it is called in the table
    "convolution": "convolutions",
    "mm": "matrix products (fc1, fc2)",
    "max_pool": "max-pooling",
    "fill_": "max-pooling",  # its gradient begins as zeros
    "threshold_backward": "ReLU",
    "clamp_min": "ReLU",
    "copy_": "casts and copies",
    "sgd": "SGD",
    "SGD": "SGD",
}


def kind(name: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in name), "all else, Python too")


def shares(dtype: torch.dtype) -> pd.Series:
    train = load(source="zalando").train
    chosen = torch.randperm(len(train))[: BATCHES * BATCH_SIZE]
    images, labels = train.images[chosen], train.labels[chosen]
    net = Net().to(memory_format=torch.channels_last)
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, fused=True)

    def run():
        train_one_epoch(net, images, labels, optimizer, BATCH_SIZE, dtype)

    run()  # the first pass also chooses kernels and fills caches
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    rows = [(kind(event.key), event.self_cpu_time_total) for event in profiler.key_averages()]
    times = pd.DataFrame(rows, columns=["kind", "time"]).groupby("kind")["time"].sum()
    return times / times.sum()


if __name__ == "__main__":
    table = pd.DataFrame({str(dtype): shares(dtype) for dtype in (torch.float32, torch.bfloat16)})
    table = table.sort_values("torch.bfloat16", ascending=False)
    table.columns = table.columns.str.removeprefix("torch.")
    text = table.map("{:.0%}".format).rename_axis(None).to_string()
    text = f"```text\n{text}\n\n{device_name(torch.device('cpu'))}; torch {torch.__version__}\n```"
    print(text)
    write_into_readme("operations", text)
