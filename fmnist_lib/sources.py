"""Where the images come from: the published files, files of one's own, or the stand-in."""

from pathlib import Path

from torch import Tensor

from fmnist_lib import synthetic
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import csv, download, idx, labels

# By name, as figures and results say it.
SOURCES = {
    "zalando": "Fashion-MNIST (Zalando Research)",
    "csv": "CSV files (not verified)",
    "idx": "idx files (not verified)",
    "synthetic": "GENERATED STAND-IN, not Fashion-MNIST",
}
Images = tuple[Tensor, Tensor]  # uint8 [N, 28, 28], and their labels: int64 [N]


def read(source: str, root: Path) -> tuple[Images, Images, str]:
    """The images for training, those for the test, and which of `SOURCES` they come from.

    source, root, errors: see `data.load`.
    """
    train, test, found = _read(source, root)
    for _, given in (train, test):
        labels.require_names(given, root)
    return train, test, found


def _read(source: str, root: Path) -> tuple[Images, Images, str]:
    found = "zalando" if source == "auto" else source
    if found == "zalando":
        try:
            download.ensure(root)
        except download.DownloadFailed:
            if source == "zalando":
                raise
            found = "synthetic"
    if found in ("zalando", "idx"):
        return idx.read_part(root, "train"), idx.read_part(root, "t10k"), found
    if found == "csv":
        train, test = (csv.read(root / name) for name in csv.FILES)
        return train, test, found
    if found == "synthetic":
        train, test = synthetic.generate()
        print(synthetic.NOTICE)
        return train, test, found
    raise CourseError(f"source={source!r} is unknown. Choose auto, {', '.join(SOURCES)}.")
