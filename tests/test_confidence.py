"""Confident mistakes, calibration, and what a threshold of confidence does."""

import pytest
import torch

from fmnist_lib import confidence


def test_confident_mistakes():
    probabilities = torch.full((4, 10), 0.01)
    for row, (predicted, p) in enumerate([(0, 0.9), (1, 0.6), (2, 0.99), (3, 0.7)]):
        probabilities[row, predicted] = p
    table = confidence.confident_mistakes(probabilities, torch.tensor([0, 9, 9, 9]), n=2)
    assert table["index"].tolist() == [2, 3]
    assert list(table["predicted class"]) == ["Pullover", "Dress"]
    assert list(table["true class"]) == ["Ankle boot", "Ankle boot"]
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
