"""Fashion-MNIST as tensors, in three splits."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fmnist_lib import sources
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import labels, paths

CLASS_NAMES = labels.class_names(paths.data_root(), default=(  # others: see data/README.md
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
))  # fmt: skip
PIXEL_MEAN, PIXEL_STD = 72.94, 90.02  # grey levels, over the 60,000 training images


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    images: uint8 [N, 28, 28], 0 is white paper and 255 black ink.
    labels: int64 [N], each an index into `CLASS_NAMES`.
    source: one of `sources.SOURCES`.
    """

    images: Tensor
    labels: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> "Split":
        """A smaller split: `split[:100]`, or with a tensor of indices or booleans."""
        return Split(self.images[index], self.labels[index], self.source)

    def __repr__(self) -> str:
        return f"Split({len(self):,} images of 28×28, source={self.source!r})"


@dataclass(frozen=True)
class FashionMNIST:
    """The three splits: learn from `train`, choose on `validation`, open `test` once."""

    train: Split
    validation: Split
    test: Split
    source: str


def load(
    root: str | Path = "", source: str = "auto", validation: int | None = None, seed: int = 0
) -> FashionMNIST:
    """Load Fashion-MNIST and split it into train, validation and test.

    root: folder with `FashionMNIST/raw/*.gz`, as torchvision lays it out, or these unpacked (for
        "csv": with the files `storage.csv.FILES`). Default: `storage.paths.data_root()`.
    source: "zalando" takes the verified files under `root`, else downloads them, else raises;
        "auto" draws the stand-in where "zalando" finds no files and no network, and prints a
        notice; "csv" and "idx" read files of your own; "synthetic" draws the stand-in.
    validation: how many training images are held out for it; by default a twelfth, 5,000.
    seed: chooses which images these are (not how a model trains: keep it when you vary that).

    Raises CourseError when `root` is no such folder, a file is torn, is MNIST, or is missing and
    can't be downloaded, and on other bad arguments. What is there but wrong is never passed over.
    """
    train, test, found = sources.read(source, paths.data_root(root))
    train, test = Split(*train, found), Split(*test, found)
    size = len(train) // 12 if validation is None else validation
    train, held_out = split_off(train, size, seed)
    return FashionMNIST(train, held_out, test, found)


def split_off(split: Split, size: int, seed: int = 0) -> tuple[Split, Split]:
    """Take `size` images off a split, the same share of every class: (rest, taken).

    Both keep the order of the file. Raises CourseError unless 0 <= size < len(split).
    """
    if not 0 <= size < len(split):
        raise CourseError(
            f"validation={size} is not possible: the training set has {len(split):,} images."
        )
    shuffled = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    # Sorted by class, every (len / size)-th image is the same share of every class.
    by_class = shuffled[split.labels[shuffled].argsort(stable=True)]
    taken = torch.zeros(len(split), dtype=torch.bool)
    taken[by_class[torch.arange(size) * len(split) // max(size, 1)]] = True
    return split[~taken], split[taken]


def as_input(images: Tensor) -> Tensor:
    """Images as the network takes them: uint8 [N, 28, 28] → float32 [N, 1, 28, 28].

    Standardised with the mean and standard deviation of the training images, so that the values
    lie around 0: networks learn faster from such numbers than from 0 to 255.
    """
    return (images.unsqueeze(1).float() - PIXEL_MEAN) / PIXEL_STD
