"""Fashion-MNIST as tensors: from files on disk, a download, CSV, or the drawn stand-in."""

import gzip
import hashlib
import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fmnist_lib import synthetic
from fmnist_lib.errors import CourseError

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# name of the file -> published MD5 (https://github.com/zalandoresearch/fashion-mnist)
FILES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
# The handwritten digits come in files of the same names and are the usual mix-up.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
PIXEL_MEAN, PIXEL_STD = 72.94, 90.02  # grey levels, over the 60,000 training images
SOURCES = ("auto", "zalando", "csv", "synthetic")
CSV_FILES = ("fashion-mnist_train.csv", "fashion-mnist_test.csv")
CSV_COLUMNS = ["label", *(f"pixel{i}" for i in range(1, 785))]
DOWNLOAD_TIMEOUT = 30  # seconds that a server may stay silent

NOTICE = """\
┌──────────────────────────────────────────────────────────────────────────────┐
│  GENERATED IMAGES. This is the drawn stand-in, not Fashion-MNIST.            │
│  Every lesson runs, but no figure or number below is about the real data.    │
│  Real data: put the four files where `fmnist doctor` says, then run again.   │
└──────────────────────────────────────────────────────────────────────────────┘"""


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    images: uint8 [N, 28, 28], 0 is background and 255 the brightest.
    labels: int64 [N], each an index into `CLASS_NAMES`.
    source: "zalando", "csv" or "synthetic"; figures and results carry it.
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
    root: str | Path | None = None,
    source: str = "auto",
    validation: int = 5000,
    seed: int = 0,
) -> FashionMNIST:
    """Load Fashion-MNIST and split it into train, validation and test.

    root: folder with `FashionMNIST/raw/*.gz`, as torchvision lays it out (for "csv": with the two
        files of `CSV_FILES`). Default: `data_root()`.
    source: "zalando" takes the verified files under `root`, else downloads them, else raises;
        "auto" draws the stand-in where "zalando" would find no files and no network, and prints a
        notice; "csv" reads the two CSV files; "synthetic" draws the stand-in.
    validation: images taken from the training set for validation, the same share of every class.
    seed: chooses which images these are (not how a model trains: keep it when you vary that).

    Raises CourseError when a file is torn, is MNIST, is missing and cannot be downloaded, or when
    an argument makes no sense. A file that is there but wrong is never passed over.
    """
    if source not in SOURCES:
        raise CourseError(f"source={source!r} is unknown. Choose one of: {', '.join(SOURCES)}.")
    root = data_root(root)
    if source == "csv":
        train, test = (read_csv(root / name) for name in CSV_FILES)
    elif source == "synthetic" or not have_files(root, or_raise=source == "zalando"):
        train, test = (Split(*part, "synthetic") for part in synthetic.generate())
        print(NOTICE)
    else:
        train, test = read_files(root, "train"), read_files(root, "t10k")
    train, held_out = split_off(train, validation, seed)
    return FashionMNIST(train, held_out, test, train.source)


# ---------------------------------------------------------------------------- files on disk


def project_root() -> Path:
    """The folder of the course; the current folder when the package is installed elsewhere."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").exists() else Path.cwd()


def data_root(root: str | Path | None = None) -> Path:
    """Where the data is looked for: `root`, else $FMNIST_DATA, else `data/` in the project.

    A relative $FMNIST_DATA counts from the project's folder, so that it means the same thing in a
    notebook and in a terminal.
    """
    return Path(root) if root else project_root() / os.environ.get("FMNIST_DATA", "data")


def raw_folder(root: Path) -> Path:
    """The folder under `root` in which torchvision keeps the four files."""
    return root / "FashionMNIST" / "raw"


def have_files(root: Path, or_raise: bool = False) -> bool:
    """Make sure that the four verified files lie under `root`; download those that are missing.

    Returns False, or with `or_raise` raises CourseError, when files are missing and the download
    fails. Raises CourseError when a file that is there is not the published one.
    """
    missing = missing_files(root)
    try:
        for name in missing:
            download(root, name)
    except (OSError, RuntimeError) as error:
        if or_raise:
            raise CourseError(
                f"Missing in {raw_folder(root)}: {', '.join(missing)}. The download failed "
                f"({error}). Connect to the network and run again, copy the four files of "
                "Fashion-MNIST into that folder, or set FMNIST_DATA to a folder that has them; "
                'source="auto" goes on with generated images.'
            ) from error
        return False
    return True


def missing_files(root: Path) -> list[str]:
    """Names of the files that are not under `root`; CourseError if one there is a wrong one."""
    folder = raw_folder(root)
    present = [name for name in FILES if (folder / name).is_file()]
    for name in present:
        verify(folder / name)
    return [name for name in FILES if name not in present]


def verify(path: Path) -> None:
    """Check that a file is the published one, by its MD5; CourseError says what it is instead."""
    digest = md5(path)
    if digest == FILES[path.name]:
        return
    if digest == MNIST_FILES[path.name]:
        problem = "is MNIST, the handwritten digits: its files have the same names"
    else:
        problem = (
            f"is torn or altered: {path.stat().st_size:,} bytes whose MD5 is {digest} where "
            f"{FILES[path.name]} was published"
        )
    raise CourseError(
        f"{path} {problem}. Delete this file and run again (it is then downloaded), or copy the "
        "file from a good set of Fashion-MNIST."
    )


def md5(path: Path) -> str:
    """MD5 of a file, as 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def download(root: Path, name: str) -> None:
    """Download one of the four files; it appears under its name only when its MD5 is right.

    The server is torchvision's, or before it $FMNIST_MIRROR (an address that ends in "/"), for a
    classroom that keeps a copy of its own. Raises OSError or RuntimeError when none has the file.
    """
    from torchvision.datasets import FashionMNIST as torchvision_source
    from torchvision.datasets.utils import download_url

    folder = raw_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    own_mirror = os.environ.get("FMNIST_MIRROR")
    mirrors = [*([own_mirror] if own_mirror else []), *torchvision_source.mirrors]
    errors = []
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)  # torchvision itself would wait for ever
    try:
        for mirror in mirrors:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
                try:
                    download_url(mirror + name, scratch, name, md5=FILES[name])
                    os.replace(Path(scratch, name), folder / name)
                    return
                except (OSError, RuntimeError) as error:
                    errors.append(f"{mirror}{name}: {error}")
    finally:
        socket.setdefaulttimeout(timeout)
    raise RuntimeError("; ".join(errors))


