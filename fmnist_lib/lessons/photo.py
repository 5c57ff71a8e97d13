"""From a photo of a garment to an image as Fashion-MNIST has them, step by step.

The steps follow those by which the data set was made from shop photos
(https://github.com/zalandoresearch/fashion-mnist): grey, inverted, trimmed, longest side 28
pixels, centred. A photo differs from a shop's all the same; take an answer with care.
"""

import io
import math
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Transpose
from torch import Tensor, nn

from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import predict

SIDE = 28
LARGEST = 1000  # pixels of the longer side to which a photo is reduced before anything else
PIXELS_AT_MOST = 100_000_000  # a file may claim more than a memory holds
BACKGROUND = 40  # grey levels from the background that still count as background
# Clockwise by so many times 90°; Pillow counts the other way.
QUARTERS = dict(zip((1, 2, 3), (Transpose.ROTATE_270, Transpose.ROTATE_180, Transpose.ROTATE_90)))
ADVICE = (
    "Let the garment fill the picture, before a plain background that is much lighter or darker."
)
SPECK = 0.05  # of the photo's longer side; what is smaller is dust on the picture and no garment


def open_photo(source: str | Path | bytes, name: str = "") -> Image.Image:
    """Open an image file, or its bytes: upright, RGB, reduced.

    What is transparent becomes white, or black where the rest is bright.

    name: what to call it in a message. Raises CourseError when it is missing, no image, torn, or
    claims more than `PIXELS_AT_MOST`.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is below
            photo = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
        if photo.width * photo.height > PIXELS_AT_MOST:
            raise CourseError(
                f"{name} has {photo.width:,} × {photo.height:,} pixels, more than can be worked "
                "with. Give a smaller version of it."
            )
        photo.draft("RGB", (LARGEST, LARGEST))  # a JPEG is read at a reduced size where it can be
        with suppress(struct.error):  # a torn note
            photo = ImageOps.exif_transpose(photo)  # a phone notes how it was held
        if photo.mode.startswith("I;16"):  # which convert() would cut off at 255
            photo = Image.fromarray((np.asarray(photo) >> 8).astype(np.uint8))
        elif photo.mode in ("I", "F"):  # with numbers of any size
            values = np.asarray(photo, float)
            lowest, highest = values.min(), values.max()
            scaled = 255 * (values - lowest) / ((highest - lowest) or 1)
            photo = Image.fromarray(scaled.astype(np.uint8))
        photo = photo.convert("RGBA")
    except FileNotFoundError as error:
        raise CourseError(f"There is no file {name}.") from error
    except PermissionError as error:
        raise CourseError(f"You may not read {name}. Ask its owner to let you.") from error
    except UnidentifiedImageError as error:
        raise CourseError(
            f"{name} is no image that can be read. Give a JPEG, PNG, GIF, WebP or BMP file."
        ) from error
    except CourseError:
        raise
    except Exception as error:  # each of some thirty formats has its own
        raise CourseError(f"{name} can't be read as an image ({error}). It may be torn.") from error
    photo.thumbnail((LARGEST, LARGEST))
    seen = np.asarray(photo.getchannel("A")) > 127
    bright = seen.any() and not seen.all() and np.asarray(photo.convert("L"))[seen].mean() > 127
    ground = Image.new("RGBA", photo.size, "black" if bright else "white")
    return Image.alpha_composite(ground, photo).convert("RGB")


def edited(photo: Image.Image, turns: int = 0, crop: Sequence[float] = (0, 0, 1, 1)) -> Image.Image:
    """The photo turned clockwise by `turns` times 90°, and a rectangle cut out of it then.

    crop: its left, upper, right and lower edge as shares of width and height, each from 0 to 1.
    Raises CourseError when that is no pixel.
    """
    turned = photo.transpose(QUARTERS[turns % 4]) if turns % 4 else photo
    width, height = turned.size
    edges = [share * side for share, side in zip(crop, (width, height, width, height))]
    left, upper, right, lower = map(round, edges) if all(map(math.isfinite, edges)) else (0,) * 4
    if not (0 <= left < right <= width and 0 <= upper < lower <= height):
        raise CourseError("What is cut out of the photo has no pixel. Mark a larger part of it.")
    return turned.crop((left, upper, right, lower))


def steps(
    photo: Image.Image, name: str = "the photo", other_way: bool = False, advice: str = ADVICE
) -> Iterator[tuple[str, np.ndarray]]:
    """The steps from a photo to uint8 [28, 28], one by one, each with its name.

    Each is uint8 [H, W], or [H, W, 3] while it has colours. A garment that is darker than its
    background is inverted: from there on 0 is background, as in the data set. other_way: do the
    opposite. name: what to call it in a message. advice: the end of that. Raises CourseError
    behind the last step that could be made, when there is nothing to see, or it is so thin or small
    that nothing would be left of it.
    """
    yield "photo", np.asarray(photo)
    grey = np.asarray(ImageOps.grayscale(photo))
    yield "grey", grey
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = int(np.median(border))
    invert = _is_darker(grey.astype(int) - background, background) != other_way
    inverted = 255 - grey if invert else grey
    level = 255 - background if invert else background
    yield "inverted" if invert else "not inverted", inverted
    clean = np.where(np.abs(inverted.astype(int) - level) <= BACKGROUND, 0, inverted)
    clean = clean.astype(np.uint8)
    rows, columns = clean.any(axis=1).nonzero()[0], clean.any(axis=0).nonzero()[0]
    nothing = CourseError(
        f"In {name} nothing stands out from the background, or only something very thin or small. "
        f"{advice}"
    )
    if not len(rows):
        raise nothing
    trimmed = clean[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest, shortest = max(trimmed.shape), min(trimmed.shape)
    if longest < SPECK * max(grey.shape) or 2 * SIDE * shortest < longest:  # half a pixel wide
        raise nothing
    yield "trimmed", trimmed
    small = ImageOps.contain(Image.fromarray(trimmed), (SIDE, SIDE), Image.Resampling.LANCZOS)
    result = Image.new("L", (SIDE, SIDE))
    result.paste(small, ((SIDE - small.width) // 2, (SIDE - small.height) // 2))
    if result.getextrema()[1] <= BACKGROUND:  # the highest grey level
        raise nothing
    yield "28 × 28", np.asarray(result)


def _is_darker(differences: np.ndarray, background: int) -> bool:
    """Whether what stands out is darker than the background; where nothing does, is that bright?

    differences: int [H, W], grey levels above that of the background.
    """
    outstanding = int(differences[np.abs(differences) > BACKGROUND].sum())
    return outstanding < 0 if outstanding else background > 127


def prepare(photo: Image.Image, name: str = "the photo") -> dict[str, np.ndarray]:
    """All `steps` by their names; the last one, "28 × 28", is the result. Raises as these do."""
    return dict(steps(photo, name))


def as_image(steps: dict[str, np.ndarray]) -> Tensor:
    """The result of `prepare` as the network's images are kept: uint8 [1, 28, 28]."""
    return torch.tensor(steps["28 × 28"])[None]


@torch.inference_mode()
def occlusion(model: nn.Module, image: Tensor, label: int, size: int = 7) -> Tensor:
    """How much the probability of `label` falls when a square around each pixel is made background.

    image: uint8 [1, 28, 28]. Returns float32 [28, 28]: positive where the pixels spoke for the
    label (Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901). size: side of the square in
    pixels; where it is even, there is one more above and left of the pixel than below and right.
    """
    before = predict(model, image)[0, label]
    pixel = torch.arange(SIDE)
    first = (pixel - size // 2)[:, None]  # of those that the square around a pixel covers
    near = (first <= pixel) & (pixel < first + size)  # [28, 28], the same for rows and columns
    square = near[:, None, :, None] & near[None, :, None, :]
    covered = image.masked_fill(square.reshape(-1, SIDE, SIDE), 0)
    fall = torch.zeros(SIDE * SIDE)
    changed = (covered != image).any(dim=(1, 2))  # else only background was covered: it stays 0
    if changed.any():
        fall[changed] = before - predict(model, covered[changed])[:, label]
    return fall.reshape(SIDE, SIDE)
