"""Fetching the four files: from good servers, from bad ones, and without any."""

import gzip
import hashlib
import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from forked import DIGITS

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import download, idx, paths

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that a download would have waited between its tries."""
    waited = []
    clock = SimpleNamespace(sleep=waited.append, monotonic=time.monotonic)
    monkeypatch.setattr(download, "time", clock)
    return waited


@pytest.fixture
def impatient(monkeypatch):
    """A silent server is given up after a second. On a busy machine a good one may take as long:
    only tests whose server is to be given up ask for this."""
    monkeypatch.setattr(download, "TIMEOUT", 1)


@contextmanager
def within(seconds):
    """Fails where the block takes longer: far more than it needs, and far less than without the
    limit that is tried."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.fixture
def new(tmp_path):
    """A root without files, into which they may be downloaded."""
    root = tmp_path / "new"
    (root / "FashionMNIST").mkdir(parents=True)
    return root


def shown(root):
    """The files that a user sees under a root."""
    return {path.name for path in paths.raw_folder(root).iterdir() if path.name[0] != "."}


def test_published_checksums_are_torchvisions():
    from torchvision.datasets import MNIST, FashionMNIST

    assert download.FILES == dict(FashionMNIST.resources)
    assert download.MNIST_FILES == dict(MNIST.resources)


def test_a_folder_that_another_process_makes_meanwhile(new, monkeypatch):
    raw = paths.raw_folder(new)
    looked = paths.is_folder

    def made_behind_the_look(path):
        found = looked(path)
        if path == raw:
            raw.mkdir(exist_ok=True)
        return found

    monkeypatch.setattr(paths, "is_folder", made_behind_the_look)
    assert sorted(download.missing(new)) == sorted(download.FILES)


def test_download(serve, pauses, new, data_folder):
    download.ensure(new)
    assert sorted(serve.requests) == sorted(f"/{name}" for name in download.FILES)  # each once
    download.ensure(new)
    assert len(serve.requests) == 4  # the second time nothing is fetched
    assert shown(new) == set(download.FILES) and pauses == []
    for name in download.FILES:
        good, came = (paths.raw_folder(root) / name for root in (data_folder, new))
        assert came.read_bytes() == good.read_bytes()


def test_only_the_missing_file_is_downloaded(serve, tmp_path, data_folder):
    shutil.copytree(data_folder, tmp_path / "new")
    (paths.raw_folder(tmp_path / "new") / TRAIN_IMAGES).unlink()
    assert download.missing(tmp_path / "new") == [TRAIN_IMAGES]
    download.ensure(tmp_path / "new")
    assert serve.requests == [f"/{TRAIN_IMAGES}"]


