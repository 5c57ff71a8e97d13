"""Every figure of the course, one function each. They draw what they are given.

Each returns a `CourseFigure`: as the last expression of a cell it is shown with its alt text;
`.savefig("name.pdf")` saves it. Images are drawn as ink on paper: 0 is white, 255 black. Colours
keep their order in grey print, and lines differ in style as well.
"""

import io
import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
import torch
import torch.nn.functional as F
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter
from torch import Tensor, nn

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import anatomy
from fmnist_lib.sources import SOURCES

LINES = [
    {"color": "#00429d", "linestyle": "-", "marker": "o"},
    {"color": "#d1495b", "linestyle": "--", "marker": "s"},
    {"color": "#2e8b57", "linestyle": ":", "marker": "^"},
    {"color": "#666666", "linestyle": "-.", "marker": "D"},
]
_caption = ""  # of every figure that isn't told another source


def setup(source: str | None) -> None:
    """Say once per notebook which data the figures show; the caption of every figure repeats it.

    source: `FashionMNIST.source`, or None for figures that show no data.
    """
    global _caption
    _caption = _words(source) if source else ""
    sns.set_theme(context="notebook", style="ticks", font_scale=0.9)


def _words(source: str) -> str:
    return f"Data: {SOURCES[source]}"


class CourseFigure(Figure):
    """A matplotlib figure that Jupyter shows with alt text, outside pyplot's global state.

    width, height: in inches. source: of the data that it shows, "" where it shows none; default is
    what `setup` was told.
    """

    def __init__(self, width: float, height: float, title: str, source: str | None = None):
        super().__init__(figsize=(width, height), dpi=100, layout="constrained")
        self.caption = _caption if source is None else source and _words(source)
        self._parts = [title] if title else []
        self.suptitle(title, fontweight="bold", fontsize=12, wrap=True)
        if self.caption:
            self.supxlabel(self.caption, x=0.99, ha="right", fontsize=8, color="0.35")

    @property
    def alt(self) -> str:
        """The alt text: title, what `describe` added, and in the end the source of the data."""
        parts = [part if part[-1] in ".?!" else f"{part}." for part in self._parts]
        return " ".join([*parts, self.caption]).strip()

    def describe(self, text: str) -> "CourseFigure":
        """Add to the alt text what the title does not say."""
        self._parts.append(text)
        return self

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = io.BytesIO()
        self.savefig(png, format="png")
        text = f"Figure: {self.alt}"
        return (
            {"image/png": png.getvalue(), "text/plain": text},
            {"image/png": {"alt": self.alt}},
        )


