"""Notebook 3: learning rate and momentum on the way down a bowl."""

from collections.abc import Callable

import ipywidgets as widgets
import torch
from torch import Tensor

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import plots
from fmnist_lib.lessons.play.parts import Play, Shown, message

WAYS = ((0.02, 0.0), (0.18, 0.0), (0.21, 0.0), (0.18, 0.5))  # learning rate and momentum


def bowl(walk: Callable[[float, float], Tensor], curvature: float = 10.0) -> Play:
    """Choose learning rate and momentum, and see the way down the bowl ½ (x² + curvature · y²).

    walk: a function of the rate and the momentum that gives the places on this way, float
        [steps + 1, 2]; `CourseError` when it gives something else.
    """
    rate = widgets.FloatSlider(0.18, min=0.005, max=0.25, step=0.005, readout_format=".3f")
    momentum = widgets.FloatSlider(0.0, min=0.0, max=0.95, step=0.05, readout_format=".2f")
    rate.description, momentum.description = "rate", "momentum"
    arrived, shown = Shown(live=True), Shown()

    def draw(_=None):
        try:
            path = _walked(walk, rate.value, momentum.value)
        except CourseError as error:
            arrived.value, shown.value = message(str(error)), ""
            return
        arrival = arrived.value = _arrival(path, curvature)
        shown.value = _bowl_picture(path, curvature, arrival)

    for slider in (rate, momentum):
        slider.observe(draw, "value")
    draw()
    paths = {}
    for of_rate, of_momentum in WAYS:
        path = _walked(walk, of_rate, of_momentum)
        with_momentum = f", momentum {of_momentum}" if of_momentum else ""
        paths[f"rate {of_rate}{with_momentum}: {_arrival(path, curvature)}"] = path
    title = f"Above a rate of 2 / {curvature:g} = {2 / curvature:g}, plain SGD leaves the bowl"
    return Play(
        widgets.VBox([rate, momentum, arrived, shown]), plots.bowl_paths(paths, curvature, title)
    )


def steps_down(path: Tensor, curvature: float = 10.0) -> int | None:
    """After how many steps the loss stays below a hundredth; None when it does not at the end."""
    low = (path**2) @ path.new_tensor([0.5, curvature / 2]) < 0.01  # never of nan
    high = (~low).nonzero()
    steps = int(high[-1]) + 1 if len(high) else 0
    return steps if steps < len(path) else None


def _walked(walk: Callable, rate: float, momentum: float) -> Tensor:
    places = walk(rate, momentum)
    try:
        path = torch.as_tensor(places)
    except (TypeError, ValueError, RuntimeError) as error:
        raise CourseError(
            f"walk should return a tensor of places [steps + 1, 2], not {type(places).__name__}."
        ) from error
    if path.dim() != 2 or path.shape[1] != 2 or not len(path):
        raise CourseError(f"walk should give places [steps + 1, 2]; these are {[*path.shape]}.")
    return path.detach().double()


def _arrival(path: Tensor, curvature: float) -> str:
    steps = steps_down(path, curvature)
    if steps is not None:
        return f"{steps} steps to the bottom"
    if not path[-1].isfinite().all() or path[-1].abs().max() > path[0].abs().max():
        return "it leaves the bowl"
    return f"not there after {len(path) - 1} steps"


def _bowl_picture(path: Tensor, curvature: float, arrival: str) -> str:
    """The way on the contours, as an SVG."""
    half = [30 * (2 * loss) ** 0.5 for loss in plots.CONTOURS]  # 30 pixels for 1
    contours = (f'<ellipse rx="{x:.0f}" ry="{x / curvature**0.5:.0f}"/>' for x in half)
    places = [(30 * x, -30 * y) for x, y in path.clamp(-1e3, 1e3).tolist()]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
    return (
        '<svg class="fmnist-bowl" role="img" viewBox="-325 -110 650 220" '
        f'aria-label="The way down: {arrival}"><g class="contours">{"".join(contours)}</g>'
        f'<polyline points="{line}"/><g class="places">{dots}</g>'
        '<path class="lowest" d="M-6,-6L6,6M-6,6L6,-6"/></svg>'
    )
