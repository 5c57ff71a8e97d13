"""The checks of notebook 2, Build the CNN."""

import re

import torch
from torch import Tensor

from fmnist_lib.lessons.checks.core import array, check, compare, expect, judge_number, without


def _side(answer):
    """The side of a square, of which both may be given: (11, 11) or "11 × 11"."""
    if isinstance(answer, str):
        both = re.fullmatch(r"\s*(\d+)\s*[x×*]\s*\1\b\D*", answer, re.I)
        return both[1] if both else answer
    is_pair = isinstance(answer, (list, tuple)) and len(answer) == 2
    return answer[0] if is_pair and answer[0] == answer[1] else answer


@check(
    "A kernel of size k fits into n numbers at n - k + 1 places. Pooling by 2 keeps half of them."
)
def map_size(answer):
    """Side of the map after a 7 × 7 convolution and 2 × 2 max-pooling of a 28 × 28 image."""
    judge_number(
        _side(answer),
        11,
        {
            22: "That is after the convolution. Pooling comes after it.",
            14: "That is the pooling alone. At how many places does the kernel fit before it?",
            12: "That is for a 5 × 5 kernel. This one has a side of 7.",
            21: "A kernel of 7 fits at one place more than 28 - 7. And pooling comes after it.",
            10: "A kernel of 7 fits at one place more than 28 - 7.",
            10.5: "A kernel of 7 fits at one place more than 28 - 7.",
            5.5: "This halves twice. A pooling by 2 halves each side once.",
            5: "This halves twice. A pooling by 2 halves each side once.",
            121: "That is how many numbers the map has. How long is one side?",
            44: "Pooling makes the map smaller, not larger.",
        },
        "First the convolution: at how many places does 7 fit into 28? Then the pooling.",
    )


@check(
    "Of an image with equal rows each column of the kernel counts with its sum; of one with equal "
    "columns each row does. Which of these sums must be 0, and which not?"
)
def edge_kernel(answer):
    """A 3 × 3 kernel: 0 where it is flat or brighter to the right, positive where downwards.

    What it gives is a weighted sum, so these five images stand for all that are brighter to one
    side: any of these is a sum of them.
    """
    kernel = array(answer)
    if kernel.dim() > 2 and kernel.numel() == 9:  # [1, 1, 3, 3], as F.conv2d takes it
        kernel = kernel.reshape(kernel.shape[-2:])
    kernel = array(kernel, 3, 3)
    expect(bool(kernel.isfinite().all()), "Its nine numbers have to be finite.")
    expect(bool(kernel.any()), "This kernel gives 0 everywhere, on an edge too.")
    kernel = kernel / kernel.abs().max()

    def gives(image: Tensor) -> float:
        value = (kernel * image).sum().item()
        return 0.0 if abs(value) < 1e-4 else value

    right = [torch.tensor([values]).repeat(3, 1) for values in ([0, 0, 9], [0, 9, 9])]
    to_right = [gives(image) for image in right]
    down_late, down_early = downwards = [gives(image.T) for image in right]
    expect(
        gives(torch.ones(3, 3)) == 0,
        "On a flat area it does not give 0. What do the nine numbers have to add up to?",
    )
    expect(
        any(downwards) or not any(to_right),
        "It answers where the image gets brighter to the right, not downwards.",
    )
    expect(
        any(downwards), "It gives 0 where the image gets brighter downwards. Do its rows differ?"
    )
    expect(
        not any(to_right),
        "It also answers where the image gets brighter to the right. There each column of the "
        "kernel counts with its sum.",
    )
    expect(max(downwards) > 0, "The sign is the other way round: this is for darker downwards.")
    expect(
        min(downwards) >= 0,
        "At one place it gives a positive number, at the other a negative one: it finds lines. "
        "Try rows of 0, 0, 9 and rows of 0, 9, 9 from top to bottom.",
    )
    expect(down_early > 0, "It gives 0 where only the first row is darker than the other two.")
    expect(down_late > 0, "It gives 0 where only the last row is brighter than the other two.")