def _short(value: float) -> str:
    """A number as one reads it aloud: 3,730 and not 3.73e+03."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _count(ax) -> None:
    """Ticks of the x axis at whole numbers only, as there are no others."""
    steps = [1, 2, 5, 10]
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=steps, integer=True, min_n_ticks=1))


def _show_image(ax, image: Tensor, title: str = "", **limits) -> None:
    ax.imshow(np.asarray(image), cmap="gray_r", **({"vmin": 0, "vmax": 255} | limits))
    ax.set_title(title, fontsize=9)
    ax.set(xticks=[], yticks=[])


# ------------------------------------------------------------------------------ 01: the data


def samples(split: Split, per_class: int = 12, title: str = "") -> Figure:
    """One row of images for each class that has some."""
    fig = CourseFigure(
        0.56 * per_class + 2, 7.2, title or f"The first {per_class} images of each class"
    )
    labels = split.labels.unique().tolist()
    rows = fig.subplots(len(labels), 1, squeeze=False)[:, 0]
    for ax, label in zip(rows, labels, strict=True):
        images = split.images[split.labels == label][:per_class]
        _show_image(ax, np.hstack(list(images)))
        ax.set_ylabel(
            f"{label}  {CLASS_NAMES[label]}", rotation=0, ha="right", va="center", fontsize=9
        )
        sns.despine(ax=ax, left=True, bottom=True)
    return fig.describe("A grid of small grey images, a row for each class.")


def gallery(images: Tensor, titles: Sequence[str], columns: int = 6, title: str = "") -> Figure:
    """Images [N, 28, 28] in a grid, a title over each."""
    row_count = max(1, -(-len(images) // columns))  # an empty row where there is none to show
    fig = CourseFigure(1.4 * columns, 1.6 * row_count + 0.8, title)
    axes = fig.subplots(row_count, columns, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    for ax, image, text in zip(axes, images, titles):
        _show_image(ax, image, text)
    listed = "; ".join(str(text).replace("\n", ", ") for text in titles[:6])
    return fig.describe(f"{len(images)} images, among them: {listed}.")


def pixels_as_numbers(image: Tensor, title: str) -> Figure:
    """A part of an image, [H, W], with the value of every pixel written into it."""
    fig = CourseFigure(7.6, 7.6 * image.shape[0] / image.shape[1] + 0.6, title)
    ax = fig.subplots()
    _show_image(ax, image)
    for row, column in np.ndindex(*image.shape):
        value = int(image[row, column])
        color = "white" if value > 127 else "black"
        ax.text(column, row, value, ha="center", va="center", fontsize=9, color=color)
    return fig.describe("Every pixel carries its value from 0 (white paper) to 255 (black ink).")


def pixel_histogram(counts: Sequence[int], title: str) -> Figure:
    """How many pixels have each grey level; counts: 256 numbers, drawn in bins of 8 levels."""
    fig = CourseFigure(7, 3.2, title)
    ax = fig.subplots()
    ax.hist(np.arange(256), bins=32, range=(0, 256), weights=counts, color="0.45", ec="white")
    ax.set(
        xlabel="pixel value, eight to a bar (0: paper, 255: ink)",
        ylabel="pixels",
        yscale="log",
        xlim=(0, 256),
    )
    sns.despine(fig)
    bins = np.asarray(counts).reshape(32, 8).sum(axis=1)
    return fig.describe(
        f"Histogram of 32 bins with a logarithmic scale: {_short(bins[0])} pixels in the first, "
        f"{_short(bins[1:].min())} to {_short(bins[1:].max())} in each of the others."
    )


def class_means(means: Tensor, title: str) -> Figure:
    """The mean image of each class, float [10, 28, 28]."""
    fig = gallery(means, CLASS_NAMES, columns=5, title=title)
    return fig.describe("Blurred outlines: the blurrier, the more the images of a class differ.")


def class_matrix(frame: pd.DataFrame, title: str, label: str, fmt: str = ".0f") -> Figure:
    """A 10 × 10 table of classes as a heat map with its numbers."""
    fig = CourseFigure(7.6, 6.4, title)
    ax = fig.subplots()
    sns.heatmap(
        frame, ax=ax, cmap="Blues", annot=True, fmt=fmt, annot_kws={"fontsize": 8},
        cbar_kws={"label": label}, linewidths=0.5, square=True,
    )  # fmt: skip
    ax.tick_params(axis="x", rotation=45)
    return fig.describe(f"Heat map of {label} for each pair of classes.")


def two_conditions(results: pd.DataFrame, title: str, label: str) -> Figure:
    """A dot for each run under two conditions, and a line through the means for each network.

    results: columns network, condition and value, a row for each run; values are shares.
    """
    fig = CourseFigure(6, 3.8, title)
    ax = fig.subplots()
    conditions = list(results["condition"].unique())
    described = []
    for style, (name, runs) in zip(LINES, results.groupby("network", sort=False)):
        dots = {"color": style["color"], "marker": style["marker"], "alpha": 0.4}
        ax.scatter(runs["condition"].map(conditions.index), runs["value"], s=22, **dots)
        means = runs.groupby("condition")["value"].mean()[conditions]
        ax.plot(range(len(conditions)), means, label=f"{name}, mean", **style)
        described.append(f"{name} " + ", ".join(f"{c} {means[c]:.1%}" for c in conditions))
    ax.set(ylabel=label, xticks=range(len(conditions)), xlim=(-0.4, len(conditions) - 0.6))
    ax.set_xticklabels(conditions)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    ax.legend(frameon=False)
    sns.despine(fig)
    return fig.describe(f"A dot is a run. Means: {'; '.join(described)}.")


# --------------------------------------------------------------------------- 02: the network


def convolution_step(
    image: Tensor, kernel: Tensor, row: int, column: int, title: str = ""
) -> Figure:
    """One step of a convolution with its numbers: square, kernel, products, result so far.

    image: [H, W]. kernel: [k, l]. row, column: the place, counted from 0. Raises CourseError for a
    place where the kernel does not fit.
    """
    places = F.conv2d(image[None, None].float(), kernel[None, None].float())[0, 0]
    if not (0 <= row < places.shape[0] and 0 <= column < places.shape[1]):
        raise CourseError(
            f"The kernel does not fit at row {row}, column {column}. There are {places.shape[0]} "
            f"rows and {places.shape[1]} columns of places, counted from 0."
        )
    under = image[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    products, value = under * kernel, places[row, column]
    done = torch.arange(places.numel()).reshape(places.shape) <= row * places.shape[1] + column
    panels = {
        "image": image,
        "× kernel": kernel,
        "= products": products,
        f"sum: {_short(value)}\nthe result so far": places.where(done, torch.nan),
    }
    title = title or f"One step of a convolution: row {row}, column {column}"
    fig = CourseFigure(10, 3.3, title, source="")
    sizes = [panel.shape[1] for panel in panels.values()]
    axes = fig.subplots(1, len(panels), width_ratios=sizes)
    for ax, (name, values) in zip(axes, panels.items()):
        _numbers(ax, values)
        ax.set_title(name, fontsize=10)
    _frame(axes[0], row, column, *kernel.shape)
    _frame(axes[-1], row, column, 1, 1)
    return fig.describe(
        f"A square of the image times the kernel gives the products {_listed(products)}; their sum "
        f"is {_short(value)}. The result so far: {_listed(places[done])}."
    )


def _numbers(ax, values: Tensor) -> None:
    """A table of numbers as shaded squares; those that are not known are left empty."""
    largest = max(float(values.nan_to_num().abs().max()), 1e-9)
    # Half as dark as an image, so that each number can be read.
    ax.imshow(np.asarray(values), cmap="RdBu_r", vmin=-2 * largest, vmax=2 * largest)
    for row, column in np.ndindex(*values.shape):
        if not values[row, column].isnan():
            text = _short(float(values[row, column]) + 0.0).replace("-", "−")  # no "−0"
            ax.text(column, row, text, ha="center", va="center", fontsize=11)
    ax.set_xticks(np.arange(values.shape[1] + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(values.shape[0] + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="0.8", linewidth=0.8)
    ax.tick_params(which="both", length=0, labelleft=False, labelbottom=False)


def _frame(ax, row: int, column: int, height: int, width: int) -> None:
    place = (column - 0.5, row - 0.5)
    ax.add_patch(Rectangle(place, width, height, fill=False, edgecolor="black", linewidth=3))


def _listed(values: Tensor) -> str:
    return ", ".join(_short(float(value) + 0.0) for value in values.flatten())


def network(model: nn.Module, title: str = "") -> Figure:
    """What becomes of one image in a network: a box for each step, drawn by running it.

    Height and width of a box are those of the feature maps, its depth stands for the channels. A
    bar stands for numbers in a row. Below: the shape of the result, kernels, parameters.
    """
    steps = anatomy.steps(model)
    total = sum(weights.numel() for weights in model.parameters())
    fig = CourseFigure(
        1.25 * len(steps) + 0.3,
        3.9,
        title or f"{type(model).__name__}: one image, step by step, with {total:,} parameters",
        source="",
    )
    ax = fig.subplots()
    for place, step in enumerate(steps):
        _box(ax, place, step)
        ax.text(place, -0.72, step.name, ha="center", va="top", fontsize=10, fontweight="bold")
        ax.text(
            place,
            -0.9,
            "\n".join(_words_of(step)).replace(" parameters", "\nparameters"),
            ha="center",
            va="top",
            fontsize=8.5,
        )
        if place:
            arrow = {"arrowstyle": "->", "color": "0.4", "linewidth": 1.2}
            ax.annotate("", (place - 0.42, 0), (place - 0.58, 0), arrowprops=arrow)
    ax.set(xlim=(-0.55, len(steps) - 0.4), ylim=(-1.65, 0.72), aspect="equal")
    ax.axis("off")
    listed = (f"{step.name}: {', '.join(_words_of(step))}" for step in steps)
    return fig.describe(f"{'; '.join(listed)}.")


def _words_of(step: anatomy.Step) -> list[str]:
    """The lines below a step of a network."""
    lines = [" × ".join(map(str, step.shape)), *step.notes]
    if step.kernel:
        lines.insert(1, "kernels of {} × {}".format(*step.kernel))
    return [*lines, f"{step.parameters:,} parameters"] if step.parameters else lines


BOXES = {"image": "#d9d9d9", "convolution": "#7fa8d6", "linear": "#e0a35c", "other": "#c8d9c4"}


def _box(ax, place: int, step: anatomy.Step) -> None:
    """A box at x = `place`, its middle at y = 0: 28 pixels are 0.62 high."""
    if len(step.shape) == 3:
        channels, height, width = step.shape
        high, wide = 0.12 + 0.5 * height / 28, 0.12 + 0.5 * width / 28
        deep = 0.045 * np.log2(channels + 1)
    else:
        high, wide, deep = 0.12 + 0.04 * np.sqrt(np.prod(step.shape)), 0.1, 0.03
    is_layer = "linear" if len(step.shape) == 1 else "convolution"
    kind = is_layer if step.parameters else "image" if step.name == "image" else "other"
    over, up = deep * 0.6, deep
    left, low = place - (wide + over) / 2, -(high + up) / 2
    right, top = left + wide, low + high
    style = {"edgecolor": "0.25", "linewidth": 0.9, "facecolor": BOXES[kind]}
    ax.add_patch(Rectangle((left, low), wide, high, **style))
    for shade, corners in (
        ("white", [(left, top), (left + over, top + up), (right + over, top + up), (right, top)]),
        ("black", [(right, low), (right + over, low + up), (right + over, top + up), (right, top)]),
    ):
        ax.add_patch(Polygon(corners, **style))
        ax.add_patch(Polygon(corners, facecolor=shade, alpha=0.25, linewidth=0))


def image_steps(steps: dict[str, Tensor], title: str) -> Figure:
    """Images or feature maps [1, 1, H, W] side by side, each with its own grey scale and axes.

    White is 0 and black the largest number. Where there are negative numbers, medium grey is 0:
    positive is darker, negative lighter.
    """
    fig = CourseFigure(2.6 * len(steps), 3.7, title)
    axes = fig.subplots(1, len(steps), squeeze=False)[0]
    for ax, (name, image) in zip(axes, steps.items(), strict=True):
        image = image[0, 0]
        low, high = float(image.min()), float(image.max())
        ends = (-max(-low, high), max(-low, high)) if low < 0 else (0, max(high, 1e-9))
        ax.imshow(np.asarray(image), cmap="gray_r", vmin=ends[0], vmax=ends[1])
        size = f"{image.shape[0]}×{image.shape[1]}, {_short(low)} to {_short(high)}"
        ax.set_title(f"{name}\n{size}", fontsize=9)
        ax.set_xlabel("column", fontsize=8)
        ax.tick_params(labelsize=7)
    axes[0].set_ylabel("row", fontsize=8)
    return fig.describe("From left to right: " + ", ".join(steps) + ".")


def small_maps(maps: Tensor, title: str, columns: int = 10, symmetric: bool = False) -> Figure:
    """Filters or feature maps [N, H, W] as small multiples on one shared scale.

    symmetric: the scale is centred on 0, so that negative is blue and positive is red.
    """
    row_count = -(-len(maps) // columns)
    fig = CourseFigure(8, 0.9 * row_count + 1, title)
    high = float(maps.abs().max())
    low = -high if symmetric else float(maps.min())
    axes = fig.subplots(row_count, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for number, (ax, values) in enumerate(zip(axes.flat, maps)):
        drawn = ax.imshow(
            np.asarray(values), cmap="RdBu_r" if symmetric else "gray_r", vmin=low, vmax=high
        )
        ax.set_title(number, fontsize=7)
    fig.colorbar(drawn, ax=axes, shrink=0.9, pad=0.01, label="value")
    return fig.describe(
        f"{len(maps)} small maps on one scale from {_short(low)} to {_short(high)}."
    )


def class_bars(values: pd.Series, title: str, label: str, reference: float | None = None) -> Figure:
    """One bar for each class; a dashed line at `reference`."""
    fig = CourseFigure(7, 3.4, title)
    ax = fig.subplots()
    ax.barh(values.index, values, color="#5a7ca8")
    ax.invert_yaxis()
    ax.set(xlabel=label)
    if reference is not None:
        ax.axvline(reference, color="black", linestyle="--", linewidth=1)
    sns.despine(fig)
    top = values.sort_values(ascending=False)
    return fig.describe(
        f"Bars of {label}; highest {top.index[0]} ({_short(top.iloc[0])}), "
        f"lowest {top.index[-1]} ({_short(top.iloc[-1])})."
    )


# --------------------------------------------------------------------------------- 03: training


def descents(runs: pd.DataFrame, x: str, title: str, until: float) -> Figure:
    """Training loss of several methods against what it cost; a dotted line where all are compared.

    runs: columns method, loss and `x`, the name of a cost, such as "updates". until: that cost.
    """
    fig = CourseFigure(7, 3.6, title)
    ax = fig.subplots()
    for style, (method, run) in zip(LINES, runs.groupby("method", sort=False)):
        ax.plot(run[x], run["loss"], label=method, markersize=3, **style)
    ax.axvline(until, color="black", linestyle=":", linewidth=1, label="compared here")
    ax.set(xlabel=f"{x} (logarithmic scale)", xscale="log", ylabel="loss on the subset")
    ax.legend(frameon=False, fontsize=8)
    sns.despine(fig)
    compared = runs[runs[x] <= until].groupby("method", sort=False)["loss"].last()
    losses = ", ".join(f"{method} {loss:.2f}" for method, loss in compared.items())
    return fig.describe(
        f"A line for each method. Last measured up to {_short(until)} {x}: {losses}."
    )


CONTOURS = (1, 4, 10, 20, 35, 55)  # of the bowl: losses at which an ellipse is drawn


def bowl_paths(paths: dict[str, Tensor], curvature: float, title: str) -> Figure:
    """Ways down the bowl ½ (x² + curvature · y²), a panel for each; its contours are ellipses.

    paths: float [steps + 1, 2] by name, the places (x, y) from the beginning on.
    """
    fig = CourseFigure(9, 1.5 * -(-len(paths) // 2) + 1, title, source="")
    axes = fig.subplots(-(-len(paths) // 2), 2, sharex=True, sharey=True, squeeze=False)
    x, y = np.meshgrid(np.linspace(-10, 10, 161), np.linspace(-3, 3, 121))
    for ax, (name, path) in zip(axes.flat, paths.items()):
        ax.contour(x, y, (x**2 + curvature * y**2) / 2, CONTOURS, colors="0.7", linewidths=0.7)
        ax.plot(*np.asarray(path).T, markersize=3, linewidth=1, **LINES[0])
        ax.plot(0, 0, "x", color=LINES[1]["color"])
        ax.set(xlim=(-10, 10), ylim=(-3, 3))
        ax.set_title(name, fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("x, the first weight")
    for ax in axes[:, 0]:
        ax.set_ylabel("y, the second")
    sns.despine(fig)
    return fig.describe(
        "Ellipses are places of equal loss, a cross marks the bottom, dots are steps. "
        + "; ".join(paths)
        + "."
    )


def learning_curves(history: pd.DataFrame, best_epoch: int | None, title: str) -> Figure:
    """Loss and accuracy on training and validation set after each epoch, the best one marked.

    history: the epochs as a table. The axis of epochs is as long as the training is to be, where a
    column `epochs` says that, so that one epoch stands at its place and not alone.
    best_epoch: None when there is none, as every epoch diverged.
    """
    fig = CourseFigure(9, 3.8, title)
    axes = fig.subplots(1, 2)
    for ax, what in zip(axes, ("loss", "accuracy")):
        for style, split in zip(LINES, ("train", "validation")):
            ax.plot(
                history["epoch"], history[f"{split}_{what}"], label=split, markersize=3, **style
            )
        if best_epoch is not None:
            ax.axvline(best_epoch, color="0.6", linewidth=1, label="best on validation")
        end = history.get("epochs", history["epoch"]).iloc[-1]
        ax.set(xlabel="epoch", ylabel=what, xlim=(history["epoch"].iloc[0] - 0.5, end + 0.5))
        _count(ax)
    if best_epoch is not None:
        lowest = history.loc[history["validation_loss"].idxmin(), "epoch"]
        axes[0].axvline(lowest, color="0.3", linestyle=":", label="lowest validation loss")
    axes[0].legend(frameon=False)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1))
    sns.despine(fig)
    first, last = history.iloc[0], history.iloc[-1]
    return fig.describe(
        f"From epoch {first.epoch:.0f} to {last.epoch:.0f} the training loss goes from "
        f"{first.train_loss:.2f} to {last.train_loss:.2f}, the validation loss from "
        f"{first.validation_loss:.2f} to {last.validation_loss:.2f}, the validation accuracy from "
        f"{first.validation_accuracy:.1%} to {last.validation_accuracy:.1%}."
    )


def traces(
    lines: dict[str, Sequence[float]],
    title: str,
    xlabel: str,
    ylabel: str,
    low: float | None = None,
) -> Figure:
    """One line for each name, its values in order, counted from 1.

    low: where the axis of the values begins, so that small changes look small; default is just
        below the lowest of them.
    """
    fig = CourseFigure(7, 3.4, title)
    ax = fig.subplots()
    for style, (name, values) in zip(LINES, lines.items()):
        ax.plot(range(1, len(values) + 1), values, label=name, markersize=3, **style)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _count(ax)
    if low is not None:
        highest = max(max(values) for values in lines.values())
        ax.set_ylim(low, highest + 0.1 * (highest - low))
    if len(lines) > 1:
        ax.legend(frameon=False)
    sns.despine(fig)
    spans = (f"{name} from {min(v):.3g} to {max(v):.3g}" for name, v in lines.items())
    return fig.describe(f"Lines by {xlabel}: {'; '.join(spans)}.")


# -------------------------------------------------------------------------- 04: the confusions


def confusion_matrix(matrix: pd.DataFrame, title: str) -> Figure:
    """Counts (integers) or row shares (floats) of a confusion matrix."""
    shares = not all(kind.kind in "iu" for kind in matrix.dtypes)
    fig = CourseFigure(7.6, 6.6, title)
    ax = fig.subplots()
    # The square root in the colour scale keeps small off-diagonal cells apart from zero.
    sns.heatmap(
        matrix, ax=ax, cmap="Blues", annot=True, fmt=".1%" if shares else "d", norm=PowerNorm(0.5),
        annot_kws={"fontsize": 7.5}, cbar=False, linewidths=0.5, square=True,
    )  # fmt: skip
    ax.tick_params(axis="x", rotation=45)
    return fig.describe(
        "Heat map: rows are the true classes, columns the predicted ones; the diagonal is right."
    )


def per_class(report: pd.DataFrame, title: str) -> Figure:
    """Precision, recall and F1 of each class as marks on one line per class, worst F1 on top."""
    fig = CourseFigure(7, 3.8, title)
    ax = fig.subplots()
    ordered = report.sort_values("F1", ascending=False)
    for style, measure in zip(LINES, ("precision", "recall", "F1")):
        mark = {"color": style["color"], "marker": style["marker"], "linestyle": "none"}
        ax.plot(ordered[measure], ordered.index, label=measure, **mark)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="y", color="0.9")
    ax.legend(frameon=False)
    sns.despine(fig, left=True)
    worst, best = ordered.iloc[-1], ordered.iloc[0]
    return fig.describe(
        f"F1 runs from {worst.F1:.1%} ({worst.name}) to {best.F1:.1%} ({best.name})."
    )


def calibration(tables: dict[str, pd.DataFrame], title: str) -> Figure:
    """Accuracy against confidence, bin by bin, and how many images each bin holds.

    tables: as `confidence.calibration` returns them, by the name of the model. A bar is the 95 %
    interval of the accuracy. Written out is how many images the leftmost bin has.
    """
    fig = CourseFigure(6, 4.6, title)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect calibration")
    for style, (name, table) in zip(LINES, tables.items()):
        reach = (table["accuracy"] - table["low"], table["high"] - table["accuracy"])
        bars = {"yerr": [each.clip(lower=0) for each in reach], "capsize": 2, "elinewidth": 1}
        top.errorbar(table["confidence"], table["accuracy"], label=name, **bars, **style)
        bottom.plot(table["confidence"], table["images"], **style)
    first = {table["confidence"].iloc[0]: table["images"].iloc[0] for table in tables.values()}
    for (place, count), side in zip(sorted(first.items()), ("right", "left")):
        shift = {"right": (-6, 0), "left": (6, -2)}[side]
        style = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 8}
        bottom.annotate(f"{count:,}", (place, count), shift, **style)
    top.set(ylabel="accuracy", ylim=(0, 1.02))
    top.legend(frameon=False)
    bottom.set(xlabel="confidence (probability of the predicted class)", xlim=(0, 1))
    bottom.set(ylabel="images\n(log scale)", yscale="log", ylim=(0.7, None))
    bottom.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    sns.despine(fig)
    ends = (
        f"{name}: mean confidence {table['confidence'].iloc[-1]:.1%}, accuracy "
        f"{table['accuracy'].iloc[-1]:.1%}, {table['images'].iloc[-1]:,} images"
        for name, table in tables.items()
    )
    fewest = (f"{name} {table['images'].iloc[0]:,}" for name, table in tables.items())
    return fig.describe(
        f"In the most confident bin, {'; '.join(ends)}. Images in the least confident bin: "
        f"{', '.join(fewest)}. Under the diagonal, it is overconfident."
    )


MARKS = "os^Dv<>pXP"  # one for each class: colours alone can't be told apart in grey


def class_maps(maps: dict[str, Tensor], labels: Tensor, title: str) -> Figure:
    """Points in the plane by class, a panel for each map; a line leads to the mean of each class.

    maps: float [N, 2] by the panel's title. labels: int64 [N].
    """
    fig = CourseFigure(5 * len(maps) + 1, 5, title)
    axes = fig.subplots(1, len(maps), squeeze=False)[0]
    described = []
    for ax, (name, places) in zip(axes, maps.items()):
        middles = {}
        for label in labels.unique().tolist():
            of_class, color = places[labels == label], sns.color_palette("tab10")[label]
            ax.plot(*of_class.T, MARKS[label], color=color, markersize=2.5, alpha=0.5)
            middles[label] = of_class.mean(dim=0).tolist()
        _name_classes(ax, middles)
        ax.set_title(name, fontsize=9)
        ax.set(xlabel="first direction", ylabel="second direction", xticks=[], yticks=[])
        points = ", ".join(f"{CLASS_NAMES[k]} ({x:.0f}, {y:.0f})" for k, (x, y) in middles.items())
        described.append(f"{name.replace(chr(10), ', ')}: {points}")
    sns.despine(fig)
    return fig.describe(f"A point is an image. Means of the classes: {'; '.join(described)}.")


def _name_classes(ax, middles: dict[int, tuple[float, float]]) -> None:
    """Write each class at its mean, lower where a name stands already, with a line to the mean."""
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.12 * (high - low), high)  # room for names that go down
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    taken = []  # in shares of the axes
    for label, (x, y) in sorted(middles.items(), key=lambda each: -each[1][1]):
        place = [(x - left) / (right - left), (y - low) / (high - low)]
        for across, up in taken:  # from the top down
            if abs(across - place[0]) < 0.18 and up - place[1] < 0.05:
                place[1] = up - 0.05
        taken.append(place)
        color = sns.color_palette("tab10")[label]
        box = {"facecolor": "white", "edgecolor": color, "pad": 1.5, "alpha": 0.85}
        line = {"arrowstyle": "-", "color": "black", "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
        style = {"ha": "left", "va": "center", "fontsize": 8, "bbox": box, "arrowprops": line}
        text = (place[0] + 0.05, place[1])  # beside the mean, which stays to be seen
        ax.annotate(CLASS_NAMES[label], (x, y), text, "data", "axes fraction", **style)
        mark = {"markersize": 8, "markeredgecolor": "black", "zorder": 4}
        ax.plot(x, y, MARKS[label], color=color, **mark)


def saliency(images: Tensor, maps: dict[str, Tensor], titles: Sequence[str], title: str) -> Figure:
    """Images, each with its maps in a row: red is above 0, blue below, as the scale beside says.

    images: [N, 28, 28]. maps: float [N, 28, 28] by name; each is drawn on a scale of its own, which
    ends at its largest absolute value. titles: one for each image.
    """
    fig = CourseFigure(1.9 * (1 + len(maps)) + 0.9, 1.9 * len(images) + 0.9, title)
    axes = fig.subplots(len(images), 1 + len(maps), squeeze=False)
    for row, (line, image, text) in enumerate(zip(axes, images, titles)):
        _show_image(line[0], image, text)
        for ax, (name, values) in zip(line[1:], maps.items()):
            largest = max(float(values[row].abs().max()), 1e-9)
            limits = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1}
            drawn = ax.imshow(np.asarray(values[row] / largest), **limits)
            ax.contour(np.asarray(image) > 0, [0.5], colors="0.6", linewidths=0.6)
            ax.set_title(name if row == 0 else "", fontsize=9)
            ax.set(xticks=[], yticks=[])
    scale = fig.colorbar(drawn, ax=axes, shrink=0.9 if len(images) < 2 else 0.5, pad=0.01)
    scale.set_ticks([-1, 0, 1], labels=["− largest", "0", "largest"], fontsize=8)
    garment = images > 0
    shares = (
        f"{name} {float(values.abs()[garment].sum() / values.abs().sum().clamp_min(1e-12)):.0%}"
        for name, values in maps.items()
    )
    rows = "; ".join(text.replace("\n", ", ") for text in titles)
    return fig.describe(
        f"A row is an image: {rows}. Grey lines are outlines. Of each map, so much of the total "
        f"lies on the garment: {', '.join(shares)}."
    )


def coverage(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy of the answers against the share answered.

    table: as `confidence.coverage` returns it.
    """
    fig = CourseFigure(6, 3.6, title)
    ax = fig.subplots()
    ax.plot(table["answered"], table["accuracy"], **LINES[0] | {"marker": None})
    ax.set(xlabel="share of the images that are answered", ylabel="accuracy of the answers")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    ax.invert_xaxis()
    sns.despine(fig)
    half = table.iloc[(table["answered"] - 0.5).abs().argmin()]
    return fig.describe(
        f"All answered: {table['accuracy'].iloc[0]:.1%} are right; the surest {half.answered:.0%}: "
        f"{half.accuracy:.1%}."
    )