def test_own_mirror_comes_first(serve, new, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", [])
    monkeypatch.setenv("FMNIST_MIRROR", serve.address)
    download.ensure(new)
    assert download.missing(new) == []


def test_without_the_own_mirror_the_next_is_asked(serve, pauses, new, monkeypatch):
    monkeypatch.setenv("FMNIST_MIRROR", "http://127.0.0.1:9")  # nobody listens there
    download.ensure(new)
    assert len(serve.requests) == 4


def test_a_server_that_calls_the_files_compressed(serve, pauses, new):
    serve.fault = "says gzip"  # as Apache does with AddEncoding: they are to stay as they are
    download.ensure(new)
    assert shown(new) == set(download.FILES) and len(serve.requests) == 4


def test_a_wrong_download_leaves_no_file(serve, new):
    serve.fault = "login page"
    with pytest.raises(CourseError, match="The download failed.*a web page came instead"):
        download.ensure(new)
    assert shown(new) == set()


# ------------------------------------------------------------------------- tried again or not


def refused(root, message):
    with pytest.raises(download.DownloadFailed, match=message) as fault:
        download.ensure(root)
    assert len(str(fault.value)) < 1000 and "object at 0x" not in str(fault.value)
    assert shown(root) == set()
    assert not list(paths.raw_folder(root).glob(".downloading-*"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("503", "HTTP status 503 Service Unavailable"),
        ("500", "HTTP status 500"),
        ("429", "HTTP status 429 Too Many Requests"),
        ("cuts", "IncompleteRead"),
        ("hangs up", "Remote end closed connection"),
        ("torn", "bytes came, torn or altered"),
    ],
)
def test_what_may_pass_is_tried_again(serve, pauses, new, fault, message):
    serve.fault = fault
    refused(new, message)
    assert pauses == [1, 2, 4] and len(serve.requests) == 4


@pytest.mark.parametrize("fault", ["503", "cuts", "hangs up"])
def test_what_has_passed_is_forgotten(serve, pauses, new, fault):
    serve.fault = f"{fault} at first"
    download.ensure(new)
    assert pauses == [1, 2, 4] and len(serve.requests) == 3 + 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [("404", "HTTP status 404"), ("403", "HTTP status 403"), ("MNIST", "the server has MNIST")],
)
def test_what_will_not_pass_is_given_up(serve, pauses, new, monkeypatch, fault, message):
    digits = dict.fromkeys(download.FILES, hashlib.md5(DIGITS).hexdigest())
    monkeypatch.setattr(download, "MNIST_FILES", digits)
    serve.fault = fault
    refused(new, message)
    assert pauses == [] and len(serve.requests) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [("hangs", "timed out after 0 bytes"), ("stalls", r"timed out after [\d,]+ bytes")],
)
def test_who_falls_silent_is_given_up(serve, pauses, impatient, new, fault, message):
    serve.fault = fault
    refused(new, message)
    assert pauses == [] and len(serve.requests) <= 1  # on a busy machine it may not have come yet


def test_no_network_is_given_up_at_once(no_network, pauses, new):
    refused(new, rf"failed \(http://127.0.0.1:9/{TRAIN_IMAGES}: Connection refused\)\. Connect")
    assert pauses == []


def test_a_name_that_nobody_knows(no_network, pauses, new, monkeypatch):
    def unknown(*_, **__):  # as the system says it, but without asking a network for it
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("FMNIST_MIRROR", "http://nowhere.invalid/")
    refused(new, r"http://nowhere.invalid/train-\S+: Name or service not known[;)]")
    assert pauses == []


@pytest.mark.parametrize(
    "mirror",
    ["nowhere", "ftp://127.0.0.1:9", "http://127.0.0.1:9", "http://", "http://a..b", "http://[::1"],
)
def test_a_mirror_that_is_none(data_folder, no_network, pauses, new, monkeypatch, mirror):
    monkeypatch.setenv("FMNIST_MIRROR", mirror)
    refused(new, "The download failed")
    assert pauses == []


# ------------------------------------------------------------- slow, silent or endless servers


@contextmanager
def listener(act=None, held=None):
    """The address of a server that accepts connections and then does `act` with each.

    `held` is a list that gets them.
    """
    held = [] if held is None else held  # else they are closed
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    held.append(server.accept()[0])
                    if act:
                        act(held[-1])
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def trickle(head, piece=b"x"):
    """Sends `head` and then a piece every 0.05 seconds: it is never silent."""

    def act(connection):
        connection.sendall(head)
        for _ in range(400):
            connection.sendall(piece)
            time.sleep(0.05)

    return act


HEAD = b"HTTP/1.1 200 OK\r\n"
LONG = b"Content-Length: 1000000\r\n\r\n"
TRICKLES = {
    "nothing": None,
    "no end of the head": trickle(HEAD, b"X-More: yes\r\n"),
    "a byte at a time": trickle(HEAD + LONG),
    "a chunk of a byte at a time": trickle(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
    ),
    "without a length": trickle(HEAD + b"\r\n"),
    "half of it at once": trickle(HEAD + LONG + bytes(500_000)),
}


