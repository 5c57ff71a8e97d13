"""The checks of notebook 1, Explore the data."""

import torch
from torch import Tensor

from fmnist_lib.data import Split
from fmnist_lib.lessons.checks.core import (
    check,
    class_name,
    compare,
    expect,
    judge_number,
    judge_share,
)


@check("The recall of the bags is a share of 900, the recall of the boots a share of 100.")
def balanced_accuracy(answer):
    """Mean recall over the classes of "always Bag", on 900 bags and 100 boots."""
    judge_share(
        answer,
        0.5,
        {
            0.9: "That is the plain accuracy, which the larger class dominates.",
            1: "That is the recall of the bags. What is that of the boots, and the mean of both?",
            0: "That is the recall of the boots. What is that of the bags, and the mean of both?",
            0.45: "That is half of the accuracy. Find each recall first, the share of its class.",
        },
        "What share of the bags is right? Of the boots? Take the mean of the two.",
    )


@check("images[labels == 3] are those of class 3. Take the mean of each class, then the largest.")
def brightest_class(answer, split: Split):
    """The class whose images have the largest mean pixel value."""
    means = {
        class_name(label): split.images[split.labels == label].float().mean().item()
        for label in range(10)
    }
    name = class_name(answer)
    expect(name != min(means, key=means.get), "That is the one with the smallest.")
    expect(
        name == max(means, key=means.get),
        f"{name} has a mean of {means[name]:.0f}; another class has a larger one.",
    )


@check("images.flip(d) reverses dimension d. Of image, row and column, which one does a mirror?")
def mirror(function):
    """A function that mirrors images [N, 28, 28] left to right."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (5, 28, 28), generator=random, dtype=torch.uint8)
    compare(
        function,
        lambda x: x.flip(2),
        [(images[:2],), (images,), (images[:1].float() - 100,)],
        [
            (lambda x: x, "The images come back as they were."),
            (lambda x: x.flip(1), "This turns them upside down. Columns are the last dimension."),
            (lambda x: x.flip(0), "This reverses the order of the images. Leave that as it is."),
            (lambda x: x.mT, "This swaps rows and columns. Mirroring keeps every row."),
            (
                lambda x: x.flip(1, 2),
                "This turns them by half. A mirror leaves the rows in place.",
            ),
            (lambda x: x.flip(0, 2), "Mirrored, but the images come in reverse order."),
            (lambda x: x.roll(-1, 2), "This moves the columns. A mirror reverses their order."),
            (lambda x: 255 - x, "This changes the value of every pixel. Only places change."),
        ],
        "Compare the first row of an image with that of its mirror image.",
        stops={"step must be greater": "PyTorch has no steps backwards; `flip` reverses."},
    )


@check(
    "images[:, None] is [N, 1, 28, 28]: less means it is [N, 10, 28, 28]. Take abs(), the mean "
    "over the last two dimensions, and the smallest of the ten."
)
def nearest_by_absolute(function):
    """A function of (images, means) that gives the label with the smallest mean |difference|."""

    def distance(images: Tensor, means: Tensor) -> Tensor:
        return images[:, None].double() - means  # [N, 10, 28, 28]

    def bytes_wrap(images, means):
        return (images[:, None] - means.byte()).float().mean((2, 3)).argmin(1)

    compare(
        function,
        lambda x, m: distance(x, m).abs().mean((2, 3)).argmin(1),
        [_images_and_means(count, seed) for count, seed in ((40, 3), (7, 4), (1, 5))],
        [
            (
                lambda x, m: distance(x, m).square().mean((2, 3)).argmin(1),
                "This squares the differences, which lets single pixels count for much.",
            ),
            (
                lambda x, m: distance(x, m).abs().mean((2, 3)).argmax(1),
                "These are the farthest means.",
            ),
            (
                lambda x, m: distance(x, m).mean((2, 3)).argmin(1),
                "Differences of both signs cancel out here. Which are to be counted as positive?",
            ),
            (
                lambda x, m: distance(x, m).mean((2, 3)).abs().argmin(1),
                "This takes the mean first, in which differences of both signs cancel out.",
            ),
            (
                lambda x, m: distance(x, m).abs().amax((2, 3)).argmin(1),
                "This is the largest difference of a single pixel, not the mean over all.",
            ),
            (
                lambda x, m: distance(x, m).abs().mean((2, 3)).amin(1),
                "These are the smallest differences. Which class has them?",
            ),
            (
                lambda x, m: distance(x, m).abs().mean((2, 3)),
                "These are the differences to all ten means. Which of the ten is the smallest?",
            ),
            (
                lambda x, m: distance(x, m).abs().mean((2, 3)).argmin(0),
                "This finds an image for each class. Find a class for each image: dimension 1.",
            ),
            (bytes_wrap, "Bytes can't be negative and wrap around. Subtract as float."),
        ],
        "Subtract as float, take abs(), then the mean over rows and columns; argmin goes over the "
        "ten classes.",
        stops={
            "must match": "Images [N, 28, 28] and means [10, 28, 28] meet when images[:, None] has "
            "a dimension for the classes."
        },
    )


@check(
    "A linear layer from n numbers to m has n · m weights, and a bias for each of the m. Here are "
    "two of them, one behind the other."
)
def mlp_parameters(answer):
    """How many parameters has an MLP of 784 inputs, 300 hidden numbers and 10 outputs?"""
    judge_number(
        answer,
        238_510,
        {
            238_200: "These are the weights. Each number that a layer computes has a bias, too.",
            238_210: "The last layer has its biases here; the hidden numbers have some as well.",
            238_500: "The hidden numbers have their biases; the ten outputs have some as well.",
            235_500: "That is the first layer. What does the second one have?",
            235_200: "These are the weights of the first layer alone.",
            3_010: "That is the second layer. What does the first one have?",
            7_850: "That is softmax regression: it has no hidden numbers.",
            101_770: "That is the MLP above, with 128 hidden numbers. Here are 300.",
            2_352_000: "The layers follow each other: add what each of them has.",
        },
        "Count the weights and the biases of each layer, and add up.",
    )


def _images_and_means(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Most pixels a little off, or a few of them by much: absolute and squared disagree."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 28, 28), generator=random, dtype=torch.uint8)
    noise = 40 * torch.randn(10, 28, 28, generator=random)
    means = torch.randint(0, 256, (10, 28, 28), generator=random) + noise
    means[::2, :3] += 150
    return images, means
