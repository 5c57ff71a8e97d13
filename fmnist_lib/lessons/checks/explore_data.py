"""The checks of notebook 1, Explore the data."""

import pandas as pd
import torch
from torch import Tensor

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.lessons.checks.core import as_tensor, call, check, class_name, expect, number


@check
def label_file_bytes(answer):
    """How many bytes does the idx file of the test labels have, unzipped?"""
    size = number(answer)
    expect(size != 10_000, "That is the labels alone. What comes before them in the file?")
    expect(size != 10_016, "Labels have one dimension, so their header is shorter.")
    expect(size < 1_000_000, "That is more than labels need: one byte each, and no pixels.")
    expect(size == 10_008, "Add up the header (4 bytes, and 4 for each dimension) and the labels.")


@check
def balanced_accuracy(answer):
    """Mean recall over the classes of "always Bag", on 900 bags and 100 boots."""
    share = number(answer)
    expect(share != 0.9, "That is the plain accuracy, which the larger class dominates.")
    expect(share <= 1, "Give a share from 0 to 1, not percent.")
    expect(share == 0.5, "What share of the bags is right? Of the boots? Take the mean of the two.")


@check
def brightest_class(answer, split: Split):
    """The class whose images have the highest mean."""
    expect(not isinstance(answer, (int, Tensor)), "That is a label; CLASS_NAMES has its name.")
    brightness = pd.Series(
        [split.images[split.labels == label].float().mean().item() for label in range(10)],
        CLASS_NAMES,
    )
    name = class_name(answer)
    expect(name != brightness.idxmin(), "That is the darkest one. Mind that 255 is the brightest.")
    expect(
        name == brightness.idxmax(),
        f"{name} has a mean of {brightness[name]:.0f}; another class has a higher one.",
    )


@check
def mirror(function):
    """A function that mirrors images [N, 28, 28] left to right."""
    images = torch.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
    result = as_tensor(call(function, images), 2, 28, 28)

    def is_(other):
        return torch.equal(result, other.float())

    expect(not is_(images), "The images come back as they were.")
    expect(not is_(images.flip(1)), "This turns them upside down. Columns are the last dimension.")
    expect(not is_(images.flip(0)), "This reverses the order of the images. Leave that as it is.")
    expect(not is_(images.mT), "This swaps rows and columns. Mirroring keeps every row.")
    expect(is_(images.flip(2)), "Compare the first row of an image with that of its mirror image.")


@check
def nearest_by_absolute(function):
    """A function of (images, means) that gives the label with the smallest mean |difference|."""
    random = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (40, 28, 28), generator=random, dtype=torch.uint8)
    # Most pixels a little off, or a few of them by much: the two measures disagree.
    means = images[:10].float() + 40 * torch.randn(10, 28, 28, generator=random)
    means[:, :3] += 150
    difference = (images[:, None].float() - means).abs().mean(dim=(2, 3))
    answer = call(function, images, means)
    expect(tuple(getattr(answer, "shape", ())) == (40,), "Give one label for each image, [N].")
    result = as_tensor(answer, 40)
    squared = (images[:, None].float() - means).square().mean(dim=(2, 3))
    expect(not torch.equal(result, difference.argmax(1).float()), "These are the farthest means.")
    expect(not torch.equal(result, squared.argmin(1).float()), "This squares the differences.")
    expect(
        torch.equal(result, difference.argmin(dim=1).float()),
        "Subtract as float (bytes wrap around), take abs(), then the mean over rows and columns; "
        "argmin goes over the ten classes.",
    )