@pytest.mark.parametrize("name", TRICKLES)
def test_a_server_that_is_too_slow(no_network, pauses, impatient, new, monkeypatch, name):
    with listener(TRICKLES[name]) as address, within(10):
        monkeypatch.setenv("FMNIST_MIRROR", address)
        # The next one is asked; on a busy machine its refusal may come too late.
        refused(new, r"timed out after [\d,]+ bytes; .*(Connection refused|out after 0 bytes)")
    assert pauses == []


def test_a_black_hole(no_network, pauses, impatient, new, monkeypatch):
    """Packets that are dropped: a connection is neither accepted nor refused."""
    with socket.socket() as hole, socket.socket() as first:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        first.setblocking(False)
        first.connect_ex(hole.getsockname())  # which fills its queue
        with pytest.raises(TimeoutError):
            while True:
                socket.create_connection(hole.getsockname(), timeout=0.2)
        monkeypatch.setenv("FMNIST_MIRROR", f"http://127.0.0.1:{hole.getsockname()[1]}")
        monkeypatch.setattr(download, "CONNECT", 30)
        with within(20):
            refused(new, "timed out")


def test_all_addresses_of_a_server_share_its_time(no_network, pauses, impatient, new, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{n}", 80)) for n in range(8)]
    given, at_the_last, ended = [], threading.Event(), threading.Event()

    class Silent(socket.socket):
        def connect(self, address):
            given.append(self.gettimeout())
            if len(given) == len(found):
                at_the_last.set()
                ended.wait(60)
            raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "socket", Silent)
    with within(30):  # the last address alone would take 60
        refused(new, "timed out after 0 bytes")
    # A dead first address leaves time for the next, as CONNECT is less than TIMEOUT.
    assert at_the_last.wait(60) and given == [download.CONNECT] * len(found)
    ended.set()


def test_a_search_for_a_name_that_finds_no_end(no_network, pauses, impatient, new, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60))
    with within(30):
        refused(new, "timed out after 0 bytes")
    ended.set()


def test_the_whole_download_has_a_limit(serve, pauses, new, monkeypatch):
    serve.fault = "503"
    monkeypatch.setattr(download, "LIMIT", 3)
    refused(new, "HTTP status 503")
    assert pauses == [1, 2]  # the third pause would end too late
    serve.fault = "hangs"
    monkeypatch.setattr(download, "LIMIT", 0)
    refused(new, "timed out after 0 bytes")


def test_published_time_outs():
    assert 2 * download.CONNECT < download.TIMEOUT <= 20 and download.LIMIT <= 1800


def test_a_server_that_failed_is_not_waited_for_again(serve, pauses, new, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 3)  # enough for the one that answers
    asked = []
    with listener(held=asked) as silent:
        monkeypatch.setenv("FMNIST_MIRROR", silent)
        download.ensure(new)
    assert len(asked) == 1 and len(serve.requests) == 4


def test_an_endless_answer(no_network, pauses, new, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 1_000_000)
    with listener(trickle(HEAD + b"\r\n", bytes(300_000))) as address:
        monkeypatch.setenv("FMNIST_MIRROR", address)
        refused(new, "more bytes came than any of the files has")


