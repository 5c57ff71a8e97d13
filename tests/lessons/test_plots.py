import base64
import io
import re

import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from PIL import Image
from torch import nn

from fmnist_lib import comparison, confidence, evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import anatomy, plots
from fmnist_lib.model import NETWORKS, Net
from fmnist_lib.sources import SOURCES

ACCURACY = pd.DataFrame({"a": [0.8, 0.9], "b": [0.9, 0.95]}, index=[0, 1])


@pytest.fixture
def figures(drawn):
    """Every figure of the course, drawn from small data, by its name."""
    plots.setup("synthetic")
    train, test = drawn
    predicted = test.labels.roll(1)
    matrix = evaluate.confusion_matrix(test.labels, predicted)
    probabilities = torch.rand(200, 10, generator=torch.Generator().manual_seed(0)).softmax(1)
    ten = pd.Series(range(10), CLASS_NAMES)
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "train_loss": [2.0, 1.0],
            "validation_loss": [1.9, 1.2],
            "train_accuracy": [0.5, 0.7],
            "validation_accuracy": [0.55, 0.65],
        }
    )
    runs = pd.DataFrame({"method": ["a", "a", "b"], "updates": [1, 2, 1], "loss": [3.0, 2.0, 1.0]})
    image = train.images[0]
    sweep = pd.DataFrame(
        {
            "learning_rate": [0.1, 0.1, 0.01],
            "validation_accuracy": [0.8, 0.9, float("nan")],
            "diverged": [False, False, True],
        },
        index=["a", "b", "c"],
    )
    epochs = pd.DataFrame(
        {"epoch": [1, 2] * 3, "validation_accuracy": [0.5, 0.8, 0.6, 0.9, 0.4, 0.7]},
        index=list("aabbcc"),
    )
    speed = pd.DataFrame(
        {"median": [1.0, 1.7], "min": [1.0, 1.2], "max": [1.0, 1.9]},
        pd.MultiIndex.from_tuples([(75, "one"), (75, "two")], names=["batch size", "setting"]),
    )
    return {
        "samples": plots.samples(train, per_class=3),
        "gallery": plots.gallery(train.images[:7], list("abcdefg"), columns=3, title="Seven"),
        "pixels_as_numbers": plots.pixels_as_numbers(image, "Numbers"),
        "pixel_histogram": plots.pixel_histogram(image.flatten().bincount(minlength=256), "Grey"),
        "class_means": plots.class_means(torch.rand(10, 28, 28) * 255, "Means"),
        "class_matrix": plots.class_matrix(matrix, "Distances", "grey levels"),
        "two_conditions": plots.two_conditions(
            pd.DataFrame(
                {"network": list("aabb"), "condition": ["x", "y"] * 2, "value": [0.8, 0.7, 0.9, 1]}
            ),
            "Two networks",
            "accuracy",
        ),
        "image_steps": plots.image_steps(
            {"one": image[None, None], "two": image[None, None, :9, :5]}, "Steps"
        ),
        "convolution_step": plots.convolution_step(image[:5, :5], torch.ones(3, 3), 1, 2),
        "network": plots.network(Net()),
        "small_maps": plots.small_maps(torch.randn(20, 5, 5), "Kernels", symmetric=True),
        "class_bars": plots.class_bars(ten, "Bars", "images", reference=4.5),
        "descents": plots.descents(runs, "updates", "Descents", until=1),
        "bowl_paths": plots.bowl_paths({"a": torch.ones(3, 2), "b": torch.eye(2)}, 10.0, "Bowl"),
        "traces": plots.traces({"a": [1.0, 2.0], "b": [2.0, 1.5]}, "Two lines", "batch", "loss"),
        "learning_curves": plots.learning_curves(history, 2, "Curves"),
        "confusion_matrix": plots.confusion_matrix(matrix, "Counts"),
        "row_shares": plots.confusion_matrix(evaluate.row_shares(matrix), "Shares"),
        "per_class": plots.per_class(evaluate.per_class_report(matrix).fillna(0), "Report"),
        "calibration": plots.calibration(
            {"model": confidence.calibration(probabilities, test.labels)}, "Sure?"
        ),
        "class_maps": plots.class_maps(
            {"one": torch.randn(200, 2), "two\nthree": torch.randn(200, 2)}, test.labels, "Two maps"
        ),
        "saliency": plots.saliency(
            test.images[:2],
            {"a": torch.randn(2, 28, 28), "b": torch.zeros(2, 28, 28)},
            ["Bag", "Coat\n90 %"],
            "Which pixels?",
        ),
        "coverage": plots.coverage(confidence.coverage(probabilities, test.labels), "Unsure?"),
        "verdicts": plots.verdicts(comparison.verdicts(ACCURACY, "a"), ACCURACY, "a", "Verdicts"),
        "power": plots.power(pd.DataFrame({"5 seeds": [0.0, 0.5]}, index=[0.0, 1.0]), "Power"),
        "run_curves": plots.run_curves(epochs, sweep, ["learning_rate"], "Curves"),
        "accuracy_by_parameter": plots.accuracy_by_parameter(sweep, ["learning_rate"], "Rates"),
        "scaling": plots.scaling(speed, "Speed-up"),
    }


