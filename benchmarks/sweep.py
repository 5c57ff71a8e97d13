"""What a sweep costs beside the training: 20 runs of about one second each, on this machine.

python benchmarks/sweep.py              # about 2 minutes on 2 cores
"""

import tempfile
import time
from pathlib import Path

import torch
from readme import write_into_readme

from fmnist_lib.course import results, sweep
from fmnist_lib.data import project_root

RUNS = 20


def main() -> None:
    notebook = project_root() / "notebooks" / "03_train_sgd.ipynb"
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
            sweep.sweep(notebook, parameters, Path(folder) / "sweep", workers=workers)
            seconds = time.perf_counter() - start
            runs, _ = results.read_all(Path(folder) / "sweep")
        training = runs["training_seconds"].mean()
        lines.append(
            f"{workers} at a time: {seconds / RUNS:.1f} s a run in all, the comparison at the end "
            f"too; training {training:.1f} s; beside it {seconds / RUNS - training / workers:.1f} s"
        )
    device = results.device_name(torch.device("cpu"))
    text = "\n".join(["```text", *lines, "", f"{RUNS} runs; {device}", "```"])
    print(text)
    write_into_readme("sweep", text)


if __name__ == "__main__":
    main()
