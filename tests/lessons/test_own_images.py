"""The images that a student keeps: ordinary files, and a test set."""

import subprocess
import sys

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
    with pytest.raises(CourseError, match="002.png is missing. Take its row out"):
        own_images.load(filled)
    (filled / "002.png").write_text("text")
    with pytest.raises(CourseError, match="002.png is no image .* Take its row out"):
        own_images.load(filled)
    Image.new("L", (30, 20)).save(filled / "002.png")
    with pytest.raises(CourseError, match="002.png has 30 × 20 pixels, and should have 28 × 28"):
        own_images.load(filled)


def test_no_image_is_overwritten_whatever_became_of_the_table(filled, drawn):
    """Deleted, or a row of it taken out by hand."""
    before = {path.name: path.read_bytes() for path in filled.glob("*.png")}
    (filled / "images.csv").unlink()
    assert own_images.keep(drawn[1].images[9], 4, given(4), "Net", filled).name == "004.png"
    own_images.take_back(filled)
    assert {path.name: path.read_bytes() for path in filled.glob("*.png")} == before


def test_two_processes_that_keep_at_once_lose_nothing(folder):
    code = (
        "import sys, torch\n"
        "from fmnist_lib.lessons import own_images\n"
        "for number in range(8):\n"
        "    image = torch.full((28, 28), int(sys.argv[2]) + number, dtype=torch.uint8)\n"
        "    own_images.keep(image, number, torch.full((10,), 0.1), sys.argv[2], sys.argv[1])\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(folder), number])
        for number in ("100", "200")
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    table, own = own_images.read(folder), own_images.load(folder)
    assert len(table) == 16
    for row, image in zip(table.itertuples(index=False), own.images, strict=True):
        assert image.unique().tolist() == [int(row.network) + CLASS_NAMES.index(row[1])]


def test_classes_that_are_numbers(folder, monkeypatch, drawn):
    monkeypatch.setattr(own_images, "CLASS_NAMES", tuple("0123456789"))
    own_images.keep(drawn[1].images[0], 7, given(1), "Net", folder)
    assert own_images.load(folder).labels.tolist() == [7]
    assert own_images.read(folder)["answer"].tolist() == ["1"]


@pytest.mark.parametrize(
    "answer", [torch.full((10,), torch.nan), torch.full((10,), torch.inf), torch.full((20,), 0.05)]
)
def test_what_is_no_answer_is_not_kept(folder, drawn, answer):
    with pytest.raises(CourseError, match="answer should be 10 probabilities"):
        own_images.keep(drawn[1].images[0], 1, answer, "Net", folder)
    assert not folder.exists()


@pytest.mark.parametrize("label", [1.0, True, "1", None])
def test_what_only_looks_like_a_label_is_refused(folder, drawn, label):
    with pytest.raises(CourseError, match="is no label"):
        own_images.keep(drawn[1].images[0], label, given(0), "Net", folder)


def test_a_table_that_can_not_be_written_leaves_no_image(filled, drawn, monkeypatch):
    def fails(*_):
        raise CourseError("disk full")

    monkeypatch.setattr(own_images, "_write", fails)
    with pytest.raises(CourseError, match="disk full"):
        own_images.keep(drawn[1].images[5], 4, given(4), "Net", filled)
    assert len(list(filled.glob("*.png"))) == 3


def test_rows_that_would_harm_are_refused(filled):
    table = filled / "images.csv"
    head, first, *_ = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([head, first, first]) + "\n", encoding="utf-8")
    with pytest.raises(CourseError, match="names the file '001.png' twice"):
        own_images.take_back(filled)
    table.write_text(f"{head}\n{first.replace('0.5000', '85')}\n", encoding="utf-8")
    with pytest.raises(CourseError, match="with a number as probability"):
        own_images.read(filled)


def test_an_image_with_more_than_8_bits_is_not_cut_off(filled):
    Image.fromarray(torch.full((28, 28), 999).numpy().astype("uint16")).save(filled / "001.png")
    with pytest.raises(CourseError, match="001.png has more than 8 bits a pixel"):
        own_images.load(filled)