def test_a_proxy_that_is_not_there(serve, pauses, new, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    refused(new, "by the proxy that is set here: Connection refused")


def test_a_certificate_that_is_none(new, pauses, monkeypatch, serve):
    monkeypatch.setenv("FMNIST_MIRROR", serve.address.replace("http:", "https:"))
    serve.fault = "404"
    refused(new, r"https://127.0.0.1:\d+/train-images-idx3-ubyte.gz: \[SSL: .{0,90}; http:")


# ----------------------------------------------------------------------- files that are unpacked


@pytest.fixture
def unpacked(data_folder, monkeypatch):
    """The content of the four files, which counts as the published one."""
    folder = paths.raw_folder(data_folder)
    content = {name: gzip.decompress((folder / name).read_bytes()) for name in download.FILES}
    digests = {name: hashlib.md5(content[name]).hexdigest() for name in content}
    monkeypatch.setattr(download, "UNPACKED", digests)
    return content


@pytest.mark.skipif("FMNIST_DATA" not in os.environ, reason="FMNIST_DATA is not set")
def test_published_checksums_of_the_unpacked_files():
    folder = paths.raw_folder(paths.data_root())
    for name, digest in download.UNPACKED.items():
        content = folder / name
        if content.read_bytes()[:2] == b"\x1f\x8b":
            content = gzip.decompress(content.read_bytes())
        assert hashlib.md5(content).hexdigest() == digest


PLACES = {
    "gunzip": lambda name: name.removesuffix(".gz"),
    "a browser, which keeps the name": lambda name: name,
    "7-Zip, into a folder": lambda name: "/".join([name.removesuffix(".gz")] * 2),
}


@pytest.mark.parametrize("how", PLACES)
def test_unpacked_files_are_used(no_network, data_folder, unpacked, drawn, how):
    folder = paths.raw_folder(data_folder)
    for name, content in unpacked.items():
        (folder / name).unlink()
        place = folder / PLACES[how](name)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
        download.verify(place)
    before = sorted(folder.rglob("*"))
    download.ensure(data_folder)
    assert sorted(folder.rglob("*")) == before  # nothing is written beside them
    images, labels = idx.read_part(data_folder, "train")
    assert torch.equal(images, drawn[0].images) and torch.equal(labels, drawn[0].labels)


def test_one_is_unpacked_one_is_missing(data_folder, unpacked):
    folder = paths.raw_folder(data_folder)
    ours = folder / TRAIN_IMAGES.removesuffix(".gz")
    ours.write_bytes(unpacked[TRAIN_IMAGES])
    (folder / TRAIN_IMAGES).unlink()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert download.missing(data_folder) == ["t10k-labels-idx1-ubyte.gz"]


def test_the_packed_one_comes_first(data_folder, unpacked):
    (paths.raw_folder(data_folder) / TRAIN_IMAGES.removesuffix(".gz")).write_bytes(b"torn")
    assert download.missing(data_folder) == []


@pytest.mark.parametrize("content", [b"", b"torn", DIGITS])
def test_unpacked_files_are_checked(data_folder, unpacked, monkeypatch, content):
    folder = paths.raw_folder(data_folder)
    digits = dict.fromkeys(download.FILES, hashlib.md5(DIGITS).hexdigest())
    monkeypatch.setattr(download, "MNIST_UNPACKED", digits)
    (folder / TRAIN_IMAGES).unlink()
    path = folder / TRAIN_IMAGES.removesuffix(".gz")
    path.write_bytes(content)
    wrong = "is MNIST" if content == DIGITS else "is torn or altered: . bytes"
    with pytest.raises(CourseError, match=f"{path} {wrong}") as fault:
        download.ensure(data_folder)
    published = download.UNPACKED[TRAIN_IMAGES]
    assert content == DIGITS or f"where {published} was published" in str(fault.value)


def test_a_proxy_that_unpacks(serve, pauses, new, unpacked, drawn):
    serve.fault = "unpacks"
    download.ensure(new)
    assert torch.equal(idx.read_part(new, "t10k")[0], drawn[1].images) and pauses == []


# ------------------------------------------------------------------- folders that are not theirs


def everything(folder):
    return sorted(folder.rglob("*"))


def test_a_wrong_folder_gets_nothing(serve, tmp_path):
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "datasets" / "CIFAR").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "FashionMNIST").symlink_to(tmp_path / "nowhere")
    before = everything(tmp_path)
    for name, message in {
        "missing": "There is no folder {}",
        "missing/too": "There is no folder {}",
        "~/data": "There is no folder {}",
        "$HOME/data": "There is no folder {}",
        '"quoted"': "There is no folder {}",
        " blank/data": "There is no folder {}",
        "taken/FashionMNIST": "There is no folder {}",
        "file": "{} is no folder",
        "file/below": "There is no folder {}",
        "gone": "{} is no folder, nor a link to one",
        "link": "{}/FashionMNIST is no folder, nor a link to one",
        "datasets": "There is no folder {}/FashionMNIST",
    }.items():
        place = tmp_path / name
        with pytest.raises(CourseError) as fault:
            download.ensure(place)
        assert not isinstance(fault.value, download.DownloadFailed)  # "auto" is to say it, too
        remedies = {"taken/FashionMNIST": "Give the folder above FashionMNIST."}
        remedies |= dict.fromkeys(['"quoted"', " blank/data"], "Take the quotes and blanks")
        assert str(fault.value).startswith(message.format(place))
        assert remedies.get(name, "Correct it.") in str(fault.value)
    assert everything(tmp_path) == before and serve.requests == []


