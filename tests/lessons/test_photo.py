"""Photos as people have them: bright or dark, turned, transparent, huge, tiny, or no image."""

import pytest
import torch
from photos import UPRIGHT, saved
from PIL import Image

from fmnist_lib import checkpoints
from fmnist_lib.course import cli
from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import predict
from fmnist_lib.lessons import photo


@pytest.mark.parametrize("name", UPRIGHT)
def test_every_kind_of_photo_becomes_the_same_garment(name):
    steps = photo.prepare(photo.open_photo(UPRIGHT[name]))
    image = photo.as_image(steps)
    assert image.shape == (1, 28, 28) and image.dtype == torch.uint8
    drawn = image[0] > 60
    rows, columns = drawn.any(dim=1).nonzero(), drawn.any(dim=0).nonzero()
    assert rows.min() == 0 and rows.max() == 27  # the longest side fills the image
    left, right = columns.min().item(), 27 - columns.max().item()
    assert abs(left - right) <= 1 and left > 4  # centred, and still higher than wide
    assert not drawn[20, 13:15].any() and drawn[3, 13:15].all()  # two legs, one belt
    assert image[0, :, :3].max() == 0  # the background is 0


def test_a_photo_is_reduced_before_work():
    opened = photo.open_photo(UPRIGHT["4000 × 3000"])
    assert max(opened.size) <= photo.LARGEST and opened.mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
@pytest.mark.parametrize("color", ["white", "black", "red"])
def test_nothing_to_see_is_an_empty_image(size, color):
    steps = photo.prepare(photo.open_photo(saved(Image.new("RGB", size, color))))
    assert steps["28 × 28"].shape == (28, 28) and steps["28 × 28"].max() == 0


def test_steps_have_names_for_a_figure():
    steps = photo.prepare(photo.open_photo(UPRIGHT["dark on light"]))
    assert list(steps) == ["photo", "grey", "inverted", "trimmed", "28 × 28"]
    dark = photo.prepare(photo.open_photo(UPRIGHT["light on dark"]))
    assert list(dark)[2] == "dark already"


def bomb():
    """A PNG whose header claims 60,000 × 60,000 pixels."""
    import struct
    import zlib

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


BROKEN = {
    "text named .png": (b"this is text", "is no image"),
    "empty": (b"", "is no image"),
    "torn": (UPRIGHT["dark on light"][:300], "can't be read"),
    "torn JPEG": (UPRIGHT["CMYK"][:2000], "can't be read"),
    "bomb": (bomb(), "can't be read|more than can be worked"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name, tmp_path, capsys):
    content, message = BROKEN[name]
    with pytest.raises(CourseError, match=message):
        photo.open_photo(content)
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    assert cli.main(["predict", str(path)]) == 1
    printed = capsys.readouterr().out
    assert str(path) in printed and "Traceback" not in printed


def test_predict_prints_three_classes_for_each_file(tmp_path, capsys):
    for name in ("dark on light", "light on dark"):
        (tmp_path / f"{name[:4]}.png").write_bytes(UPRIGHT[name])
    files = [str(tmp_path / "dark.png"), str(tmp_path / "ligh.png")]
    assert cli.main(["predict", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1].count("%") == 3
    assert "Trouser" in lines[1].split("%")[0] and "Trouser" in lines[2].split("%")[0]


def test_a_good_file_is_answered_beside_a_missing_one(tmp_path, capsys):
    (tmp_path / "good.png").write_bytes(UPRIGHT["dark on light"])
    files = [str(tmp_path / "good.png"), str(tmp_path / "none.png")]
    assert cli.main(["predict", *files]) == 1
    printed = capsys.readouterr().out
    assert "good.png" in printed and f"There is no file {files[1]}" in printed


def test_predict_without_a_checkpoint(capsys):
    assert cli.main(["predict", "x.png", "--checkpoint", "none.pt"]) == 1
    said = capsys.readouterr().err
    assert "There is no file" in said and "none.pt" in said


def test_occlusion_finds_the_pixels_that_matter():
    model, _ = checkpoints.load_model(checkpoints.shipped())
    image = photo.as_image(photo.prepare(photo.open_photo(UPRIGHT["dark on light"])))
    fall = photo.occlusion(model, image, label=1)
    assert fall.shape == (28, 28)
    covered = image.clone()
    row, column = divmod(int(fall.argmax()), 28)
    covered[0, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] = 0
    expected = predict(model, image)[0, 1] - predict(model, covered)[0, 1]
    assert torch.isclose(fall.max(), expected, atol=1e-5)
