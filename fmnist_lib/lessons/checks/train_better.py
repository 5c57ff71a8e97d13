"""The checks of notebook 5, Train better."""

import torch
import torch.nn.functional as F

from fmnist_lib.lessons.checks.core import array, call, check, expect, number


@check("")
def one_cycle_peak(answer):
    """The update with the highest rate: 10 epochs, 55,000 images, batches of 150, one cycle."""
    update = number(answer)
    expect(update > 10, "Count updates, not epochs.")
    expect(abs(update - 1835) > 2, "That is the middle. The rate rises in the first 30 % only.")
    expect(abs(update - 1100) <= 2, "How many updates are there in all? 30 % of them rise.")


@check("")
def smooth_targets(function):
    """A function of (labels [N], smoothing) that gives the targets, float [N, 10]."""
    labels = torch.tensor([3, 0])
    targets = array(call(function, labels, 0.1), 2, 10)
    expect(
        not torch.equal(targets, F.one_hot(labels, 10).float()),
        "These targets are not smoothed yet.",
    )
    expect(torch.allclose(targets.sum(dim=1), torch.ones(2)), "Each row should sum to 1.")
    expect(
        not torch.isclose(targets[0, 3], torch.tensor(0.9)),
        "The share is spread over all ten classes, and the true one gets its part of it too.",
    )
    expect(
        torch.allclose(targets, F.one_hot(labels, 10) * 0.9 + 0.01),
        "(1 - smoothing) · one-hot + smoothing / 10.",
    )


@check("")
def clear_gain(function):
    """A function of two lists of accuracies: is the second clearly better than the first?"""
    expect(
        not call(function, [0.90, 0.92, 0.94], [0.92, 0.94, 0.96]),
        "Means of 0.92 and 0.94 with a spread of 0.02: that is not more than twice the spread.",
    )
    expect(
        call(function, [0.900, 0.901, 0.902], [0.910, 0.911, 0.912]),
        "A difference of 0.010 with a spread of 0.001 is clear.",
    )
    expect(
        not call(function, [0.910, 0.911, 0.912], [0.900, 0.901, 0.902]),
        "The second is clearly worse here, not better.",
    )
    expect(
        not call(function, [0.900, 0.901, 0.902], [0.88, 0.91, 0.94]),
        "The second varies much here; the larger of the two spreads counts.",
    )


@check("")
def batch_norm(function):
    """A function that normalises [N, C, H, W] as batch normalisation does, eps 1e-5."""
    images = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    result = array(call(function, images), 5, 3, 4, 4)
    expect(
        not torch.allclose(result, F.layer_norm(images, images.shape[1:]), atol=1e-2),
        "This normalises each image. Each *channel* should be, over all images and places.",
    )
    expect(
        not torch.allclose(result, (images - images.mean()) / images.std(), atol=1e-2),
        "This takes one mean over everything. Each channel has its own.",
    )
    expect(
        torch.allclose(result, F.batch_norm(images, None, None, training=True), rtol=0.02),
        "For each channel: subtract its mean and divide by its standard deviation, both over the "
        "dimensions 0, 2 and 3 (with keepdim=True).",
    )


@check("")
def block_parameters(answer):
    """Parameters of Block(32, 64)."""
    count = number(answer)
    expect(count != 55_552, "The shortcut has weights too.")
    expect(count != 57_344, "Batch normalisation has two parameters for each channel.")
    expect(count != 57_728 and count != 57_792, "The convolutions have no biases (bias=False).")
    expect(
        count == 57_600,
        "conv1, conv2 and shortcut: inputs · outputs · k · k each; bn1 and bn2: 2 · outputs each.",
    )
