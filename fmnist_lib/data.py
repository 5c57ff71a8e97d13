"""Fashion-MNIST as tensors: from files on disk, a download, CSV, or the drawn stand-in."""

import gzip
import hashlib
import math
import os
import shutil
import socket
import struct
import tempfile
import time
import warnings
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import filelock
import numpy as np
import torch
from torch import Tensor

from fmnist_lib import files, synthetic
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
CSV_CHUNK = 2000  # lines that are read at a time
AS_IT_IS = {"index_col": False, "encoding": "utf-8", "compression": None}  # for pandas.read_csv
LARGEST_CSV = 300_000_000  # bytes; 60,000 images have at most 283 million, with quotes
LARGEST_IDX = 100_000_000  # values; 60,000 images have 47 million
DOWNLOAD_TIMEOUT = 30  # seconds that a server may stay silent
PAUSES = (1, 2, 4)  # seconds before a server is asked once more

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
        if missing:
            download_missing(root)
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


def download_missing(root: Path) -> None:
    """Download what is missing under `root`, one process at a time where many share the folder.

    Those that waited find the files. If the process that they waited for failed, they raise its
    error and do not ask the server once more. Raises OSError or RuntimeError.
    """
    folder = raw_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    failure = folder / ".download-failed"

    def failed_at() -> float:
        return failure.stat().st_mtime if failure.exists() else 0

    before = failed_at()
    # The system frees the lock when its process dies; everybody may open it, in a shared folder.
    with filelock.FileLock(folder / ".download-lock", mode=0o666):
        if failed_at() != before:
            raise RuntimeError(failure.read_text(encoding="utf-8"))
        for old in folder.glob(".downloading-*"):  # of a process that was killed
            shutil.rmtree(old, ignore_errors=True)
        try:
            for name in missing_files(root):
                download(root, name)
        except (OSError, RuntimeError) as error:
            failure.unlink(missing_ok=True)  # it may be another user's
            failure.write_text(str(error), encoding="utf-8")
            raise
        failure.unlink(missing_ok=True)


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

    The server is torchvision's, or before it $FMNIST_MIRROR, the address of a folder, for a
    classroom that keeps a copy of its own. A server that is busy, or a connection that breaks, is
    tried again after `PAUSES`; one that says nothing for `DOWNLOAD_TIMEOUT` is given up.
    Raises RuntimeError, with all reasons, when none has the file.
    """
    from torchvision.datasets import FashionMNIST as torchvision_source
    from torchvision.datasets.utils import download_url

    folder = raw_folder(root)
    own_mirror = os.environ.get("FMNIST_MIRROR")
    mirrors = [*([own_mirror] if own_mirror else []), *torchvision_source.mirrors]
    reasons = []
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)  # torchvision itself would wait for ever
    try:
        for mirror in mirrors:
            url = f"{mirror.rstrip('/')}/{name}"
            for pause in (*PAUSES, None):
                with tempfile.TemporaryDirectory(dir=folder, prefix=".downloading-") as scratch:
                    came = Path(scratch, name)
                    try:
                        download_url(url, scratch, name, md5=FILES[name])
                        os.replace(came, folder / name)
                        return
                    except (OSError, RuntimeError, HTTPException, ValueError) as error:
                        reason, passing = _why_not(came, error)
                if not passing or pause is None:
                    break
                time.sleep(pause)
            reasons.append(f"{url}: {reason}")
    finally:
        socket.setdefaulttimeout(timeout)
    raise RuntimeError("; ".join(reasons))


def _why_not(came: Path, error: Exception) -> tuple[str, bool]:
    """Why a download failed, and whether another try may help."""
    if isinstance(error, HTTPError):
        return str(error), error.code == 429 or error.code >= 500
    if not isinstance(error, RuntimeError) or not came.is_file():
        return str(error), isinstance(error, ConnectionError | HTTPException)
    if md5(came) == MNIST_FILES[came.name]:
        return "the server has MNIST, the handwritten digits, under this name", False
    with open(came, "rb") as file:
        begin = file.read(100).lstrip()
    if begin.startswith(b"<"):
        return "a web page came instead; does this network ask you to log in?", False
    return f"{came.stat().st_size:,} bytes came, torn or altered", True


def read_files(root: Path, part: str) -> Split:
    """Read the idx files of one part, "train" or "t10k", after `have_files` has verified them.

    Raises CourseError when these are no images with their labels.
    """
    paths = [
        raw_folder(root) / f"{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")
    ]
    images, labels = map(read_idx, paths)
    if images.shape != (len(labels), 28, 28) or labels.ndim != 1:
        raise CourseError(
            f"{paths[0]} holds {list(images.shape)} values and {paths[1]} {list(labels.shape)}. "
            "Expected are N images of 28 × 28 and N labels. Delete both and run again."
        )
    if labels.max() > 9:
        raise CourseError(
            f"{paths[1]} has a label {labels.max()}. Labels are 0 to 9, one for each class of "
            "fmnist_lib.data.CLASS_NAMES. Delete this file and run again."
        )
    return Split(images, labels.long(), "zalando")


def read_idx(path: str | Path) -> Tensor:
    """Read a gzipped idx file of bytes: uint8, shaped as its header says.

    The header: two zero bytes, the type (8 is uint8), the number of dimensions, then each
    dimension as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).

    Raises CourseError when it is no such file, has fewer or more bytes than its header says, or
    more than `LARGEST_IDX`. Memory is taken for what is there, not for what the header claims.
    """

    def wrong(problem: str) -> CourseError:
        return CourseError(f"{path} {problem}. Delete it and copy or download it again.")

    try:
        with gzip.open(path) as file:
            zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
            if (zeros, kind) != (0, 8) or not 1 <= dimensions <= 3:
                raise wrong("is no idx file of bytes: its first four bytes are others")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            size = math.prod(shape)
            if not 1 <= size <= LARGEST_IDX:
                raise wrong(f"claims {size:,} values; expected are 1 to {LARGEST_IDX:,}")
            content = bytearray(file.read(size + 1))  # writable, as torch wants its memory
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise wrong(f"can't be read ({error})") from error
    if len(content) != size:
        amount = "more" if len(content) > size else "fewer"
        raise wrong(f"has {amount} values than its header says, which is {size:,}")
    return torch.frombuffer(content, dtype=torch.uint8).reshape(shape)


# ------------------------------------------------------------------------------------- CSV


def read_csv(path: str | Path) -> Split:
    """Read a CSV of 785 columns: `label`, then `pixel1` … `pixel784` row by row, all 0 to 255.

    A byte order mark, Windows line ends and quotes are accepted. Raises CourseError when the file
    is missing, larger than `LARGEST_CSV`, has other columns, a value that is no integer from 0 to
    255, a label over 9, or no rows.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise CourseError(f"{path} is missing. Make it with `fmnist csv {path.parent}`.")
    if path.stat().st_size > LARGEST_CSV:
        raise CourseError(
            f"{path} has {path.stat().st_size:,} bytes; {LARGEST_CSV:,} are enough for all images "
            "of Fashion-MNIST. Take another file."
        )
    _check_header(path)
    chunks: list[np.ndarray] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # it has dropped values
            for chunk in pd.read_csv(path, dtype="uint8", chunksize=CSV_CHUNK, **AS_IT_IS):
                chunks.append(chunk.to_numpy())
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        problem = _first_bad_value(path, len(chunks)) or str(error).strip()
        raise CourseError(f"{path}: {problem} Correct it there.") from error
    values = np.concatenate(chunks) if chunks else np.empty((0, 785), "uint8")
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


