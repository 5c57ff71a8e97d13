"""Reading idx files, the format in which Fashion-MNIST is published."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.atomic import reading
from fmnist_lib.storage.labels import check
from fmnist_lib.storage.paths import raw_file

LARGEST = 100_000_000  # values; 60,000 images have 47 million


def read_part(root: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images, uint8 [N, 28, 28], and labels, int64 [N], of one part: "train" or "t10k".

    root: the folder that `paths.raw_folder` is under. Raises CourseError when the files hold no
    images with their labels.
    """
    paths = [raw_file(root, f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")]
    images, labels = map(read, paths)
    if images.shape != (len(labels), 28, 28) or labels.ndim != 1:
        raise CourseError(
            f"{paths[0]} holds {list(images.shape)} values and {paths[1]} {list(labels.shape)}. "
            "Expected are N images of 28 × 28 and N labels. Put two files there that belong to "
            "each other."
        )
    check(
        labels,
        lambda _, label: f"{paths[1]} has a label {label}",
        "Correct them in the file.",
    )
    return images, labels.long()


def read(path: str | Path) -> Tensor:
    """Read an idx file of bytes, gzipped or not: uint8, shaped as its header says.

    The header: two zero bytes, the type (8 is uint8), the number of dimensions, then each
    dimension as a big-endian 32-bit integer (http://yann.lecun.com/exdb/mnist/).

    Whether it is gzipped its first bytes say, not its name: some browsers unpack a file and keep
    its name. Raises CourseError when it is no such file, may not be read, has fewer or more bytes
    than its header says, or more than `LARGEST`. Memory is taken for what is there, not for what
    the header claims.
    """

    def wrong(problem: str) -> CourseError:
        return CourseError(f"{path} {problem}. Copy or download it once more, over this one.")

    with reading(path):
        stored = open(path, "rb")
    try:
        with stored, _unpacked(stored) as file:
            zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
            if (zeros, kind) != (0, 8) or not 1 <= dimensions <= 3:
                raise wrong("is no idx file of bytes: its first four bytes are others")
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            size = math.prod(shape)
            if not 1 <= size <= LARGEST:
                raise wrong(f"claims {size:,} values; expected are 1 to {LARGEST:,}")
            content = bytearray(file.read(size + 1))  # writable, as torch wants its memory
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise wrong(f"can't be read ({error})") from error
    if len(content) != size:
        amount = "more" if len(content) > size else "fewer"
        raise wrong(f"has {amount} values than its header says, which is {size:,}")
    return torch.frombuffer(content, dtype=torch.uint8).reshape(shape)


def _unpacked(file: BinaryIO) -> BinaryIO:
    return gzip.open(file) if file.peek(2).startswith(b"\x1f\x8b") else file
