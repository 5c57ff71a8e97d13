"""Notebook 2: a convolution step by step, and a kernel to choose or to write."""

import html
import math
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import plots
from fmnist_lib.lessons.play.parts import (
    MARK,
    Play,
    Shown,
    message,
    number,
    picture,
    red_and_blue,
    table_of,
    titled,
)

PIXEL = 10  # pixels on the page for each of an image
OWN = "your own"
MOST = 1e6  # of a number of a kernel: float32 has no room for all that is a number
WRAPPED = {"display": "flex", "flex_flow": "row wrap", "align_items": "center"}
MIDDLE = 13 * 26 + 13  # a place on most garments, for a kernel of 3 × 3
LARGEST = 5  # rows and columns of a kernel, at most
KERNELS = {
    "vertical edges": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "horizontal edges": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[0.11, 0.11, 0.11], [0.11, 0.12, 0.11], [0.11, 0.11, 0.11]],
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "nothing": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}


def feature_map(image: Tensor, kernel: Tensor) -> Tensor:
    """uint8 [28, 28] and float [k, k] → float [29 - k, 29 - k]; pixels count from 0 to 1."""
    return F.conv2d(image[None, None].float() / 255, kernel[None, None])[0, 0]


def scale_of(result: Tensor) -> tuple[float, float]:
    """Which numbers are white and black in a feature map, and in its image as well.

    From 0 to 1, as an image, or further where that does not suffice; with negative numbers, as far
    below 0 as above.
    """
    largest = max(1.0, float(result.abs().max()))
    return (0.0 if result.min() > -1e-6 else -largest), largest


def shades(values: Tensor, white: float, black: float) -> Tensor:
    """Numbers as uint8 with 0 as white and 255 as black, as images are kept."""
    return (255 * (values - white) / (black - white)).clamp(0, 255).round().to(torch.uint8)


def _read_number(text: str) -> float | None:
    """A number as it is typed, "0.5" or "0,5"; None where it is none yet, such as "-"."""
    try:
        value = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        return None
    return value if abs(value) <= MOST and "_" not in text else None


def _products(under: Tensor, kernel: Tensor) -> list[tuple[str, str]]:
    """What happens at one place, as headings and tables: the part of the image, the products."""
    products = under * kernel
    return [
        ("under the kernel", table_of(under)),
        ("× kernel", table_of(kernel)),
        (f"= products, their sum: <b>{number(float(products.sum()))}</b>", table_of(products)),
    ]


def _places() -> tuple[widgets.Box, widgets.IntSlider]:
    """A slider for the place of the kernel, in a box with a button for a step back and on."""
    place = widgets.IntSlider(0, 0, 1, description="place", continuous_update=True)
    back = widgets.Button(description="◀ back", tooltip="one place back")
    forth = widgets.Button(description="step ▶", tooltip="one place on")

    def move(by: int):
        place.value = min(max(place.value + by, place.min), place.max)

    back.on_click(lambda _: move(-1))
    forth.on_click(lambda _: move(1))
    return widgets.Box([back, forth, place], layout=WRAPPED), place


def convolution_steps(image: Tensor, kernel: Tensor) -> Play:
    """A convolution to go through step by step, with buttons or a slider, padding and stride.

    image: float [H, W]. kernel: float [k, l].
    """
    padding = widgets.Dropdown(options=[0, 1, 2], description="padding")
    stride = widgets.Dropdown(options=[1, 2, 3], description="stride")
    places, place = _places()
    shown = Shown()

    def sizes() -> tuple[Tensor, Tensor]:
        padded = F.pad(image.float(), [padding.value] * 4)
        result = F.conv2d(padded[None, None], kernel[None, None].float(), stride=stride.value)
        return padded, result[0, 0]

    def restart(_=None):
        place.max, place.value = sizes()[1].numel() - 1, 0
        draw()

    def draw(_=None):
        padded, result = sizes()
        row, column = divmod(place.value, result.shape[1])
        top, left = row * stride.value, column * stride.value
        height, width = kernel.shape
        under = padded[top : top + height, left : left + width]
        done = torch.arange(result.numel()).reshape(result.shape) <= place.value
        so_far = result.where(done, torch.nan)
        shown.value = titled(
            [
                ("image", table_of(padded, (top, left, height, width))),
                *_products(under, kernel),
                (
                    f"result, {result.shape[0]} × {result.shape[1]}",
                    table_of(so_far, (row, column, 1, 1)),
                ),
            ]
        )

    padding.observe(restart, "value")
    stride.observe(restart, "value")
    place.observe(draw, "value")
    restart()
    figure = plots.convolution_step(image, kernel, 0, 1)
    options = widgets.Box([padding, stride], layout=WRAPPED)
    return Play(widgets.VBox([places, options, shown]), figure)


class _Numbers:
    """The numbers of a kernel as they are typed: they are the kernel, whatever was chosen.

    box: the widget, with the cells of the size in use. changed: called after an edit by hand.
    """

    def __init__(self, changed: Callable[[], None]):
        self.box = widgets.GridBox()
        self._changed, self._filling = changed, False
        self._cells = [widgets.Text(layout={"width": "auto"}) for _ in range(LARGEST**2)]
        for cell in self._cells:
            cell.observe(self._edited, "value")

    def fill(self, kernel: Tensor) -> None:
        """Show a kernel, float [k, k], rounded to hundredths."""
        side = len(kernel)
        self._filling = True
        for place, (cell, value) in enumerate(zip(self._cells, kernel.flatten().tolist())):
            row, column = divmod(place, side)
            cell.tooltip = f"row {row + 1}, column {column + 1}"  # its name for a screen reader
            cell.value = f"{round(value, 2) + 0.0:g}"
        self._filling = False
        self.box.children = self._cells[: side**2]
        self.box.layout.grid_template_columns = f"repeat({side}, minmax(0, 68px))"

    def _edited(self, _) -> None:
        if not self._filling:
            self._changed()

    def read(self) -> tuple[Tensor | None, str]:
        """The kernel, float [k, k], and ""; or None and what is no number."""
        cells = self.box.children
        values = [_read_number(cell.value) for cell in cells]
        if None in values:
            return None, cells[values.index(None)].value
        side = math.isqrt(len(cells))
        return torch.tensor(values).reshape(side, side), ""


