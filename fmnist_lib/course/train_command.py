"""`python -m fmnist_lib.train`: one training run from the command line, also under torchrun.

    python -m fmnist_lib.train --epochs 5 --out runs/alone
    torchrun --nproc-per-node 2 -m fmnist_lib.train --epochs 5 --out runs/together

The result is the same. The options are the parameters of `fit`. A run that was stopped goes on from
its checkpoint, with the same command; torchrun's own `--max-restarts 3` does so by itself.
"""

import argparse
import inspect
import sys

import torch
import torch.nn.functional as F

from fmnist_lib import data, distributed, evaluate, train
from fmnist_lib.course import results
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net

STOPPED = "fmnist_lib.train: stopped. The same command goes on after the last complete epoch."
SET_HERE = ("test", "checkpoint", "resume")


def parser() -> argparse.ArgumentParser:
    """An option for each parameter of `fit` that has a plain value."""
    top = argparse.ArgumentParser(
        prog="python -m fmnist_lib.train", description="Train the network of the course."
    )
    top.add_argument("--out", required=True, help="folder for checkpoint.pt and metrics.json")
    top.add_argument("--data-source", default="auto", choices=data.SOURCES)
    top.add_argument("--train-images", type=int, default=55_000)
    for name, parameter in inspect.signature(train.fit).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name not in SET_HERE:
            kind = type(parameter.default)
            top.add_argument(
                f"--{name.replace('_', '-')}",
                default=parameter.default,
                help=f"default {parameter.default}",
                **{"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind},
            )
    return top


def main(arguments: list[str] | None = None) -> int:
    """Train, or go on with training; returns the exit status."""
    options = vars(parser().parse_args(arguments))
    try:
        device = distributed.join()
        if device:
            options["device"] = device
        run(**options)
        distributed.wait_for_all()
    except CourseError as error:
        if distributed.is_main():
            print(f"fmnist_lib.train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if distributed.is_main():
            print(f"\n{STOPPED}", file=sys.stderr)
        return 130
    finally:
        distributed.leave()
    return 0


def run(out: str, data_source: str, train_images: int, **recipe) -> None:
    loaded = data.load(source=data_source)
    folder = results.new_run(out)
    checkpoint = folder / "checkpoint.pt"
    training = loaded.train[:train_images]
    torch.manual_seed(recipe["seed"])
    history = []
    for epoch in train.fit(
        Net(), training, loaded.validation, checkpoint=checkpoint, resume=True, **recipe
    ):
        history.append(epoch)
        if distributed.is_main():
            print(epoch, flush=True)
    if not distributed.is_main():
        return
    best, _ = train.load_model(checkpoint)
    probabilities, labels = evaluate.predict(best, loaded.test.images), loaded.test.labels
    predicted = probabilities.argmax(dim=1)
    device = train.choose_device(recipe["device"])
    results.write(
        folder,
        parameters=recipe | {"processes": distributed.processes()},
        data=loaded,
        train_images=len(training),
        device=device,
        dtype=train.choose_dtype(recipe["dtype"], device),
        history=history,
        test_accuracy=(predicted == labels).float().mean().item(),
        test_loss=F.nll_loss(probabilities.log(), labels).item(),
        confusion_matrix=evaluate.confusion_matrix(labels, predicted),
    )
    print(results.headline(results.read(folder)).to_string())