NO_DATA = ("bowl_paths", "convolution_step", "network", "power")  # figures that show none
CAPTION = "Data: GENERATED STAND-IN, not Fashion-MNIST"


def test_every_figure_is_shown_with_alt_text_and_its_source(figures):
    shown = DisplayFormatter()
    for name, figure in figures.items():
        content, metadata = shown.format(figure)
        picture = content["image/png"]
        picture = base64.b64decode(picture) if isinstance(picture, str) else picture
        assert Image.open(io.BytesIO(picture)).width > 300, name
        alt = metadata["image/png"]["alt"]
        has_data = name not in NO_DATA
        assert len(alt) > 40 and ("GENERATED STAND-IN" in alt) is has_data, name
        assert figure.get_suptitle() and figure.get_supxlabel() == CAPTION * has_data, name


def test_runs_on_other_data_than_the_notebook_keep_their_own_source():
    plots.setup("synthetic")
    table = comparison.verdicts(ACCURACY, "a")
    figure = plots.verdicts(table, ACCURACY, "a", "Verdicts", source="zalando")
    assert figure.get_supxlabel() == f"Data: {SOURCES['zalando']}"
    assert SOURCES["zalando"] in figure.alt and "STAND-IN" not in figure.alt
    assert plots.CourseFigure(3, 3, "The next").get_supxlabel() == CAPTION


def test_a_figure_of_no_data_has_no_caption():
    plots.setup(None)
    figure = plots.CourseFigure(3, 3, "Kernels").describe("Nine numbers.")
    assert figure.get_supxlabel() == "" and figure.alt == "Kernels. Nine numbers."


def test_an_alt_text_is_made_of_whole_sentences_and_names_the_data_once(figures):
    for name, figure in figures.items():
        named = name not in NO_DATA
        assert figure.alt.count("Data: ") == named, name
        assert figure.alt.endswith(CAPTION) is named, name
        assert not re.search(r"[.?!:;,]\.|\.\.|  | \.|^\.", figure.alt), name
    assert figures["coverage"].alt.startswith("Unsure? All answered: ")


@pytest.mark.parametrize(
    "title, alt",
    [
        ("Which?", "Which? A. B. Data: Fashion-MNIST (Zalando Research)"),
        ("So!", "So! A. B. Data: Fashion-MNIST (Zalando Research)"),
        ("It ends.", "It ends. A. B. Data: Fashion-MNIST (Zalando Research)"),
        ("Plain", "Plain. A. B. Data: Fashion-MNIST (Zalando Research)"),
        ("", "A. B. Data: Fashion-MNIST (Zalando Research)"),
    ],
)
def test_alt_text_of_titles_of_all_kinds(title, alt):
    figure = plots.CourseFigure(3, 3, title, source="zalando")
    assert figure.describe("A.").describe("B").alt == alt


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 7, 25])
def test_there_is_no_half_epoch(epochs):
    numbers = range(1, epochs + 1)
    history = pd.DataFrame({"epoch": numbers})
    for name in ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy"):
        history[name] = 0.5
    runs = pd.DataFrame({"rate": [0.1], "diverged": False}, index=["a"])
    drawn = [
        plots.learning_curves(history, 1, "Curves"),
        plots.traces({"a": history["train_loss"]}, "A line", "epoch", "loss"),
        plots.run_curves(history.set_index(pd.Index(["a"] * epochs)), runs, ["rate"], "Runs"),
    ]
    for figure in drawn:
        figure.draw_without_rendering()
        for ax in figure.axes:
            low, high = ax.get_xlim()
            ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
            assert ticks and all(tick == round(tick) for tick in ticks), (figure.alt, ticks)


