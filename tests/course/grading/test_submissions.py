"""Folders and archives of submissions, as platforms make them, and as nobody should."""

import io
import os
import stat
import zipfile

import pytest

from fmnist_lib.course.grading import submissions
from fmnist_lib.course.grading.submissions import read
from fmnist_lib.errors import CourseError

STEMS = ("02_build_cnn", "03_train_sgd")
LAYOUTS = {
    "Moodle, folders": (
        ("Jane Doe_1234567_assignsubmission_file_/03_train_sgd.ipynb",
         "Jane Doe_1234567_assignsubmission_file_/02_build_cnn.ipynb",
         "Ben Ó Briain-Łoś_1234568_assignsubmission_file_/my work.ipynb"),
        [("Ben Ó Briain-Łoś", "1234568", "moodle", 1), ("Jane Doe", "1234567", "moodle", 2)],
    ),
    "Moodle, files": (
        ("Jane Doe_1234567_assignsubmission_file_03_train_sgd.ipynb",
         "Jane Doe_1234567_assignsubmission_file_02_build_cnn.ipynb"),
        [("Jane Doe", "1234567", "moodle", 2)],
    ),
    "Canvas": (
        ("doejane_12345_67890_03_train_sgd.ipynb", "doejane_12345_67891_02_build_cnn-1.ipynb",
         "roe_LATE_12346_67892_03_train_sgd-2.ipynb"),
        [("doejane", "12345", "canvas", 2), ("roe", "12346", "canvas", 1)],
    ),
    "a folder for each": (
        ("Jane Doe/03_train_sgd.ipynb", "Jane Doe/deep/er/02_build_cnn.ipynb", "Roe/x.IPYNB"),
        [("Jane Doe", "", "", 2), ("Roe", "", "", 1)],
    ),
    "a name in each": (
        ("03_train_sgd_Jane Doe.ipynb", "Jane Doe 02_build_cnn (2).ipynb", "roe.ipynb"),
        [("Jane Doe", "", "", 2), ("roe", "", "", 1)],
    ),
    "one folder around all": (
        ("homework 3/Jane Doe/03_train_sgd.ipynb", "homework 3/Roe/03_train_sgd.ipynb"),
        [("Jane Doe", "", "", 1), ("Roe", "", "", 1)],
    ),
    "two of one name": (
        ("Jane Doe_1_assignsubmission_file_/a.ipynb", "Jane Doe_2_assignsubmission_file_/a.ipynb"),
        [("Jane Doe", "1", "moodle", 1), ("Jane Doe", "2", "moodle", 1)],
    ),
    "what systems leave": (
        ("Jane Doe/a.ipynb", "Jane Doe/.ipynb_checkpoints/a-checkpoint.ipynb",
         "__MACOSX/Jane Doe/._a.ipynb", ".DS_Store", "Jane Doe/.~a.ipynb"),
        [("Jane Doe", "", "", 1)],
    ),
    "points in a name": (("...Jane_1_assignsubmission_file_/a.ipynb",),
                        [("...Jane", "1", "moodle", 1)]),
    "no notebook": (
        ("Jane Doe/answers.pdf", "Roe/a.ipynb"), [("Jane Doe", "", "", 0), ("Roe", "", "", 1)]
    ),
}  # fmt: skip


def found(place):
    return [(each.name, each.id, each.platform, len(each.files)) for each in read(place, STEMS)]


@pytest.mark.parametrize("packed", (False, True), ids=("folder", "archive"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_whose_notebooks_they_are(layout, packed, tmp_path):
    names, expected = LAYOUTS[layout]
    place = tmp_path / "class.zip" if packed else tmp_path / "class"
    if packed:
        with zipfile.ZipFile(place, "w") as archive:
            for name in names:
                archive.writestr(name, "{}")
    else:
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text("{}")
    assert found(place) == expected


def test_who_hands_in_an_archive(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("work/03_train_sgd.ipynb", "{}")
        archive.writestr("work/notes.txt", "…")
    (tmp_path / "Jane").mkdir()
    (tmp_path / "Jane" / "work.zip").write_bytes(inner.getvalue())
    (tmp_path / "Roe").mkdir()
    (tmp_path / "Roe" / "work.zip").write_bytes(inner.getvalue()[:50])
    jane, roe = read(tmp_path, STEMS)
    assert list(jane.files) == ["Jane/work.zip/work/03_train_sgd.ipynb"] and not jane.remarks
    assert not roe.files and "can't be read as a .zip" in roe.remarks[0]


def test_an_archive_that_points_out_of_itself(tmp_path):
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("Jane/a.ipynb", "{}")
        archive.writestr("../../Jane/b.ipynb", "{}")
        archive.writestr("/etc/Jane/c.ipynb", "{}")
        archive.writestr("..\\Jane\\d.ipynb", "{}")
        link = zipfile.ZipInfo("Jane/link.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    students = {each.name: each for each in read(tmp_path / "class.zip", STEMS)}
    assert list(students["Jane"].files) == ["Jane/a.ipynb"]
    assert sum(len(each.files) for each in students.values()) == 1
    remarks = [remark for each in students.values() for remark in each.remarks]
    assert sum("points out of the archive" in remark for remark in remarks) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["class.zip"]


def test_an_archive_that_is_larger_than_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "MOST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Jane/a.ipynb", "0" * 1_000_000)
        archive.writestr("Jane/b.ipynb", "{}")
    (jane,) = read(tmp_path / "class.zip", STEMS)
    assert list(jane.files) == ["Jane/b.ipynb"] and "larger than" in jane.remarks[0]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.ipynb").write_text("{}")
    jane = tmp_path / "class" / "Jane"
    jane.mkdir(parents=True)
    (jane / "b.ipynb").symlink_to(secret / "a.ipynb")
    (jane / "folder").symlink_to(secret)
    (one,) = read(tmp_path / "class", STEMS)
    assert not one.files
    assert "b.ipynb is a link, which is not followed." in one.remarks


def test_of_two_copies_the_later_one_comes_last(tmp_path):
    names = ["a (10).ipynb", "a (2).ipynb", "a-1.ipynb", "a.ipynb", "b.ipynb"]
    (tmp_path / "Jane").mkdir()
    (tmp_path / "Roe").mkdir()
    for name in names:
        (tmp_path / "Jane" / name).write_text("{}")
    jane, roe = read(tmp_path, STEMS)
    order = ["a.ipynb", "a-1.ipynb", "a (2).ipynb", "a (10).ipynb", "b.ipynb"]
    assert [name.rpartition("/")[2] for name in jane.files] == order
    assert roe.remarks == ["The folder is empty.", "No notebook was handed in."]


@pytest.mark.parametrize("content", (None, "empty", "file"))
def test_a_place_with_no_submission(content, tmp_path):
    place = tmp_path / "class"
    if content == "empty":
        place.mkdir()
    elif content == "file":
        place.write_text("no archive")
    with pytest.raises(CourseError, match="class"):
        read(place, STEMS)
