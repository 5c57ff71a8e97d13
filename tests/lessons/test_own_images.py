"""The images that a student keeps: ordinary files, and a test set."""

import pytest
import torch
from garments import BAG
from PIL import Image

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import own_images


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


def given(label, probability=0.5):
    probabilities = torch.full((10,), (1 - probability) / 9)
    probabilities[label] = probability
    return probabilities


@pytest.fixture
def filled(folder, drawn):
    """Three images; the second is not recognised."""
    split = drawn[1][:3]
    for number, (image, label) in enumerate(zip(split.images, split.labels.tolist())):
        answer = (label + 1) % 10 if number == 1 else label
        path = own_images.keep(image, label, given(answer), "Net", folder)
        assert path == folder / f"00{number + 1}.png"
    return folder


def test_what_is_kept_is_an_ordinary_test_set(filled, drawn):
    own, split = own_images.load(filled), drawn[1][:3]
    assert own.images.equal(split.images) and own.labels.equal(split.labels)
    assert own.images.dtype == torch.uint8 and own.labels.dtype == torch.int64
    table = own_images.read(filled)
    answers = torch.tensor([CLASS_NAMES.index(name) for name in table["answer"]])
    assert evaluate.accuracy(answers, own.labels) == pytest.approx(2 / 3)
    lines = (filled / "images.csv").read_text(encoding="utf-8").splitlines()
    name = CLASS_NAMES[split.labels[0]]
    assert lines[:2] == [
        "file,class,answer,probability,network",
        f"001.png,{name},{name},0.5000,Net",
    ]
    assert Image.open(filled / "001.png").mode == "L"


def test_the_last_one_is_taken_back(filled, drawn):
    own_images.take_back(filled)
    assert len(own_images.load(filled)) == 2 and not (filled / "003.png").exists()
    assert own_images.keep(drawn[1].images[5], 4, given(4), "Net", filled).name == "003.png"
    for _ in range(4):  # of three
        own_images.take_back(filled)
    assert len(own_images.read(filled)) == 0
    with pytest.raises(CourseError, match="There is no image in .*mine. Keep some in notebook 4"):
        own_images.load(filled)


def test_nothing_is_kept_at_first(folder):
    assert list(own_images.read(folder)) == own_images.COLUMNS and not folder.exists()
    own_images.take_back(folder)
    assert not folder.exists()


@pytest.mark.parametrize("label", [-1, 10])
def test_what_is_no_label_is_refused(folder, drawn, label):
    with pytest.raises(CourseError, match=f"{label} is no label. Give a number from 0 to 9."):
        own_images.keep(drawn[1].images[0], label, given(0), "Net", folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    "line, message",
    [
        (f"001.png,Hat,{BAG},0.5,Net", "has 'Hat' as class, which is none"),
        (f"001.png,{BAG},Hat,0.5,Net", "has 'Hat' as answer, which is none"),
        (f"001.png,{BAG},{BAG},much,Net", "with a number as probability"),
        (f"../001.png,{BAG},{BAG},0.5,Net", "names the file '../001.png', not one such as 001.png"),
        (f"001.png,{BAG}", "with a number as probability"),
        (f"001.png,{BAG},{BAG},0.5,Net,more,more", "is no table of images"),
    ],
)
def test_a_table_that_is_none_is_refused_and_left_alone(filled, drawn, line, message):
    table = filled / "images.csv"
    text = f"file,class,answer,probability,network\n{line}\n"
    table.write_text(text)
    for change in (own_images.read, own_images.load, own_images.take_back):
        with pytest.raises(CourseError, match=message):
            change(filled)
    with pytest.raises(CourseError, match=message):
        own_images.keep(drawn[1].images[0], 0, given(0), "Net", filled)
    assert table.read_text() == text and len(list(filled.glob("*.png"))) == 3


def test_a_missing_or_strange_image_is_named(filled):
    (filled / "002.png").unlink()
    with pytest.raises(CourseError, match="002.png can't be read: No such file"):
        own_images.load(filled)
    (filled / "002.png").write_text("text")
    with pytest.raises(CourseError, match="002.png can't be read"):
        own_images.load(filled)
    Image.new("L", (30, 20)).save(filled / "002.png")
    with pytest.raises(CourseError, match="002.png has 30 × 20 pixels, and should have 28 × 28"):
        own_images.load(filled)
