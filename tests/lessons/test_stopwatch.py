"""The stopwatch of notebook 8: what it compares, and that each setting trains the same network."""

import os

import pandas as pd
import pytest
import torch
import torch.distributed as dist

from fmnist_lib.lessons import stopwatch
from fmnist_lib.lessons.stopwatch import Setting
from fmnist_lib.lessons.torchrun import torchrun
from fmnist_lib.model import Net


@pytest.mark.parametrize(
    "counts, threads, expected",
    [
        ([1], 1, ["1 process, 1 thread"]),
        ([1, 2], 1, ["1 process, 1 thread", "2 processes", "2 processes, no exchange"]),
        (
            [1, 2],
            2,
            ["1 process, 1 thread", "1 process, 2 threads", "2 processes",
             "2 processes, no exchange"],
        ),
        ([3], 4, ["1 process, 1 thread", "1 process, 4 threads", "3 processes",
                  "3 processes, no exchange"]),
    ],
)  # fmt: skip
def test_what_is_compared(counts, threads, expected):
    assert [str(each) for each in stopwatch.settings(counts, threads)] == expected


def test_one_process_without_exchange_is_one_process():
    """Where a notebook has no more than one, its cells name it so."""
    assert str(Setting(1, 1, exchange=False)) == str(Setting(1, 1))


@pytest.mark.parametrize("count, rank, images", [(2, 0, 75), (2, 1, 75), (3, 1, 10), (4, 3, 4)])
def test_without_exchange_a_process_has_its_share_alone(count, rank, images, monkeypatch):
    monkeypatch.setattr(dist, "get_world_size", lambda: count)
    monkeypatch.setattr(dist, "get_rank", lambda: rank)
    net, batch = Net(), torch.randn(images, 1, 28, 28)
    logits = stopwatch.Apart(net)(batch)
    begin, end = images * rank // count, images * (rank + 1) // count
    assert torch.allclose(logits[begin:end], net(batch[begin:end]), atol=1e-6)
    assert logits[:begin].eq(0).all() and logits[end:].eq(0).all() and logits.requires_grad


@pytest.fixture
def small_csv(csv_root, monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    return ["--data-source", "csv", "--train-images", 450, "--rounds", 2, "--batch-sizes", "75"]


def table(tmp_path, processes, *options):
    out = tmp_path / "times.csv"
    torchrun(processes, "fmnist_lib.lessons.stopwatch", *options, "--out", out)
    return pd.read_csv(out)


@pytest.mark.parametrize("processes", [2, 3])
def test_all_settings_train_the_same_network(processes, small_csv, tmp_path):
    options = [*small_csv, "--processes", f"1,{processes}", "--threads", 2]
    times = table(tmp_path, processes, *options)
    names = [str(each) for each in stopwatch.settings([1, processes], 2)]
    assert times["setting"].tolist() == 2 * names  # in turn
    assert times["round"].tolist() == [0] * 4 + [1] * 4
    assert (times["seconds"] > 0).all()
    trained = times.dropna(subset="loss")
    assert trained["setting"].tolist() == 2 * names[:3] and (trained["apart"] == 0).all()
    losses = trained.groupby("round")["loss"]
    by_seed = abs(losses.mean()[0] - losses.mean()[1])
    assert (losses.max() - losses.min() < by_seed / 5).all()
    together = trained[trained["setting"] == names[2]]
    assert together[["gradient", "logits"]].stack().between(1e-6, 1).all()
    alone = trained[trained["setting"] == names[0]]
    assert (alone[["gradient", "logits"]] == 0).all(axis=None)
    assert trained["step"].between(1e-6, 1).all()


def test_the_median_is_kept(monkeypatch):
    clock = iter([0, 9, 10, 11, 20, 22])  # a first time of 9 s, then 1 s and 2 s
    monkeypatch.setattr(stopwatch, "REPEATS", 3)
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: next(clock))
    assert stopwatch._median_seconds(lambda: None) == 2


def test_copies_that_are_not_equal_are_noticed(small_csv, tmp_path, monkeypatch):
    (tmp_path / "apart.py").write_text(
        "import torch, torch.distributed as dist\n"
        "from fmnist_lib.lessons.stopwatch import _apart\n"
        "dist.init_process_group('gloo')\n"
        "apart = _apart(torch.tensor([1.0, 2.0 + 0.5 * dist.get_rank()]))\n"
        f"open({str(tmp_path / 'said')!r} + str(dist.get_rank()), 'w').write(str(apart))\n"
        "dist.destroy_process_group()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    torchrun(2, "apart")
    assert [(tmp_path / f"said{rank}").read_text() for rank in (0, 1)] == ["0.5", "0.5"]


def test_one_process_needs_no_torchrun(small_csv, tmp_path):
    out = tmp_path / "times.csv"
    given = [str(each) for each in [*small_csv, "--processes", "1", "--out", out]]
    before = torch.get_num_threads()
    try:
        stopwatch.stopwatch.main(given, standalone_mode=False)
    finally:
        torch.set_num_threads(before)
    assert pd.read_csv(out)["setting"].tolist() == ["1 process, 1 thread"] * 2
