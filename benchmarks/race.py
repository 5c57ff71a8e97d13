"""Records: how accurate in how little time, with code of this course.

    python benchmarks/race.py C --seed 0    # one race; its result goes into the package
    python benchmarks/race.py table         # the table in README.md, of the results that are there

The clock starts with the process: importing, reading the data and the test count. The recipes
were chosen on the validation split. Then the network trains on all 60,000 images, as others do who
report on this data set, and each seed opens the test set once, after the last epoch.
"""

import fmnist_lib  # noqa: I001, before torch: it says how torch's threads wait

import json
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean, median

import click
import pandas as pd
import psutil
import torch
from compare import run
from readme import write_into_readme

from fmnist_lib.architecture import describe
from fmnist_lib.data import load
from fmnist_lib.device import choose_device, choose_dtype, device_name
from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import accuracy, predict
from fmnist_lib.model import build
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import atomic
from fmnist_lib.threads import choose_threads
from fmnist_lib.train import fit
from fmnist_lib.versions import versions

RESULTS = Path(fmnist_lib.__file__).parent / "results" / "race"
PLAIN_EPOCH = 21  # seconds of an epoch of the plain script, by which the limits were set


@dataclass(frozen=True)
class Bracket:
    minutes: int  # or, where that is more, as many epochs of the plain script at PLAIN_EPOCH each
    device: str  # "cpu": two cores
    network: str
    epochs: int
    arguments: dict = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        return replace(RECIPE, epochs=self.epochs)


RECIPE = Recipe(
    batch_size=150, learning_rate=0.1, nesterov=True, weight_decay=5e-4, schedule="one-cycle",
    label_smoothing=0.1, flip=True, shift=1,
)  # fmt: skip
BRACKETS = {  # their rules stand in README.md
    "A": Bracket(10, "cpu", "ResidualNet", 32),
    "B": Bracket(30, "cpu", "ResidualNet", 50, {"width": 18}),
    "C": Bracket(5, "cpu", "Net", 36),
    "D": Bracket(1, "cuda", "ResidualNet", 30, {"width": 64}),  # a guess that was never run
    "E": Bracket(60, "cuda", "ResidualNet", 200, {"width": 128}),  # this one, too
}


def race(bracket: Bracket, seed: int, on_validation: bool) -> dict:
    """Train and measure once; on_validation: with the test set closed, to choose a recipe."""
    started = psutil.Process().create_time()
    choose_threads(2)
    device = choose_device(bracket.device)
    data = load(source="zalando", validation=5000 if on_validation else 0)
    held_out = data.validation if on_validation else data.test
    # `fit` wants a validation split; nothing is chosen by this one.
    seen = data.validation if on_validation else data.train[:500]
    torch.manual_seed(seed)
    net = build(bracket.network, **bracket.arguments)
    recipe = replace(bracket.recipe, seed=seed)
    history = []
    for epoch in fit(net, data.train, seen, recipe, device=bracket.device):
        row = asdict(epoch) | {"since_start": time.time() - started}
        if not on_validation:
            row = {name: value for name, value in row.items() if "validation" not in name}
        history.append(row)
        print(f"{row['since_start']:6.0f} s  epoch {epoch.epoch}/{epoch.epochs}  "
              f"training accuracy {epoch.train_accuracy:.2%}", flush=True)  # fmt: skip
    predicted = predict(net, held_out.images, flip=True).argmax(dim=1)
    return {
        "accuracy": accuracy(predicted, held_out.labels),
        "seconds": time.time() - started,
        "parameters": sum(weights.numel() for weights in net.parameters()),
        "network": describe(net),
        "recipe": asdict(recipe),
        "device": device_name(device),
        "dtype": str(choose_dtype("auto", device)),
        "versions": versions(),
        "history": history,
    }


