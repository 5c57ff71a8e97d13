"""A data set of one's own photos, from folders to a trained network."""

import os
import random
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
    with pytest.raises(CourseError, match="ring has 4 photos that can be used; 5 .* is no image"):
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
