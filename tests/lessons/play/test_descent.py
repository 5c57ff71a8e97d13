"""The way down the bowl, without a browser."""

import pytest
import torch
from playing import assert_figure_stays, widgets_of

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import play
from fmnist_lib.lessons.play import descent


def walk(rate, momentum=0.0, steps=60):
    """As notebook 3 has it, by the formula."""
    curvature, place = torch.tensor([1.0, 10.0]), torch.tensor([-9.0, 1.0])
    path, velocity = [place], torch.zeros(2)
    for _ in range(steps):
        velocity = momentum * velocity + curvature * place
        place = place - rate * velocity
        path.append(place)
    return torch.stack(path)


@pytest.fixture
def bowl():
    return play.bowl(walk)


def test_the_bowl_says_how_the_way_ends():
    played = play.bowl(walk)
    rate, momentum = widgets_of(played.widget, "FloatSlider")
    arrived, _ = widgets_of(played.widget, "Shown")
    assert arrived.value == "22 steps to the bottom"
    momentum.value = 0.5
    assert arrived.value == "13 steps to the bottom"
    momentum.value, rate.value = 0.0, 0.21
    assert arrived.value == "it leaves the bowl"
    rate.value = 0.01
    assert arrived.value == "not there after 60 steps"
    for part in ("0.02: not there", "0.18: 22 steps", "0.21: it leaves", "0.5: 13 steps"):
        assert part in played.figure.alt


def test_the_bowl_is_left_above_two_over_the_curvature():
    """The sentence of notebook 3: a rate over 2 / 10 makes y larger with each step."""
    for rate in (0.195, 0.199):
        assert walk(rate)[-1, 1].abs() < 1
    for rate in (0.201, 0.205):
        assert walk(rate)[-1, 1].abs() > 1


def test_the_picture_of_the_bowl_takes_its_colours_from_the_style():
    _, shown = widgets_of(play.bowl(walk).widget, "Shown")
    assert 'role="img"' in shown.value and 'class="contours"' in shown.value
    assert shown.value.count("<circle") == 61 and "black" not in shown.value


def test_a_walk_of_another_shape_is_refused():
    with pytest.raises(CourseError, match="places .steps . 1, 2.; these are .3."):
        play.bowl(lambda rate, momentum: torch.zeros(3))


@pytest.mark.parametrize("path, steps", [([[0, 0]], 0), ([[1, 0], [0, 0]], 1), ([[1, 1]], None)])
def test_steps_down(path, steps):
    assert play.steps_down(torch.tensor(path).double()) == steps


def test_a_way_that_ends_in_no_number_leaves_the_bowl():
    nan = float("nan")
    path = torch.tensor([[-9.0, 1.0], [3.0, 40.0], [nan, nan]]).double()
    assert play.steps_down(path) is None and descent._arrival(path, 10.0) == "it leaves the bowl"


def test_a_figure_stays_beside_it(bowl, screen):
    assert_figure_stays(bowl, screen)


@pytest.mark.parametrize("places", [None, ..., "x", [walk(0.1)], torch.zeros(0, 2)], ids=repr)
def test_what_is_no_way_is_refused(places):
    with pytest.raises(CourseError, match="walk should"):
        play.bowl(lambda rate, momentum: places)


def test_a_way_that_breaks_at_another_rate_is_said_in_the_widget():
    played = play.bowl(lambda rate, momentum: walk(rate) if rate < 0.22 else None)
    rate, _ = widgets_of(played.widget, "FloatSlider")
    rate.value = 0.24
    assert any("walk should return a tensor" in each.value for each in shown_by(played))
    rate.value = 0.1
    assert not any("walk should" in each.value for each in shown_by(played))


def shown_by(played):
    return widgets_of(played.widget, "Shown")


def test_places_beyond_all_numbers_leave_the_bowl():
    path = torch.full((5, 2), torch.inf)
    assert descent._arrival(path, 10.0) == "it leaves the bowl"