def read(file: Path, bracket: Bracket) -> dict:
    """A record; CourseError when it can't be read, or is of something else than the bracket.

    What an epoch of the plain script takes is NaN where that failed.
    """
    try:
        record = json.loads(file.read_text())
        seed = int(file.stem.partition("seed=")[2])
        same = (
            record["recipe"] == json.loads(json.dumps(asdict(replace(bracket.recipe, seed=seed))))
            and record["network"]["network"] == bracket.network
            and len(record["history"]) == bracket.epochs
            and 0 < record["accuracy"] <= 1 < record["seconds"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CourseError(f"{file} is no record of a race: {error!r}. Delete it.") from error
    if not same:
        raise CourseError(f"{file} is of another network or recipe than its bracket. Delete it.")
    return {"plain_epoch": float("nan")} | record


def table() -> str:
    """A row for each bracket: mean and spread over its seeds, and the longest of their times."""
    rows, devices, curves = [], set(), {}
    for name, bracket in BRACKETS.items():
        command = f"python benchmarks/race.py {name} --seed 0"
        found = [read(file, bracket) for file in sorted(RESULTS.glob(f"{name},*.json"))]
        if not found:
            rows.append({"bracket": name, "network": bracket.network, "epochs": bracket.epochs,
                         "test accuracy": "not measured", "command": command})  # fmt: skip
            continue
        runs = pd.DataFrame(found)
        accuracy, devices = runs["accuracy"], devices | {*runs["device"]}
        curves[name] = curve(runs["history"])
        spread = f" ± {accuracy.std():.2%}" if len(runs) > 1 else ""
        plain = (runs["seconds"] / runs["plain_epoch"]).max()
        limit = 60 * bracket.minutes / PLAIN_EPOCH
        rows.append(
            {
                "bracket": name,
                "network": f"{bracket.network}, {runs['parameters'].iloc[0]:,}",
                "epochs": bracket.epochs,
                "seeds": str(len(runs)),
                "test accuracy": f"{accuracy.mean():.2%}{spread}",
                "lowest": f"{accuracy.min():.2%}",
                "minutes": f"{runs['seconds'].max() / 60:.1f} of {bracket.minutes}",
                "plain epochs": f"{plain:.1f} of {limit:.1f}",
                "command": command,
            }
        )
    text = pd.DataFrame(rows).set_index("bracket").fillna("").to_string()
    by_share = pd.DataFrame(curves).T.to_string() if curves else ""
    title = "training accuracy in an epoch, after a share of all epochs; mean over the seeds"
    return "\n".join(["```text", text, "", title, by_share, "", "; ".join(sorted(devices)), "```"])


def curve(histories: pd.Series) -> dict[str, str]:
    """How far the training accuracy has come, after each tenth of the epochs."""
    found = {}
    for tenths in range(1, 11):
        at = [history[round(tenths * len(history) / 10) - 1] for history in histories]
        found[f"{tenths / 10:.0%}"] = f"{mean(each['train_accuracy'] for each in at):.1%}"
    return found


@click.command()
@click.argument("bracket")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--validation", is_flag=True, help="leave the test set closed, and write nothing")
def main(bracket: str, seed: int, validation: bool) -> None:
    """Run one BRACKET, or write the table."""
    try:
        if bracket == "table":
            write_into_readme("race", table())
            print(table())
        elif bracket in BRACKETS:
            run_and_record(bracket, seed, validation)
        else:
            known = ", ".join(BRACKETS)
            raise CourseError(f"There is no bracket {bracket!r}. Known are {known}, and table.")
    except CourseError as error:  # as of a bracket for a GPU where there is none
        sys.exit(str(error))


def run_and_record(name: str, seed: int, on_validation: bool) -> None:
    """Run a bracket; what it gives is kept where no record of this seed is there yet."""
    file = RESULTS / f"{name},seed={seed}.json"
    record = read(file, BRACKETS[name]) if file.exists() else None
    if record and not on_validation:
        print(f"A record of this seed is there, and stays: {record['accuracy']:.2%} after "
              f"{record['seconds']:.0f} s. To replace it, delete {file}")  # fmt: skip
    result = race(BRACKETS[name], seed, on_validation)
    print(f"{result['accuracy']:.2%} after {result['seconds']:.0f} s")
    if on_validation:
        return
    if not record:  # what comes now may fail
        atomic.make_folder(RESULTS)
        atomic.write_text(file, json.dumps(result, indent=1) + "\n")
    plain = median(each["seconds"] for each in run("plain", epochs=3, seed=seed))
    print(f"in epochs of the plain script, {plain:.1f} s each: {result['seconds'] / plain:.1f}")
    if not record:
        atomic.write_text(file, json.dumps(result | {"plain_epoch": plain}, indent=1) + "\n")


if __name__ == "__main__":
    main()
