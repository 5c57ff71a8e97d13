"""Convolutions to play with, without a browser."""

import re

import pytest
import torch
from playing import assert_figure_stays, widgets_of

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import play
from fmnist_lib.lessons.play import kernels, parts


@pytest.fixture
def playground(drawn, published_net):
    return play.convolution_playground(drawn[0], published_net.conv1.weight.detach()[:, 0])


@pytest.fixture
def steps():
    image = torch.tensor([[0, 0, 0, 9, 9]] * 5).float()
    return play.convolution_steps(image, torch.tensor([[-1, 0, 1]] * 3).float())


def parts_of(playground):
    """The numbers in use, then: what is wrong, the kernel, the maps and the products, as HTML."""
    (grid,) = widgets_of(playground.widget, "GridBox")
    kernel, wrong, maps, products = (each.value for each in widgets_of(playground.widget, "Shown"))
    return [cell.value for cell in grid.children], wrong, kernel, maps, products


def write(playground, place, text):
    widgets_of(playground.widget, "GridBox")[0].children[place].value = text


def test_nine_numbers_make_a_feature_map(playground, drawn):
    (chosen,) = widgets_of(playground.widget, "Dropdown")
    numbers, _, kernel, maps, _ = parts_of(playground)
    assert numbers == ["-1", "0", "1"] * 3 and "kernel, sum 0.00" in kernel
    write(playground, 4, "0,5")
    numbers, _, kernel, maps, _ = parts_of(playground)
    assert chosen.value == "your own" and "kernel, sum 0.50" in kernel and numbers[4] == "0,5"
    expected = play.feature_map(
        drawn[0].images[0], torch.tensor([[-1, 0, 1], [-1, 0.5, 1], [-1, 0, 1]])
    )
    low, high = (parts.number(float(each)) for each in (expected.min(), expected.max()))
    assert f"feature map, 26 × 26: {low} to {high}" in maps
    for text in ("", "-", "a<b", "inf", "nan"):
        write(playground, 4, text)
        _, wrong, kernel, maps, _ = parts_of(playground)
        assert "is no number. Write it as 2, -1 or 0.5." in wrong and "<b" not in wrong
        assert kernel == maps == ""  # nothing of a kernel that is not there any more
    chosen.value = "blur"
    numbers, wrong, kernel, maps, _ = parts_of(playground)
    assert wrong == "" and numbers[4] == "0.12" and "kernel, sum 1.00" in kernel and maps


def test_a_learned_kernel_is_the_numbers_that_are_shown(playground, drawn, published_net):
    (chosen,) = widgets_of(playground.widget, "Dropdown")
    chosen.value = "learned, no. 3"
    learned = published_net.conv1.weight.detach()[3, 0]
    numbers, _, kernel, maps, _ = parts_of(playground)
    in_use = torch.tensor([float(each) for each in numbers]).reshape(5, 5)
    assert torch.allclose(in_use, learned, atol=5.1e-3) and "24 × 24" in maps
    assert f"sum {in_use.sum():.2f}" in kernel
    result = play.feature_map(drawn[0].images[0], in_use)
    assert f"{parts.number(float(result.max()))}<" in maps
    write(playground, 0, "2")  # one of the 25 is changed
    numbers, _, kernel, _, _ = parts_of(playground)
    assert chosen.value == "your own" and len(numbers) == 25
    assert f"sum {in_use.sum() - in_use[0, 0] + 2:.2f}" in kernel
    chosen.value = "blur"
    assert len(parts_of(playground)[0]) == 9


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 3, 5), (2, 1, 5, 5), (5, 5)])
def test_learned_kernels_of_another_shape_are_refused(drawn, shape):
    with pytest.raises(
        CourseError, match=r"learned has the shape .* Give kernels \[N, k, k\] with"
    ):
        play.convolution_playground(drawn[0], torch.zeros(shape))


