import pytest
import torch
from garments import BOOT, SANDAL, SHIRT, SNEAKER, TOPS

from fmnist_lib import evaluate, synthetic
from fmnist_lib.images import nearest_images


def test_shapes_types_and_balance():
    (images, labels), (test_images, test_labels) = synthetic.generate(1003, 205)
    assert images.shape == (1003, 28, 28) and images.dtype == torch.uint8
    assert labels.shape == (1003,) and labels.dtype == torch.int64
    assert test_images.shape == (205, 28, 28)
    for counts in (labels.bincount(minlength=10), test_labels.bincount(minlength=10)):
        assert counts.max() - counts.min() <= 1 and len(counts) == 10


def test_seed_decides_everything_and_nothing_else_is_touched():
    state = torch.get_rng_state()
    first, again, other = (synthetic.generate(200, 100, seed=s) for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    for split in (0, 1):
        assert torch.equal(first[split][0], again[split][0])
        assert torch.equal(first[split][1], again[split][1])
        assert not torch.equal(first[split][0], other[split][0])


def test_test_set_does_not_depend_on_the_training_set_and_shares_no_image():
    (train, _), (test, _) = synthetic.generate(2000, 300)
    assert torch.equal(test, synthetic.generate(10, 300)[1][0])
    distance, _ = nearest_images(test, train)
    assert distance.min() > 0


def test_garments_look_like_the_real_ones_in_numbers():
    (images, _), _ = synthetic.generate(2000, 0)
    assert 45 < images.float().mean() < 85  # the real set: 73
    assert 0.45 < (images == 0).float().mean() < 0.65  # the real set: 0.50
    assert images.max() == 255


def test_averages_separate_the_classes_but_not_the_tops():
    (train, labels), (test, test_labels) = synthetic.generate(3000, 1000)
    means = torch.stack([train[labels == label].float().mean(0) for label in range(10)])
    _, nearest = nearest_images(test, means)
    accuracy = (nearest == test_labels).float().mean()
    assert 0.4 < accuracy < 0.95
    matrix = evaluate.confusion_matrix(test_labels, nearest)
    shoes = [SANDAL, SNEAKER, BOOT]
    assert matrix.loc[SHIRT, TOPS].sum() - matrix.loc[SHIRT, SHIRT] > 20
    assert matrix.loc[TOPS, shoes].to_numpy().sum() < 20


@pytest.mark.parametrize("size", [-1, 2.5, "10", True])
def test_a_size_must_be_a_whole_number(size):
    with pytest.raises(ValueError, match="give a whole number of images"):
        synthetic.generate(size, 10)
