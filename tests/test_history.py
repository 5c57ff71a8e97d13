"""One row for each epoch, and the best of them."""

import math

import pytest

from fmnist_lib.history import Epoch, best_epoch


def epoch(number, accuracy, train_loss=0.5, validation_loss=0.4):
    return Epoch(number, 25, train_loss, 0.8, validation_loss, accuracy, None, 7.0, 1.0)


def test_epoch_prints_progress():
    row = Epoch(3, 25, 0.5, 0.8, 0.4, 0.85, None, 7.0, 1.0)
    assert str(row).startswith("epoch  3/25") and "2:56 min left" in str(row)


@pytest.mark.parametrize("seconds", [0.01, 0.3, 2.5, 9.999, 14.96, 29.99, 59.7, 119.6, 3599.7])
def test_the_time_that_is_left_has_less_than_sixty_seconds(seconds):
    for number in range(1, 26):
        printed = str(Epoch(number, 25, 0.5, 0.8, 0.4, 0.85, None, seconds, 0))
        minutes, left = printed.split(", ")[-1].removesuffix(" min left").split(":")
        assert len(left) == 2 and 0 <= int(left) < 60
        assert abs(60 * int(minutes) + int(left) - (25 - number) * seconds) <= 0.5


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_divergence(lost):
    assert not epoch(1, 0.5).diverged
    for row in (epoch(1, 0.5, train_loss=lost), epoch(1, 0.5, validation_loss=lost)):
        assert row.diverged
        assert "DIVERGED" in str(row) and "smaller learning rate" in str(row)


def test_the_best_epoch_is_the_first_of_equals():
    history = [epoch(1, 0.7), epoch(2, 0.9), epoch(3, 0.8), epoch(4, 0.9)]
    assert best_epoch(history) is history[1]


def test_an_epoch_that_diverged_is_never_the_best():
    history = [epoch(1, 0.7), epoch(2, 0.6), epoch(3, 0.9, train_loss=math.nan)]
    assert best_epoch(history) is history[0]
    assert best_epoch([epoch(1, 0.7), epoch(2, 0.9, validation_loss=math.inf)]).epoch == 1


def test_without_an_epoch_none_is_best():
    assert best_epoch([]) is None
    assert best_epoch([epoch(1, 0.9, train_loss=math.nan)] * 2) is None
