"""The widgets without a browser: what they show after an input, and the figure beside each."""

import base64
import copy
import io
import re

import numpy as np
import pytest
import torch
from photos import UPRIGHT, garment, saved
from PIL import Image

from fmnist_lib import checkpoints, evaluate, train
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch
from fmnist_lib.lessons import play
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe


def widgets_of(widget, kind):
    found = [widget] if type(widget).__name__ == kind else []
    for child in getattr(widget, "children", ()):
        found += widgets_of(child, kind)
    return found


@pytest.fixture(scope="module")
def net():
    return checkpoints.load_model(checkpoints.shipped())[0]


@pytest.fixture
def playground(drawn, net):
    return play.convolution_playground(drawn[0], net.conv1.weight.detach()[:, 0])


@pytest.fixture
def explorer(drawn, net):
    return play.confusion_explorer(drawn[1], evaluate.predict(net, drawn[1].images))


@pytest.fixture
def own(drawn, net):
    return play.try_your_own(net, drawn[1].images[0])


@pytest.mark.parametrize("name", ["playground", "explorer", "own"])
def test_a_figure_stays_beside_the_widget(name, request, screen):
    """In outputs of their own: of one with both, JupyterLab shows the widget only, or an error."""
    request.getfixturevalue(name)._ipython_display_()
    figure, view = screen.shown
    content, metadata = figure._repr_mimebundle_()
    assert content["image/png"].startswith(b"\x89PNG") and "Figure:" in content["text/plain"]
    assert len(metadata["image/png"]["alt"]) > 40
    assert view["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert view["text/plain"] == "To play with it, run this cell." and len(view) == 2


def test_nine_numbers_make_a_feature_map(playground, drawn):
    (shown,), cells = (
        widgets_of(playground.widget, "HTML"),
        widgets_of(playground.widget, "FloatText"),
    )
    (chosen,) = widgets_of(playground.widget, "Dropdown")
    assert [cell.value for cell in cells] == [-1, 0, 1] * 3
    before = shown.value
    cells[4].value = 5
    assert chosen.value == "your own" and shown.value != before
    kernel = torch.tensor([cell.value for cell in cells]).reshape(3, 3)
    expected = play.feature_map(drawn[0].images[0], kernel)
    assert f"{expected.min():.2f} to {expected.max():.2f}" in shown.value
    chosen.value = "blur"
    assert cells[4].value == 0.12 and not cells[4].disabled
    chosen.value = "learned, no. 3"
    assert cells[4].disabled


def test_feature_map_is_a_convolution():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[:, 14:] = 255
    answer = play.feature_map(image, torch.tensor([[-1.0, 0, 1]] * 3))
    assert answer.shape == (26, 26)
    assert (
        answer[:, 12:14].eq(3).all() and answer[:, :12].eq(0).all() and answer[:, 14:].eq(0).all()
    )


def test_a_click_on_the_matrix_shows_its_images(explorer, drawn, net):
    labels, predicted = drawn[1].labels, evaluate.predict(net, drawn[1].images).argmax(dim=1)
    buttons = widgets_of(explorer.widget, "Button")
    counts = evaluate.confusion_matrix(labels, predicted).to_numpy()
    assert [int(button.description) for button in buttons] == counts.flatten().tolist()
    true, said = np.unravel_index(counts.argmax(), counts.shape)
    buttons[10 * true + said].click()
    found = widgets_of(explorer.widget, "HTML")[-1].value
    assert f"{CLASS_NAMES[true]} called {CLASS_NAMES[said]}: {counts[true, said]} images" in found
    numbers = [int(number) for number in re.findall(r"<figcaption>no\. (\d+)", found)]
    assert len(numbers) == min(12, counts[true, said])
    for number in numbers:
        assert labels[number] == true and predicted[number] == said


def test_the_slider_trades_coverage_for_accuracy(explorer, drawn, net):
    probabilities = evaluate.predict(net, drawn[1].images)
    (slider,) = widgets_of(explorer.widget, "FloatSlider")
    slider.value = 0.9
    sure = probabilities.max(dim=1).values >= 0.9
    right = evaluate.accuracy(probabilities.argmax(dim=1)[sure], drawn[1].labels[sure])
    answered = widgets_of(explorer.widget, "HTML")[-2].value
    assert answered == f"answered: {sure.float().mean():.1%}; {right:.2%} of these are right"
    slider.value = 1.0


def test_a_threshold_above_every_confidence_answers_none(drawn):
    explorer = play.confusion_explorer(drawn[1], torch.full((len(drawn[1]), 10), 0.1))
    (slider,) = widgets_of(explorer.widget, "FloatSlider")
    slider.value = 0.5
    assert widgets_of(explorer.widget, "HTML")[-2].value == "answered: 0.0%; none"


@pytest.fixture
def asked(own, monkeypatch):
    """A function that sends a file as the browser does, and returns the answer."""
    answers = []
    (canvas,) = widgets_of(own.widget, "Canvas")
    monkeypatch.setattr(canvas, "send", answers.append)

    def ask(content, name="photo.jpg"):
        turn = len(answers) + 1
        canvas._handle_custom_msg({"name": name, "turn": turn}, [memoryview(content)])
        assert answers[-1].keys() == {"turn", "html"} and answers[-1]["turn"] == turn
        return answers[-1]["html"]

    return ask


def test_a_photo_goes_through_the_steps(asked):
    shown = asked(UPRIGHT["turned, with EXIF"])
    assert shown.count("<img") == 6 and "Trouser" in shown and "spoke for" in shown
    for step in ("photo", "grey", "inverted", "trimmed", "28 × 28"):
        assert f"<figcaption>{step}" in shown


def test_each_file_gets_an_answer_of_its_own(asked):
    first = asked(UPRIGHT["dark on light"])
    assert asked(b"", "empty.png") == (
        "<b>empty.png is no image that can be read. Give a JPEG, PNG, GIF, WebP or BMP file.</b>"
    )
    assert "nothing stands out from the background" in asked(saved(garment(ink="white")))
    assert asked(UPRIGHT["dark on light"]) == first


def test_a_broken_upload_says_so(asked):
    shown = asked(b"text", "<b>x</b>.png")
    assert "is no image" in shown and "&lt;b&gt;x&lt;/b&gt;.png" in shown and "<b>x" not in shown


def ask(own, monkeypatch):
    """The answer to one photo."""
    (canvas,) = widgets_of(own.widget, "Canvas")
    answers = []
    monkeypatch.setattr(canvas, "send", lambda content: answers.append(content["html"]))
    canvas._handle_custom_msg({"name": "a", "turn": 1}, [memoryview(UPRIGHT["dark on light"])])
    return answers[0]


def test_a_network_that_fails_says_so(drawn, monkeypatch):
    own = play.try_your_own(Net(), drawn[1].images[0])
    monkeypatch.setattr(Net, "forward", lambda net, images: images @ torch.zeros(3, 3))
    assert ask(own, monkeypatch).startswith("<b>The network can't answer. RuntimeError: ")


@pytest.mark.parametrize("training", [True, False])
def test_playing_leaves_the_network_in_its_mode(drawn, training, monkeypatch):
    net = Net().train(training)
    ask(play.try_your_own(net, drawn[1].images[0]), monkeypatch)
    assert net.training is training


def test_it_is_the_network_of_then_that_answers(drawn, net, monkeypatch):
    changing = copy.deepcopy(net)
    own = play.try_your_own(changing, drawn[1].images[0])
    before = ask(own, monkeypatch)
    with torch.no_grad():
        changing.fc2.weight.zero_()
    assert ask(own, monkeypatch) == before


# ------------------------------------------------------------------------------ live training


class Screen:
    """What a front end would show: every display, replaced by its updates."""

    def __init__(self):
        self.shown = []

    def display(self, content, raw=False, display_id=False):
        self.shown.append(content)
        place, screen = len(self.shown) - 1, self

        class Handle:
            def update(self, content, raw=False):
                screen.shown[place] = content

        return Handle()


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(play, "display", screen.display)
    return screen


def test_training_is_shown_as_it_goes(screen, drawn, capsys):
    epochs = play.watch(train.fit(Net(), *drawn, Recipe(epochs=3), device="cpu"))
    first = next(epochs)
    bar, figure = screen.shown
    assert bar["text/plain"] == "█" * 10 + "░" * 20
    assert capsys.readouterr().out == f"{first}\n" and "min left" in str(first)
    assert "From epoch 1 to 1" in figure.alt
    assert len(list(epochs)) == 2 and len(screen.shown) == 2
    assert "From epoch 1 to 3" in screen.shown[1].alt and "░" not in screen.shown[0]["text/plain"]


def test_stopping_keeps_what_was_learned(screen, drawn, tmp_path, capsys):
    checkpoint = tmp_path / "checkpoint.pt"

    def interrupted():
        fit = train.fit(Net(), *drawn, Recipe(), device="cpu", checkpoint=checkpoint)
        yield next(fit)
        yield next(fit)
        raise KeyboardInterrupt

    history = list(play.watch(interrupted()))
    assert [epoch.epoch for epoch in history] == [1, 2]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[-1] == "Stopped. What was learned up to epoch 2 is kept."
    assert len(checkpoints.read(checkpoint)["history"]) == 2
    assert "From epoch 1 to 2" in screen.shown[1].alt


def lines_marked_as_best(figure):
    return [line for line in figure.axes[0].lines if line.get_label() == "best on validation"]


@pytest.mark.parametrize("good", [0, 2])
def test_a_training_that_diverges_is_shown_so(screen, good):
    nan = float("nan")
    epochs = [Epoch(n, 9, 1 / n, 0.5, 1 / n, n / 10, None, 1.0, 0.1) for n in range(1, good + 1)]
    epochs.append(Epoch(good + 1, 9, nan, 0.1, nan, 0.9, None, 1.0, 0.1))
    assert list(play.watch(epochs)) == epochs
    figure = screen.shown[1]
    assert figure.get_suptitle().startswith(f"Diverged in epoch {good + 1}: ")
    # The best is one before it, and none when there is none, whatever its accuracy is.
    assert [line.get_xdata()[0] for line in lines_marked_as_best(figure)] == (
        [good] if good else []
    )


def test_stopping_too_early(screen):
    def interrupted():
        raise KeyboardInterrupt
        yield

    with pytest.raises(CourseError, match="before the first epoch was complete"):
        list(play.watch(interrupted()))


def test_other_errors_are_not_hidden(screen):
    def broken():
        raise RuntimeError("broken")
        yield

    with pytest.raises(RuntimeError, match="broken"):
        list(play.watch(broken()))


def test_pictures_are_ink_on_paper():
    element = play.picture(torch.zeros(2, 2, dtype=torch.uint8), 'a "quote"')
    assert 'alt="a &quot;quote&quot;"' in element
    png = base64.b64decode(re.search('base64,([^"]+)', element)[1])
    assert np.asarray(Image.open(io.BytesIO(png))).min() == 255