def read_files(root: Path, part: str) -> Split:
    """Read the idx files of one part, "train" or "t10k", after `have_files` has verified them."""
    folder = raw_folder(root)
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return Split(images, labels.long(), "zalando")


def read_idx(path: Path) -> Tensor:
    """Read a gzipped idx file of bytes: uint8, shaped as its header says.

    The header: two zero bytes, the type (8 is uint8), the number of dimensions, then each
    dimension as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).
    """
    with gzip.open(path) as file:
        content = bytearray(file.read())  # writable, as torch wants its memory
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", count=dimensions, offset=4)
    return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * dimensions).reshape(*shape)


# ------------------------------------------------------------------------------------- CSV


def read_csv(path: str | Path) -> Split:
    """Read a CSV of 785 columns: `label`, then `pixel1` … `pixel784` row by row, all 0 to 255.

    Raises CourseError when the file is missing, has other columns, a value that is no integer from
    0 to 255, a label over 9, or no rows.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise CourseError(f"{path} is missing. Make it with `fmnist csv {path.parent}`.")
    columns = list(pd.read_csv(path, nrows=0, index_col=False).columns)
    if columns != CSV_COLUMNS:
        raise CourseError(
            f"{path} has {len(columns)} columns, the first {columns[:2]}. Expected are 785, with a "
            "header line: label, pixel1, …, pixel784. Was it saved with an index or without a "
            "header?"
        )
    try:
        values = pd.read_csv(path, dtype="uint8", index_col=False).to_numpy()
    except (ValueError, OverflowError) as error:
        raise CourseError(f"{path}: {_first_bad_value(path)} Correct it there.") from error
    labels = torch.from_numpy(values[:, 0].astype("int64"))
    if len(labels) == 0:
        raise CourseError(f"{path} has a header line but no images.")
    if labels.max() > 9:
        line = int(labels.gt(9).nonzero()[0]) + 2
        raise CourseError(
            f"{path}, line {line}: label {values[line - 2, 0]}. Labels are 0 to 9, one for each "
            "class of fmnist_lib.data.CLASS_NAMES. Correct it there."
        )
    images = torch.from_numpy(np.ascontiguousarray(values[:, 1:])).reshape(-1, 28, 28)
    return Split(images, labels, "csv")


def _first_bad_value(path: Path) -> str:
    import pandas as pd

    frame = pd.read_csv(path, dtype=str, index_col=False, keep_default_na=False)
    for line, row in enumerate(frame.itertuples(index=False), start=2):
        for column, text in zip(CSV_COLUMNS, row, strict=True):
            if not (text.strip().isdecimal() and int(text) <= 255):
                return f"line {line}, column {column} is {text!r}, not an integer from 0 to 255."
    return "its lines have different numbers of values."


def write_csv(split: Split, path: str | Path) -> Path:
    """Write a split as a CSV of 785 columns, which `read_csv` reads back exactly."""
    import pandas as pd

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = torch.cat([split.labels[:, None].to(torch.uint8), split.images.flatten(1)], dim=1)
    scratch = path.with_name(path.name + ".part")
    pd.DataFrame(values.numpy(), columns=CSV_COLUMNS).to_csv(scratch, index=False)
    shutil.move(scratch, path)
    return path


# ---------------------------------------------------------------------------------- splits


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


def nearest_images(queries: Tensor, references: Tensor, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """For each query the most similar reference image.

    queries, references: uint8 [Q, 28, 28] and [R, 28, 28]. Returns (distance, index): float32 [Q],
    the root-mean-square difference of the pixels in grey levels, 0 to 255; and int64 [Q].
    """
    flat = references.flatten(1).float()
    squared = flat.square().sum(1)
    # |q - r|² = |q|² - 2 q·r + |r|², and |q|² is the same for every r
    index = torch.cat(
        [
            torch.addmm(squared, chunk.flatten(1).float(), flat.T, alpha=-2).argmin(dim=1)
            for chunk in queries.split(batch)
        ]
    )
    difference = queries.float() - references[index].float()
    return difference.square().mean(dim=(1, 2)).sqrt(), index
