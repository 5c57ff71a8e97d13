"""What the widgets share: the figure beside each, pictures, tables of numbers, messages, the style.

How all of it looks stands in `play.css` and nowhere else. Its colours are JupyterLab's own, so that
it can be read in a light theme and in a dark one.
"""

import base64
import html
import io
import math
from collections.abc import Iterable
from pathlib import Path

import anywidget
import ipywidgets as widgets
import numpy as np
import traitlets
from IPython import display
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from fmnist_lib.lessons import plots

HERE = Path(__file__).parent
STYLE = HERE / "play.css"
MARK = "#da640f"  # of what is chosen, in pictures; elsewhere play.css has it


class Play:
    """A widget, and the figure that stands for it where there are no widgets."""

    def __init__(self, widget: widgets.DOMWidget, figure: plots.CourseFigure):
        self.widget, self.figure = widget.add_class("fmnist-board"), figure

    def _ipython_display_(self):
        # Two outputs. Of one that holds both, JupyterLab takes the widget, and when the notebook is
        # opened anew shows nothing but "Error displaying widget: model not found".
        display.display(self.figure)
        view = self.widget._repr_mimebundle_()
        display.display(view | {"text/plain": "To play with it, run this cell."}, raw=True)


class Shown(anywidget.AnyWidget):
    """HTML in the style of the course, shown anew whenever `value` is set.

    live: whether a screen reader says it then.
    """

    _esm = HERE / "shown.js"
    _css = STYLE
    value = traitlets.Unicode().tag(sync=True)
    live = traitlets.Bool(False).tag(sync=True)


def picture(image: np.ndarray | Tensor, alt: str, side: int = 84) -> str:
    """An image, uint8 [H, W] with 0 as white or [H, W, 3], as an HTML element.

    side: its width in pixels, where there is room.
    """
    return (
        f'<img class="fmnist-picture" alt="{html.escape(alt)}" src="{as_url(image)}" '
        f'width="{side}" height="{side}">'
    )


def as_url(image: np.ndarray | Tensor) -> str:
    """An image as above as the URL of a PNG that holds it."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = 255 - image  # ink on paper, as in the figures
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    return f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"


def red_and_blue(values: Tensor, most: float) -> np.ndarray:
    """Numbers [H, W] as uint8 [H, W, 3]: 0 white, red up to `most`, blue down to its negative.

    As in `plots.saliency` and `plots.small_maps`.
    """
    place = ((values / most + 1) / 2).clamp(0, 1).double()
    return colormaps["RdBu_r"](place.numpy(), bytes=True)[..., :3]


def side_by_side(pairs: Iterable[tuple[str, str]]) -> str:
    """(HTML, caption) pairs side by side, as HTML; on a narrow page below each other."""
    return _row(f"<figure>{each}<figcaption>{text}</figcaption></figure>" for each, text in pairs)


def titled(blocks: Iterable[tuple[str, str]]) -> str:
    """(heading, HTML) pairs side by side, as HTML; on a narrow page below each other."""
    return _row(f"<div><div>{title}</div>{block}</div>" for title, block in blocks)


def _row(parts: Iterable[str]) -> str:
    return f'<div class="fmnist-row">{"".join(parts)}</div>'


def message(text: str) -> str:
    """A text that says what is wrong, as HTML."""
    return f'<p class="fmnist-message">{html.escape(text)}</p>'


def number(value: float) -> str:
    """A number with at most two digits behind the point, "−0.5", and no "−0"."""
    return f"{round(value, 2) + 0.0:g}".replace("-", "−")


def table_of(values: Tensor, marked: tuple[int, int, int, int] | None = None) -> str:
    """Numbers [H, W] as an HTML table, red above 0 and blue below; NaN is left empty.

    marked: row, column, height and width of a square with a frame.
    """
    top, left, height, width = marked or (0, 0, 0, 0)
    rows = []
    for row, line in enumerate(values.tolist()):
        cells = []
        for column, value in enumerate(line):
            framed = top <= row < top + height and left <= column < left + width
            kind = "positive" if value > 0 else "negative" if value < 0 else ""
            kinds = " ".join(filter(None, [kind, "marked" if framed else ""]))
            attribute = f' class="{kinds}"' if kinds else ""
            cells.append(f"<td{attribute}>{'' if math.isnan(value) else number(value)}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<table class="fmnist-numbers">{"".join(rows)}</table>'
