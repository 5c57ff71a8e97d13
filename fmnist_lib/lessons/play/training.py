"""A training as it goes: a bar, the curves, and a line for each epoch."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
from IPython import display
from torch.optim.optimizer import register_optimizer_step_post_hook

from fmnist_lib.data import Split
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch, best_epoch
from fmnist_lib.lessons import plots
from fmnist_lib.recipe import Recipe

PAUSE = 0.5  # seconds, at least, before the bar is drawn anew within an epoch
LENGTH = 30  # of the bar, in characters


def watch(
    epochs: Iterable[Epoch], train: Split | None = None, recipe: Recipe | None = None
) -> Iterator[Epoch]:
    """Pass the epochs of `train.fit` on, and show bar, curves and a line for each meanwhile.

    train, recipe: what `fit` was given. With both, the bar has its full length from the first epoch
    on; else it learns from that how many steps an epoch has.

    Interrupting the kernel (■ in JupyterLab) ends the training after what was done so far: the loop
    ends as if these had been all epochs, and `was_stopped` says that they were not. Raises
    CourseError when no epoch was complete.
    """
    steps = math.ceil(len(train) / recipe.batch_size) if train and recipe else 0
    bar = _Bar(steps, recipe.epochs if recipe else 0)
    curves, drawn = _place({"text/plain": ""}), 0.0
    done: list[Epoch] = []
    counting = register_optimizer_step_post_hook(lambda *_: bar.count())
    try:
        for epoch in epochs:
            done.append(epoch)
            bar.complete(epoch)
            print(epoch, flush=True)  # the one thing that a log without a front end keeps
            # A figure takes a third of a second, as long as an epoch on a fast GPU.
            if time.monotonic() - drawn > 3 or epoch.epoch == epoch.epochs or epoch.diverged:
                curves.update(_curves(done))
                drawn = time.monotonic()
            yield epoch
            bar.counted = 0  # whatever else was trained meanwhile
    except KeyboardInterrupt:
        if done:
            curves.update(_curves(done))
            print(f"Stopped. What was learned up to epoch {done[-1].epoch} is kept.")
        else:
            raise CourseError(
                "Stopped before the first epoch was complete, so there is nothing to look at. Run "
                "this cell again."
            ) from None
    finally:
        counting.remove()


def _place(shown: dict) -> display.DisplayHandle:
    """Show something that can be updated; outside a notebook, something new is printed instead."""
    return display.display(shown, raw=True, display_id=True) or display.DisplayHandle()


def was_stopped(history: Sequence[Epoch], recipe: Recipe) -> bool:
    """Whether a training ended before its last epoch, and not because it diverged.

    history: its epochs, at least one. recipe: what `fit` was given. Such a training can go on, so
    it is too early to open the test set.
    """
    return history[-1].epoch < recipe.epochs and not history[-1].diverged


class _Bar:
    """How far a training is, within an epoch as well.

    steps, epochs: of an epoch, and of the training; 0 where that is not known yet. counted: steps
    in the epoch that is running.
    """

    def __init__(self, steps: int, epochs: int):
        self._steps, self._epochs, self._complete = steps, epochs, 0
        self.counted = 0
        first = {"text/plain": "the first epoch is running"}
        self._place = _place(first)
        self._shown = time.monotonic()

    def count(self) -> None:
        """One more step of the optimizer; on a GPU it is counted when it is queued."""
        self.counted += 1
        if time.monotonic() - self._shown >= PAUSE:
            self._show()

    def complete(self, epoch: Epoch) -> None:
        self._steps = self.counted or self._steps  # none was counted where a training is resumed
        self._complete, self._epochs, self.counted = epoch.epoch, epoch.epochs, 0
        self._show()

    def _show(self) -> None:
        share = min(self.counted / self._steps, 1) if self._steps else 0
        if self._epochs:
            filled = round(LENGTH * (self._complete + share) / self._epochs)
            text = "█" * filled + "░" * (LENGTH - filled)
            if self.counted:
                text += f"  epoch {self._complete + 1}: {share:.0%}"
        else:
            text = f"the first epoch is running, step {self.counted}"
        self._place.update({"text/plain": text}, raw=True)
        self._shown = time.monotonic()


def _curves(done: list[Epoch]) -> plots.CourseFigure:
    best, last = best_epoch(done), done[-1]
    if last.diverged:
        title = f"Diverged in epoch {last.epoch}: the learning rate is too large"
    else:
        highest = f"{best.validation_accuracy:.1%} after epoch {best.epoch}"
        title = f"Validation accuracy is highest, {highest}"
    return plots.learning_curves(pd.DataFrame(done), best.epoch if best else None, title)
