"""What the course costs beside the training loop: growth, memory, import and loading.

    python benchmarks/costs.py              # about 3 minutes on 2 cores

Each figure is taken in fresh processes; a comparison alternates between the two sides.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from readme import write_into_readme

from fmnist_lib.data import load
from fmnist_lib.device import choose_device, device_name
from fmnist_lib.storage import csv

GROWTH = """
from fmnist_lib.data import load
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.train import fit
data = load(source="zalando", validation=0)
for images in (15_000, 30_000, 60_000) * 3:
    first, second = fit(Net(), data.train[:images], data.test[:500], Recipe(epochs=2))
    print(images, second.seconds)
"""
PEAK = """
import resource
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from fmnist_lib.data import load
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.train import fit
data = load(source="zalando")
list(fit(Net(), data.train, data.validation, Recipe(epochs=1), test=data.test))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e6)  # kB → GB
"""
TIMED = """
import time
{prepare}
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""


def output(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def seconds(*works: str, prepare: str = "", times: int = 5) -> list[float]:
    """The median time of each piece of work, run in turn."""
    runs = [
        [float(output(TIMED.format(prepare=prepare, work=work))) for work in works]
        for _ in range(times)
    ]
    return [median(column) for column in zip(*runs, strict=True)]


def main() -> None:
    lines = [device_name(choose_device()), ""]

    grown: dict[str, list[float]] = {}
    for row in output(GROWTH).splitlines():
        images, time = row.split()
        grown.setdefault(images, []).append(float(time))
    for images, times in grown.items():
        epoch = median(times)
        each = epoch / int(images) * 1e6
        lines.append(f"one epoch of {int(images):6,} images: {epoch:5.2f} s, {each:.0f} µs each")

    lines.append(f"peak memory over that after `import torch`: {float(output(PEAK)):.2f} GB")

    torch_alone, course = seconds("import torch", "from fmnist_lib import train", times=9)
    lines.append(f"import torch: {torch_alone:.2f} s; all that a training needs: {course:.2f} s")

    (files,) = seconds('load(source="zalando")', prepare="from fmnist_lib.data import load")
    lines.append(f"the real files, checked, as tensors: {files:.2f} s")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fashion-mnist_train.csv"
        images = load(source="zalando", validation=0).train
        csv.write(path, images.images, images.labels)
        bare, ours = seconds(
            f"pd.read_csv({str(path)!r})",
            f"csv.read({str(path)!r})",
            prepare="import pandas as pd; from fmnist_lib.storage import csv",
        )
    lines.append(
        f"CSV of 60,000 rows: pandas.read_csv {bare:.2f} s, csv.read {ours:.2f} s, checked: "
        f"{bare / ours:.2f} times as fast"
    )
    text = "\n".join(["```text", *lines, "```"])
    print(text)
    write_into_readme("costs", text)


if __name__ == "__main__":
    main()
