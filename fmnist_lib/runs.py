"""Results on disk: one `metrics.json` a run. Whatever compares runs reads only these files."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import filelock
import pandas as pd
import torch

from fmnist_lib import checkpoints
from fmnist_lib.data import FashionMNIST
from fmnist_lib.device import device_name
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch, best_epoch
from fmnist_lib.recipe import Recipe
from fmnist_lib.sources import SOURCES
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import find_folder, in_work_folder, is_file, remedy, work_folder
from fmnist_lib.versions import PACKAGES, versions

FORMAT = 2
COMPARED = (
    "diverged", "best_epoch", "validation_accuracy", "test_accuracy", "training_seconds"
)  # fmt: skip
# Columns of the table of runs that say how a run went, not what it was.
MEASURED = (*COMPARED, "images_per_second", "device_name", "python", *PACKAGES)

_claimed: dict[Path, filelock.FileLock] = {}  # what this process trains into


def claim(name: str | Path) -> Path:
    """The folder of a run, for this process alone until the result is written or it ends.

    name: of the folder, counted from the work folder when it is relative. Nothing in it is changed.
    Raises CourseError when another process trains into it, or it is the work folder or one around
    that, or can't be written.
    """
    folder = in_work_folder(name).resolve()
    if folder in (work_folder(), *work_folder().parents):
        raise CourseError(f"A run can't have {folder}, where you work. Choose a folder in it.")
    atomic.make_folder(folder)
    # Beside the folder, which is handed on, if that may be.
    file = folder.with_name(f".{folder.name}.lock")
    file = file if os.access(folder.parent, os.W_OK) else folder / ".lock"
    lock = _claimed.setdefault(folder, filelock.FileLock(file, mode=0o666))
    if not lock.is_locked:
        atomic.take(
            lock,
            folder,
            f"Another notebook or command trains into {folder}. Wait for its end, shut its kernel "
            "down, or choose another run_folder.",
        )
    return folder


def begin(folder: Path) -> None:
    """A training into a claimed folder begins: the result of an earlier one no longer holds.

    To be called once `fit` has accepted what it is to do: a training that is refused deletes
    nothing. Raises CourseError when a file can't be removed.
    """
    for name in ("metrics.json", "confusion_matrix.csv"):  # the latter is notebook 4's
        atomic.remove(folder / name)


def write(
    folder: str | Path,
    *,
    recipe: Recipe,
    history: Sequence[Epoch],
    data: FashionMNIST,
    train_images: int,
    device: torch.device,
    dtype: torch.dtype,
    test_accuracy: float | None = None,
    test_loss: float | None = None,
    confusion_matrix: pd.DataFrame | None = None,
    notes: dict | None = None,
    **parameters,
) -> Path:
    """Write `metrics.json` into a run's folder, whole or not at all; returns its path.

    recipe and history: what `fit` was given and what it yielded. train_images: how many were
    trained on. test_accuracy, test_loss, confusion_matrix: of the epoch that is best on validation,
    measured once; None when the test set stays closed, as it does while one is choosing. notes:
    whatever else should be kept of this run, as JSON can hold it. parameters: what it was varied by
    beside the recipe, such as `network="ResidualNet"`.

    A run whose last epoch diverged has `diverged: true`; its best epoch is one before that, or 0,
    the initial weights, of which no validation accuracy is known. Numbers that are not finite are
    written as null. The folder is free for another run then. Raises CourseError when the history is
    empty, the checkpoint in the folder is that of another training, or the file can't be written.
    """
    if not history:
        raise CourseError("No epoch is complete, so there is no result. Train again.")
    folder = claim(folder)
    checkpoint = folder / "checkpoint.pt"
    trained = repr([asdict(epoch) for epoch in history])
    if checkpoint.exists() and repr(checkpoints.read(checkpoint)["history"]) != trained:
        raise CourseError(
            f"{checkpoint} comes from another training since. Train again, into another run_folder "
            "if two notebooks are at work."
        )
    best = best_epoch(history)
    matrix = None if confusion_matrix is None else confusion_matrix.to_numpy().tolist()
    metrics = {
        "format": FORMAT,
        "data": {
            "source": data.source,
            "train": train_images,
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "parameters": parameters | asdict(recipe),
        "device": device.type,
        "device_name": device_name(device),
        "dtype": str(dtype).removeprefix("torch."),
        "versions": versions(),
        "diverged": history[-1].diverged,
        "best_epoch": best.epoch if best else 0,
        "validation_accuracy": best.validation_accuracy if best else None,
        "test_accuracy": test_accuracy,
        "test_loss": test_loss,
        "confusion_matrix": matrix,
        "published_report": _published_report(history),
        "training_seconds": sum(epoch.seconds for epoch in history),
        "evaluation_seconds": sum(epoch.evaluation_seconds for epoch in history),
        "notes": notes or {},
        "history": [asdict(epoch) for epoch in history],
    }
    path = folder / "metrics.json"
    atomic.write_text(path, json.dumps(_finite(metrics), indent=1, allow_nan=False) + "\n")
    _claimed.pop(folder).release()
    return path


def _published_report(history: Sequence[Epoch]) -> dict | None:
    """What the published text reports: the best and the mean test accuracy over all epochs."""
    measured = [epoch.test_accuracy for epoch in history if epoch.test_accuracy is not None]
    if not measured:
        return None
    mean = sum(measured) / len(measured)
    return {"best_test_accuracy": max(measured), "mean_test_accuracy": mean}


def _finite(value):
    """A value as JSON can hold it: numbers that are not finite, anywhere in it, are None."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(folder: str | Path) -> dict:
    """Read the `metrics.json` of a run; CourseError when there is none or it is not one.

    folder: see `paths.find_folder`.
    """
    path = find_folder(folder) / "metrics.json"
    if not is_file(path):
        raise CourseError(f"{path} is missing: the run did not finish. Do it again.")
    try:
        with atomic.reading(path):
            metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CourseError(
            f"{path} is not JSON. {remedy(path, 'Delete it and run again.')}"
        ) from error
    found = metrics.get("format") if isinstance(metrics, dict) else None
    if found != FORMAT:
        raise CourseError(
            f"{path} has format {found}, this version of the course reads format "
            f"{FORMAT}. Do the run again."
        )
    metrics.setdefault("diverged", False)  # no run did before this was noted
    try:
        # What every reader takes for given:
        _row(metrics), headline(metrics), [dict(epoch) for epoch in metrics["history"]]
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise CourseError(
            f"{path} is no result of this course, or not a whole one ({type(error).__name__}: "
            f"{error}). Do the run again."
        ) from error
    return metrics


