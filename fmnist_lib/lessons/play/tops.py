"""Notebook 1: twenty tops that a student labels by clicks."""

from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import game, plots
from fmnist_lib.lessons.play.parts import Play, Shown, message, picture


def label_tops(split: Split, path: str | Path) -> Play:
    """Twenty tops to be labelled one by one; each answer goes into the file `path` at once.

    split: the validation split. path: see `game.write`. What an earlier game left there goes on.
    """
    positions = game.choose(split)
    progress, shown = Shown(live=True), Shown()
    wide = {"width": "auto", "min_width": "9em", "flex": "1 1 40%"}
    answers = [widgets.Button(description=CLASS_NAMES[label], layout=wide) for label in game.TOPS]
    undo = widgets.Button(description="undo", tooltip="take back the last answer")
    again = widgets.Button(description="start again", tooltip="forget all answers")

    def kept() -> list[int]:
        table = game.read(path, split)
        return [] if table is None else table["yours"].tolist()

    def draw(yours: list[int]):
        done = len(yours) == len(positions)
        for button in answers:
            button.disabled = done
        undo.disabled = again.disabled = not yours
        if done:
            said, shown.value = "All 20 are labelled. Run the cells below to see your result.", ""
        else:
            said = f"{len(yours) + 1} of {len(positions)}"
            image = split.images[positions[len(yours)]]
            shown.value = picture(image, f"image {len(yours) + 1}: what is it?", 252)
        progress.value = said

    def change(action: Callable[[list[int]], list[int]]):
        try:
            yours = action(kept())[: len(positions)]  # labels may have been typed meanwhile
            game.write(path, split, yours)
        except CourseError as error:
            progress.value = message(str(error))
            return
        draw(yours)

    for label, button in zip(game.TOPS, answers, strict=True):
        button.on_click(lambda _, label=label: change(lambda yours: [*yours, label]))
    undo.on_click(lambda _: change(lambda yours: yours[:-1]))
    again.on_click(lambda _: change(lambda yours: []))
    draw(kept())
    row = {"display": "flex", "flex_flow": "row wrap", "max_width": "340px"}
    board = [progress, shown, widgets.Box(answers, layout=row), widgets.Box([undo, again])]
    figure = plots.gallery(
        split.images[positions], range(1, len(positions) + 1), columns=7, title="Label these tops"
    )
    return Play(widgets.VBox(board), figure)
