"""A garment in pictures as people have them: for the tests of photos, of play, in the browser."""

import io

import numpy as np
from PIL import Image, ImageDraw


def garment(size=(300, 400), background="white", ink="navy", mode="RGB"):
    """A pair of trousers, higher than wide."""
    image = Image.new(mode, size, background)
    draw, (w, h) = ImageDraw.Draw(image), size
    draw.rectangle([w * 0.3, h * 0.1, w * 0.7, h * 0.3], fill=ink)
    draw.rectangle([w * 0.3, h * 0.3, w * 0.45, h * 0.9], fill=ink)
    draw.rectangle([w * 0.55, h * 0.3, w * 0.7, h * 0.9], fill=ink)
    return image


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned():
    """As a phone held sideways stores it: turned, with a note of it."""
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90° clockwise to see it upright"
    return saved(garment().rotate(90, expand=True), "JPEG", exif=exif)


def deep(image):
    return Image.fromarray(np.asarray(image.convert("L")).astype("uint16") * 257)


def numbers(kind, factor):
    return Image.fromarray((np.asarray(garment().convert("L"), float) * factor).astype(kind))


def on_wood(ink):
    """On boards whose grain is 25 grey levels up and down."""
    row, column = np.mgrid[:400, :300]
    grain = 150 + 25 * np.sin(column / 9 + 2 * np.sin(row / 70))
    pixels = (grain[..., None] * (1, 0.75, 0.5)).astype("uint8")
    pixels[np.asarray(garment(background="black", ink="white").convert("L")) > 0] = ink
    return Image.fromarray(pixels)


def noisy():
    """With a noise of 25 grey levels, as in the dark."""
    pixels = np.asarray(garment()) + np.random.default_rng(0).normal(0, 25, (400, 300, 3))
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


TORN = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"  # a note that breaks off
UPRIGHT = {
    "dark on light": saved(garment()),
    "light on dark": saved(garment(background="black", ink="white")),
    "grey background": saved(garment(background=(200, 200, 200), ink=(60, 60, 60))),
    "turned, with EXIF": turned(),
    "transparent": saved(garment(background=(0, 0, 0, 0), ink=(20, 20, 90, 255), mode="RGBA")),
    "white, cut out": saved(garment(background=(0, 0, 0, 0), ink=(250,) * 3 + (255,), mode="RGBA")),
    "palette with transparency": saved(garment().convert("P"), "GIF"),
    "16 bits of grey": saved(deep(garment())),
    "32 bits of grey": saved(numbers("int32", 1000), "TIFF"),
    "numbers from 0 to 1": saved(numbers("float32", 1 / 255), "TIFF"),
    "torn EXIF": saved(garment(), "JPEG", exif=TORN),
    "4000 × 3000": saved(garment(size=(3000, 4000)), "JPEG"),
    "CMYK": saved(garment().convert("CMYK"), "JPEG"),
    "black and white": saved(garment().convert("1")),
    "WebP": saved(garment(), "WEBP"),
}  # fmt: skip
# Ten kinds, and whether the garment is inverted on the way to the network.
TEN = {
    "dark on light": (UPRIGHT["dark on light"], True),
    "light on dark": (UPRIGHT["light on dark"], False),
    "dark on wood": (saved(on_wood((20, 20, 30))), True),
    "light on wood": (saved(on_wood((230, 230, 235))), False),
    "noise": (saved(noisy()), True),
    "lying": (saved(garment().rotate(90, expand=True)), True),
    "tiny": (saved(garment(size=(24, 32))), True),
    "huge": (UPRIGHT["4000 × 3000"], True),
    "transparent": (UPRIGHT["transparent"], True),
    "16 bits of grey": (UPRIGHT["16 bits of grey"], True),
}
