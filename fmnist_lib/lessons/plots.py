"""Every figure of the course, one function each. They draw what they are given.

Each returns a `CourseFigure`: as the last expression of a cell it is shown with its alt text;
`.savefig("name.pdf")` saves it. Images are drawn as ink on paper: 0 is white, 255 black. Colours
keep their order in grey print, and lines differ in style as well.
"""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from fmnist_lib.data import CLASS_NAMES, Split
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

    width, height: in inches. source: of the data that it shows; default is what `setup` was told.
    """

    def __init__(self, width: float, height: float, title: str, source: str | None = None):
        super().__init__(figsize=(width, height), dpi=100, layout="constrained")
        self.caption = _words(source) if source else _caption
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
    """One row of images for each class."""
    fig = CourseFigure(
        0.56 * per_class + 2, 7.2, title or f"The first {per_class} images of each class"
    )
    rows = fig.subplots(len(CLASS_NAMES), 1)
    for label, (ax, name) in enumerate(zip(rows, CLASS_NAMES, strict=True)):
        images = split.images[split.labels == label][:per_class]
        _show_image(ax, np.hstack(list(images)))
        ax.set_ylabel(f"{label}  {name}", rotation=0, ha="right", va="center", fontsize=9)
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
    """One image with the value of every pixel written into it."""
    fig = CourseFigure(7, 7, title)
    ax = fig.subplots()
    _show_image(ax, image)
    for row, column in np.ndindex(*image.shape):
        value = int(image[row, column])
        color = "white" if value > 127 else "0.4"
        ax.text(column, row, value, ha="center", va="center", fontsize=6, color=color)
    return fig.describe("Every pixel carries its value from 0 (background) to 255.")


def pixel_histogram(counts: Sequence[int], title: str) -> Figure:
    """How many pixels have each grey level; counts: 256 numbers, drawn in bins of 8 levels."""
    fig = CourseFigure(7, 3.2, title)
    ax = fig.subplots()
    ax.hist(np.arange(256), bins=32, range=(0, 256), weights=counts, color="0.45", ec="white")
    ax.set(xlabel="grey level (0 is background)", ylabel="pixels", yscale="log", xlim=(0, 256))
    sns.despine(fig)
    return fig.describe("Histogram with a logarithmic scale; the first bin towers over the rest.")


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


# --------------------------------------------------------------------------- 02: the network


def image_steps(steps: dict[str, Tensor], title: str) -> Figure:
    """Images or feature maps [1, 1, H, W] side by side, each with its own grey scale and axes."""
    fig = CourseFigure(2.6 * len(steps), 3.7, title)
    axes = fig.subplots(1, len(steps), squeeze=False)[0]
    for ax, (name, image) in zip(axes, steps.items(), strict=True):
        image = image[0, 0]
        low, high = float(image.min()), float(image.max())
        ax.imshow(np.asarray(image), cmap="gray_r")
        size = f"{image.shape[0]}×{image.shape[1]}, {_short(low)} to {_short(high)}"
        ax.set_title(f"{name}\n{size}", fontsize=9)
        ax.tick_params(labelsize=7)
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
    fig.colorbar(drawn, ax=axes, shrink=0.9, pad=0.01)
    return fig.describe(f"{len(maps)} small maps on one scale from {low:.2g} to {high:.2g}.")


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


def descents(runs: pd.DataFrame, title: str) -> Figure:
    """Training loss of several methods against updates and against seconds.

    runs: columns method, updates, seconds, loss.
    """
    fig = CourseFigure(9, 3.8, title)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, x in zip(axes, ("updates", "seconds")):
        for style, (method, run) in zip(LINES, runs.groupby("method", sort=False)):
            ax.plot(run[x], run["loss"], label=method, markersize=3, **style)
        ax.set(xlabel=x, xscale="log")
    axes[0].set_ylabel("loss on the subset")
    axes[0].legend(frameon=False, loc="lower left")
    sns.despine(fig)
    last = runs.groupby("method", sort=False).last()
    return fig.describe(
        "Falling lines. At the end: "
        + "; ".join(
            f"{m}, loss {r.loss:.2f} after {r.updates:.0f} updates and {r.seconds:.1f} s"
            for m, r in last.iterrows()
        )
        + "."
    )


def learning_curves(history: pd.DataFrame, best_epoch: int | None, title: str) -> Figure:
    """Loss and accuracy on training and validation set after each epoch, the best one marked.

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
        ax.set(xlabel="epoch", ylabel=what)
        _count(ax)
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


