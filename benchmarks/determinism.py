"""How far two trainings with one seed come apart: on one device, and when something changes.

    python benchmarks/determinism.py        # about 4 minutes on 2 cores

Each trains the network for three epochs on 55,000 images, with the published recipe, in a process
of its own. Compared are the weights and the answers on the validation split.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import torch
from readme import write_into_readme

from fmnist_lib.checkpoints import load_model
from fmnist_lib.data import Split, load
from fmnist_lib.device import choose_device, choose_dtype, device_name
from fmnist_lib.evaluate import accuracy, predict

EPOCHS = 3
TRAIN = f"""
import sys, torch
from fmnist_lib import data, model, recipe, train
loaded = data.load(source="zalando")
torch.manual_seed(0)
list(train.fit(model.Net(), loaded.train, loaded.validation, recipe.Recipe(epochs={EPOCHS}),
               dtype=sys.argv[2], checkpoint=sys.argv[1]))
"""


def train(path: Path, dtype: str, threads: int) -> Path:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run([sys.executable, "-c", TRAIN, str(path), dtype], env=environment, check=True)
    return path


def compare(one: Path, other: Path, split: Split) -> dict:
    models = [load_model(path)[0] for path in (one, other)]
    pairs = zip(*(model.parameters() for model in models))
    answers = [predict(model, split.images).argmax(dim=1) for model in models]
    accuracies = [accuracy(answer, split.labels) for answer in answers]
    return {
        "largest difference of a weight": max((a - b).abs().max().item() for a, b in pairs),
        "other answers": f"{1 - accuracy(*answers):.2%}",
        "accuracies": " ".join(f"{accuracy:.2%}" for accuracy in accuracies),
    }


def main() -> None:
    device = choose_device()
    split = load(source="zalando").validation
    threads = torch.get_num_threads()
    dtype = str(choose_dtype("auto", device)).removeprefix("torch.")
    with tempfile.TemporaryDirectory() as folder:
        first = train(Path(folder, "first.pt"), "float32", threads)
        others = {
            "nothing else": ("float32", threads),
            f"1 thread, not {threads}": ("float32", 1),
            f"{dtype}, not float32": (dtype, threads),
        }
        rows = {
            name: compare(first, train(Path(folder, f"{number}.pt"), *how), split)
            for number, (name, how) in enumerate(others.items())
            if how != ("float32", threads) or name == "nothing else"
        }
        twice = [train(Path(folder, f"{dtype}{n}.pt"), dtype, threads) for n in range(2)]
        rows[f"nothing else, in {dtype}"] = compare(*twice, split)
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("changed")
    text = "\n".join(
        [
            "```text",
            table.to_string(),
            "",
            f"{EPOCHS} epochs, seed 0, {len(split):,} validation images; "
            f"{device_name(device)}; torch {torch.__version__}",
            "```",
        ]
    )
    print(text)
    write_into_readme(f"determinism-{device.type}", text)


if __name__ == "__main__":
    main()
