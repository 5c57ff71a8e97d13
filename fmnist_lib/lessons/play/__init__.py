"""Things to play with in JupyterLab, each with a figure that makes its point without a mouse.

Each function returns a `Play`, which shows both: a widget lives only as long as its kernel, the
figure stays. What is shown after an input is plain HTML, so that it takes milliseconds. `watch`
shows a training as it goes.
"""

from fmnist_lib.lessons.play.confusions import confusion_explorer
from fmnist_lib.lessons.play.descent import bowl, steps_down
from fmnist_lib.lessons.play.kernels import (
    KERNELS,
    convolution_playground,
    convolution_steps,
    feature_map,
)
from fmnist_lib.lessons.play.own import try_your_own
from fmnist_lib.lessons.play.parts import Play
from fmnist_lib.lessons.play.tops import label_tops
from fmnist_lib.lessons.play.training import was_stopped, watch

__all__ = [
    "KERNELS",
    "Play",
    "bowl",
    "confusion_explorer",
    "convolution_playground",
    "convolution_steps",
    "feature_map",
    "label_tops",
    "steps_down",
    "try_your_own",
    "was_stopped",
    "watch",
]