@check(
    "conv2 turns 12 × 12 into maps of 12 - 3 + 1. After pool2, 50 of them are flattened: these are "
    "the inputs of fc1. conv1 and fc2 are as they were."
)
def smaller_kernel_parameters(answer):
    """Parameters of `Net` if conv2 had kernels of 3 × 3."""
    no_biases = "A bias is missing for each output channel, or for each output of a linear layer."
    judge_number(
        answer,
        640_080,
        {
            431_080: "That is Net as it is.",
            415_080: "conv2 has fewer weights, but its maps are larger. How many inputs has fc1?",
            209_000: "That is how many more there are. How many are there in all?",
            639_500: no_biases,
            639_580: no_biases,
            640_030: no_biases,
            640_060: no_biases,
            640_070: no_biases,
            639_760: "Only conv2 gets smaller kernels. Those of conv1 stay 5 × 5.",
            631_530: "conv2 has a kernel for each pair of input and output channel: 20 · 50.",
            656_080: "fc1 gets more inputs, but conv2 still has its 5 × 5 kernels in your sum.",
            25_015_080: "Pooling comes between conv2 and fc1, and halves each side of the maps.",
            9_050: "That is conv2. There are three more layers, and one of them changes, too.",
            625_500: "That is fc1. There are three more layers.",
            634_550: "These are conv2 and fc1. What do conv1 and fc2 have?",
        },
        "Follow the shapes: which side do the maps have after conv2, after pool2, and how many "
        "numbers does flatten make of them? Then add up the four layers, with biases.",
    )


@check("Before the new layer a number sees 16 pixels. The layer adds k - 1 steps of 4 pixels each.")
def receptive_field(answer):
    """Receptive field of a third convolution, 3 × 3, after pool2."""
    judge_number(
        _side(answer),
        24,
        {
            16: "That is after pool2, before the new layer.",
            18: "This adds steps of 1 pixel. How long is a step after pool2?",
            20: "The kernel adds k - 1 steps. How many are these, and how long is each?",
            32: "This adds steps of 8 pixels. How long is a step after pool2?",
            28: "A kernel of size k adds k - 1 steps, not k.",
            19: "A kernel of size k adds k - 1 steps, not k; and how long is a step after pool2?",
            48: "The kernel does not multiply the 16 pixels. It adds some steps to them.",
            8: "That is what the new layer adds. What did a number see before it?",
            12: "A kernel of size k adds k - 1 steps, not k, to what was seen before.",
            22: "The 14 pixels are seen after conv2. How many are seen after pool2?",
            576: "That is the number of pixels in the square. How wide is it?",
        },
        "Use the formula: r + (k - 1) · step, with r and step as after pool2.",
    )


