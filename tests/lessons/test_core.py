"""The tools of the checks, where no exercise shows them."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmnist_lib.lessons.checks.core import (
    Hint,
    Unanswered,
    array,
    call,
    compare,
    number,
    unordered,
)


@pytest.mark.parametrize(
    "text, value",
    [
        ("24 pixels", 24), ("10 times as fast", 10), ("10×", 10), ("10.", 10), (".5", 0.5),
        ("431,080", 431_080), ("431 080 weights", 431_080), ("1,000,000", 1e6), ("10,125", 10_125),
        ("1_234_567.5", 1_234_567.5), ("0,912", 0.912), ("0,125", 0.125), ("-0,125", -0.125),
        ("0,5", 0.5), ("-0,5", -0.5), ("1e-3", 0.001), ("-1e-3", -0.001), ("75 %", 0.75),
        ("91,25 %", 0.9125), ("75% of it", 0.75), ("± 0.1 points", 0.1), ("ca. 0.5", 0.5),
        ("efficiency: 0.75", 0.75), ("x = -3", -3),
    ],
)  # fmt: skip
def test_a_number_in_a_text(text, value):
    assert number(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("answer", [{10}, {"limit": 10}, [10], ["10 times"], {"a": "10"}])
def test_a_number_alone_in_something(answer):
    assert number(answer) == 10


@pytest.mark.parametrize(
    "answer",
    [
        "1 2", "1.2.3", "- 5", "", "%", "1 / 10", "8 of 10", "many", "5 *", "3 and 4", "> 3", "¾",
        {1, 2}, set(),
    ],
)  # fmt: skip
def test_no_single_number(answer):
    with pytest.raises(Hint, match="Give one number"):
        number(answer)


SHARES = [lambda x: x, lambda x: 100 * x, lambda x: round(100 * x), lambda x: f"{x:.1%}"]


@pytest.mark.parametrize("function", SHARES)
def test_a_share_may_be_given_in_percent(function):
    compare(function, lambda x: x, [(0.25,), (0.5,), (1.0,), (0.0,)], [], "no", 2, share=True)


@pytest.mark.parametrize("function", [lambda x: x / 100, lambda x: 10 * x, lambda x: 100 - x])
def test_other_numbers_are_no_shares(function):
    with pytest.raises(Hint, match="no"):
        compare(function, lambda x: x, [(0.25,), (0.5,)], [], "no", 2, share=True)


def test_a_percentage_is_no_other_number():
    with pytest.raises(Hint, match="no"):
        compare(lambda x: 100 * x, lambda x: x, [(0.25,), (0.5,)], [], "no", 2)


@pytest.mark.parametrize("function", [lambda x: 1 - x, lambda x: 100 * (1 - x)])
def test_a_mistake_may_be_in_percent(function):
    mistakes = [(lambda x: 1 - x, "the other share")]
    with pytest.raises(Hint, match="the other share"):
        compare(function, lambda x: x, [(0.25,), (0.7,)], mistakes, "no", 2, share=True)


@pytest.mark.parametrize("function", [lambda x: [x + 1], lambda x: [[x + 1]]])
def test_a_wrong_number_in_a_list_is_no_wrong_shape(function):
    with pytest.raises(Hint, match="another number"):
        compare(function, lambda x: x, [(0.25,), (0.5,)], [], "another number")


def test_a_long_error_message_is_cut():
    def stops(x):
        raise ValueError("long " * 100)

    with pytest.raises(Hint, match="Python says: ValueError: long long") as raised:
        call(stops, 1.0)
    assert len(str(raised.value)) < 400


def stub(values): ...


def negate(values):
    for each in values:
        each.neg_()


@pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
def test_a_list_of_tensors_can_be_given_and_written_into(shape):
    values = [torch.ones(shape), torch.ones(shape)]
    with pytest.raises(Unanswered):
        call(stub, values)
    assert array(call(negate, values)).unique().tolist() == [-1]
    assert values[0].unique().tolist() == [1]


@pytest.mark.parametrize(
    "answer",
    [
        {3, 1}, [1, 3], (3, 1), np.array([[3], [1]]), torch.tensor([3, 1]), pd.Index([3, 1]),
        {1: "a", 3: "b"}.keys(), map(int, "31"),
    ],
)  # fmt: skip
def test_numbers_in_any_order(answer):
    assert unordered(answer).tolist() == [1, 3]


def test_functions_whose_results_are_in_any_order():
    cases = [([3, 1, 2],), ([5],)]
    compare(set, sorted, cases, [], "no", read=unordered)
    with pytest.raises(Hint, match="Expected in this case: 3; yours: 2"):
        compare(lambda x: x[:2], sorted, cases, [], "no", read=unordered)
    with pytest.raises(Hint, match="no"):
        compare(lambda x: [0, 1, 2][: len(x)], sorted, cases, [], "no", read=unordered)


def test_the_shape_of_a_number_alone_in_a_list_is_no_reason():
    cases = [(torch.ones(1),), (torch.ones(3),)]
    with pytest.raises(Hint, match=r"The shape should be \[3\]; this is \[1, 3\]"):
        compare(lambda x: [x], lambda x: x, cases, [], "no")
