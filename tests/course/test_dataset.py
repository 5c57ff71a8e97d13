"""A data set of one's own photos, from folders to a trained network."""

import os
import random
import shutil
import subprocess
import sys

import pytest
from photos import saved
from PIL import Image, ImageDraw

from fmnist_lib import data
from fmnist_lib.course import cli, dataset
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import csv
from fmnist_lib.storage.labels import class_names

SHAPES = {
    "cup": lambda pen, box: pen.rectangle(box, "#202020"),
    "ring": lambda pen, box: pen.ellipse(box, outline="#202020", width=14),
    "roof": lambda pen, box: pen.polygon(
        [(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) / 2, box[1])], "#202020"
    ),
}


def photos_of(folder, each):
    """So many "photos" of each of three shapes, in places and sizes of their own, seeded."""
    choose = random.Random(0)
    for name, draw in SHAPES.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            image = Image.new("RGB", (160, 120), "#e8e8e0")
            left, top = choose.randint(5, 50), choose.randint(5, 40)
            size = choose.randint(50, 70)
            draw(ImageDraw.Draw(image), (left, top, left + size + number % 9, top + size))
            (folder / name / f"{number}.jpg").write_bytes(saved(image, "JPEG"))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return photos_of(tmp_path_factory.mktemp("photos"), 20)


def test_from_folders_to_a_data_set(photos, tmp_path, capsys):
    out = tmp_path / "mine"
    assert cli.main(["dataset", str(photos), "--out", str(out)]) == 0
    assert f"FMNIST_DATA={out}, and data_source csv" in capsys.readouterr().out
    assert (out / "class_names.txt").read_text() == "cup\nring\nroof\n"
    train, test = (csv.read(out / name) for name in csv.FILES)
    assert train[1].bincount().tolist() == [16, 16, 16]
    assert test[1].bincount().tolist() == [4, 4, 4]
    every = {image.numpy().tobytes() for image in [*train[0], *test[0]]}
    assert len(every) > 50  # nearly each is one of its own, and none is in both
    again = dataset.make(photos, tmp_path / "again")[0]
    for name in csv.FILES:
        assert (again / name).read_bytes() == (out / name).read_bytes()
    other = dataset.make(photos, tmp_path / "other", seed=1)[0]
    assert (other / csv.FILES[0]).read_bytes() != (out / csv.FILES[0]).read_bytes()