def _squares(x: Tensor) -> Tensor:
    return x.reshape(len(x) // 2, 2, -1, 2)


def _pooled(x: Tensor) -> Tensor:
    return _squares(x).amax((1, 3))


def _overlapping(x: Tensor) -> Tensor:
    return x.unfold(0, 2, 1).unfold(1, 2, 1).amax((2, 3))


def _values_and_indices(x: Tensor) -> Tensor:
    """What `max` gives of each square, both in one tensor."""
    both = _squares(x).transpose(1, 2).flatten(2).max(2)
    return torch.stack([each.double() for each in both])


SIZES = "The map may have any even height and width. Take them from `values.shape`."
EMPTY = "Here it takes the largest of no numbers. How many squares are there in each direction?"
WHOLE = "With `/` a half has a decimal point. `//` gives a whole number."
ONE_MAP = "The map is one alone: it has two dimensions, [H, W]."
OVERLAP = "These squares overlap. The next one starts two places on."
TWO_THINGS = "`max` of a dimension gives two things: `.values` and `.indices`."
MAX_POOLED_WRONGLY = [
    (lambda x: x, "The map comes back as it was."),
    (lambda x: _squares(x).mean((1, 3)), "This is the mean of each square."),
    (lambda x: _squares(x).sum((1, 3)), "This is the sum of each square."),
    (lambda x: _squares(x).amin((1, 3)), "This is the smallest number of each square."),
    *(
        (lambda x, r=r, c=c: x[r::2, c::2], "This is one corner of each square.")
        for r in (0, 1)
        for c in (0, 1)
    ),
    (
        lambda x: _pooled(x).relu(),
        "Where a square has negative numbers only, the largest is negative too, not 0.",
    ),
    (lambda x: _pooled(x.abs()), "-3 is smaller than 1: the sign counts, too."),
    (
        lambda x: _squares(x).amax(1).flatten(1),
        "This joins two rows each. Two columns have to be joined, too.",
    ),
    (
        lambda x: _squares(x).amax(3).flatten(0, 1),
        "This joins two columns each. Two rows have to be joined, too.",
    ),
    (_overlapping, OVERLAP),
    (lambda x: _overlapping(x)[: len(x) // 2, : x.shape[1] // 2], OVERLAP),
    (_values_and_indices, TWO_THINGS),
    (
        lambda x: x.reshape(len(x) // 2, -1, 4).amax(2),
        "This takes four numbers in a line. A square has two from each of two rows.",
    ),
    (
        lambda x: x.reshape(2, len(x) // 2, 2, -1).amax((0, 2)),
        "This compares numbers half a map apart. In `reshape` the 2 of a pair of neighbours comes "
        "behind the number of pairs.",
    ),
    (
        lambda x: _squares(x).amax((0, 2)),
        "This is the largest over all squares. Each square has a largest of its own.",
    ),
    (lambda x: x.max(), "This is the largest of the whole map."),
    (lambda x: _pooled(x).T, "Rows and columns are swapped."),
    (
        lambda x: _pooled(x).flatten(),
        "The numbers are right. They should stand in rows: [H // 2, W // 2].",
    ),
    (lambda x: torch.zeros(len(x) // 2, x.shape[1] // 2), "All of this is 0."),
]


@check(
    "Rows 2 · r and 2 · r + 1 and columns 2 · c and 2 · c + 1 meet in one square. Two loops over r "
    "and c will do, as in the convolution by hand. Or reshape: each side becomes two dimensions."
)
def max_pool(function):
    """A function that max-pools one map [H, W] by 2, without PyTorch's pooling."""
    random = torch.Generator().manual_seed(0)
    shapes = ((6, 8), (4, 10), (2, 2), (10, 4))
    noise = [torch.randn(*shape, generator=random) for shape in shapes]
    own = [f"{kind}max_pool{n}d" for kind in ("", "adaptive_", "fractional_") for n in (1, 2, 3)]
    with without(*own, *(f"{name}_with_indices" for name in own)):
        compare(
            function,
            _pooled,
            # also all below 0; of double precision; with whole numbers, many of them equal
            [(noise[0],), (noise[1] - 5,), (noise[2],), (noise[3].double(),), (noise[0].round(),)],
            MAX_POOLED_WRONGLY,
            "Try it with torch.tensor([[-2.5, -1], [-4, -3]]): the largest of these is -1. Try "
            "each place for it.",
            stops={
                "is invalid for input": SIZES,
                "cannot reshape": SIZES,
                "out of bounds": "The map has H rows and W columns, the result half as many. Which "
                "of the two has no such index?",
                "must match": SIZES,
                "could not be broadcast": SIZES,
                "numel() == 0": EMPTY,
                "zero-size": EMPTY,
                "is empty": EMPTY,
                "empty sequence": EMPTY,
                "'float' object": WHOLE,
                "takes 1 positional argument but": WHOLE,
                "of type float": WHOLE,
                "max() received an invalid": "`max` takes one dimension, `amax` takes several.",
                "return_types": TWO_THINGS,
                "Boolean value of Tensor": "Python's `max` can't compare rows. Tensors have a "
                "`max` of their own.",
                "to unpack": ONE_MAP,
                "Dimension out of range": ONE_MAP,
            },
        )
