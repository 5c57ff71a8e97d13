"""How long an epoch takes on one thread, on more threads and on many processes, timed in turn.

    torchrun --nproc-per-node 2 -m fmnist_lib.lessons.stopwatch --processes 1,2 --out times.csv

All processes are started once. Each timing has a group of its own, of the processes that it needs;
the others wait, and take no core. In every round each setting is timed once, so that a machine that
becomes slower for a while disturbs all of them alike. A round has its own seed: the settings of a
round begin with the same weights and see the same images in the same order.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import click
import pandas as pd
import torch
import torch.distributed as dist
import torch.distributed.nn  # before there is a group: see `distributed.join`
from torch import Tensor, nn

from fmnist_lib import data, distributed
from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.train import Training, measure, train_one_epoch

REPEATS = 15  # of an exchange and of a weight update, of which the median is kept


@dataclass(frozen=True)
class Setting:
    """A way to compute an epoch. exchange: whether its processes train one network together."""

    processes: int
    threads: int
    exchange: bool = True

    def __str__(self) -> str:
        if self.processes == 1:
            return f"1 process, {self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.processes} processes{'' if self.exchange else ', no exchange'}"


def settings(counts: list[int], threads: int) -> list[Setting]:
    """What is compared: one thread, all threads, and so many processes with and without exchange.

    counts: of processes, each with one thread. threads: of the one process that has more.
    """
    alone = [Setting(1, each) for each in sorted({1, threads})]
    more = [count for count in counts if count > 1]
    return alone + [Setting(n, 1, exchange) for n in more for exchange in (True, False)]


class Apart(nn.Module):
    """`distributed.Shared` without its exchange: each process trains on its share of every batch.

    [N, …] images → [N, classes] logits, of which all but those of the own share are 0. What it
    learns is of no use; it takes the time that the same work takes without an exchange.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        count, rank = dist.get_world_size(), dist.get_rank()
        share = slice(len(images) * rank // count, len(images) * (rank + 1) // count)
        own = self.model(images[share])
        logits = own.new_zeros(len(images), own.shape[1])
        logits[share] = own
        return logits


@contextmanager
def group(store: dist.Store | None, rank: int, size: int, name: str) -> Iterator[None]:
    """The first `size` processes as a group, while it holds; one process needs none."""
    if size > 1:
        own = dist.PrefixStore(name, store)
        dist.init_process_group("gloo", store=own, rank=rank, world_size=size)
    try:
        yield
    finally:
        distributed.leave()


def timed(setting: Setting, train: Split, validation: Split, batch_size: int, seed: int) -> dict:
    """Train `Net` for an epoch; what is measured, times in seconds.

    seconds: of the epoch alone, from when all processes are ready until all have ended. loss and
    accuracy: on `validation`, after it. apart: the largest difference between two processes' values
    of a weight. gradient and logits: of one exchange of as many numbers as the gradient and the
    logits of a batch have, which are what `distributed.Shared` exchanges in an update. step: of one
    change of all weights by the optimizer.
    """
    torch.set_num_threads(setting.threads)
    recipe = Recipe(epochs=1, batch_size=batch_size, seed=seed)
    _epoch(setting, train[:batch_size], recipe)  # the first batch takes longer
    seconds, model, training = _epoch(setting, train, recipe)
    row = {"seconds": seconds}
    if setting.exchange:
        weights = torch.cat([each.detach().flatten() for each in model.parameters()])
        row["loss"], row["accuracy"] = measure(model, validation)
        row["apart"] = _apart(weights)
        row["gradient"] = _all_reduce_seconds(weights)
        row["logits"] = _all_reduce_seconds(torch.zeros(batch_size, len(CLASS_NAMES)))
        row["step"] = _median_seconds(training.optimizer.step)
    return row


def _epoch(setting: Setting, train: Split, recipe: Recipe) -> tuple[float, nn.Module, Training]:
    """Seconds of an epoch from the weights of the seed; the model in this process; its training."""
    torch.manual_seed(recipe.seed)
    model = Net().to(memory_format=torch.channels_last)
    training = Training(model, recipe, len(train))
    order = torch.randperm(len(train), generator=training.random)
    images, labels = train.images[order], train.labels[order]
    network = training.network if setting.exchange else Apart(model)
    _wait()
    start = time.perf_counter()
    train_one_epoch(network, images, labels, training.optimizer, recipe.batch_size)
    _wait()
    return time.perf_counter() - start, model, training


def _wait() -> None:
    """Until all processes of the group have come here."""
    if distributed.processes() > 1:
        dist.barrier()


def _apart(weights: Tensor) -> float:
    if distributed.processes() == 1:
        return 0.0
    highest, lowest = weights.clone(), weights.clone()
    dist.all_reduce(highest, dist.ReduceOp.MAX)
    dist.all_reduce(lowest, dist.ReduceOp.MIN)
    return (highest - lowest).max().item()


def _all_reduce_seconds(numbers: Tensor) -> float:
    """Of one exchange: afterwards each process has the sum of what all had, float32 numbers."""
    if distributed.processes() == 1:
        return 0.0
    numbers = numbers.clone()
    return _median_seconds(lambda: dist.all_reduce(numbers))


def _median_seconds(work: Callable[[], object]) -> float:
    """What `work` takes, each time from when all processes are ready."""
    times = []
    for _ in range(REPEATS):
        _wait()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _whole(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    return sorted({int(each) for each in text.split(",")})


@click.command()
@click.option("--out", required=True, help="the table: a row for each timing")
@click.option("--data-source", default="auto")
@click.option("--train-images", default=3000)
@click.option("--rounds", default=8)
@click.option("--processes", default="1,2", callback=_whole, help="each with one thread")
@click.option("--threads", default=1, help="of the one process that has more than one")
@click.option("--batch-sizes", default="75,600", callback=_whole)
def stopwatch(out, data_source, train_images, rounds, processes, threads, batch_sizes) -> None:
    """Time an epoch in every setting."""
    store, rank = None, 0
    if "WORLD_SIZE" in os.environ:
        store, rank, _ = next(dist.rendezvous("env://"))
        store.set_timeout(timedelta(minutes=10))  # so long one may wait until it takes part
    loaded = data.load(source=data_source)
    train, validation = loaded.train[:train_images], loaded.validation[:1000]
    rows = []
    for number in range(rounds):
        for size in batch_sizes:
            for setting in settings(processes, threads):
                if rank >= setting.processes:
                    continue
                with group(store, rank, setting.processes, f"{number} {size} {setting}"):
                    row = timed(setting, train, validation, size, seed=number)
                rows.append({"round": number, "batch size": size, "setting": str(setting)} | row)
    if rank == 0:
        pd.DataFrame(rows).to_csv(out, index=False)


if __name__ == "__main__":
    stopwatch()
