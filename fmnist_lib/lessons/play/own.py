"""Notebook 4: what a network says of a student's own photo or drawing."""

import copy
import html
from pathlib import Path

import anywidget
import ipywidgets as widgets
import numpy as np
import torch
import traitlets
from PIL import Image, ImageOps
from PIL.Image import Resampling
from torch import Tensor, nn

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import own_images, photo, plots
from fmnist_lib.lessons.play.parts import (
    HERE,
    STYLE,
    Play,
    as_url,
    message,
    picture,
    red_and_blue,
    side_by_side,
)

SIDE = 112  # pixels of the longer side of each step on the page
PREVIEW = 448  # of the longer side of a photo in the field
LEAST = 0.01  # the probability that colours fully; where all changes less, the map stays pale
DRAWING = "Draw it larger, with a thicker pen, and fill it in."
WHY = {  # of the steps that do not speak for themselves
    "inverted": "inverted: the garment is brighter now",
    "not inverted": "not inverted: the garment is the brighter part",
    "trimmed": "background 0, trimmed",
    "28 × 28": "28 × 28, what the network gets",
}


class Canvas(anywidget.AnyWidget):
    """A field for a photo or a drawing, the answer to it, and a gallery of what was kept.

    The field sends each picture, after each change, as {"what": "ask", "turn", "name", "drawing"}
    with the file as a buffer; for a photo also the edits "turns", "crop" and "other_way", as
    `photo.edited` and `photo.steps` have them. {"turn", "said", "steps", "preview", "kept"} goes
    back: a sentence, the steps as HTML, for a photo its URL as it stands now, and whether there is
    an answer that can be kept; behind an answer {"turn", "map"}, as HTML. {"what": "keep", "label"}
    keeps it, "take back" removes the last.

    names: of the classes. gallery: what was kept, as HTML. largest: pixels of the longer side to
    which a photo of more than 0.9 MB is reduced before it is sent.
    """

    _esm = HERE / "own.js"
    _css = STYLE
    names = traitlets.List(traitlets.Unicode(), CLASS_NAMES).tag(sync=True)
    gallery = traitlets.Unicode().tag(sync=True)
    largest = traitlets.Int(photo.LARGEST).tag(sync=True)

    def __init__(self, network: nn.Module, folder: str | Path):
        super().__init__()
        self._network, self._folder = network, folder
        self._answered = None  # image and probabilities of the last answer, until it is kept
        self.on_msg(self._received)
        self._show_gallery()

    def _received(self, _, content: dict, buffers: list) -> None:
        if content["what"] == "ask":
            turn = {"turn": content["turn"]}
            self.send(turn | self._answer(bytes(buffers[0]), content))
            if self._answered:  # the map takes far longer than the answer
                self.send(turn | {"map": self._map()})
            return
        try:
            if content["what"] == "take back":
                own_images.take_back(self._folder)
            elif content["what"] == "keep" and self._answered:
                kind = type(self._network).__name__
                image, probabilities = self._answered
                own_images.keep(image, content["label"], probabilities, kind, self._folder)
                self._answered = None  # once
        except CourseError as error:
            self.gallery = message(str(error))
        else:
            self._show_gallery()

    def _answer(self, file: bytes, given: dict) -> dict:
        """What goes back to the page; of what can't be answered the steps that could be made."""
        self._answered = None
        made: dict[str, np.ndarray] = {}
        reply = {"said": "", "preview": ""}
        try:
            opened = photo.open_photo(file, given["name"])
            if not given["drawing"]:
                reply["preview"] = _preview(photo.edited(opened, given["turns"]))
                opened = photo.edited(opened, given["turns"], given["crop"])
            advice = DRAWING if given["drawing"] else photo.ADVICE
            for name, step in photo.steps(opened, given["name"], given["other_way"], advice):
                made["drawing" if given["drawing"] and name == "photo" else name] = step
            image = photo.as_image(made)
            probabilities = evaluate.predict(self._network, image)[0]
            own_images.require_answer(probabilities)
            best = probabilities.topk(3)
            reply["said"] = ", ".join(f"{CLASS_NAMES[i]} {p:.1%}" for p, i in zip(*best))
            self._answered = image[0], probabilities
        except CourseError as error:
            reply["said"] = str(error)
        except Exception as error:  # of somebody's own network; JupyterLab would not show it
            reply["said"] = f"The network can't answer. {type(error).__name__}: {error}"
        return reply | {"steps": _steps(made), "kept": self._answered is not None}

    def _map(self) -> str:
        """The occlusion map of the last answer, as HTML."""
        image, probabilities = self._answered
        label = int(probabilities.argmax())
        try:
            return _map(image, photo.occlusion(self._network, image[None], label), label)
        except Exception as error:  # as above: of many images at once, where one could be answered
            return message(f"There is no map. {type(error).__name__}: {error}")

    def _show_gallery(self) -> None:
        try:
            self.gallery = _gallery(self._folder)
        except CourseError as error:
            self.gallery = message(str(error))


