"""`fmnist predict photo.jpg …`: what a trained network takes the photos for."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fmnist_lib import checkpoints, evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import photo
from fmnist_lib.sources import SOURCES
from fmnist_lib.storage import paths

OWN = "runs/lesson/checkpoint.pt"  # where notebook 3 keeps the network that it trains


def predict(
    files: Sequence[str], checkpoint: str | None = None, network: str | None = None, top: int = 3
) -> int:
    """Print which network was used, and the most probable classes of each file.

    Returns how many files could not be read. files, checkpoint: looked for in the current folder,
    then in the work folder. network: the name of one that comes with the course. Without either it
    is that of notebook 3 if it has been trained here, else the `Net` that comes with the course, as
    in notebook 4. Raises CourseError when both are given, or the network can't be loaded.
    """
    path = choose_network(checkpoint, network)
    try:
        model, state = checkpoints.load_model(path)
    except CourseError as error:
        raise CourseError(
            f"{error} Or use one that comes with the course: --network Net."
        ) from error
    origin = "comes with the course" if path.parent == checkpoints.WEIGHTS else path
    images = SOURCES.get(state["source"], state["source"])
    print(f"network: {state['network']}, {origin}, trained on {images}")
    rows, failures = [], []
    for file in files:
        try:
            image = photo.as_image(photo.prepare(photo.open_photo(paths.find(file)), file))
        except CourseError as error:
            failures.append(str(error))
            continue
        best = evaluate.predict(model, image)[0].topk(top)
        classes = [f"{CLASS_NAMES[i]} {p:.1%}" for p, i in zip(best.values, best.indices)]
        rows.append([file, *classes])
    if rows:
        columns = ["file", *(f"{number}." for number in range(1, top + 1))]
        print(pd.DataFrame(rows, columns=columns).to_string(index=False))
    for failure in failures:
        print(failure)
    return len(failures)


def choose_network(checkpoint: str | None, network: str | None) -> Path:
    """Where the network is: the one named, else that of notebook 3, else the course's `Net`."""
    if checkpoint is not None and network is not None:
        raise CourseError("--checkpoint and --network name two networks. Give one of them.")
    if checkpoint is not None:
        if not checkpoint.strip():
            raise CourseError("--checkpoint is empty. Give a file, or leave the option out.")
        return paths.find(checkpoint)
    own = paths.in_work_folder(OWN)
    if network is None and paths.is_file(own):
        return own
    return checkpoints.shipped("Net" if network is None else network)