def test_two_settings_are_named_as_they_were_given():
    """Not as np.float64(0.01)."""
    runs = pd.DataFrame(
        {
            "learning_rate": [0.01, 0.1],
            "batch_size": [75, 150],
            "validation_accuracy": [0.9, 0.8],
            "diverged": False,
        },
        index=["a", "b"],
    )
    history = pd.DataFrame({"epoch": 1, "validation_accuracy": [0.9, 0.8]}, index=["a", "b"])
    settings = ["learning_rate", "batch_size"]
    for figure in (
        plots.run_curves(history, runs, settings, "Runs"),
        plots.accuracy_by_parameter(runs, settings, "Means"),
    ):
        texts = [ax.get_title() for ax in figure.axes]
        texts += [tick.get_text() for ax in figure.axes for tick in ax.get_xticklabels()]
        assert not any("np." in text for text in [*texts, figure.alt])


def test_large_numbers_have_no_exponent():
    counts = pd.Series([3730, 12.3456, 0.0906], ["Coat", "Bag", "Dress"])
    alt = plots.class_bars(counts, "Bars", "images").alt
    assert "highest Coat (3,730), lowest Dress (0.0906)" in alt
    image = torch.tensor([[0, 255]])[None, None]
    titles = [ax.get_title() for ax in plots.image_steps({"one": image}, "Steps").axes]
    assert titles == ["one\n1×2, 0 to 255"]


def test_a_gallery_of_nothing_is_empty():
    figure = plots.gallery(torch.zeros(0, 28, 28), [], title="None is wrong")
    figure.draw_without_rendering()
    assert "0 images" in figure.alt


def test_every_axis_that_carries_a_scale_is_labelled(figures):
    for name in ("pixel_histogram", "class_bars", "descents", "learning_curves", "calibration"):
        axes = figures[name].axes
        assert all(ax.get_xlabel() for ax in axes[-1:]), name
        assert any(ax.get_ylabel() or name == "class_bars" for ax in axes), name


def test_nothing_is_drawn_outside_the_figure(figures):
    for name, figure in figures.items():
        figure.draw_without_rendering()
        width, height = figure.get_size_inches() * figure.dpi
        for ax in figure.axes:
            if box := ax.get_tightbbox():
                assert box.x0 > -2 and box.y0 > -2, name
                assert box.x1 < width + 2 and box.y1 < height + 2, name


def test_every_public_function_is_covered(figures):
    public = {
        name for name, value in vars(plots).items()
        if callable(value) and getattr(value, "__module__", "") == plots.__name__
        and not name.startswith("_") and name not in ("setup", "CourseFigure")
    }  # fmt: skip
    assert public <= set(figures)


def test_alt_text_states_the_numbers_of_the_run(figures):
    alt = figures["learning_curves"].alt
    assert "from 1.90 to 1.20" in alt and "55.0% to 65.0%" in alt


def test_a_speed_up_is_drawn_and_said_with_its_range(figures):
    alt = figures["scaling"].alt
    assert (
        "one, batches of 75: 1.00 (1.00 to 1.00); two, batches of 75: 1.70 (1.20 to 1.90)." in alt
    )
    (ax,) = figures["scaling"].axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["one", "two"]
    (bars,) = ax.containers
    ends = [segment[:, 0].round(6).tolist() for segment in bars[2][0].get_segments()]
    assert ends == [[1.0, 1.0], [1.2, 1.9]]


def test_methods_are_compared_at_an_equal_cost(figures):
    assert "Last measured up to 1 updates: a 3.00, b 1.00." in figures["descents"].alt


def test_a_diverged_run_is_named_in_the_figure(figures):
    titles = [ax.get_title() for ax in figures["run_curves"].axes]
    assert "learning_rate 0.01, 1 diverged" in titles and "learning_rate 0.1" in titles
    ticks = figures["accuracy_by_parameter"].axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["0.01\n1 diverged", "0.1"]


def test_an_axis_may_begin_where_small_changes_look_small():
    lines = {"loss": [2.36, 2.31], "ln 10": [2.3, 2.3]}
    (ax,) = plots.traces(lines, "Hardly a change", "epoch", "loss", low=0).axes
    bottom, top = ax.get_ylim()
    assert bottom == 0 and 2.5 < top < 2.7
    assert plots.traces(lines, "A change", "epoch", "loss").axes[0].get_ylim()[0] > 2.2