def _check_header(path: Path) -> None:
    limit = 20_000  # the right header has 7,760 bytes
    with open(path, "rb") as file:
        line = file.readline(limit).decode("utf-8-sig", errors="replace")
    columns = [name.strip('"') for name in line.rstrip("\r\n").split(",")]
    if columns != CSV_COLUMNS:
        count = f"over {len(columns) - 1}" if len(line) == limit else len(columns)
        raise CourseError(
            f"{path} has {count} columns, the first {[name[:20] for name in columns[:2]]}. "
            "Expected are 785, with a header line: label, pixel1, …, pixel784. Was it saved with "
            "an index or without a header?"
        )


def _first_bad_value(path: Path, good_chunks: int) -> str | None:
    """Which value after so many good chunks is none; None when it isn't a matter of one value."""
    import pandas as pd

    start = good_chunks * CSV_CHUNK
    try:
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, skiprows=range(1, start + 1),
            nrows=CSV_CHUNK, **AS_IT_IS,
        )  # fmt: skip
    except ValueError:
        return None
    for line, row in enumerate(frame.itertuples(index=False), start=start + 2):
        for column, text in zip(CSV_COLUMNS, row, strict=True):
            if not (str(text).strip().isdecimal() and len(text) < 20 and int(text) <= 255):
                shown = repr(text[:40]) if isinstance(text, str) else "missing"
                return f"line {line}, column {column} is {shown}, not an integer from 0 to 255."
    return None


def write_csv(split: Split, path: str | Path) -> Path:
    """Write a split as a CSV of 785 columns, which `read_csv` reads back exactly."""
    import pandas as pd

    path = Path(path)
    values = torch.cat([split.labels[:, None].to(torch.uint8), split.images.flatten(1)], dim=1)
    with files.replacing(path) as scratch:
        pd.DataFrame(values.numpy(), columns=CSV_COLUMNS).to_csv(scratch, index=False)
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
