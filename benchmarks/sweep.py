"""What a sweep costs beside the training: 20 runs of about one second each, on this machine.

python benchmarks/sweep.py              # about 5 minutes on 2 cores
"""

import tempfile
import time
from pathlib import Path

import nbformat
import torch
from readme import write_into_readme

from fmnist_lib import runs
from fmnist_lib.course import sweep
from fmnist_lib.device import device_name

RUNS = 20


def main() -> None:
    notebook = "notebooks/03_train_sgd.ipynb"
    parameters = [
        ("data_source", "zalando"),
        ("epochs", "1"),
        ("train_images", "8000"),
        ("published_report", "false"),
        ("seed", f"0:{RUNS}"),
    ]
    lines = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            page = sweep.sweep(notebook, parameters, Path(folder) / "sweep", workers=workers)
            seconds = time.perf_counter() - start
            comparison = nbformat.read(page, as_version=4).metadata.papermill.duration
            table, _ = runs.read_all(Path(folder) / "sweep")
        training = table["training_seconds"].mean()
        each = (seconds - comparison) / RUNS
        lines.append(
            f"{workers} at a time: every {each:.1f} s a run ends; it trains for {training:.1f} s,"
            f" so {each - training / workers:.1f} s beside it; the page at the end takes"
            f" {comparison:.1f} s"
        )
    device = device_name(torch.device("cpu"))
    text = "\n".join(["```text", *lines, "", f"{RUNS} runs; {device}", "```"])
    print(text)
    write_into_readme("sweep", text)


if __name__ == "__main__":
    main()