def read_all(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every run in a folder of runs: a table with one row a run, and one with all their epochs.

    folder: see `paths.find_folder`; "results/…" are runs that come with the course.
    Both have the name of the run's folder as index. The first has the columns data (source),
    train_images, the parameters, device, device_name, dtype, the packages with their versions,
    diverged, best_epoch, validation_accuracy and test_accuracy (of that epoch), training_seconds
    and images_per_second. A run that diverged has no accuracy here (NaN), so that it counts in no
    mean and is never the best. Raises CourseError when there is no run, or a file that is none.
    """
    folder = find_folder(folder)
    files = sorted(folder.glob("*/metrics.json"))
    if not files:
        raise CourseError(
            f"There is no run in {folder}. Make some, for example with "
            "`fmnist sweep notebooks/03_train_sgd.ipynb -p seed 0:3 --out runs/seeds`."
        )
    rows, epochs = {}, []
    for file in files:
        metrics, name = read(file.parent), file.parent.name
        rows[name] = _row(metrics)
        epochs += [{"run": name, **epoch} for epoch in metrics["history"]]
    runs = pd.DataFrame.from_dict(rows, orient="index").rename_axis("run")
    return runs, pd.DataFrame(epochs).set_index("run")


def _row(metrics: dict) -> dict:
    """A run as a row of the table that `read_all` makes."""
    images = metrics["data"]["train"]
    row = {
        "data": metrics["data"]["source"],
        "train_images": images,
        **metrics["parameters"],
        **{key: metrics[key] for key in ("device", "device_name", "dtype")},
        **dict.fromkeys(PACKAGES),  # of which earlier versions of the course noted fewer
        **metrics["versions"],
        **{key: metrics[key] for key in COMPARED},
        "images_per_second": images * len(metrics["history"]) / metrics["training_seconds"],
    }
    lost = {"validation_accuracy": math.nan, "test_accuracy": math.nan}
    return row | lost if metrics["diverged"] else row


def repeated(runs: pd.DataFrame) -> list[str]:
    """Names of runs that repeat an earlier one of the table: the same seed, data and settings.

    Counted twice, such a run would pass for another seed.
    """
    settings = runs.drop(columns=[name for name in runs if name in MEASURED])
    return runs.index[settings.astype(str).duplicated()].tolist()


def require_finished(runs: pd.DataFrame) -> None:
    """CourseError when every one of the runs diverged, so that there is nothing to compare."""
    if runs["diverged"].all():
        raise CourseError(
            "Every run diverged, so there is no accuracy to compare. Run again with smaller "
            "learning rates."
        )


def varied(runs: pd.DataFrame) -> list[str]:
    """The settings that differ between these runs: parameters but for the seed, device, dtype.

    Of the runs of notebook 7 it is the step alone, where that is a name for all that differs.
    """
    others = {"data", "seed", *MEASURED}
    settings = [each for each in runs if each not in others and runs[each].nunique(False) > 1]
    if "step" in settings and runs.groupby("step")[settings].nunique(False).eq(1).all(axis=None):
        return ["step"]
    return settings


def headline(metrics: dict) -> pd.Series:
    """The result of a run as a short table, ready to print."""
    rows = {
        "data": SOURCES[metrics["data"]["source"]],
        "training images": f"{metrics['data']['train']:,}",
        "network": metrics["parameters"].get("network", "not noted"),
        "epochs": len(metrics["history"]),
        "test accuracy, epoch chosen on validation": "the test set was not opened"
        if metrics["test_accuracy"] is None
        else f"{metrics['test_accuracy']:.2%} (epoch {metrics['best_epoch']})",
        "validation accuracy of that epoch": "none: these are the initial weights"
        if metrics["validation_accuracy"] is None
        else f"{metrics['validation_accuracy']:.2%}",
    }
    if metrics["diverged"]:
        rows["DIVERGED"] = f"in epoch {len(metrics['history'])}: the loss is not a finite number"
    if published := metrics["published_report"]:
        rows |= {
            "published way: best test accuracy": f"{published['best_test_accuracy']:.2%}",
            "published way: mean over the epochs": f"{published['mean_test_accuracy']:.2%}",
        }
    rows |= {
        "training time": f"{metrics['training_seconds']:.0f} s",
        "device": f"{metrics['device']} ({metrics['device_name']}), {metrics['dtype']}",
        "seed": metrics["parameters"].get("seed"),
        "torch": metrics["versions"]["torch"],
    }
    return pd.Series(rows, name="value", dtype=object)