def test_the_products_at_one_place(playground, drawn):
    (stepwise,) = widgets_of(playground.widget, "Checkbox")
    *_, place = widgets_of(playground.widget, "IntSlider")
    back, forth = widgets_of(playground.widget, "Button")
    maps = parts_of(playground)[3]
    assert parts_of(playground)[4] == ""
    stepwise.value = True
    assert parts_of(playground)[3] != maps  # with frames
    place.value = 13 * 26 + 9
    forth.click()
    (result,) = re.findall(r"sum: <b>(\S+)</b>", parts_of(playground)[4])
    expected = play.feature_map(drawn[0].images[0], torch.tensor([[-1.0, 0, 1]] * 3))[13, 10]
    assert result == parts.number(float(expected)) and parts_of(playground)[4].count("<td") == 27
    place.value = place.max
    assert place.value == 26 * 26 - 1
    (chosen,) = widgets_of(playground.widget, "Dropdown")
    chosen.value = "learned, no. 0"  # which has fewer places
    assert place.value == place.max == 24 * 24 - 1
    assert parts_of(playground)[4].count("<td") == 75


def test_the_frames_lie_where_the_kernel_is():
    values = torch.zeros(28, 28)
    plain = kernels._enlarged(values, 0, 1, None, 3)
    framed = kernels._enlarged(values, 0, 1, (2, 5), 3)
    rows, columns = (plain != framed).any(axis=2).nonzero()
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 49, 50, 79)
    assert plain.shape == (280, 280, 3) and (plain == 255).all()


def grey_of(values, result):
    return kernels.shades(values, *kernels.scale_of(result)).unique().tolist()


@pytest.mark.parametrize("name", play.KERNELS)
@pytest.mark.parametrize("grey", [0, 100, 255])
def test_image_and_map_have_one_scale(name, grey):
    """So a kernel of sum 1 is seen to keep the grey of an area, and one of sum 0 not to."""
    flat = torch.full((28, 28), grey, dtype=torch.uint8)
    kernel = torch.tensor(play.KERNELS[name]).float()
    result = play.feature_map(flat, kernel)
    expected = grey if round(float(kernel.sum())) else 0
    assert grey_of(flat / 255, result) == [grey] and grey_of(result, result) == [expected]


def test_a_scale_reaches_as_far_as_the_numbers():
    scale = kernels.scale_of(torch.tensor([-0.5, 2.0]))
    assert scale == (-2, 2) and kernels.scale_of(torch.tensor([0.0, 3.0])) == (0, 3)
    assert kernels.shades(torch.tensor([-2, 0, 2]), *scale).tolist() == [0, 128, 255]


def test_a_convolution_step_by_step(steps):
    (shown,) = widgets_of(steps.widget, "Shown")
    (place,) = widgets_of(steps.widget, "IntSlider")
    back, forth = widgets_of(steps.widget, "Button")
    sums = [re.search(r"sum: <b>(\S+)</b>", shown.value)[1]]
    for _ in range(8):
        forth.click()
        sums.append(re.search(r"sum: <b>(\S+)</b>", shown.value)[1])
    assert sums == ["0", "27", "27"] * 3 and place.value == 8
    forth.click()
    assert place.value == 8
    empty = shown.value.count("></td>")
    back.click()
    assert place.value == 7 and shown.value.count("></td>") == empty + 1
    padding, stride = widgets_of(steps.widget, "Dropdown")
    padding.value, stride.value = 1, 2
    assert place.value == 0 and place.max == 8 and "result, 3 × 3" in shown.value
    place.value = 4
    assert "sum: <b>27</b>" in shown.value
    padding.value, stride.value = 0, 3
    assert place.max == 0 and "result, 1 × 1" in shown.value


def test_feature_map_is_a_convolution():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[:, 14:] = 255
    answer = play.feature_map(image, torch.tensor([[-1.0, 0, 1]] * 3))
    assert answer.shape == (26, 26)
    assert (
        answer[:, 12:14].eq(3).all() and answer[:, :12].eq(0).all() and answer[:, 14:].eq(0).all()
    )


def test_a_figure_stays_beside_it(playground, screen):
    assert_figure_stays(playground, screen)


def test_a_figure_stays_beside_the_steps(steps, screen):
    assert_figure_stays(steps, screen)


@pytest.mark.parametrize("text", ["1e39", "-1e7", "1_000", "nan", "", "-"])
def test_what_no_kernel_can_hold_is_no_number(text):
    assert kernels._read_number(text) is None
    assert kernels._read_number("1e6") == 1e6
