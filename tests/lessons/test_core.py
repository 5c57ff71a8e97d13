"""The tools of the checks, where no exercise shows them."""

import pytest

from fmnist_lib.lessons.checks.core import Hint, call, compare, number


@pytest.mark.parametrize(
    "answer, value",
    [
        ("431,080", 431_080),
        ("431 080 weights", 431_080),
        ("1_234_567.5", 1_234_567.5),
        ("0,912", 0.912),
        ("-0,5", -0.5),
        ("91,25 %", 0.9125),
        ("1e-3", 0.001),
        ({24}, 24),
    ],
)
def test_a_number_in_other_forms(answer, value):
    assert number(answer) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("answer", ["1 2", "1.2.3", "- 5", "", "%", {1, 2}, set()])
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
