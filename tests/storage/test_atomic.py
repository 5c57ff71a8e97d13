"""The old file or the new one: never half of one, and nothing left beside it."""

import errno
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import small_disk

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic


@pytest.fixture
def old(tmp_path):
    """A file that is there already."""
    path = tmp_path / "metrics.json"
    path.write_text("old")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(path):
    """The message that this path can't be written."""
    return pytest.raises(CourseError, match=f"^{re.escape(str(path))} can't be written: ")


def test_the_new_file_takes_the_place_of_the_old_one(old):
    with atomic.replacing(old) as scratch:
        assert scratch.parent == old.parent  # on the same disk
        scratch.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new" and names(old.parent) == ["metrics.json"]


def test_folders_are_made(tmp_path):
    atomic.write_text(tmp_path / "a" / "b" / "text.txt", "28 × 28")
    assert (tmp_path / "a" / "b" / "text.txt").read_bytes() == "28 × 28".encode()
    assert atomic.make_folder(tmp_path / "a" / "c" / "d").is_dir()
    assert atomic.make_folder(str(tmp_path / "a")) == tmp_path / "a"  # it may be there


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_old_file_survives_an_exception(old, error):
    with pytest.raises(error), atomic.replacing(old) as scratch:
        scratch.write_text("half of the ne")
        raise error
    assert old.read_text() == "old" and names(old.parent) == ["metrics.json"]


def test_the_old_file_survives_a_fault_of_the_disk(old):
    with refused(old), atomic.replacing(old) as scratch:
        scratch.write_text("half of the ne")
        raise OSError(28, "No space left on device")
    assert old.read_text() == "old" and names(old.parent) == ["metrics.json"]


def test_a_block_that_writes_nothing(old):
    with refused(old), atomic.replacing(old):
        pass
    assert old.read_text() == "old"


def test_the_old_file_survives_a_full_disk(tmp_path):
    with small_disk(tmp_path, "1m"):
        path = tmp_path / "text.txt"
        atomic.write_text(path, "old")
        with pytest.raises(CourseError, match="No space left.*Make room") as fault:
            atomic.write_text(path, "x" * 2_000_000)
        assert isinstance(fault.value.__cause__, OSError)
        assert path.read_text() == "old" and names(tmp_path) == ["text.txt"]


def test_a_parent_that_is_a_file(old):
    path = old / "text.txt"
    with refused(path):
        atomic.write_text(path, "new")
    with refused(path):
        atomic.make_folder(path)
    assert old.read_text() == "old" and names(old.parent) == ["metrics.json"]


def test_a_folder_where_the_file_should_be(tmp_path):
    (tmp_path / "text.txt" / "full").mkdir(parents=True)
    with refused(tmp_path / "text.txt"):
        atomic.write_text(tmp_path / "text.txt", "new")
    assert names(tmp_path) == ["text.txt"]


def test_a_file_where_the_folder_should_be(old):
    with refused(old):
        atomic.make_folder(old)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_is_read_only(old):
    old.parent.chmod(0o555)
    try:
        with refused(old):
            atomic.write_text(old, "new")
        with refused(old.parent / "new"):
            atomic.make_folder(old.parent / "new")
    finally:
        old.parent.chmod(0o755)
    assert old.read_text() == "old" and names(old.parent) == ["metrics.json"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux's /proc can't be written by anybody")
def test_a_place_where_nobody_may_write():
    with refused("/proc/fmnist/text.txt"):
        atomic.write_text("/proc/fmnist/text.txt", "new")
    with refused("/proc/fmnist"):
        atomic.make_folder("/proc/fmnist")


# ------------------------------------------------------------- refused, and what to do about it


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        ("ENOSPC", "Make room"),
        ("EDQUOT", "Make room"),
        ("EACCES", "Ask the owner to let you write there, or choose a folder of your own"),
        ("EROFS", "Ask the owner to let you write there, or choose a folder of your own"),
        ("ENOTDIR", "There, or above it, is a file where a folder is needed."),
        ("ENAMETOOLONG", "Choose another folder"),
        ("ENOENT", "Choose another folder"),
    ],
)
def test_the_remedy_fits_the_fault(old, number, remedy):
    number = getattr(errno, number)
    with refused(old) as fault, atomic.replacing(old):
        raise OSError(number, os.strerror(number))
    assert f"{os.strerror(number)}. What was there before is as it was. {remedy}" in str(
        fault.value
    )
    assert str(fault.value).count("Make room") == ("Make room" in remedy)


