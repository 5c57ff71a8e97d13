"""What is done to images: augmenting, disturbing, searching."""

import pytest
import torch

from fmnist_lib.errors import CourseError
from fmnist_lib.images import augment, disturb, nearest_images


def test_flip_mirrors_about_half_of_the_images(drawn):
    images = drawn[0].images
    made = augment(images, torch.Generator().manual_seed(0), flip=True)
    same = (made == images).flatten(1).all(1)
    mirrored = (made == images.flip(2)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6


def test_shift_moves_an_image_and_fills_with_background():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[10, 20] = 255
    images = image.repeat(2000, 1, 1)
    made = augment(images, torch.Generator().manual_seed(0), shift=2)
    assert made.dtype == torch.uint8 and (made.flatten(1).sum(1) == 255).all()
    _, rows, columns = made.nonzero().T
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {18, 19, 20, 21, 22}
    corner = torch.full((500, 28, 28), 9, dtype=torch.uint8)
    moved = augment(corner, torch.Generator().manual_seed(0), shift=1)
    assert set(moved[:, 0, 0].tolist()) == {0, 9}


def test_erase_sets_a_square_to_background():
    images = torch.full((5000, 28, 28), 9, dtype=torch.uint8)
    made = augment(images, torch.Generator().manual_seed(0), erase=8)
    missing = made == 0
    assert (missing.flatten(1).sum(1) == 64).all()
    assert (missing.any(1).sum(1) == 8).all() and (missing.any(2).sum(1) == 8).all()
    assert missing.any(0).all()  # it can be anywhere
    assert images.min() == 9  # the originals are as they were


def test_no_augmentation_is_no_change(drawn):
    images = drawn[0].images
    assert augment(images, torch.Generator()) is images


@pytest.mark.parametrize("kind", ["noise", "shift", "blur"])
def test_disturb(kind):
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    images[:, 10, 10] = 200
    made = disturb(images, kind, 2)
    assert made.shape == images.shape and made.dtype == torch.uint8
    assert not torch.equal(made, images)
    assert torch.equal(disturb(images, kind, 0), images)
    assert torch.equal(made, disturb(images, kind, 2))  # drawn from the seed


def test_disturb_does_what_its_units_say():
    images = torch.full((20, 28, 28), 128, dtype=torch.uint8)
    noisy = disturb(images, "noise", 20).float()
    assert noisy.std() == pytest.approx(20, rel=0.02) and noisy.mean() == pytest.approx(128, abs=1)
    moved = disturb(images, "shift", 3)
    assert (moved[:, :, :3] == 0).all() and (moved[:, :, 3:] == 128).all()
    point = torch.zeros(1, 28, 28, dtype=torch.uint8)
    point[0, 14, 14] = 255
    blurred = disturb(point, "blur", 1.0)[0].float()
    # a Gaussian of standard deviation 1: exp(-1/2) as high one pixel from its middle
    assert blurred[14, 15] / blurred[14, 14] == pytest.approx(0.6065, abs=0.03)
    assert blurred[14, 13] == blurred[14, 15] == blurred[13, 14]


def test_disturb_of_an_unknown_kind():
    with pytest.raises(CourseError, match="'rain' is none of noise, shift and blur"):
        disturb(torch.zeros(1, 28, 28, dtype=torch.uint8), "rain", 1)


def test_nearest_images_against_every_pair():
    generator = torch.Generator().manual_seed(0)
    queries, references = (
        torch.randint(0, 256, (n, 28, 28), generator=generator, dtype=torch.uint8) for n in (7, 30)
    )
    queries[3] = references[11]
    distance, index = nearest_images(queries, references, batch=3)
    every = (queries[:, None].double() - references[None].double()).square().mean((2, 3)).sqrt()
    assert torch.equal(index, every.argmin(1)) and index[3] == 11 and distance[3] == 0
    assert torch.allclose(distance.double(), every.min(1).values, atol=1e-3)
