"""Fetching the four files: from good servers, from bad ones, and without any."""

import hashlib
import shutil
import socket
from types import SimpleNamespace

import pytest
from forked import DIGITS

from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import download, paths

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that a download would have waited between its tries; a server gets one second."""
    waited = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(download, "TIMEOUT", 1)
    return waited


def shown(root):
    """The files that a user sees under a root."""
    return {path.name for path in paths.raw_folder(root).iterdir() if path.name[0] != "."}


def test_published_checksums_are_torchvisions():
    from torchvision.datasets import MNIST, FashionMNIST

    assert download.FILES == dict(FashionMNIST.resources)
    assert download.MNIST_FILES == dict(MNIST.resources)
    assert [c.lower() for c in CLASS_NAMES] == [c.lower() for c in FashionMNIST.classes]


def test_download(serve, pauses, tmp_path, data_folder):
    new = tmp_path / "new"
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


def test_own_mirror_comes_first(serve, tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", [])
    monkeypatch.setenv("FMNIST_MIRROR", serve.address)
    download.ensure(tmp_path / "new")
    assert download.missing(tmp_path / "new") == []


def test_without_the_own_mirror_the_next_is_asked(serve, pauses, tmp_path, monkeypatch):
    monkeypatch.setenv("FMNIST_MIRROR", "http://127.0.0.1:9")  # nobody listens there
    download.ensure(tmp_path / "new")
    assert len(serve.requests) == 4


def test_a_server_that_calls_the_files_compressed(serve, pauses, tmp_path):
    serve.fault = "says gzip"  # as Apache does with AddEncoding: they are to stay as they are
    download.ensure(tmp_path / "new")
    assert shown(tmp_path / "new") == set(download.FILES) and len(serve.requests) == 4


def test_a_wrong_download_leaves_no_file(serve, tmp_path):
    serve.fault = "login page"
    with pytest.raises(CourseError, match="The download failed.*a web page came instead"):
        download.ensure(tmp_path / "new")
    assert shown(tmp_path / "new") == set()


# ------------------------------------------------------------------------- tried again or not


def refused(root, message):
    with pytest.raises(download.DownloadFailed, match=message):
        download.ensure(root)
    assert shown(root) == set()
    assert not list(paths.raw_folder(root).glob(".downloading-*"))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("503", "HTTP status 503 Service Unavailable"),
        ("500", "HTTP status 500"),
        ("429", "HTTP status 429 Too Many Requests"),
        ("cuts", "IncompleteRead"),
        ("hangs up", "Connection aborted"),
        ("torn", "bytes came, torn or altered"),
    ],
)
def test_what_may_pass_is_tried_again(serve, pauses, tmp_path, fault, message):
    serve.fault = fault
    refused(tmp_path / "new", message)
    assert pauses == [1, 2, 4] and len(serve.requests) == 4


@pytest.mark.parametrize("fault", ["503", "cuts", "hangs up"])
def test_what_has_passed_is_forgotten(serve, pauses, tmp_path, fault):
    serve.fault = f"{fault} at first"
    download.ensure(tmp_path / "new")
    assert pauses == [1, 2, 4] and len(serve.requests) == 3 + 4


@pytest.mark.parametrize(
    ("fault", "message"),
    [("404", "HTTP status 404"), ("403", "HTTP status 403"), ("hangs", r"Read timed out.*=1\)"),
     ("stalls", "Read timed out"), ("MNIST", "the server has MNIST")],
)  # fmt: skip
def test_what_will_not_pass_is_given_up(serve, pauses, tmp_path, monkeypatch, fault, message):
    digits = dict.fromkeys(download.FILES, hashlib.md5(DIGITS).hexdigest())
    monkeypatch.setattr(download, "MNIST_FILES", digits)
    serve.fault = fault
    refused(tmp_path / "new", message)
    assert pauses == [] and len(serve.requests) == 1


def test_no_network_is_given_up_at_once(no_network, pauses, tmp_path):
    refused(tmp_path / "new", "Connection refused")
    assert pauses == []


def test_a_name_that_nobody_knows(no_network, pauses, tmp_path, monkeypatch):
    def unknown(*_, **__):  # as the system says it, but without asking a network for it
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("FMNIST_MIRROR", "http://nowhere.invalid/")
    refused(tmp_path / "new", "Failed to resolve 'nowhere.invalid'")
    assert pauses == []


@pytest.mark.parametrize(
    "mirror",
    ["nowhere", "ftp://127.0.0.1:9", "http://127.0.0.1:9", "http://", "http://a..b", "http://[::1"],
)
def test_a_mirror_that_is_none(data_folder, no_network, pauses, tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("FMNIST_MIRROR", mirror)
    refused(tmp_path / "new", "The download failed")
    assert pauses == []


def test_a_folder_that_cannot_be_made(no_network, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(download.DownloadFailed, match="The download failed"):
        download.ensure(tmp_path / "file")
