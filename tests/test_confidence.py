"""Confident mistakes, calibration, and what a threshold of confidence does."""

import math

import pytest
import torch
from garments import BOOT, DRESS, PULLOVER

from fmnist_lib import confidence
from fmnist_lib.errors import CourseError


def test_confident_mistakes():
    probabilities = torch.full((4, 10), 0.01)
    for row, (predicted, p) in enumerate([(0, 0.9), (1, 0.6), (2, 0.99), (3, 0.7)]):
        probabilities[row, predicted] = p
    table = confidence.confident_mistakes(probabilities, torch.tensor([0, 9, 9, 9]), n=2)
    assert table["index"].tolist() == [2, 3]
    assert list(table["predicted class"]) == [PULLOVER, DRESS]
    assert list(table["true class"]) == [BOOT, BOOT]
    assert table["probability"].tolist() == pytest.approx([0.99, 0.7])


def test_calibration():
    # Ten answers at 0.85, of which six are right; ten at 0.35, of which four are right.
    probabilities = torch.zeros(20, 10)
    probabilities[:10, 0], probabilities[10:, 0] = 0.85, 0.35
    labels = torch.tensor([0] * 6 + [1] * 4 + [0] * 4 + [1] * 6)
    table = confidence.calibration(probabilities, labels)
    assert table.index.tolist() == [3, 8]
    assert table["accuracy"].tolist() == pytest.approx([0.4, 0.6])
    assert table["confidence"].tolist() == pytest.approx([0.35, 0.85])
    assert table["images"].tolist() == [10, 10]
    assert confidence.calibration_error(table) == pytest.approx((0.05 + 0.25) / 2)


def test_certainty_falls_into_the_last_bin():
    table = confidence.calibration(torch.eye(10), torch.arange(10))
    assert table.index.tolist() == [9] and confidence.calibration_error(table) == 0


def test_the_error_by_chance():
    # In one bin the error is |share − 0.7|, on the mean √(2/π) of the share's standard deviation.
    probabilities = torch.tensor([0.7, 0.3]).repeat(400, 1)
    expected = (2 / math.pi * 0.7 * 0.3 / 400) ** 0.5
    by_chance = confidence.error_by_chance(probabilities, draws=500)
    assert by_chance == pytest.approx(expected, rel=0.1)
    assert confidence.error_by_chance(probabilities, draws=500) == by_chance  # of the same seed
    assert confidence.error_by_chance(torch.eye(10)) == 0  # who is always right has no luck


def test_coverage():
    # The more confident half is right; of the others none is.
    probabilities = torch.zeros(20, 10)
    probabilities[:, 0] = torch.linspace(0.5, 0.99, 20)
    labels = torch.tensor([1] * 10 + [0] * 10)
    table = confidence.coverage(probabilities, labels, steps=50)
    assert table.loc[0].tolist() == pytest.approx([0.5, 1, 0.5])  # all are answered
    half = table[table["answered"] == 0.5].iloc[0]
    assert half["accuracy"] == 1 and 0.735 < half["threshold"] < 0.77
    assert len(table) == 50 and table["answered"].is_monotonic_decreasing


def test_the_interval_of_a_share():
    low, high = confidence.wilson(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)  # as in textbooks
    for share in (0.0, 1.0):
        low, high = confidence.wilson(share, 10)
        assert -1e-9 <= low < high <= 1 + 1e-9 and high - low == pytest.approx(0.2775, abs=1e-3)
    table = confidence.calibration(torch.eye(10).repeat(2, 1), torch.arange(10).repeat(2))
    assert table["low"].tolist() == pytest.approx([confidence.wilson(1.0, 20)[0]])


def test_the_interval_holds_the_share_in_about_95_of_100_samples():
    random = torch.Generator().manual_seed(0)
    drawn = torch.rand(2000, 200, generator=random) < 0.9
    low, high = confidence.wilson(drawn.double().mean(dim=1), 200)
    assert 0.93 < ((low <= 0.9) & (0.9 <= high)).double().mean() < 0.97


def logits_of(temperature, images=20_000):
    """Logits that are `temperature` times those of a calibrated network, and labels."""
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(images, 10, generator=random)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    return temperature * logits, labels


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_temperature_is_found(true):
    logits, labels = logits_of(true)
    found = confidence.temperature(logits, labels)
    assert found == pytest.approx(true, rel=0.05)
    # of probabilities as of logits, and whatever is added to a row
    assert confidence.temperature(logits.softmax(1).log(), labels) == pytest.approx(found, rel=1e-3)
    assert confidence.temperature(logits + 100, labels) == pytest.approx(found, rel=1e-3)

    def loss(temperature):
        return torch.nn.functional.cross_entropy(logits / temperature, labels)

    assert loss(found) <= min(loss(found * 1.02), loss(found / 1.02))


def test_a_temperature_has_limits():
    assert confidence.temperature(torch.eye(10), torch.arange(10)) == pytest.approx(0.01, rel=0.01)
    wrong = confidence.temperature(torch.eye(10), torch.arange(10).roll(1))
    assert wrong == pytest.approx(100, rel=0.01)
    with_a_zero = torch.tensor([[1.0, 0.0], [0.6, 0.4]]).log()
    assert 0.01 < confidence.temperature(with_a_zero, torch.tensor([1, 0])) <= 100.1


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        (torch.zeros(3), torch.zeros(3).long(), "do not fit"),
        (torch.zeros(3, 2), torch.zeros(2).long(), "do not fit"),
        (torch.zeros(0, 2), torch.zeros(0).long(), "at least one image"),
        (torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]), "infinite or no number"),
        (torch.tensor([[float("inf"), 0.0]]), torch.tensor([0]), "infinite or no number"),
    ],
)
def test_logits_that_have_no_temperature(logits, labels, message):
    with pytest.raises(CourseError, match=message):
        confidence.temperature(logits, labels)


def test_the_log_loss():
    probabilities = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    loss = confidence.log_loss(probabilities, torch.tensor([0, 1]))
    assert loss == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert 100 < confidence.log_loss(torch.eye(2), torch.tensor([1, 0])) < 110


def test_a_threshold_for_a_share_of_right_answers():
    probabilities = torch.zeros(6, 10)
    probabilities[:, 0] = torch.tensor([0.9, 0.8, 0.8, 0.7, 0.6, 0.5])
    labels = torch.tensor([0, 0, 1, 0, 1, 1])  # right, of the surest: 1, 2/3, 3/4, 3/5, 1/2
    for share, threshold in ((1.0, 0.9), (0.75, 0.7), (0.6, 0.6), (0.5, 0.5), (0.0, 0.5)):
        assert confidence.threshold_for(probabilities, labels, share) == pytest.approx(threshold)
    never_right = torch.ones(6).long()
    assert confidence.threshold_for(probabilities, never_right, 0.5) == math.inf


def test_a_share_in_words():
    shares = (0.00012, 1 / 8575, 0.5, 1.0, 0.0)
    words = ["1 in 8,300", "1 in 8,600", "1 in 2", "1 in 1", "none"]
    assert [confidence.one_in(share) for share in shares] == words
