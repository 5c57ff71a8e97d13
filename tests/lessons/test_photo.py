"""Photos as people have them: bright or dark, turned, transparent, huge, tiny, or no image."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from garments import BAG, TROUSER
from photos import TEN, UPRIGHT, garment, saved
from PIL import Image, ImageDraw

from fmnist_lib import checkpoints
from fmnist_lib.course import cli
from fmnist_lib.data import CLASS_NAMES
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


@pytest.mark.parametrize("name", TEN)
def test_ten_kinds_of_photos_and_what_the_network_says(name):
    """Each step is named by what it did; all are recognised but for trousers that lie."""
    content, inverts = TEN[name]
    opened = photo.open_photo(content)
    steps = photo.prepare(opened)
    third = "inverted" if inverts else "not inverted"
    assert list(steps) == ["photo", "grey", third, "trimmed", "28 × 28"]
    assert (steps["photo"] == np.asarray(opened)).all()
    assert (steps["grey"] == np.asarray(opened.convert("L"))).all()
    assert (steps[third] == (255 - steps["grey"] if inverts else steps["grey"])).all()
    high, wide = steps["trimmed"].shape
    assert (high < wide) == (name == "lying") and steps["trimmed"].any(axis=0)[[0, -1]].all()
    net, _ = checkpoints.load_model(checkpoints.shipped())
    said = CLASS_NAMES[predict(net, photo.as_image(steps))[0].argmax()]
    assert said == (BAG if name == "lying" else TROUSER)
    if name == "lying":  # which a button mends
        upright = photo.as_image(photo.prepare(photo.edited(opened, turns=1)))
        assert CLASS_NAMES[predict(net, upright)[0].argmax()] == TROUSER


def test_a_photo_is_reduced_before_work():
    opened = photo.open_photo(UPRIGHT["4000 × 3000"])
    assert max(opened.size) <= photo.LARGEST and opened.mode == "RGB"


def drawn_on(size=(300, 400), color="white", draw=None):
    image = Image.new("RGB", size, color)
    if draw:
        draw(ImageDraw.Draw(image))
    return saved(image)


NOTHING = {
    "all white": drawn_on(),
    "all black": drawn_on(color="black"),
    "all red": drawn_on(color="red"),
    "one pixel": drawn_on(size=(1, 1)),
    "one column": drawn_on(size=(1, 500)),
    "one row": drawn_on(size=(500, 1)),
    "an upright hair": drawn_on(draw=lambda d: d.line([200, 20, 200, 380], "black")),
    "a level hair": drawn_on(draw=lambda d: d.line([20, 200, 280, 200], "black", 4)),
    "a slanting hair": drawn_on(draw=lambda d: d.line([20, 20, 280, 380], "black")),
    "a speck of dust": drawn_on(draw=lambda d: d.point([100, 100], "black")),
    "a larger speck": drawn_on(draw=lambda d: d.rectangle([100, 100, 110, 110], "black")),
    "a white shirt on white": drawn_on(draw=lambda d: d.rectangle([50, 50, 250, 350], "#dcdcdc")),
    "a transparent picture": saved(Image.new("RGBA", (300, 400), (0, 0, 0, 0))),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_see_is_refused(name, tmp_path, capsys):
    with pytest.raises(CourseError, match="In blank.png nothing stands out from the background"):
        photo.prepare(photo.open_photo(NOTHING[name]), "blank.png")
    path = tmp_path / "blank.png"
    path.write_bytes(NOTHING[name])
    assert cli.main(["predict", str(path)]) == 1
    printed = capsys.readouterr().out
    assert f"In {path} nothing stands out" in printed and "%" not in printed


@pytest.mark.parametrize("width", [8, 20])
def test_a_narrow_garment_is_none_of_these(width):
    belt = drawn_on(draw=lambda d: d.line([200, 20, 200, 380], "black", width))
    assert photo.prepare(photo.open_photo(belt))["28 × 28"].max() == 255


def test_steps_have_names_for_a_figure():
    steps = photo.prepare(photo.open_photo(UPRIGHT["dark on light"]))
    assert list(steps) == ["photo", "grey", "inverted", "trimmed", "28 × 28"]
    dark = photo.prepare(photo.open_photo(UPRIGHT["light on dark"]))
    assert list(dark)[2] == "not inverted"


LIGHT, DARK, WOOD = "#f0f0f0", "#1e1e28", "#96785a"  # wood is between the two


@pytest.mark.parametrize(
    "ink, ground, inverted",
    [(DARK, LIGHT, True), (LIGHT, DARK, False), (DARK, WOOD, True), (LIGHT, WOOD, False)],
)
def test_what_is_darker_than_its_background_is_inverted(ink, ground, inverted):
    """And the step is named by what was done: the numbers say the same."""
    opened = garment(background=ground, ink=ink)
    made = photo.prepare(opened)
    assert ("inverted" in made, "not inverted" in made) == (inverted, not inverted)
    step = made["inverted" if inverted else "not inverted"]
    assert (step == (255 - made["grey"] if inverted else made["grey"])).all()
    result = made["28 × 28"].astype(int)
    assert result[3, 13] > 100 and result[:, :3].max() == 0  # the belt, and left of it
    *_, (name, other) = islice(photo.steps(opened, other_way=True), 3)
    assert name == ("not inverted" if inverted else "inverted") and (other == 255 - step).all()


def test_steps_go_as_far_as_they_can():
    made = []
    with pytest.raises(CourseError, match="In it nothing stands out .* small. Press harder."):
        for name, _ in photo.steps(Image.new("RGB", (9, 9)), "it", advice="Press harder."):
            made.append(name)
    assert made == ["photo", "grey", "not inverted"]


def test_a_photo_is_turned_clockwise_and_cut_then():
    image = Image.new("RGB", (40, 20), "white")
    image.paste("red", (0, 0, 10, 10))  # upper left
    assert photo.edited(image) == image
    turned = photo.edited(image, turns=1)
    assert turned.size == (20, 40) and turned.getpixel((19, 0)) == (255, 0, 0)  # upper right
    assert photo.edited(image, turns=5) == turned
    assert photo.edited(image, turns=2).getpixel((39, 19)) == (255, 0, 0)
    assert photo.edited(image, turns=3).getpixel((0, 39)) == (255, 0, 0)
    cut = photo.edited(image, 1, (0.5, 0, 1, 0.25))
    assert cut.size == (10, 10) and cut.getcolors() == [(100, (255, 0, 0))]


@pytest.mark.parametrize("crop", [(0.5, 0, 0.5, 1), (0, 0.9, 1, 0.1), (0, 0, 1.2, 1)])
def test_a_crop_without_pixels_is_refused(crop):
    with pytest.raises(CourseError, match="cut out of the photo has no pixel. Mark a larger"):
        photo.edited(Image.new("RGB", (40, 20)), crop=crop)


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


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, KeyError, ZeroDivisionError])
def test_whatever_a_format_raises(error, monkeypatch, tmp_path, capsys):
    """AVIF, DDS and others raise what they like on a torn file; the other photos are answered."""

    def fails(image, *_, **__):
        if image.size == (10, 10):
            raise error("of its own")
        return image

    monkeypatch.setattr(photo.ImageOps, "exif_transpose", fails)
    Image.new("RGB", (10, 10)).save(tmp_path / "bad.png")
    (tmp_path / "good.png").write_bytes(UPRIGHT["dark on light"])
    assert cli.main(["predict", str(tmp_path / "bad.png"), str(tmp_path / "good.png")]) == 1
    printed = capsys.readouterr().out
    assert "bad.png can't be read as an image" in printed
    assert re.search(r"good.png +\S+.* \d+.\d%", printed)


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


def test_where_only_background_is_covered_nothing_falls(published_net):
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    assert photo.occlusion(published_net, image, label=1).eq(0).all()
    image[0, 10:18, 10:18] = 200
    fall = photo.occlusion(published_net, image, label=1)
    reached = torch.zeros(28, 28, dtype=torch.bool)
    reached[7:21, 7:21] = True  # 3 pixels further on each side
    assert fall[~reached].eq(0).all() and fall[reached].ne(0).float().mean() > 0.9
    assert photo.occlusion(published_net, image, label=1, size=0).eq(0).all()


@pytest.mark.parametrize("size", [1, 2, 6, 7, 28, 56])
def test_occlusion_covers_as_many_pixels_as_it_says(size, monkeypatch):
    shown = []
    monkeypatch.setattr(
        photo, "predict", lambda model, images: (shown.append(images), torch.zeros(784, 10))[1]
    )
    photo.occlusion(None, torch.ones(1, 28, 28, dtype=torch.uint8), label=0, size=size)
    covered = shown[1].reshape(28, 28, 28, 28) == 0  # by the square's row and column
    assert covered[14, 14].sum() == min(size, 28) ** 2
    assert covered.flatten(2).sum(dim=2).max() == min(size, 28) ** 2
    assert all(covered[row, column, row, column] for row in (0, 27) for column in (0, 27))