def test_pyplot_is_left_alone(figures):
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


# ------------------------------------------------------------------------------ the network


def test_a_step_of_a_convolution_has_all_its_numbers():
    image = torch.tensor([[0, 0, 0, 9, 9]] * 5)
    kernel = torch.tensor([[-1, 0, 1]] * 3)
    figure = plots.convolution_step(image, kernel, 1, 0)
    texts = [[text.get_text() for text in ax.texts] for ax in figure.axes]
    assert [len(each) for each in texts] == [25, 9, 9, 4]
    assert texts[1][:3] == ["−1", "0", "1"] and texts[2] == ["0"] * 9  # and not "−0"
    assert texts[3] == ["0", "27", "27", "0"] and "sum: 0" in figure.axes[3].get_title()
    for row, column in ((3, 0), (0, 3), (-1, 0)):
        with pytest.raises(CourseError, match="There are 3 rows and 3 columns of places"):
            plots.convolution_step(image, kernel, row, column)


def test_the_steps_of_net():
    steps = anatomy.steps(Net())
    assert [(step.name, step.shape, step.parameters) for step in steps] == [
        ("image", (1, 28, 28), 0),
        ("conv1", (20, 24, 24), 520),
        ("max-pooling", (20, 12, 12), 0),
        ("conv2", (50, 8, 8), 25_050),
        ("max-pooling", (50, 4, 4), 0),
        ("flatten", (800,), 0),
        ("fc1", (500,), 400_500),
        ("fc2", (10,), 5_010),
    ]
    assert [step.name for step in steps if "ReLU" in step.notes] == [
        "max-pooling", "max-pooling", "fc1"
    ]  # fmt: skip
    assert [step.kernel for step in steps if step.kernel] == [(5, 5), (5, 5)]


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("training", [True, False])
def test_every_network_can_be_drawn_and_stays_as_it_is(name, training):
    network = NETWORKS[name]().train(training)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    figure = plots.network(network)
    total = sum(parameter.numel() for parameter in network.parameters())
    assert f"{total:,} parameters" in figure.get_suptitle()
    assert sum(step.parameters for step in anatomy.steps(network)) == total
    assert all(layer.training is training for layer in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())


def test_samples_of_the_classes_that_have_some(drawn):
    few = drawn[0][(drawn[0].labels == 1) | (drawn[0].labels == 4)]
    rows = plots.samples(few, per_class=3).axes
    assert [ax.get_ylabel() for ax in rows] == [f"1  {CLASS_NAMES[1]}", f"4  {CLASS_NAMES[4]}"]


def test_a_network_of_other_parts_can_be_drawn():
    layers = [
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(),
        nn.Linear(676, 10),
    ]  # fmt: skip
    steps = anatomy.steps(nn.Sequential(*layers))
    assert [step.name for step in steps] == ["image", "0", "max-pooling", "flatten", "5"]
    assert steps[1].notes == ["ReLU"]
    assert plots.network(nn.Sequential(nn.Sequential(*layers))).alt


def test_a_network_that_stops_keeps_its_mode_and_has_no_hooks():
    network = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        plots.network(network)
    assert network.training and not network[0]._forward_hooks


def test_grey_is_0_where_a_map_has_negative_numbers():
    signed, positive = torch.tensor([[[[-1.0, 3.0]]]]), torch.tensor([[[[1.0, 3.0]]]])
    figure = plots.image_steps({"signed": signed, "positive": positive}, "Steps")
    assert [ax.images[0].get_clim() for ax in figure.axes] == [(-3, 3), (0, 3)]


def test_verdicts_are_said_in_words_and_numbers():
    accuracy = pd.DataFrame({"base": [0.90, 0.91, 0.92], "up": [0.910, 0.921, 0.930]})
    accuracy["a name of many words " * 9] = 0.5
    long = plots.verdicts(comparison.verdicts(accuracy, "base"), accuracy, "base", "Long names")
    assert max(len(text.get_text()) for text in long.axes[0].get_yticklabels()) < 75
    accuracy = accuracy[["base", "up"]]
    table = comparison.verdicts(accuracy.assign(same=accuracy["base"]), "base")
    figure = plots.verdicts(table, accuracy.assign(same=accuracy["base"]), "base", "Two")
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["up: gain", "same: unclear"]
    assert "up +1.03 ± 0.21, gain; same +0.00 ± 0.00, unclear" in figure.alt