@pytest.mark.parametrize(
    ("number", "remedy"), [("EACCES", "Ask the owner of it"), ("EIO", "See that its disk is there")]
)
def test_what_cannot_be_read(old, number, remedy):
    number = getattr(errno, number)
    message = f"^{re.escape(str(old))} can't be read: {os.strerror(number)}. {remedy}"
    with pytest.raises(CourseError, match=message), atomic.reading(old):
        raise OSError(number, os.strerror(number))


def held(monkeypatch, name, seconds):
    """Let a function of `os` refuse what it is to do until so many seconds have passed."""
    do, end = getattr(os, name), time.monotonic() + seconds

    def refuse(*paths, **given):
        if time.monotonic() < end:
            raise PermissionError(errno.EACCES, "Access is denied")  # WinError 5 and 32
        return do(*paths, **given)

    monkeypatch.setattr(os, name, refuse)


def test_a_virus_scanner_that_lets_go(old, monkeypatch):
    held(monkeypatch, "replace", 1)
    atomic.write_text(old, "new")
    assert old.read_text() == "new" and names(old.parent) == ["metrics.json"]
    held(monkeypatch, "unlink", 1)
    atomic.remove(old)
    assert names(old.parent) == []
    atomic.remove(old)  # it need not be there


def test_a_viewer_that_does_not_let_go(old, monkeypatch):
    monkeypatch.setattr(atomic, "PAUSES", (0.05, 0.05))
    held(monkeypatch, "replace", 60)
    with refused(old) as fault:
        atomic.write_text(old, "new")
    assert "another program" in str(fault.value) and "Close it there" in str(fault.value)
    assert "Make room" not in str(fault.value)
    assert old.read_text() == "old" and names(old.parent) == ["metrics.json"]
    held(monkeypatch, "unlink", 60)
    with refused(old):
        atomic.remove(old)


def test_it_is_waited_for_two_to_three_seconds():
    assert 2 < sum(atomic.PAUSES) < 3


def test_other_faults_are_not_waited_for(old, monkeypatch):
    monkeypatch.setattr(atomic.time, "sleep", lambda seconds: pytest.fail("it waits"))
    with refused(old), atomic.replacing(old):
        pass  # there is no scratch file to put into its place
    with pytest.raises(FileExistsError):
        atomic.patiently(os.mkdir, old)
    monkeypatch.setattr(os, "access", lambda *_: False)  # a folder of somebody else's
    held(monkeypatch, "unlink", 60)
    with refused(old) as fault:
        atomic.remove(old)
    assert "Ask the owner" in str(fault.value)


def test_what_a_killed_process_left_may_stay(tmp_path, monkeypatch):
    (tmp_path / ".a.pt.9.part").write_text("")
    monkeypatch.setattr(atomic, "PAUSES", ())
    held(monkeypatch, "unlink", 60)
    atomic.remove_scratch(tmp_path / "a.pt")


def test_writing_leaves_other_errors_alone():
    with pytest.raises(KeyError), atomic.writing("text.txt"):
        raise KeyError("another")


def test_what_a_killed_process_left_is_removed(tmp_path):
    ours, others = [".a[1].pt.123.part", ".a[1].pt.9.part"], [".a1.pt.9.part", ".b.pt.9.part"]
    for name in (*ours, *others, "a[1].pt"):
        (tmp_path / name).write_text("")
    atomic.remove_scratch(tmp_path / "a[1].pt")
    assert names(tmp_path) == [*others, "a[1].pt"]
    atomic.remove_scratch(tmp_path / "nothing" / "here.pt")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks(tmp_path, number):
    def acquire(timeout):
        raise OSError(number, os.strerror(number))

    with pytest.raises(CourseError, match=f"{tmp_path} has no file locks .* Choose a fold"):
        atomic.take(SimpleNamespace(acquire=acquire), tmp_path, "busy")
