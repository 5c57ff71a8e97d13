import pytest
import torch

from fmnist_lib import evaluate
from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net

# 4 shirts (6): two right, one taken for a coat (4), one for a T-shirt (0); 2 coats, one right.
LABELS = torch.tensor([6, 6, 6, 6, 4, 4])
PREDICTED = torch.tensor([6, 6, 4, 0, 4, 6])


@pytest.fixture
def matrix():
    return evaluate.confusion_matrix(LABELS, PREDICTED)


def test_confusion_matrix(matrix):
    assert matrix.shape == (10, 10) and matrix.to_numpy().sum() == 6
    assert matrix.loc["Shirt", "Coat"] == 1 and matrix.loc["Coat", "Shirt"] == 1
    assert matrix.loc["Shirt", "Shirt"] == 2 and matrix.loc["Bag"].sum() == 0
    assert list(matrix.index) == list(matrix.columns)
    assert (matrix.index.name, matrix.columns.name) == ("true class", "predicted class")


def test_row_shares(matrix):
    shares = evaluate.row_shares(matrix)
    assert shares.loc["Shirt", "Shirt"] == 0.5 and shares.loc["Coat", "Coat"] == 0.5
    assert shares.loc["Shirt"].sum() == 1


def test_per_class_report(matrix):
    report = evaluate.per_class_report(matrix)
    shirt = report.loc["Shirt"]
    assert shirt["precision"] == pytest.approx(2 / 3) and shirt["recall"] == 1 / 2
    assert shirt["F1"] == pytest.approx(4 / 7)
    assert shirt["images"] == 4
    assert report.loc["T-shirt/top", "precision"] == 0  # one prediction, wrong
    assert report["precision"].isna()["Bag"]  # never predicted


def test_most_confused(matrix):
    table = evaluate.most_confused(matrix, n=3)
    assert len(table) == 3 and (table["images"] == 1).all()
    assert (table["true class"] != table["predicted class"]).all()
    shares = table.set_index(["true class", "predicted class"])["share"]
    assert shares["Shirt", "Coat"] == 0.25 and shares["Coat", "Shirt"] == 0.5


def test_confident_mistakes():
    probabilities = torch.full((4, 10), 0.01)
    for row, (predicted, p) in enumerate([(0, 0.9), (1, 0.6), (2, 0.99), (3, 0.7)]):
        probabilities[row, predicted] = p
    table = evaluate.confident_mistakes(probabilities, torch.tensor([0, 9, 9, 9]), n=2)
    assert table["index"].tolist() == [2, 3]
    assert list(table["predicted class"]) == ["Pullover", "Dress"]
    assert list(table["true class"]) == ["Ankle boot", "Ankle boot"]
    assert table["probability"].tolist() == pytest.approx([0.99, 0.7])


def test_calibration():
    # Ten answers at 0.85, of which six are right; ten at 0.35, of which four are right.
    probabilities = torch.zeros(20, 10)
    probabilities[:10, 0], probabilities[10:, 0] = 0.85, 0.35
    labels = torch.tensor([0] * 6 + [1] * 4 + [0] * 4 + [1] * 6)
    table = evaluate.calibration(probabilities, labels)
    assert table.index.tolist() == [3, 8]
    assert table["accuracy"].tolist() == pytest.approx([0.4, 0.6])
    assert table["confidence"].tolist() == pytest.approx([0.35, 0.85])
    assert table["images"].tolist() == [10, 10]
    assert evaluate.calibration_error(table) == pytest.approx((0.05 + 0.25) / 2)


def test_certainty_falls_into_the_last_bin():
    table = evaluate.calibration(torch.eye(10), torch.arange(10))
    assert table.index.tolist() == [9] and evaluate.calibration_error(table) == 0


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


@pytest.mark.parametrize("kind", ["noise", "shift", "blur"])
def test_disturb(kind):
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    images[:, 10, 10] = 200
    made = evaluate.disturb(images, kind, 2)
    assert made.shape == images.shape and made.dtype == torch.uint8
    assert not torch.equal(made, images)
    assert torch.equal(evaluate.disturb(images, kind, 0), images)
    assert torch.equal(made, evaluate.disturb(images, kind, 2))  # drawn from the seed


def test_disturb_does_what_its_units_say():
    images = torch.full((20, 28, 28), 128, dtype=torch.uint8)
    noisy = evaluate.disturb(images, "noise", 20).float()
    assert noisy.std() == pytest.approx(20, rel=0.02) and noisy.mean() == pytest.approx(128, abs=1)
    moved = evaluate.disturb(images, "shift", 3)
    assert (moved[:, :, :3] == 0).all() and (moved[:, :, 3:] == 128).all()
    point = torch.zeros(1, 28, 28, dtype=torch.uint8)
    point[0, 14, 14] = 255
    blurred = evaluate.disturb(point, "blur", 1.0)[0].float()
    # a Gaussian of standard deviation 1: exp(-1/2) as high one pixel from its middle
    assert blurred[14, 15] / blurred[14, 14] == pytest.approx(0.6065, abs=0.03)
    assert blurred[14, 13] == blurred[14, 15] == blurred[13, 14]


def test_disturb_of_an_unknown_kind():
    with pytest.raises(CourseError, match="'rain' is none of noise, shift and blur"):
        evaluate.disturb(torch.zeros(1, 28, 28, dtype=torch.uint8), "rain", 1)