def try_your_own(model: nn.Module, example: Tensor, folder: str | Path = own_images.FOLDER) -> Play:
    """Upload a photo, or draw, and see what becomes of it step by step and what the model says.

    example: uint8 [28, 28], a garment for where there is no front end. folder: of the images that
    are kept, see `own_images`. The model is copied: it is asked as it is now, whatever becomes of
    it, and stays in its mode.
    """
    model = copy.deepcopy(model)
    image = example[None]
    label = int(evaluate.predict(model, image)[0].argmax())
    falls = photo.occlusion(model, image, label)
    figure = plots.saliency(
        image,
        {"occlusion": falls[None]},
        [f"said {CLASS_NAMES[label]}"],
        f"Covering lowers the probability by up to {falls.max():.0%}",
    )
    return Play(widgets.VBox([Canvas(model, folder)]), figure)


def _preview(opened: Image.Image) -> str:
    small = opened.copy()
    small.thumbnail((PREVIEW, PREVIEW))
    return as_url(np.asarray(small))


def _steps(made: dict[str, np.ndarray]) -> str:
    """The steps as they are, 0 as black, as HTML."""
    pictures = []
    for name, step in made.items():
        image = Image.fromarray(step).convert("RGB")
        way = Resampling.BOX if max(image.size) > SIDE else Resampling.NEAREST
        shown = np.asarray(ImageOps.contain(image, (SIDE, SIDE), way))
        pictures.append((picture(shown, name, SIDE), WHY.get(name, name)))
    return side_by_side(pictures)


def _map(image: Tensor, fall: Tensor, label: int) -> str:
    """The occlusion map over the garment, and its key, as HTML.

    image: uint8 [28, 28]. fall: float [28, 28], see `photo.occlusion`.
    """
    most = max(float(fall.abs().max()), LEAST)
    strength = fall / most  # -1 to 1
    colour = torch.tensor(red_and_blue(fall, most)) / 255
    garment = 1 - 0.7 * image[..., None] / 255  # ink on paper, light enough for colours
    opacity = strength.abs()[..., None] ** 0.5 * 0.8
    blended = garment * (1 - opacity) + colour * opacity
    shown = (255 * blended).round().to(torch.uint8)
    name = CLASS_NAMES[label]
    which = html.escape(name)
    key = (
        f'<p class="key"><span>−{most:.0%}</span><span class="scale"></span>'
        f"<span>+{most:.0%}</span></p>"
        f"<p>What the probability of {which} loses when the 7 × 7 pixels around this one become "
        "background. Red spoke for it, blue against it.</p>"
    )
    return picture(shown, f"occlusion map of {name}", 2 * SIDE) + key


def _gallery(folder: str | Path) -> str:
    """The images that were kept, with class and answer, as HTML; nothing where there is none."""
    table = own_images.read(folder)
    if not len(table):
        return ""
    images = own_images.load(folder).images
    pictures = []
    for image, row in zip(images, table.itertuples(index=False), strict=True):
        _, true, answer, probability, _ = row
        verdict = "right" if true == answer else f"said {answer}"
        text = f"{html.escape(true)}<br>{html.escape(verdict)}, {probability:.0%}"
        pictures.append((picture(image, f"{true}, {verdict}", SIDE // 2), text))
    right = int((table["class"] == table["answer"]).sum())
    count = f"{right} of {len(table)} of your images were recognised."
    where = f"They are kept in the folder {html.escape(str(folder))}."
    return f"<p><b>{count}</b> {where}</p>{side_by_side(pictures)}"
