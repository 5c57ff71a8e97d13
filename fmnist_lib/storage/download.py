"""The four published files: which of them are there, whether they are right, fetching the rest."""

import hashlib
import os
import queue
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import filelock

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths
from fmnist_lib.storage.atomic import patiently, reading

# name of the file -> published MD5 (https://github.com/zalandoresearch/fashion-mnist)
FILES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
# The same of what is in them, for those who have unpacked them.
UNPACKED = {
    "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
}
# The handwritten digits come in files of the same names and are the usual mix-up.
MNIST_FILES = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
MNIST_UNPACKED = {
    "train-images-idx3-ubyte.gz": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte.gz": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte.gz": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte.gz": "27ae3e4e09519cfbb04c329615203637",
}
LARGEST = 50_000_000  # bytes; the largest of the files has 47 million, unpacked
CONNECT = 5  # seconds for one of a server's addresses
TIMEOUT = 20  # seconds in which a server answers, all its addresses together; then for each `PART`
PART = 2**18  # bytes
LIMIT = 1800  # seconds for everything that is downloaded
PAUSES = (1, 2, 4)  # seconds before a server is asked once more


class DownloadFailed(CourseError):
    """Files are missing, and no server gave them."""


def ensure(root: Path) -> None:
    """Make sure that the four verified files lie under `root`; download those that are missing.

    Raises DownloadFailed when some are missing and can't be had, and CourseError as `missing` does.
    """
    if not missing(root):
        return
    try:
        _download_missing(root)
    except (OSError, RuntimeError) as error:
        names = missing(root)
        if not names:  # another process has brought them, whatever went wrong here
            return
        raise DownloadFailed(
            f"Missing in {paths.raw_folder(root)}: {', '.join(names)}. The download failed "
            f"({_in_short(error)}). Connect to the network and run again, copy the four files of "
            "Fashion-MNIST into that folder, or set FMNIST_DATA to a folder that has them; "
            'source="auto" goes on with generated images.'
        ) from error


def missing(root: Path) -> list[str]:
    """Names of the files that are not under `root`, neither as published nor unpacked.

    Raises CourseError when one that is there is a wrong one or may not be read, and when `root` is
    no folder for these files.
    """
    _check_place(root)
    names = []
    for name in FILES:
        path = paths.raw_file(root, name)
        if paths.is_file(path):
            verify(path)
        else:
            names.append(name)
    return names


def _check_place(root: Path) -> None:
    """CourseError unless the files lie under `root`, or may be downloaded to it.

    Only the default is made. Of a name that somebody gave, FashionMNIST/ has to be there: a
    misspelt one would get the files or, with no network, the stand-in in their place.
    """
    raw = paths.raw_folder(root)
    missing = next((each for each in (root, raw.parent, raw) if not paths.is_folder(each)), None)
    if missing is None:
        return
    # Another process may have made it by now.
    if os.path.lexists(missing) and not paths.is_folder(missing):
        problem, remedy = f"{missing} is no folder, nor a link to one that is there", "Correct it."
    elif root == paths.default_data_root() or missing == raw:
        return  # it is made
    else:
        problem = f"There is no folder {missing}"
        remedy = (
            f"Correct it. If it is right, make the folder {raw.parent}, and they are downloaded "
            "into it."
        )
    if any(part != part.strip("\"' ") for part in root.parts):
        remedy = "Take the quotes and blanks around it away."
    elif root.name in (raw.name, raw.parent.name):
        remedy = f"Give the folder above {raw.parent.name}."
    raise CourseError(
        f"{problem}. FMNIST_DATA, or the root that was given, is to be the folder that holds "
        f"{raw.relative_to(root)} with the four files. {remedy}"
    )


def verify(path: Path) -> None:
    """Check that a file is the published one, by its MD5; CourseError says what it is instead."""
    name = path.name.removesuffix(".gz") + ".gz"
    with reading(path):
        digest, size = _md5(path), path.stat().st_size
    if digest in (FILES[name], UNPACKED[name]):
        return
    if digest in (MNIST_FILES[name], MNIST_UNPACKED[name]):
        problem = "is MNIST, the handwritten digits: its files have the same names"
    else:
        published = FILES[name] if path.name == name else UNPACKED[name]
        problem = (
            f"is torn or altered: {size:,} bytes whose MD5 is {digest} where {published} was "
            "published"
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
    deadline = time.monotonic() + LIMIT
    folder = paths.raw_folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    failure = folder / ".download-failed"

    def failed_at() -> float:
        with suppress(FileNotFoundError):
            return failure.stat().st_mtime
        return 0

    before = failed_at()
    # The system frees the lock when its process dies; everybody may open it, in a shared folder.
    with filelock.FileLock(folder / ".download-lock", timeout=LIMIT, mode=0o666):
        names = missing(root)
        if names and failed_at() > before:
            raise RuntimeError(failure.read_text(encoding="utf-8"))
        for old in folder.glob(".downloading-*"):  # of a process that was killed
            shutil.rmtree(old, ignore_errors=True)
        try:
            mirrors = _mirrors()
            for name in names:
                _download(folder, name, mirrors, deadline)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):  # this is not to hide the error
                failure.unlink(missing_ok=True)  # it may be another user's
                failure.write_text(_in_short(error), encoding="utf-8")
            raise
        with suppress(OSError):
            failure.unlink(missing_ok=True)