def convolution_playground(split: Split, learned: Tensor | None = None) -> Play:
    """Choose an image and a kernel, or edit its numbers, and see the feature map at once.

    learned: float [N, k, k], with k at most 5: kernels of a trained network, which can be chosen
    too. They are rounded to hundredths: the numbers that are shown are the kernel. Raises
    CourseError when their shape is another.
    """
    kernels = {name: torch.tensor(values).float() for name, values in KERNELS.items()}
    if learned is not None:
        if learned.dim() != 3 or not learned.shape[1] == learned.shape[2] <= LARGEST:
            raise CourseError(
                f"learned has the shape {[*learned.shape]}. Give kernels [N, k, k] with k at most "
                f"{LARGEST}, such as net.conv1.weight.detach()[:, 0]."
            )
        kernels |= {f"learned, no. {index}": kernel for index, kernel in enumerate(learned)}
    which = widgets.IntSlider(0, 0, min(len(split), 200) - 1, description="image")
    chosen = widgets.Dropdown(options=[*kernels, OWN], description="kernel")
    stepwise = widgets.Checkbox(description="step by step", indent=False)
    places, place = _places()
    wrong, kernel_shown, maps, products = Shown(live=True), Shown(), Shown(), Shown()

    def edited():
        chosen.value = OWN
        draw()

    numbers = _Numbers(edited)

    def choose(_=None):
        if chosen.value != OWN:  # which are the numbers as they stand
            numbers.fill(kernels[chosen.value])
        draw()

    def draw(_=None):
        kernel, text = numbers.read()
        if kernel is None:
            wrong.value = message(f"“{text}” is no number. Write it as 2, -1 or 0.5.")
            maps.value = products.value = kernel_shown.value = ""
            return
        wrong.value = ""
        kernel_shown.value = _kernel(kernel)
        image, name = split.images[which.value], CLASS_NAMES[split.labels[which.value]]
        result = feature_map(image, kernel)
        place.max = result.numel() - 1
        row, column = divmod(place.value, result.shape[1])
        at = (row, column) if stepwise.value else None
        maps.value = _image_and_map(image / 255, result, at, len(kernel), name, chosen.value)
        side = len(kernel)
        under = image[row : row + side, column : column + side] / 255
        products.value = titled(_products(under, kernel)) if stepwise.value else ""
        places.layout.display = "flex" if stepwise.value else "none"

    for control in (which, stepwise, place):
        control.observe(draw, "value")
    chosen.observe(choose, "value")
    choose()
    place.value = MIDDLE
    example = {"image": split.images[:1, None].float() / 255}
    for name in ("vertical edges", "horizontal edges", "blur"):
        example[name] = feature_map(split.images[0], kernels[name])[None, None]
    figure = plots.image_steps(example, "One image, three kernels")
    written = widgets.Box([numbers.box, kernel_shown], layout=WRAPPED)
    board = [which, chosen, written, wrong, maps, stepwise, places, products]
    return Play(widgets.VBox(board), figure)


def _kernel(kernel: Tensor) -> str:
    """A kernel as a picture, with its sum, as HTML."""
    most = max(float(kernel.abs().max()), 1e-6)
    shown = picture(red_and_blue(kernel, most), "the kernel as a picture", 100)
    return titled([(f"kernel, sum {round(float(kernel.sum()), 2) + 0.0:.2f}", shown)]) + (
        "<small>red positive, blue negative</small>"
    )


def _image_and_map(
    image: Tensor, result: Tensor, at: tuple[int, int] | None, side: int, name: str, kernel: str
) -> str:
    """Image and feature map in one scale of grey, as HTML.

    image: float [28, 28]. result: its feature map. at: the place of the kernel, of so many rows and
    columns as `side` says, to be framed in both.
    """
    white, black = scale_of(result)
    grey = ", grey 0" if white else ""
    size = " × ".join(map(str, result.shape))
    above = f"feature map, {size}: {number(float(result.min()))} to {number(float(result.max()))}"
    shown = [
        (f"{html.escape(name)}: 0 to 1", image, name, side),
        (above, result, f"feature map of {kernel}", 1),
    ]
    pictures = [
        (title, picture(_enlarged(values, white, black, at, framed), alt, PIXEL * len(values)))
        for title, values, alt, framed in shown
    ]
    scale = f"One scale for both: white {number(white)}{grey}, black {number(black)}."
    return f"{titled(pictures)}<p>{scale}</p>"


def _enlarged(
    values: Tensor, white: float, black: float, at: tuple[int, int] | None, side: int
) -> np.ndarray:
    """Numbers [H, W] in shades of grey, uint8 [H · PIXEL, W · PIXEL, 3], with a frame at a place.

    side: of the framed square, in numbers.
    """
    paper = 255 - shades(values, white, black).numpy()
    large = Image.fromarray(np.kron(paper, np.ones((PIXEL, PIXEL), np.uint8))).convert("RGB")
    if at is not None:
        top, left = (PIXEL * each for each in at)
        box = [left, top, left + PIXEL * side - 1, top + PIXEL * side - 1]
        ImageDraw.Draw(large).rectangle(box, outline=MARK, width=3)
    return np.asarray(large)
