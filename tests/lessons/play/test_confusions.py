"""The confusion matrix to choose from, without a browser."""

import re

import numpy as np
import pytest
import torch
from garments import BAG, COAT
from playing import assert_figure_stays, widgets_of

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import play
from fmnist_lib.lessons.play import confusions


@pytest.fixture(scope="module")
def probabilities(drawn, published_net):
    return evaluate.predict(published_net, drawn[1].images)


@pytest.fixture
def played(drawn, probabilities):
    return play.confusion_explorer(drawn[1], probabilities)


@pytest.fixture
def explorer(played):
    (found,) = widgets_of(played.widget, "Explorer")
    return found


def test_it_begins_with_the_most_frequent_mistake(explorer, drawn, probabilities):
    counts = evaluate.confusion_matrix(drawn[1].labels, probabilities.argmax(dim=1)).to_numpy()
    true, called = explorer.chosen
    assert explorer.names == [*CLASS_NAMES] and explorer.view["counts"] == counts.tolist()
    assert true != called and counts[true, called] == (counts * (1 - np.eye(10))).max()


def test_a_cell_shows_its_images(explorer, drawn, probabilities):
    labels, predicted = drawn[1].labels, probabilities.argmax(dim=1)
    for true, called in ((0, 0), (8, 8), (6, 0)):
        explorer.chosen = [true, called]
        count = explorer.view["counts"][true][called]
        assert explorer.view["chosen"] == [true, called]
        assert explorer.view["title"].startswith(
            f"{CLASS_NAMES[true]} called {CLASS_NAMES[called]}"
        )
        shown = [int(number) for number in re.findall(r"<figcaption>no\. (\d+)", found(explorer))]
        assert len(shown) == min(12, count)
        for number in shown:
            assert labels[number] == true and predicted[number] == called
            assert f"no. {number}<br>{probabilities[number, called]:.0%}" in found(explorer)
        confidence = probabilities[shown].amax(dim=1)
        assert confidence.equal(confidence.sort(descending=True).values)


def found(explorer):
    return explorer.view["images"]


def test_matrix_numbers_and_images_change_together(explorer, drawn, probabilities):
    views = []
    explorer.observe(lambda change: views.append(change["new"]), "view")
    explorer.threshold = 90
    (view,) = views  # one message to the page, so that no half of it is ever seen
    confidence, predicted = probabilities.max(dim=1)
    sure = confidence >= 0.9
    counts = evaluate.confusion_matrix(drawn[1].labels[sure], predicted[sure])
    right = int((predicted == drawn[1].labels)[sure].sum())
    assert view["counts"] == counts.to_numpy().tolist()
    assert f"for {int(sure.sum())} of 200 (" in view["answered"]
    assert f"{right} of {int(sure.sum())}" in view["answered"]
    true, called = view["chosen"]
    assert found(explorer).count("<img") == min(12, view["counts"][true][called])
    for number in re.findall(r"<figcaption>no\. (\d+)", found(explorer)):
        assert sure[int(number)]


def test_shares_are_of_the_row(explorer):
    for line, shares in zip(explorer.view["counts"], explorer.view["shares"], strict=True):
        expected = [count / max(sum(line), 1) for count in line]
        assert shares == pytest.approx(expected, abs=1e-3)


def test_a_threshold_above_every_confidence_answers_none(drawn):
    flat = torch.full((len(drawn[1]), 10), 0.1)
    (explorer,) = widgets_of(play.confusion_explorer(drawn[1], flat).widget, "Explorer")
    explorer.threshold = 50
    assert explorer.view["answered"] == "No confidence is 50% or more, so no image is answered."
    assert explorer.view["title"].endswith(": no image.") and found(explorer) == ""
    assert explorer.view["counts"] == explorer.view["shares"] == [[0] * 10] * 10


@pytest.mark.parametrize(
    "part, whole, text",
    [
        (841, 1000, "841 of 1,000 (84.1%)"),
        (3, 10_000, "3 of 10,000"),  # and not 0.0%
        (9999, 10_000, "9,999 of 10,000"),  # and not 100.0%
        (5, 5, "5 of 5"),
        (0, 5, "0 of 5"),
    ],
)
def test_no_percentage_rounds_to_nothing_or_to_all(part, whole, text):
    assert confusions._share(part, whole) == text


@pytest.mark.parametrize(
    "images, title",
    [
        (0, f"{BAG} called {COAT}: no image."),
        (1, f"{BAG} called {COAT}: 1 image."),
        (12, f"{BAG} called {COAT}: 12 images."),
        (1300, f"{BAG} called {COAT}: 1,300 images, of which the 12 surest are shown."),
    ],
)
def test_the_title_counts(images, title):
    assert confusions._title([8, 4], images, min(images, 12)) == title


def test_probabilities_of_other_images_are_refused(drawn, probabilities):
    with pytest.raises(CourseError, match=r"the shape \[199, 10\]. Give \[200, 10\], those of the"):
        play.confusion_explorer(drawn[1], probabilities[:199])


def test_a_figure_stays_beside_it(played, screen):
    assert_figure_stays(played, screen)


def test_what_are_no_probabilities_is_refused(drawn, probabilities):
    for wrong in (probabilities.logit(), probabilities * torch.nan, probabilities - 1):
        with pytest.raises(CourseError, match="no probabilities from 0 to 1. Of logits, take soft"):
            play.confusion_explorer(drawn[1], wrong)
    with pytest.raises(CourseError, match="There is no image"):
        play.confusion_explorer(drawn[1][:0], probabilities[:0])
    play.confusion_explorer(drawn[1], probabilities.double())
    play.confusion_explorer(drawn[1], probabilities.numpy())
