"""What a training reports: a row for each epoch, and which of them is best."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One row of the history. Losses are means per image, accuracies are shares from 0 to 1."""

    epoch: int  # counts from 1
    epochs: int  # how many were asked for
    train_loss: float  # running mean while the weights change, as the epoch goes by
    train_accuracy: float
    validation_loss: float  # after the epoch
    validation_accuracy: float
    test_accuracy: float | None  # only for the published way of reporting, never to choose by
    seconds: float  # the pass over the training set
    evaluation_seconds: float  # the passes over validation (and test) set

    @property
    def diverged(self) -> bool:
        """Whether a loss is infinite or no number, and so are the weights: it can't recover."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.validation_loss))

    def __str__(self) -> str:
        if self.diverged:
            return (
                f"epoch {self.epoch:2}/{self.epochs}   DIVERGED: the training loss is "
                f"{self.train_loss}, the validation loss {self.validation_loss}. Training ends "
                "here. Start again with a smaller learning rate."
            )
        left = round((self.epochs - self.epoch) * (self.seconds + self.evaluation_seconds))
        return (
            f"epoch {self.epoch:2}/{self.epochs}   "
            f"train: loss {self.train_loss:.4f}, {self.train_accuracy:.2%}   "
            f"validation: loss {self.validation_loss:.4f}, {self.validation_accuracy:.2%}   "
            f"{self.seconds:.1f} s, {left // 60}:{left % 60:02} min left"
        )


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """The first with the highest validation accuracy; None when every one diverged."""
    finite = [epoch for epoch in history if not epoch.diverged]
    return max(finite, key=lambda epoch: epoch.validation_accuracy, default=None)
