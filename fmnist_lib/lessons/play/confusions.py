"""Notebook 4: the images behind each cell of a confusion matrix."""

import html

import anywidget
import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch
import traitlets
from torch import Tensor

from fmnist_lib import evaluate
from fmnist_lib.confidence import coverage
from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import plots
from fmnist_lib.lessons.play.parts import HERE, STYLE, Play, picture, side_by_side

SIDE = 56  # pixels of an image on the page: two for each of its own


class Explorer(anywidget.AnyWidget):
    """The matrix, a slider for the threshold, and the images of the chosen cell.

    names: of the classes. chosen: row and column of a cell. threshold: of the confidence, in
    percent. view: all that is shown for these two, as `_view` makes it; set whole, so that its
    parts always belong together.
    """

    _esm = HERE / "confusions.js"
    _css = STYLE
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.List(traitlets.Int(), minlen=2, maxlen=2).tag(sync=True)
    threshold = traitlets.Int(0, min=0, max=99).tag(sync=True)
    view = traitlets.Dict().tag(sync=True)


def confusion_explorer(split: Split, probabilities: Tensor, shown: int = 12) -> Play:
    """Choose a cell of the confusion matrix and see its images; a slider refuses the unsure ones.

    probabilities: float [N, 10] for the images of the split. shown: how many images at most. Raises
    CourseError when the probabilities have another shape or are none, and for no image.
    """
    probabilities = torch.as_tensor(probabilities).float()
    if not len(split):
        raise CourseError("There is no image to look at. Give a split that has some.")
    if probabilities.shape != (len(split), len(CLASS_NAMES)):
        raise CourseError(
            f"probabilities has the shape {[*probabilities.shape]}. Give [{len(split)}, "
            f"{len(CLASS_NAMES)}], those of the {len(split):,} images of this split."
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # nor are they nan
        raise CourseError("These are no probabilities from 0 to 1. Of logits, take softmax(dim=1).")
    predicted = probabilities.argmax(dim=1)
    counts = evaluate.confusion_matrix(split.labels, predicted).to_numpy()
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    most = np.unravel_index(mistakes.argmax(), counts.shape)
    explorer = Explorer(names=CLASS_NAMES, chosen=[int(label) for label in most])

    def draw(_=None):
        explorer.view = _view(split, probabilities, explorer.chosen, explorer.threshold, shown)

    explorer.observe(draw, ["chosen", "threshold"])
    draw()
    table = coverage(probabilities, split.labels)
    figure = plots.coverage(table, _of_the_surest(table))
    return Play(widgets.VBox([explorer]), figure)


def _view(
    split: Split, probabilities: Tensor, chosen: list[int], threshold: int, shown: int
) -> dict:
    """What is shown when the images below a confidence of `threshold` percent are not answered.

    chosen: its row and column. The keys are chosen, counts and shares of the row, both [10][10],
    the texts answered and title, and the images as HTML.
    """
    confidence, predicted = probabilities.max(dim=1)
    sure = confidence >= threshold / 100
    right = int((predicted[sure] == split.labels[sure]).sum())
    matrix = evaluate.confusion_matrix(split.labels[sure], predicted[sure])
    true, called = chosen
    there = (sure & (split.labels == true) & (predicted == called)).nonzero()[:, 0]
    surest = there[confidence[there].argsort(descending=True)][:shown]
    return {
        "chosen": chosen,
        "counts": matrix.to_numpy().tolist(),
        "shares": evaluate.row_shares(matrix).fillna(0).round(3).to_numpy().tolist(),
        "answered": _answered(int(sure.sum()), right, len(split), threshold),
        "title": _title(chosen, len(there), len(surest)),
        "images": _gallery(split, probabilities, surest, chosen),
    }


def _answered(sure: int, right: int, images: int, threshold: int) -> str:
    """How many of the images are answered at a threshold in percent, and how many rightly."""
    if not sure:
        return f"No confidence is {threshold}% or more, so no image is answered."
    if sure == images:
        return f"All {images:,} images are answered, {_share(right, sure)} rightly."
    return (
        f"The confidence is {threshold}% or more for {_share(sure, images)} images. These are "
        f"answered, {_share(right, sure)} rightly."
    )


def _share(part: int, whole: int) -> str:
    """ "841 of 1,000 (84.1%)"; without a percentage that would round to nothing or to all."""
    percent = f"{part / whole:.1%}"
    exact = part in (0, whole) or percent in ("0.0%", "100.0%")
    return f"{part:,} of {whole:,}" + ("" if exact else f" ({percent})")


def _title(chosen: list[int], images: int, shown: int) -> str:
    true, called = (CLASS_NAMES[label] for label in chosen)
    many = {0: "no image", 1: "1 image"}.get(images, f"{images:,} images")
    which = f", of which the {shown} surest are shown" if shown < images else ""
    return f"{true} called {called}: {many}{which}."


def _gallery(split: Split, probabilities: Tensor, numbers: Tensor, chosen: list[int]) -> str:
    """The images with these numbers and what they were given, as HTML."""
    if not len(numbers):
        return ""
    true, called = chosen
    asked = list(dict.fromkeys([called, true]))  # one on the diagonal
    images = [
        (
            picture(split.images[number], f"{CLASS_NAMES[true]}, no. {number}", SIDE),
            f"no. {number}<br>" + ", ".join(f"{probabilities[number, k]:.0%}" for k in asked),
        )
        for number in numbers.tolist()
    ]
    given = " and of ".join(html.escape(CLASS_NAMES[label]) for label in asked)
    return f"{side_by_side(images)}<p>Below each: its number, the probability of {given}.</p>"


def _of_the_surest(table: pd.DataFrame) -> str:
    """What a table of `confidence.coverage` shows, in a sentence."""
    half = table["accuracy"].iloc[(table["answered"] - 0.5).abs().argmin()]
    more = "more" if half > table["accuracy"].iloc[0] else "no more"
    return f"Of the surest half of the answers, {more} are right than of all"
