"""`fmnist train`: one training run from the command line, also under torchrun.

    fmnist train --epochs 5 --out runs/alone
    torchrun --nproc-per-node 2 -m fmnist_lib.course.train --epochs 5 --out runs/together

The result is the same. The options are those of `Recipe`. A run that was stopped goes on from its
checkpoint, with the same command; torchrun's own `--max-restarts 3` does so by itself.
"""

import dataclasses
import sys
from collections.abc import Callable

import click

from fmnist_lib.course import command
from fmnist_lib.errors import CourseError
from fmnist_lib.recipe import Recipe

# Not of the recipe:
OWN = ("out", "data_source", "train_images", "network", "device", "dtype", "threads")


def recipe_options(function: Callable) -> Callable:
    """An option for each field of `Recipe`, with its meaning as help."""
    for one in reversed(dataclasses.fields(Recipe)):  # click adds from the last to the first
        name = one.name.replace("_", "-")
        flag = f"--{name}/--no-{name}" if one.type is bool else f"--{name}"
        choices = one.metadata["choices"]
        add = click.option(
            flag,
            type=click.Choice(choices) if choices else one.type,
            default=one.default,
            show_default=True,
            help=one.metadata["meaning"],
        )
        function = add(function)
    return function


@click.command("train")
@click.option(
    "--out", type=command.Folder(), required=True, help="for checkpoint.pt and metrics.json"
)
@click.option("--data-source", default="auto", help="auto, zalando, csv, idx or synthetic")
@click.option(
    "--train-images", type=click.IntRange(1), help="how many (default: all, 55,000 of Zalando's)"
)
@click.option("--network", default="Net", show_default=True, help="a class of fmnist_lib.model")
@click.option(
    "--device", default="auto", help="auto, cpu, cuda, cuda:1 … or mps; leave it out under torchrun"
)
@click.option("--dtype", default="auto", help="auto, float32 or bfloat16")
@click.option(
    "--threads", default=0, help="of the CPU; 0 (default): as many as other programs leave free"
)
@recipe_options
def train(**options) -> None:
    """Train a network; the same command goes on where it was stopped."""
    # Here: PyTorch takes a second, and `fmnist --help` should answer at once.
    from fmnist_lib import distributed

    recipe = Recipe(**{name: options[name] for name in options if name not in OWN})
    try:
        options["device"] = _device(options["device"], distributed.join())
        _train(recipe, **{name: options[name] for name in OWN})
    except KeyboardInterrupt:
        if distributed.is_main():
            click.echo("\nThe same command goes on after the last complete epoch.", err=True)
        raise
    finally:
        distributed.leave()


def _device(asked: str, given: str | None) -> str:
    """The device of this process: under torchrun that which it is given there, for all alike."""
    if given and asked not in ("auto", given, given.partition(":")[0]):
        raise CourseError(
            f"--device {asked} can't be chosen under torchrun, where this process computes on "
            f"{given}. Leave it out; CUDA_VISIBLE_DEVICES= before the command hides GPUs."
        )
    return given or asked


def _train(
    recipe: Recipe,
    out: str,
    data_source: str,
    train_images: int | None,
    network: str,
    device: str,
    dtype: str,
    threads: int,
) -> None:
    import torch

    from fmnist_lib import checkpoints, data, distributed, evaluate, runs
    from fmnist_lib.device import choose_device, choose_dtype
    from fmnist_lib.model import build
    from fmnist_lib.storage.paths import in_work_folder
    from fmnist_lib.threads import choose_threads
    from fmnist_lib.train import fit, measure

    choose_threads(threads)
    choose_dtype(dtype, choose_device(device))  # refused before a folder is made
    loaded = data.load(source=data_source)
    if train_images is not None and train_images > len(loaded.train):
        raise CourseError(
            f"--train-images {train_images:,} is more than there are for training: "
            f"{len(loaded.train):,}. Give that or less, or leave it out."
        )
    training = loaded.train[:train_images]
    torch.manual_seed(recipe.seed)
    model = build(network)
    # Of many processes only the main one writes.
    folder = runs.claim(out) if distributed.is_main() else in_work_folder(out)
    checkpoint = folder / "checkpoint.pt"
    epochs = fit(
        model, training, loaded.validation, recipe,
        device=device, dtype=dtype, checkpoint=checkpoint, resume=True,
    )  # fmt: skip
    if distributed.is_main():
        runs.begin(folder)
    history = []
    for epoch in epochs:
        history.append(epoch)
        if distributed.is_main():
            click.echo(epoch)
    if not distributed.is_main():
        return
    best, _ = checkpoints.load_model(checkpoint)
    labels = loaded.test.labels
    predicted = evaluate.predict(best, loaded.test.images).argmax(dim=1)
    device = choose_device(device)
    runs.write(
        folder,
        recipe=recipe,
        network=network,
        processes=distributed.processes(),
        history=history,
        data=loaded,
        train_images=len(training),
        device=device,
        dtype=choose_dtype(dtype, device),
        test_accuracy=evaluate.accuracy(predicted, labels),
        test_loss=measure(best, loaded.test)[0],
        confusion_matrix=evaluate.confusion_matrix(labels, predicted),
    )
    click.echo(runs.headline(runs.read(folder)).to_string())


if __name__ == "__main__":
    sys.exit(command.run(train, "fmnist train"))