def test_what_the_message_says_helps(serve, tmp_path):
    with pytest.raises(CourseError) as fault:
        download.ensure(tmp_path)
    assert f"make the folder {tmp_path / 'FashionMNIST'}, and they are" in str(fault.value)
    (tmp_path / "FashionMNIST").mkdir()
    download.ensure(tmp_path)
    assert shown(tmp_path) == set(download.FILES)


def test_the_folder_of_the_project_is_made(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "course", lambda: tmp_path)
    monkeypatch.delenv("FMNIST_DATA", raising=False)
    download.ensure(paths.data_root())
    assert shown(tmp_path / "data") == set(download.FILES)


# ---------------------------------------------------------- two at once: what came is never missed


def comes_meanwhile(monkeypatch, data_folder, new, at):
    """Let the files come from elsewhere, in the middle of a download that then fails."""

    def come_and_fail(*_, **__):
        shutil.copytree(paths.raw_folder(data_folder), paths.raw_folder(new), dirs_exist_ok=True)
        raise PermissionError(13, "Permission denied", "something")

    monkeypatch.setattr(download, at, come_and_fail)


@pytest.mark.parametrize("at", ["_mirrors", "_download", "_fetch"])
def test_files_that_come_while_ours_fail(no_network, data_folder, new, monkeypatch, at):
    comes_meanwhile(monkeypatch, data_folder, new, at)
    download.ensure(new)
    assert download.missing(new) == []


def test_a_note_of_a_failure_that_goes_meanwhile(no_network, serve, new, monkeypatch):
    """Between `exists` and `stat`, or between `stat` and reading it."""
    note = paths.raw_folder(new) / ".download-failed"
    note.parent.mkdir()
    note.write_text("an old failure")
    real = download.filelock.FileLock

    class Lock(real):
        def __enter__(self):
            note.unlink()  # by the one that was waited for, which has succeeded in part
            return super().__enter__()

    monkeypatch.setattr(download.filelock, "FileLock", Lock)
    download.ensure(new)
    assert shown(new) == set(download.FILES)


def test_a_note_that_cannot_be_removed(serve, new, monkeypatch):
    note = paths.raw_folder(new) / ".download-failed"
    note.mkdir(parents=True)  # as good as another user's
    download.ensure(new)
    assert shown(new) == set(download.FILES)


def test_a_note_that_cannot_be_written_hides_nothing(no_network, pauses, new):
    (paths.raw_folder(new) / ".download-failed").mkdir(parents=True)
    refused(new, "Connection refused")


def test_a_virus_scanner_that_holds_what_came(serve, new, monkeypatch):
    replace, times = os.replace, []

    def refuse(*given):
        times.append(given)
        if len(times) in (1, 2, 5):
            raise PermissionError(13, "Access is denied")
        replace(*given)

    monkeypatch.setattr(os, "replace", refuse)
    download.ensure(new)
    assert shown(new) == set(download.FILES) and len(serve.requests) == 4


def test_a_lock_that_is_never_given_back(serve, new, monkeypatch):
    monkeypatch.setattr(download, "LIMIT", 0.2)
    paths.raw_folder(new).mkdir()
    with download.filelock.FileLock(paths.raw_folder(new) / ".download-lock", is_singleton=False):
        refused(new, "lock")
