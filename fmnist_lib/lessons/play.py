"""Things to play with in JupyterLab, each with a figure that makes its point without a mouse.

Each function returns a `Play`, which shows both: a widget lives only as long as its kernel, the
figure stays. Pictures in the widgets are plain HTML, so that an answer takes milliseconds. `watch`
shows a training as it goes.
"""

import base64
import copy
import html
import io
import time
from collections.abc import Iterable, Iterator

import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import display
from PIL import Image
from torch import Tensor, nn

from fmnist_lib import evaluate
from fmnist_lib.confidence import coverage
from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch, best_epoch
from fmnist_lib.lessons import photo, plots
from fmnist_lib.lessons.canvas import Canvas


class Play:
    """A widget, and the figure that stands for it where there are no widgets."""

    def __init__(self, widget: widgets.Widget, figure: plots.CourseFigure):
        self.widget, self.figure = widget, figure

    def _ipython_display_(self):
        # Two outputs. Of one that holds both, JupyterLab takes the widget, and when the notebook is
        # opened anew shows nothing but "Error displaying widget: model not found".
        display(self.figure)
        view = self.widget._repr_mimebundle_()
        display(view | {"text/plain": "To play with it, run this cell."}, raw=True)


def picture(image: np.ndarray | Tensor, alt: str, side: int = 84) -> str:
    """An image, uint8 [H, W] with 0 as white or [H, W, 3], as an HTML element in a square."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = 255 - image  # ink on paper, as in the figures
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG")
    encoded = base64.b64encode(png.getvalue()).decode()
    return (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{encoded}" '
        f'style="width:{side}px;height:{side}px;object-fit:contain;image-rendering:pixelated;'
        f'border:1px solid #ccc">'
    )


def side_by_side(parts: Iterable[tuple[str, str]]) -> str:
    """(picture, caption) pairs side by side, as HTML."""
    figures = (
        f'<figure style="margin:0 8px 8px 0;text-align:center;font-size:12px">{image}'
        f"<figcaption>{caption}</figcaption></figure>"
        for image, caption in parts
    )
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(figures)}</div>'


# --------------------------------------------------------------------------------- 02: kernels

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


def _as_grey(values: Tensor) -> Tensor:
    """A feature map as uint8: 0 in the middle, the largest magnitude at an end."""
    return (127.5 + 127.5 * values / values.abs().max().clamp(min=1e-6)).round().to(torch.uint8)


def convolution_playground(split: Split, learned: Tensor | None = None) -> Play:
    """Choose an image and a kernel, or edit its nine numbers, and see the feature map at once.

    learned: float [N, 5, 5], kernels of a trained network, which can be chosen too.
    """
    kernels = {name: torch.tensor(values).float() for name, values in KERNELS.items()}
    learned = [] if learned is None else learned
    kernels |= {f"learned, no. {number}": kernel for number, kernel in enumerate(learned)}
    number = widgets.IntSlider(0, 0, min(len(split), 200) - 1, description="image")
    chosen = widgets.Dropdown(options=[*kernels, "your own"], description="kernel")
    cells = [widgets.FloatText(layout={"width": "64px"}, step=0.5) for _ in range(9)]
    grid = widgets.GridBox(cells, layout={"grid_template_columns": "repeat(3, 70px)"})
    shown = widgets.HTML()
    filling = False

    def fill(_=None):
        nonlocal filling
        kernel = kernels.get(chosen.value)
        if kernel is not None and kernel.shape == (3, 3):
            filling = True
            for cell, value in zip(cells, kernel.flatten().tolist()):
                cell.value = round(value, 2)
            filling = False
        for cell in cells:
            cell.disabled = kernel is not None and kernel.shape != (3, 3)
        draw()

    def edit(_):
        if not filling:
            chosen.value = "your own"
            draw()

    def draw(_=None):
        own = torch.tensor([cell.value for cell in cells]).reshape(3, 3)
        image = split.images[number.value]
        kernel = kernels.get(chosen.value, own)
        result = feature_map(image, kernel)
        name = CLASS_NAMES[split.labels[number.value]]
        shown.value = side_by_side(
            [
                (picture(image, name, 196), f"{name}, 0 to 255"),
                (
                    picture(_as_grey(result), f"feature map of {chosen.value}", 196),
                    f"feature map, {result.min():.2f} to {result.max():.2f}",
                ),
            ]
        )

    number.observe(draw, "value")
    chosen.observe(fill, "value")
    for cell in cells:
        cell.observe(edit, "value")
    fill()
    example = {"image": split.images[:1, None].float()}
    for name in ("vertical edges", "horizontal edges", "blur"):
        example[name] = feature_map(split.images[0], kernels[name])[None, None]
    figure = plots.image_steps(example, "One image, three kernels")
    return Play(widgets.VBox([number, chosen, grid, shown]), figure)


# --------------------------------------------------------------------------- 03: live training


def watch(epochs: Iterable[Epoch]) -> Iterator[Epoch]:
    """Pass the epochs of `train.fit` on, and show bar, curves and a line for each meanwhile.

    Interrupting the kernel (■ in JupyterLab) ends the training after what was done so far: the loop
    ends as if these had been all epochs.
    """
    bar = display({"text/plain": "the first epoch is running"}, raw=True, display_id=True)
    curves, drawn = display({"text/plain": ""}, raw=True, display_id=True), 0.0
    done: list[Epoch] = []
    try:
        for epoch in epochs:
            done.append(epoch)
            filled = round(30 * epoch.epoch / epoch.epochs)
            bar.update({"text/plain": "█" * filled + "░" * (30 - filled)}, raw=True)
            print(epoch, flush=True)  # the one thing that a log without a front end keeps
            # A figure takes a third of a second, as long as an epoch on a fast GPU.
            if time.monotonic() - drawn > 3 or epoch.epoch == epoch.epochs or epoch.diverged:
                curves.update(_curves(done))
                drawn = time.monotonic()
            yield epoch
    except KeyboardInterrupt:
        if done:
            curves.update(_curves(done))
            print(f"Stopped. What was learned up to epoch {done[-1].epoch} is kept.")
        else:
            raise CourseError(
                "Stopped before the first epoch was complete, so there is nothing to look at. Run "
                "this cell again."
            ) from None


def _curves(done: list[Epoch]) -> plots.CourseFigure:
    best, last = best_epoch(done), done[-1]
    if last.diverged:
        title = f"Diverged in epoch {last.epoch}: the learning rate is too large"
    else:
        highest = f"{best.validation_accuracy:.1%} after epoch {best.epoch}"
        title = f"Validation accuracy is highest, {highest}"
    return plots.learning_curves(pd.DataFrame(done), best.epoch if best else None, title)


# ---------------------------------------------------------------------------- 04: confusions


def confusion_explorer(split: Split, probabilities: Tensor, shown: int = 12) -> Play:
    """Choose a cell of the confusion matrix and see its images; a slider refuses the unsure ones.

    probabilities: float [N, 10] for the images of the split.
    """
    confidence, predicted = probabilities.max(dim=1)
    counts = evaluate.confusion_matrix(split.labels, predicted).to_numpy()
    off_diagonal = counts * (1 - np.eye(10, dtype=int))
    start = np.unravel_index(off_diagonal.argmax(), counts.shape)
    true, said = (
        widgets.Dropdown(
            options=[(name, label) for label, name in enumerate(CLASS_NAMES)],
            value=int(value),
            description=text,
        )
        for value, text in zip(start, ("is", "called"))
    )
    threshold = widgets.FloatSlider(0.0, min=0.0, max=1.0, step=0.01, description="threshold")
    answered, found = widgets.HTML(), widgets.HTML()
    buttons = {}
    for label, called in np.ndindex(10, 10):
        share = counts[label, called] / max(counts[label].sum(), 1)
        shade = f"rgb({int(255 - 200 * share**0.5)},{int(255 - 150 * share**0.5)},255)"
        button = widgets.Button(
            description=str(counts[label, called]),
            tooltip=f"{CLASS_NAMES[label]} called {CLASS_NAMES[called]}",
            layout={"width": "52px", "margin": "1px"},
            style={"button_color": shade},
        )
        button.on_click(lambda _, cell=(label, called): choose(*cell))
        buttons[label, called] = button
    header = [widgets.HTML("is \\ called"), *(widgets.HTML(name[:7]) for name in CLASS_NAMES)]
    rows = [
        [widgets.HTML(name), *(buttons[label, called] for called in range(10))]
        for label, name in enumerate(CLASS_NAMES)
    ]
    grid = widgets.GridBox(
        [*header, *(widget for line in rows for widget in line)],
        layout={"grid_template_columns": "90px repeat(10, 56px)"},
    )

    def choose(label, called):
        true.value, said.value = label, called  # each draws anew if it changes

    def draw(_=None):
        sure = confidence >= threshold.value
        right = evaluate.accuracy(predicted[sure], split.labels[sure])
        said_of_these = f"{right:.2%} of these are right" if sure.any() else "none"
        answered.value = f"answered: {sure.float().mean():.1%}; {said_of_these}"
        cell = (split.labels == true.value) & (predicted == said.value) & sure
        numbers = cell.nonzero()[:, 0]
        numbers = numbers[confidence[numbers].argsort(descending=True)][:shown]
        title = f"{CLASS_NAMES[true.value]} called {CLASS_NAMES[said.value]}"
        images = (
            (
                picture(split.images[i], f"{title}, no. {i}"),
                f"no. {i}<br>{CLASS_NAMES[said.value]} {confidence[i]:.0%}<br>"
                f"{CLASS_NAMES[true.value]} {probabilities[i, true.value]:.0%}",
            )
            for i in numbers.tolist()
        )
        found.value = f"<b>{title}: {int(cell.sum())} images</b>{side_by_side(images)}"

    for widget in (true, said, threshold):
        widget.observe(draw, "value")
    draw()
    table = coverage(probabilities, split.labels)
    figure = plots.coverage(table, "Refusing to answer when unsure makes the answers better")
    return Play(
        widgets.VBox([grid, widgets.HBox([true, said]), threshold, answered, found]), figure
    )


# ---------------------------------------------------------------------------- 04: try your own


def try_your_own(model: nn.Module, example: Tensor) -> Play:
    """Upload a photo, or draw, and see what becomes of it step by step and what the model says.

    example: uint8 [28, 28], a garment for where there is no front end. The model is copied: it is
    asked as it is now, whatever becomes of it, and stays in its mode.
    """
    model = copy.deepcopy(model)
    canvas = Canvas(largest=photo.LARGEST)

    def received(_, content: dict, buffers: list):
        try:
            said = answer(bytes(buffers[0]), content["name"])
        except CourseError as error:
            said = f"<b>{html.escape(str(error))}</b>"
        except Exception as error:  # of somebody's own network; JupyterLab would not show it
            reason = html.escape(f"{type(error).__name__}: {error}")
            said = f"<b>The network can't answer. {reason}</b>"
        canvas.send({"turn": content["turn"], "html": said})

    def answer(file: bytes, name: str) -> str:
        steps = photo.prepare(photo.open_photo(file, name), name)
        image = photo.as_image(steps)
        probabilities = evaluate.predict(model, image)[0]
        best = probabilities.topk(3)
        label = int(best.indices[0])
        pictures = [(_step(step, name), name) for name, step in steps.items()]
        fall = _as_grey(photo.occlusion(model, image, label))
        pictures.append(
            (picture(fall, "pixels that mattered", 112), f"spoke for {CLASS_NAMES[label]}")
        )
        said = ", ".join(f"{CLASS_NAMES[i]} {p:.1%}" for p, i in zip(*best))
        return f"{side_by_side(pictures)}<b>{said}</b>"

    canvas.on_msg(received)
    image = example[None]
    label = int(evaluate.predict(model, image)[0].argmax())
    figure = plots.image_steps(
        {
            "image": image[None].float(),
            f"spoke for {CLASS_NAMES[label]}": photo.occlusion(model, image, label)[None, None],
        },
        "Which pixels mattered?",
    )
    return Play(widgets.VBox([canvas]), figure)


def _step(step: np.ndarray, name: str) -> str:
    small = Image.fromarray(step)
    small.thumbnail((112, 112))
    # Photo and grey are shown as they are; from "inverted" on 0 is background, drawn as paper.
    shown = np.asarray(small.convert("RGB")) if name in ("photo", "grey") else np.asarray(small)
    return picture(shown, name, 112)
