"""The tools of the checks, where no exercise shows them."""

import pytest

from fmnist_lib.lessons.checks.core import Hint, number


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
