"""Predictions, the confusion matrix and what is counted from it."""

import pytest
import torch
from garments import BAG, COAT, SHIRT, T_SHIRT

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES, as_input
from fmnist_lib.model import Net

# 4 shirts (6): two right, one taken for a coat (4), one for a T-shirt (0); 2 coats, one right.
LABELS = torch.tensor([6, 6, 6, 6, 4, 4])
PREDICTED = torch.tensor([6, 6, 4, 0, 4, 6])


@pytest.fixture
def matrix():
    return evaluate.confusion_matrix(LABELS, PREDICTED)


def test_confusion_matrix(matrix):
    assert matrix.shape == (10, 10) and matrix.to_numpy().sum() == 6
    assert matrix.loc[SHIRT, COAT] == 1 and matrix.loc[COAT, SHIRT] == 1
    assert matrix.loc[SHIRT, SHIRT] == 2 and matrix.loc[BAG].sum() == 0
    assert list(matrix.index) == list(matrix.columns)
    assert (matrix.index.name, matrix.columns.name) == ("true class", "predicted class")


def test_row_shares(matrix):
    shares = evaluate.row_shares(matrix)
    assert shares.loc[SHIRT, SHIRT] == 0.5 and shares.loc[COAT, COAT] == 0.5
    assert shares.loc[SHIRT].sum() == 1


def test_per_class_report(matrix):
    report = evaluate.per_class_report(matrix)
    shirt = report.loc[SHIRT]
    assert shirt["precision"] == pytest.approx(2 / 3) and shirt["recall"] == 1 / 2
    assert shirt["F1"] == pytest.approx(4 / 7)
    assert shirt["images"] == 4
    assert report.loc[T_SHIRT, "precision"] == 0  # one prediction, wrong
    assert report["precision"].isna()[BAG]  # never predicted
    assert report.loc[T_SHIRT, "F1"] == 0 and report["F1"].isna()[BAG]


def test_most_confused(matrix):
    table = evaluate.most_confused(matrix, n=3)
    assert len(table) == 3 and (table["images"] == 1).all()
    assert (table["true class"] != table["predicted class"]).all()
    shares = table.set_index(["true class", "predicted class"])["share"]
    assert shares[SHIRT, COAT] == 0.25 and shares[COAT, SHIRT] == 0.5


def test_predict(drawn):
    net = Net()
    probabilities = evaluate.predict(net, drawn[1].images, batch_size=64)
    assert probabilities.shape == (200, 10) and probabilities.dtype == torch.float32
    assert torch.allclose(probabilities.sum(1), torch.ones(200))
    assert torch.allclose(probabilities, net(as_input(drawn[1].images)).softmax(1), atol=1e-6)


def test_predict_with_flips_is_the_mean_of_both():
    torch.manual_seed(0)
    net, images = Net(), torch.randint(0, 256, (7, 28, 28), dtype=torch.uint8)
    both = (evaluate.predict(net, images) + evaluate.predict(net, images.flip(2))) / 2
    assert torch.allclose(evaluate.predict(net, images, flip=True), both)


def test_accuracy_is_the_share_that_is_right():
    assert evaluate.accuracy(PREDICTED, LABELS) == 0.5


def test_names_of():
    named = evaluate.names_of(LABELS)
    assert list(named) == [SHIRT] * 4 + [COAT] * 2
    assert tuple(named.categories) == CLASS_NAMES  # those that do not occur, too
