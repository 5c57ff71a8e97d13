"""`fmnist predict photo.jpg …`: what a trained network takes the photos for."""

from collections.abc import Sequence

import pandas as pd

from fmnist_lib import checkpoints, evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import photo
from fmnist_lib.storage import paths


def predict(files: Sequence[str], checkpoint: str | None, network: str, top: int = 3) -> int:
    """Print the most probable classes of each file; returns how many files could not be read.

    files, checkpoint: looked for in the current folder, then in the project. checkpoint: default is
    the network of that name which comes with the course.
    """
    path = paths.find(checkpoint) if checkpoint else checkpoints.shipped(network)
    model, _ = checkpoints.load_model(path)
    rows, failures = [], []
    for file in files:
        try:
            image = photo.as_image(photo.prepare(photo.open_photo(paths.find(file))))
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