def _mirrors() -> list[str]:
    """The addresses of folders that have the files: torchvision's, before them $FMNIST_MIRROR.

    That is for a classroom that keeps a copy of its own.
    """
    # Here, as it takes a second: most runs find the files.
    from torchvision.datasets import FashionMNIST

    own = os.environ.get("FMNIST_MIRROR")
    return [*([own] if own else []), *FashionMNIST.mirrors]


def _download(folder: Path, name: str, mirrors: list[str], deadline: float) -> None:
    """Download one of the four files; it appears under its name only when its MD5 is right.

    A server that is busy, or a connection that breaks, is tried again after `PAUSES`; one that says
    nothing for `TIMEOUT` is given up. What a server lacks the next of `mirrors` is asked for; the
    list loses those that had nothing, which are not to be waited for again. Raises RuntimeError,
    with all reasons, when none has the file.
    """
    reasons = []
    while mirrors:
        url = f"{mirrors[0].rstrip('/')}/{name}"
        print(f"Downloading {url}", flush=True)
        for pause in (*PAUSES, None):
            with tempfile.TemporaryDirectory(
                dir=folder, prefix=".downloading-", ignore_cleanup_errors=True
            ) as scratch:
                came = Path(scratch, name)
                reason, passing = _fetch(url, came, deadline)
                if not reason:
                    patiently(os.replace, came, folder / name)
                    return
            if not passing or pause is None or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        reasons.append(f"{url}: {reason}")
        del mirrors[0]
    raise RuntimeError("; ".join(reasons))


def _fetch(url: str, target: Path, deadline: float) -> tuple[str, bool]:
    """Why `target` is not the right file now ("" when it is), and whether another try may help.

    A thread of its own asks the server, as a search for its name and the tries at each of its
    addresses can't be told to end in time. That thread is left behind then.
    """
    parts: queue.SimpleQueue[bytes | tuple[str, bool]] = queue.SimpleQueue()
    given_up = threading.Event()
    threading.Thread(target=_receive, args=(url, parts, given_up), daemon=True).start()
    size, wanted, limit = 0, PART, time.monotonic() + TIMEOUT
    try:
        with open(target, "wb") as file:
            while isinstance(
                part := parts.get(timeout=max(0, min(limit, deadline) - time.monotonic())), bytes
            ):
                size += file.write(part)
                if size > LARGEST:
                    return "more bytes came than any of the files has", False
                if size >= wanted:
                    wanted, limit = size + PART, time.monotonic() + TIMEOUT
    except queue.Empty:
        return f"timed out after {size:,} bytes", False
    finally:
        given_up.set()
    reason, passing = part
    digest = _md5(target)
    if reason or digest in (FILES[target.name], UNPACKED[target.name]):  # some proxies unpack
        return reason, passing
    if digest in (MNIST_FILES[target.name], MNIST_UNPACKED[target.name]):
        return "the server has MNIST, the handwritten digits, under this name", False
    if target.read_bytes()[:100].lstrip().startswith(b"<"):
        return "a web page came instead; does this network ask you to log in?", False
    return f"{size:,} bytes came, torn or altered", True


def _receive(url: str, parts: queue.SimpleQueue, given_up: threading.Event) -> None:
    """Put what a server sends into `parts`, at last what `_fetch` returns for it."""
    import requests  # here, as torchvision above
    from urllib3.exceptions import ProtocolError

    try:
        # As it lies there: a server may call a .gz file another one that it has compressed.
        plain = {"Accept-Encoding": "identity"}
        # A silent server is `_fetch`'s to give up; this lets its thread end at some time.
        silent = (CONNECT, 2 * TIMEOUT)
        with requests.get(url, stream=True, timeout=silent, headers=plain) as answer:
            for part in answer.raw.stream(2**14, decode_content=False) if answer.ok else ():
                parts.put(part)
                if given_up.is_set():
                    return
            reason = "" if answer.ok else f"HTTP status {answer.status_code} {answer.reason}"
            parts.put((reason, answer.status_code == 429 or answer.status_code >= 500))
    except Exception as error:  # an address may be anything
        broke_off = any(isinstance(cause, ProtocolError) for cause in (error, *error.args))
        parts.put((_in_short(error), broke_off))


def _in_short(error: BaseException) -> str:
    """What a library's long message comes down to, such as "Connection refused"."""
    way = ""
    while not getattr(error, "filename", None):
        if type(error).__name__ == "ProxyError":
            way = "by the proxy that is set here: "
        causes = (getattr(error, "reason", None), error.__cause__, *error.args)
        deeper = next((cause for cause in causes if isinstance(cause, BaseException)), None)
        if deeper is None:
            return way + (getattr(error, "strerror", None) or str(error) or type(error).__name__)
        error = deeper
    return f"{error.filename}: {error.strerror}"
