"""The four published files: which of them are there, whether they are right, fetching the rest."""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import filelock

from fmnist_lib.errors import CourseError
from fmnist_lib.storage.paths import raw_folder

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
TIMEOUT = 30  # seconds that a server may stay silent
PAUSES = (1, 2, 4)  # seconds before a server is asked once more


class DownloadFailed(CourseError):
    """Files are missing, and no server gave them."""


def ensure(root: Path) -> None:
    """Make sure that the four verified files lie under `root`; download those that are missing.

    Raises DownloadFailed when some are missing and can't be had, and CourseError when a file that
    is there is not the published one.
    """
    names = missing(root)
    if not names:
        return
    try:
        _download_missing(root)
    except (OSError, RuntimeError) as error:
        raise DownloadFailed(
            f"Missing in {raw_folder(root)}: {', '.join(names)}. The download failed ({error}). "
            "Connect to the network and run again, copy the four files of Fashion-MNIST into that "
            "folder, or set FMNIST_DATA to a folder that has them; "
            'source="auto" goes on with generated images.'
        ) from error


def missing(root: Path) -> list[str]:
    """Names of the files that are not under `root`; CourseError if one there is a wrong one."""
    folder = raw_folder(root)
    present = [name for name in FILES if (folder / name).is_file()]
    for name in present:
        verify(folder / name)
    return [name for name in FILES if name not in present]


def verify(path: Path) -> None:
    """Check that a file is the published one, by its MD5; CourseError says what it is instead."""
    digest = _md5(path)
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


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _download_missing(root: Path) -> None:
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
            for name in missing(root):
                _download(folder, name)
        except (OSError, RuntimeError) as error:
            failure.unlink(missing_ok=True)  # it may be another user's
            failure.write_text(str(error), encoding="utf-8")
            raise
        failure.unlink(missing_ok=True)


def _download(folder: Path, name: str) -> None:
    """Download one of the four files; it appears under its name only when its MD5 is right.

    The server is torchvision's, or before it $FMNIST_MIRROR, the address of a folder, for a
    classroom that keeps a copy of its own. A server that is busy, or a connection that breaks, is
    tried again after `PAUSES`; one that says nothing for `TIMEOUT` is given up. Raises
    RuntimeError, with all reasons, when none has the file.
    """
    # Here, as it takes a second: most runs find the files.
    from torchvision.datasets import FashionMNIST

    own_mirror = os.environ.get("FMNIST_MIRROR")
    reasons = []
    for mirror in [*([own_mirror] if own_mirror else []), *FashionMNIST.mirrors]:
        url = f"{mirror.rstrip('/')}/{name}"
        print(f"Downloading {url}", flush=True)
        for pause in (*PAUSES, None):
            with tempfile.TemporaryDirectory(dir=folder, prefix=".downloading-") as scratch:
                came = Path(scratch, name)
                reason, passing = _fetch(url, came)
                if not reason:
                    os.replace(came, folder / name)
                    return
            if not passing or pause is None:
                break
            time.sleep(pause)
        reasons.append(f"{url}: {reason}")
    raise RuntimeError("; ".join(reasons))


def _fetch(url: str, target: Path) -> tuple[str, bool]:
    """Why `target` is not the right file now ("" when it is), and whether another try may help."""
    import requests  # here, as above
    from urllib3.exceptions import HTTPError, ProtocolError

    try:
        # As it lies there: a server may call a .gz file another one that it has compressed.
        plain = {"Accept-Encoding": "identity"}
        with requests.get(url, stream=True, timeout=TIMEOUT, headers=plain) as answer:
            if not answer.ok:
                busy = answer.status_code == 429 or answer.status_code >= 500
                return f"HTTP status {answer.status_code} {answer.reason}", busy
            with open(target, "wb") as file:
                for part in answer.raw.stream(2**20, decode_content=False):
                    file.write(part)
    except (requests.RequestException, HTTPError) as error:
        broke_off = any(isinstance(cause, ProtocolError) for cause in (error, *error.args))
        return str(error), broke_off
    digest = _md5(target)
    if digest == FILES[target.name]:
        return "", False
    if digest == MNIST_FILES[target.name]:
        return "the server has MNIST, the handwritten digits, under this name", False
    if target.read_bytes()[:100].lstrip().startswith(b"<"):
        return "a web page came instead; does this network ask you to log in?", False
    return f"{target.stat().st_size:,} bytes came, torn or altered", True