# -------------------------------------------------------------------------- 06: comparing runs


VERDICTS = {"gain": "#2e8b57", "loss": "#b3452c", "unclear": "#666666"}


def verdicts(
    table: pd.DataFrame,
    accuracy: pd.DataFrame,
    reference: str,
    title: str,
    source: str | None = None,
) -> Figure:
    """What each setting gains over the reference: a dot for each seed, the mean and its margin.

    accuracy, reference and table: as `comparison.verdicts` takes and gives them. A line that does
    not touch 0 is a gain or a loss. source: of the data that the runs were made on; default is what
    `setup` was told.
    """
    fig = CourseFigure(7.2, 0.36 * len(table) + 1.3, title, source)
    ax = fig.subplots()
    points, rows = 100 * table[["difference", "margin"]], range(len(table))
    for row, name in enumerate(table.index):
        of_seeds = 100 * (accuracy[name] - accuracy[reference])
        ax.plot(of_seeds, [row] * len(of_seeds), "o", color="0.65", markersize=4, zorder=1)
        color = VERDICTS[table["verdict"][name]]
        ax.errorbar(*points.loc[name, ["difference"]], row, xerr=points["margin"][name],
                    fmt="D", color=color, capsize=3, markersize=5)  # fmt: skip
    ax.axvline(0, color="black", linewidth=1)
    names = [
        f"{textwrap.shorten(name, 60)}: {verdict}" for name, verdict in table["verdict"].items()
    ]
    label = textwrap.fill(f"validation accuracy minus that of {reference}, in points", 60)
    ax.set(xlabel=label, yticks=rows, yticklabels=names)
    ax.set_ylim(len(table) - 0.4, -0.6)
    sns.despine(fig)
    said = (f"{name} {points['difference'][name]:+.2f} ± {points['margin'][name]:.2f}, {verdict}"
            for name, verdict in table["verdict"].items())  # fmt: skip
    return fig.describe(
        f"Over {reference}, in points, with the margin of chance: {'; '.join(said)}."
    )


