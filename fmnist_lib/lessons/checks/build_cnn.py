"""The checks of notebook 2, Build the CNN."""

import torch
import torch.nn.functional as F

from fmnist_lib.lessons.checks.core import array, call, check, expect, number


@check("")
def map_size(answer):
    """Side of the map after a 7 × 7 convolution and 2 × 2 max-pooling of a 28 × 28 image."""
    side = number(answer)
    expect(side != 22, "That is the convolution. Pooling comes after it.")
    expect(side != 14, "That is the pooling alone. The kernel does not fit everywhere.")
    expect(side != 12, "That is for a 5 × 5 kernel.")
    expect(side == 11, "First n - k + 1 places, then half of them.")


@check("")
def edge_kernel(kernel):
    """A 3 × 3 kernel: 0 where the image is flat, positive where it gets brighter downwards."""
    kernel = array(kernel, 3, 3)
    expect(kernel.abs().sum() > 0, "This kernel answers 0 to everything.")
    expect(abs(kernel.sum()) < 1e-4, "On a flat area it should give 0: what must its sum be?")
    ramp = torch.tensor([0.0, 0, 9]).repeat(3, 1)  # brighter to the right
    expect(abs((kernel * ramp).sum()) < 1e-4, "It answers to edges from left to right as well.")
    down = (kernel * ramp.T).sum()
    expect(down != 0, "It does not answer where the image gets brighter downwards.")
    expect(down > 0, "The sign is the other way round: brighter downwards should be positive.")


@check("")
def smaller_kernel_parameters(answer):
    """Parameters of `Net` if conv2 had kernels of 3 × 3."""
    count = number(answer)
    expect(count != 431_080, "That is Net as it is.")
    expect(count != 415_080, "conv2 gets smaller, but its feature maps larger: what does fc1 get?")
    expect(
        count == 640_080,
        "Follow the shapes: what side do the maps have after conv2, after pool2, and how many "
        "numbers does flatten make of them? Then add up the four layers, with biases.",
    )


@check("")
def receptive_field(answer):
    """Receptive field of a third convolution, 3 × 3, after pool2."""
    side = number(answer)
    expect(side != 16, "That is after pool2, before the new layer.")
    expect(side != 18, "One place further on is not one pixel: how long is a step after pool2?")
    expect(side != 28, "It does not see the whole image yet.")
    expect(side == 24, "Use the formula: r + (k - 1) · step, with r and step as after pool2.")


@check("")
def max_pool(function):
    """A function that max-pools one map [H, W] by 2, without F.max_pool2d."""
    maps = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    result = array(call(function, maps), 3, 4)
    mean = F.avg_pool2d(maps[None, None], 2)[0, 0]
    expect(not torch.allclose(result, mean), "This is the mean of each square, not its maximum.")
    expect(not torch.equal(result, maps[::2, ::2]), "This is one corner of each square.")
    expect(
        torch.equal(result, F.max_pool2d(maps[None, None], 2)[0, 0]),
        "Cut both sides in pairs: reshape(H // 2, 2, W // 2, 2), then amax over the two pairs.",
    )