def traces(lines: dict[str, Sequence[float]], title: str, xlabel: str, ylabel: str) -> Figure:
    """One line for each name, its values in order, counted from 1."""
    fig = CourseFigure(7, 3.4, title)
    ax = fig.subplots()
    for style, (name, values) in zip(LINES, lines.items()):
        ax.plot(range(1, len(values) + 1), values, label=name, markersize=3, **style)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _count(ax)
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

    tables: as `confidence.calibration` returns them, by the name of the model.
    """
    fig = CourseFigure(6, 4.6, title)
    top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    top.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect calibration")
    for style, (name, table) in zip(LINES, tables.items()):
        top.plot(table["confidence"], table["accuracy"], label=name, **style)
        bottom.plot(table["confidence"], table["images"], **style)
    top.set(ylabel="accuracy", ylim=(0, 1.02))
    top.legend(frameon=False)
    bottom.set(xlabel="confidence (probability of the predicted class)", xlim=(0, 1))
    bottom.set(ylabel="images", yscale="log")
    sns.despine(fig)
    ends = (
        f"{name}: mean confidence {table['confidence'].iloc[-1]:.1%}, accuracy "
        f"{table['accuracy'].iloc[-1]:.1%}"
        for name, table in tables.items()
    )
    return fig.describe(
        f"In the most confident bin, {'; '.join(ends)}. Under the diagonal, it is overconfident."
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


# ------------------------------------------------------------------------- 05: training better


def ablation(runs: pd.DataFrame, steps: Sequence[str], title: str) -> Figure:
    """What each step gains and costs: validation accuracy of its runs, and their training time.

    runs: as `runs.read_all` returns them, with the column step; all on the same kind of data, which
    the caption names. steps: their order, each one change more than the step before.
    """
    fig = CourseFigure(7.6, 0.34 * len(steps) + 1.4, title, source=runs["data"].iloc[0])
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    by_step = runs.groupby("step")
    accuracy = by_step["validation_accuracy"].mean()[list(steps)]
    seconds = by_step["training_seconds"].median()[list(steps)]
    place = runs["step"].map({step: row for row, step in enumerate(steps)})
    left.plot(runs["validation_accuracy"], place, "o", color="0.6", markersize=4, label="run")
    left.plot(accuracy, range(len(steps)), label="mean", **LINES[0])
    left.set(xlabel="validation accuracy", yticks=range(len(steps)), yticklabels=steps)
    left.xaxis.set_major_locator(MaxNLocator(5))
    left.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.invert_yaxis()
    left.legend(frameon=False, loc="lower left")
    right.barh(range(len(steps)), seconds, color="0.5")
    right.set(xlabel="seconds of training")
    sns.despine(fig)
    rows = (f"{step} {accuracy[step]:.2%} in {seconds[step]:.0f} s" for step in steps)
    return fig.describe(f"Mean validation accuracy after each step: {', '.join(rows)}.")


def robustness(accuracy: pd.DataFrame, units: dict[str, str], title: str) -> Figure:
    """Accuracy of several models on worse and worse images, a panel for each kind.

    accuracy: a column for each model, index (kind, strength). units: of the strength, by kind.
    """
    kinds = accuracy.index.unique("kind")
    fig = CourseFigure(3 * len(kinds) + 0.6, 3.2, title)
    axes = fig.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for ax, kind in zip(axes, kinds):
        part = accuracy.loc[kind]
        for style, name in zip(LINES, part):
            ax.plot(part.index, part[name], label=name, **style)
        ax.set_xlabel(f"{kind}, {units[kind]}")
    axes[0].set(ylabel="test accuracy", ylim=(0, 1))
    axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    axes[0].legend(frameon=False, loc="lower left")
    sns.despine(fig)
    worst = accuracy.groupby(level="kind", sort=False).last()
    rows = (
        f"{kind}: " + ", ".join(f"{name} {value:.1%}" for name, value in row.items())
        for kind, row in worst.iterrows()
    )
    return fig.describe(f"Accuracy at the greatest strength; {'; '.join(rows)}.")


# -------------------------------------------------------------------------- 06: comparing runs


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
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        _count(ax)
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


# --------------------------------------------------------------------------- 07: many processes


def scaling(speed_up: pd.Series, title: str) -> Figure:
    """Speed-up, by (batch size, processes), against the number of processes, beside the ideal."""
    fig = CourseFigure(6, 3.8, title)
    ax = fig.subplots()
    counts = speed_up.index.unique("processes")
    ax.plot(counts, counts / counts[0], color="0.5", linestyle=":", label="ideal")
    for style, (batch_size, line) in zip(LINES, speed_up.groupby("batch size")):
        ax.plot(counts, line, label=f"batches of {batch_size}", **style)
    ax.set(xlabel="processes", ylabel="speed-up", xticks=counts, ylim=(0, None))
    ax.legend(frameon=False)
    sns.despine(fig)
    measured = ", ".join(f"{b} and {n}: {value:.2f}" for (b, n), value in speed_up.items())
    return fig.describe(f"Speed-up by batch size and number of processes: {measured}.")