def power(shares: pd.DataFrame, title: str) -> Figure:
    """How often a rule calls a true gain one, by its size; a line for each column of `shares`.

    shares: float, from 0 to 1; index: the true gain in spreads.
    """
    fig = CourseFigure(6.5, 3.6, title, source="")
    ax = fig.subplots()
    for style, name in zip(LINES, shares):
        ax.plot(shares.index, shares[name], label=name, markersize=3, **style)
    ax.set(xlabel="true gain, in spreads of the differences", ylabel="called a gain", ylim=(0, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(frameon=False)
    sns.despine(fig)
    reached = ", ".join(f"{name} {shares[name].iloc[-1]:.0%}" for name in shares)
    return fig.describe(f"At a true gain of {shares.index[-1]:g} spreads: {reached}.")


def run_curves(
    history: pd.DataFrame, runs: pd.DataFrame, settings: Sequence[str], title: str
) -> Figure:
    """Validation accuracy by epoch: a panel for each setting, a line for each of its runs.

    history, runs: as `runs.read_all` returns them. settings: the columns of `runs` whose
    values tell the settings apart.
    """
    panels = runs.groupby(list(settings), dropna=False)
    columns = min(3, panels.ngroups)
    row_count = -(-panels.ngroups // columns)
    fig = CourseFigure(3 * columns + 0.6, 2.4 * row_count + 1, title)
    axes = fig.subplots(row_count, columns, sharex=True, sharey=True, squeeze=False)
    ends = []
    for ax in axes.flat[panels.ngroups :]:
        ax.axis("off")
    for ax, (values, members) in zip(axes.flat, panels):
        name = ", ".join(f"{key} {value}" for key, value in zip(settings, values))
        name += _diverged(members, ", ")
        for run in members.index:
            epochs = history.loc[[run]]
            ax.plot(epochs["epoch"], epochs["validation_accuracy"], color="0.6", linewidth=1)
        mean = history.loc[members.index].groupby("epoch")["validation_accuracy"].mean()
        ax.plot(mean.index, mean, label="mean", markersize=3, **LINES[0])
        ax.set_title(name, fontsize=9)
        ends.append(f"{name}: {mean.iloc[-1]:.1%}")
    axes[0, 0].legend(frameon=False, loc="lower right")
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1))
    for column in range(columns):
        lowest = axes[(panels.ngroups - 1 - column) // columns, column]  # below it there is none
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("epoch")
        _count(lowest)
    for ax in axes[:, 0]:
        ax.set_ylabel("validation accuracy")
    sns.despine(fig)
    return fig.describe(f"Mean after the last epoch: {'; '.join(ends)}.")


def _diverged(runs: pd.DataFrame, before: str) -> str:
    count = runs["diverged"].sum()
    return f"{before}{count} diverged" if count else ""


def accuracy_by_parameter(runs: pd.DataFrame, settings: Sequence[str], title: str) -> Figure:
    """Validation accuracy of every run against each parameter, with the mean for each value."""
    fig = CourseFigure(max(5, 3.2 * len(settings)), 3.6, title)
    axes = fig.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    parts = []
    for ax, name in zip(axes, settings):
        means = runs.groupby(name)["validation_accuracy"].mean()
        values = [
            f"{value}{_diverged(runs[runs[name] == value], chr(10))}" for value in means.index
        ]
        position = runs[name].map({value: place for place, value in enumerate(means.index)})
        ax.plot(position, runs["validation_accuracy"], "o", color="0.6", markersize=4, label="run")
        ax.plot(range(len(means)), means, label="mean", **LINES[0])
        ax.set(xlabel=name, xticks=range(len(values)), xticklabels=values)
        parts.append(f"{name}: " + ", ".join(f"{v} → {m:.1%}" for v, m in zip(values, means)))
    axes[0].set_ylabel("validation accuracy")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0].legend(frameon=False)
    sns.despine(fig)
    return fig.describe(f"Means: {'; '.join(parts)}.")


# --------------------------------------------------------------------------- 08: many processes


def scaling(speed_up: pd.DataFrame, title: str) -> Figure:
    """Speed-ups: median, and from the smallest to the largest, of each setting and batch size.

    speed_up: columns median, min and max, by (batch size, setting).
    """
    settings = list(speed_up.index.unique("setting"))
    sizes = speed_up.index.unique("batch size")
    fig = CourseFigure(7.6, 1.6 + 0.6 * len(settings), title)
    ax = fig.subplots()
    ax.axvline(1, color="0.5", linestyle=":")
    for number, (style, (size, rows)) in enumerate(zip(LINES, speed_up.groupby("batch size"))):
        shift = 0.3 * (number - (len(sizes) - 1) / 2) / max(1, len(sizes) - 1)
        places = [settings.index(setting) + shift for setting in rows.index.get_level_values(1)]
        ranges = [rows["median"] - rows["min"], rows["max"] - rows["median"]]
        ax.errorbar(rows["median"], places, xerr=ranges, label=f"batches of {size}", capsize=3,
                    **(style | {"linestyle": "none"}))  # fmt: skip
    ax.set(xlabel="speed-up: median, smallest and largest", xlim=(0, None))
    ax.set_yticks(range(len(settings)), settings)
    ax.set_ylim(len(settings) - 0.5, -0.5)  # the first above
    fig.legend(frameon=False, loc="outside right center")
    sns.despine(fig)
    measured = "; ".join(
        f"{setting}, batches of {size}: {row['median']:.2f} ({row['min']:.2f} to {row['max']:.2f})"
        for (size, setting), row in speed_up.iterrows()
    )
    return fig.describe(f"Speed-ups against one thread: {measured}.")