def test_a_network_learns_it_and_its_names_are_said(photos, tmp_path):
    """In a process of its own, as a class would: the variable, the command, the names."""
    out = dataset.make(photos, tmp_path / "mine")[0]
    code = (
        "from fmnist_lib.data import CLASS_NAMES, load\n"
        "print(CLASS_NAMES)\n"
        "from fmnist_lib.course import cli\n"
        "options = ['--data-source', 'csv', '--batch-size', '9', '--epochs', '12', '--out', 'r']\n"
        "assert cli.main(['train', *options]) == 0\n"
        "from fmnist_lib import runs\n"
        "print(runs.read('r')['test_accuracy'])\n"
    )
    environment = os.environ | {"FMNIST_DATA": str(out)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment,
                          capture_output=True, encoding="utf-8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == "('cup', 'ring', 'roof', '(3)', '(4)', '(5)', '(6)', '(7)', '(8)', '(9)')"
    assert float(said[-1]) >= 0.75


def test_photos_that_show_nothing_are_left_out_and_named(photos, tmp_path, capsys):
    mixed = photos_of(tmp_path / "photos", 6)
    (mixed / "cup" / "blank.png").write_bytes(saved(Image.new("RGB", (50, 50), "white")))
    (mixed / "cup" / "text.jpg").write_text("no photo")
    (mixed / "cup" / "notes.txt").write_text("is passed over")
    (mixed / ".hidden").mkdir()
    assert cli.main(["dataset", str(mixed), "--out", str(tmp_path / "mine")]) == 0
    left = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert len(left) == 2 and "blank.png" in left[0] and "text.jpg is no image" in left[1]


@pytest.mark.parametrize("count, names", [(0, []), (1, ["a"]), (11, list("abcdefghijk"))])
def test_too_few_or_too_many_classes(count, names, tmp_path):
    for name in names:
        (tmp_path / "photos" / name).mkdir(parents=True)
    (tmp_path / "photos").mkdir(exist_ok=True)
    with pytest.raises(CourseError, match=f"has {count} folders. Put the photos of each class"):
        dataset.make(tmp_path / "photos", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_with_too_few_photos(tmp_path):
    folder = photos_of(tmp_path / "photos", 5)
    (folder / "ring" / "3.jpg").write_text("no photo")
    with pytest.raises(
        CourseError, match="ring has 4 photos that can be used. Each class needs 5 .* is no image"
    ):
        dataset.make(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_that_are_not_there(tmp_path, capsys):
    assert cli.main(["dataset", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 1
    assert "There is no folder" in capsys.readouterr().err


# -------------------------------------------------------------------------- names of the classes


GERMAN = "T-Shirt\nHose\nPullover\nKleid\nMantel\nSandale\nHemd\nTurnschuh\nTasche\nStiefelette\n"


@pytest.mark.parametrize("text", [GERMAN, "\ufeff" + GERMAN.replace("\n", "\r\n"), f"\n{GERMAN}"])
def test_names_in_another_language(tmp_path, text):
    (tmp_path / "class_names.txt").write_bytes(text.encode("utf-8"))
    names = class_names(tmp_path, data.CLASS_NAMES)
    assert names == tuple(GERMAN.split())
    assert class_names(tmp_path / "none", ("a",)) == ("a",)


@pytest.mark.parametrize(
    "content, problem",
    [(b"", "has 0 names"), (b"a\n" * 2, "has 'a' twice"), (b"\n".join(b"abcdefghijk"[i:i+1] for i in
     range(11)), "has 11 names"), ("Gürtel".encode("latin-1"), "is no text in UTF-8")],
)  # fmt: skip
def test_names_that_are_none(tmp_path, content, problem):
    (tmp_path / "class_names.txt").write_bytes(content)
    with pytest.raises(CourseError, match=problem):
        class_names(tmp_path, data.CLASS_NAMES)


@pytest.mark.parametrize("name", ["a$b$", "a\tb", "a\x0cb", "(3)", "é\u0301\u200b"])
def test_names_that_can_not_be_shown(tmp_path, name):
    (tmp_path / "class_names.txt").write_text(f"x\n{name}\n", encoding="utf-8")
    with pytest.raises(CourseError, match="twice|can't stand in one|with a blank at"):
        class_names(tmp_path, data.CLASS_NAMES)


def test_folders_whose_names_are_none_or_the_same(photos, tmp_path):
    for one, other in (("hat", "hat "), ("Hat", "hat"), ("caf\u00e9", "cafe\u0301"), ("a\nb", "c")):
        folder = tmp_path / f"photos of {one!r}"
        for name, source in ((one, "cup"), (other, "ring")):
            shutil.copytree(photos / source, folder / name)
        if len(list(folder.iterdir())) < 2:
            continue  # a system for which they are one folder
        with pytest.raises(CourseError, match="twice|can't stand in one|with a blank at"):
            dataset.make(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_data_that_is_there_is_not_overwritten(photos, tmp_path):
    for name in ("fashion-mnist_train.csv", "class_names.txt", "FashionMNIST"):
        out = tmp_path / name.partition(".")[0]
        out.mkdir()
        (out / name).write_text("mine")
        with pytest.raises(CourseError, match=f"has data already: {name}. Give another --out"):
            dataset.make(photos, out)
        assert [each.read_text() for each in out.iterdir()] == ["mine"]
    with pytest.raises(CourseError, match="is in the folder of the photos"):
        dataset.make(photos, photos / "out")


def test_each_class_is_in_the_test_set(tmp_path):
    folder = photos_of(tmp_path / "photos", 7)
    for number in (5, 6):
        (folder / "ring" / f"{number}.jpg").unlink()
    for seed in range(3):
        out = dataset.make(folder, tmp_path / f"{seed}", seed)[0]
        assert csv.read(out / csv.FILES[1])[1].tolist() == [0, 1, 2]


def test_photos_of_other_kinds_are_named_and_hidden_files_are_none(tmp_path, capsys):
    folder = photos_of(tmp_path / "photos", 6)
    (folder / "cup" / "phone.HEIC").write_bytes(b"\0" * 9)
    (folder / "cup" / ".thumbs").mkdir()
    (folder / "cup" / ".thumbs" / "0.jpg").write_bytes(b"")
    (folder / "__MACOSX").mkdir()
    assert cli.main(["dataset", str(folder), "--out", str(tmp_path / "out")]) == 0
    left = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left out")]
    assert len(left) == 1 and "phone.HEIC is of a kind that is not read here" in left[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_file_does_not_hang(tmp_path):
    folder = photos_of(tmp_path / "photos", 6)
    os.mkfifo(folder / "cup" / "9.png")
    _, left = dataset.make(folder, tmp_path / "out")
    assert len(left) == 1 and "9.png is no file" in left[0]
