"""The checks of notebook 7, Train better."""

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fmnist_lib.lessons.checks.core import (
    Hint,
    check,
    compare,
    expect,
    judge_number,
    number,
    without,
)


@check("How many batches are there in 10 epochs? The rate rises in the first 30 % of them.")
def one_cycle_peak(answer):
    """The update with the highest rate: 10 epochs, 55,000 images, batches of 150, one cycle.

    It is 1100 or 1101, as one counts from 0 or 1; two more or less do not matter.
    """
    update = number(answer)
    if 1098 <= update <= 1103:
        return
    mistakes = {
        3: "That is the epoch, or near it. Count updates, one for each batch.",
        1833: "That is the middle. The rate rises in the first 30 % only.",
        2568: "That is 70 % of all updates. The rate rises in the first 30 %, then it falls.",
        3665: "These are all updates. At the end the rate is 0.",
        110: "That is 30 % of one epoch. The cycle goes over the whole training.",
        367: "These are the updates of one epoch. The cycle goes over all ten.",
        1200: "Of the 60,000 images 5,000 are for validation. 55,000 are for training.",
        2200: "That is for batches of 75. Here they have 150.",
        16_500: "These are images. One update takes a batch of them.",
        165_000: "These are images. One update takes a batch of them.",
        550_000: "These are images, all of them. One update takes a batch of them.",
    }
    for wrong, hint in mistakes.items():
        expect(not abs(update - wrong) <= max(2, 0.002 * wrong), hint)
    raise Hint("How many updates are there in all? In the first 30 % of them the rate rises.")


@check(
    "Of a convolution without biases: inputs · outputs · kernel · kernel. conv1 has 32 inputs, "
    "conv2 has 64; the shortcut has a kernel of 1. Batch normalisation: 2 for each channel."
)
def block_parameters(answer):
    """Parameters of Block(32, 64)."""
    no_biases = "The convolutions have no biases: bias=False."
    running = "Means and variances of the batches are kept, but not trained: they do not count."
    judge_number(
        answer,
        57_600,
        {
            55_552: "The shortcut has weights, too.",
            57_344: "Batch normalisation has parameters, too.",
            55_296: "These are the two large convolutions. What else does the block have?",
            57_472: "Batch normalisation has two parameters for each channel, and there are two.",
            57_536: "Behind conv1 there are 64 channels: bn1 and bn2 have two parameters for each, "
            "and the convolutions no biases.",
            57_664: no_biases,
            57_728: no_biases,
            57_792: no_biases,
            57_856: running,
            57_858: running,
            73_984: "The kernel of the shortcut is 1 × 1, not 3 × 3.",
            39_168: "conv2 gets the 64 channels that conv1 has made, not 32.",
            29_824: "That is Block(64, 32). The inputs come first.",
            289_130: "That is the whole ResidualNet, not one block.",
            8_448: "Each pair of input and output channel has a kernel of 3 × 3 weights, not one.",
            1_728: "Each pair of input and output channel has a kernel of its own.",
        },
        "Add up conv1, conv2 and shortcut, inputs · outputs · kernel · kernel each, then bn1, bn2.",
    )


def _smoothed(labels: Tensor, true: float, others: float) -> Tensor:
    """Targets with these values for the true class and for each other class."""
    return torch.where(F.one_hot(labels, 10).bool(), true, others).double()


def _smooth(labels: Tensor, smoothing: float) -> Tensor:
    return _smoothed(labels, 1 - smoothing + smoothing / 10, smoothing / 10)


def _whole_columns(labels: Tensor, smoothing: float) -> Tensor:
    targets = torch.full((len(labels), 10), smoothing / 10)
    targets[:, labels] += 1 - smoothing
    return targets


def _too_narrow(classes: Callable) -> Callable:
    """With as many columns as the labels of the batch need, not ten."""

    def targets(labels: Tensor, share: float) -> Tensor:
        one_hot = F.one_hot(labels)
        return (1 - share) * one_hot + share / classes(one_hot)

    return targets


TEN_COLUMNS = "Ten columns are needed also where not all ten classes are among the labels."
NOT_ALWAYS = "smoothing is not always 0.1: take the share that the function is given."
SMOOTHED_WRONGLY = [  # y: labels, s: smoothing
    (
        lambda y, s: _smoothed(y, 1, 0),
        "These targets are not smoothed yet. In a tensor of whole numbers, as F.one_hot "
        "makes one, 0.01 becomes 0.",
    ),
    (
        lambda y, s: _smoothed(y, 1 - s, s / 9),
        "The share is spread over all ten classes, the true one too. With 0.1 its target is "
        "0.91, not 0.9.",
    ),
    (
        _whole_columns,
        "targets[:, labels] is the whole column of each label. Each image needs its own: a row "
        "number for each label.",
    ),
    (
        lambda y, s: _smoothed(y, 1 - s, s / 10),
        "These rows sum to less than 1. The true class gets its tenth of the share, too.",
    ),
    (
        lambda y, s: _smoothed(y, 1 - s + s / 10, 0),
        "The other classes get a tenth of the share each, too.",
    ),
    (
        lambda y, s: _smoothed(y, 0.1, s / 10),
        "Only the share is divided by 10, not the rest of the sum.",
    ),
    (
        lambda y, s: _smoothed(y, 1 - s, 0),
        "The true class has given up its share, but nobody gets it.",
    ),
    (
        lambda y, s: _smoothed(y, 1 + s / 10, s / 10),
        "These rows sum to more than 1. The true class has to give up something first.",
    ),
    (
        lambda y, s: _smoothed(y, 1, s / 10),
        "These rows sum to more than 1. The true class has to give up something.",
    ),
    (
        lambda y, s: _smoothed(y, 1, s),
        "These rows sum to more than 1. All classes together get the share.",
    ),
    (
        lambda y, s: _smoothed(y, 1 - s, s),
        "All classes together get the share, not each of them.",
    ),
    (lambda y, s: _smooth(y, 1 - s), "smoothing and 1 - smoothing have changed places."),
    (lambda y, s: _smoothed(y, s / 10, 1 - s + s / 10), "The true class gets least."),
    (lambda y, s: _smoothed(y, 0.91, 0.01), NOT_ALWAYS),
    (
        lambda y, s: _smoothed(y, int(1 - s + s / 10), 0),
        "0.91 as a whole number is 0: begin with float.",
    ),
    (lambda y, s: _smoothed(y, 0.1, 0.1), "All classes get the same, whatever y is."),
    (lambda y, s: _smooth(y, s).T, "One row for each label."),
    (lambda y, s: (1 - s) * (y[:, None] == y.unique()) + s / 10, TEN_COLUMNS),
    (_too_narrow(lambda one_hot: 10), TEN_COLUMNS),
    (_too_narrow(lambda one_hot: one_hot.shape[1]), TEN_COLUMNS),
]


@check(
    "Begin with one-hot rows, as float: 1 for the true class, 0 for the others. Keep 1 - smoothing "
    "of each number, and give every class, the true one too, a tenth of smoothing."
)
def smooth_targets(function):
    """A function of (labels [N], smoothing) that gives the targets, float [N, 10]."""
    ten = torch.tensor([9, 4, 1, 0, 6, 3, 8, 2, 7, 5])
    with without("cross_entropy"):  # which has label smoothing built in
        compare(
            function,
            _smooth,
            [
                (torch.tensor([3, 0]), 0.1),
                (ten, 0.3),
                (torch.tensor([7, 7, 1]), 0.05),
                (torch.tensor([9]), 0.2),
                (torch.tensor([5, 2, 2, 8]), 0.0),
            ],
            SMOOTHED_WRONGLY,
            "With 0.1 the true class has 0.91 and each other class 0.01. What is it with 0.3?",
            stops={
                "with size 9": "There are ten classes, from 0 to 9.",
                "out of bounds": "Here a label picks a row that is not there. In the targets it "
                "should pick a column; a table to pick rows from needs ten of them.",
                "can't be cast": "These are whole numbers, in which 0.91 has no place: begin with "
                "float.",
                "must match": "One row for each label, and a column for each of ten classes.",
                "could not be broadcast": "One row for each label, a column for each of ten "
                "classes.",
                "Class values must be": "There are ten classes, whatever the labels.",
            },
        )


def _spaced(mean: float, spread: float) -> list[float]:
    """60 evenly spaced accuracies, not in order; their standard deviation is `spread`."""
    places = np.arange(60) * 7 % 60
    return (mean + spread * (places - places.mean()) / places.std()).tolist()


CHANNEL = (0, 2, 3)  # the dimensions over which one channel goes


def _normalised(x: Tensor, over: tuple = CHANNEL, correction: int = 0, eps: float = 1e-5) -> Tensor:
    variance = x.var(over, keepdim=True, correction=correction)
    return (x - x.mean(over, keepdim=True)) / (variance + eps).sqrt()


def _means(x: Tensor) -> Tensor:
    """Of each channel, in a shape that fits the maps; so are the deviations."""
    return x.mean(CHANNEL, keepdim=True)


def _deviations(x: Tensor) -> Tensor:
    return (x.var(CHANNEL, keepdim=True) + 1e-5).sqrt()


def _from_0_to_1(x: Tensor) -> Tensor:
    lowest, highest = x.amin(CHANNEL, keepdim=True), x.amax(CHANNEL, keepdim=True)
    return (x - lowest) / (highest - lowest)


def _maps(shape: tuple[int, ...], seed: int) -> Tensor:
    """Feature maps in which channels, images and rows have means and spreads of their own."""
    random = torch.Generator().manual_seed(seed)
    images, channels, height, _ = shape

    def each(*size: int) -> Tensor:
        return torch.randn(size, generator=random)

    scale = 2 + each(images, channels, 1, 1).abs() + each(1, channels, 1, 1).abs()
    offset = each(images, 1, 1, 1) + 2 * each(1, channels, 1, 1) + each(1, 1, height, 1)
    return scale * each(*shape) + offset


WRONG_DIMENSIONS = {
    (0, 1, 2, 3): "This takes one mean over everything. Each channel has its own.",
    (1, 2, 3): "This normalises each image. Each channel should be, over all images.",
    (2, 3): "This normalises each map of each image by itself. Take all images together.",
    (0,): "This normalises each place by itself. Rows and columns belong together.",
    (1,): "This makes the channels of a place alike. Each channel should be by itself.",
    (0, 1): "Dimension 1 are the channels, which stay apart. 2 and 3 are rows and columns.",
    (0, 2): "Columns belong to the channel, too.",
    (0, 3): "Rows belong to the channel, too.",
}
NORMALISED_WRONGLY = [
    *(
        (lambda x, o=o, c=c, e=e: _normalised(x, o, c, e), hint)
        for (o, hint), c, e in product(WRONG_DIMENSIONS.items(), (0, 1), (0, 1e-5))
    ),
    (lambda x: x, "The maps come back as they were."),
    (lambda x: x - _means(x), "The means are 0. Now the spreads."),
    (lambda x: x / _deviations(x), "The standard deviations are 1. Subtract the means, too."),
    (
        lambda x: (x - _means(x)) / _deviations(x) ** 2,
        "This divides by the variance. The standard deviation is its root.",
    ),
    (lambda x: (x - _means(x)) * _deviations(x), "This multiplies by the standard deviation."),
    (
        lambda x: x - _means(x) / _deviations(x),
        "`/` comes before `-`. What is to be divided needs parentheses.",
    ),
    (
        lambda x: (x - x.mean()) / _deviations(x),
        "The spread is that of each channel, the mean that of everything.",
    ),
    (
        lambda x: (x - _means(x)) / (x.var() + 1e-5).sqrt(),
        "The mean is that of each channel, the spread that of everything.",
    ),
    (
        lambda x: (x - _means(x)) / (_deviations(x) * x[:, 0].numel() ** 0.5),
        "The variance is the mean of the squares, not their sum.",
    ),
    *(
        (
            lambda x, spread=spread: (x - spread(x, CHANNEL, keepdim=True)) / _means(x),
            "Mean and spread have changed places: std_mean and var_mean give the spread first.",
        )
        for spread in (torch.std, torch.var)
    ),
    (_from_0_to_1, "This goes from 0 to 1. Each channel gets mean 0 and standard deviation 1."),
]


@check(
    "For each channel there is one mean and one variance, over the dimensions of images, rows and "
    "columns together: 0, 2 and 3. Keep these dimensions, of length 1, so that the shapes fit."
)
def batch_norm(function):
    """A function that normalises [N, C, H, W] as batch normalisation does in training mode.

    The text asks for a standard deviation of 1, and leaves open whether to divide by n or n - 1.
    With 6000 numbers in each channel and more, these two differ less than `compare` allows.
    """
    dimensions = (
        "A mean over three dimensions has the shape [C], and does not fit [N, C, H, W]. "
        "With keepdim=True it has [1, C, 1, 1], and fits."
    )
    several = "Several dimensions are given together, as one tuple."
    cases = [_maps((4, 3, 40, 40), 0), _maps((2, 5, 60, 60), 1), _maps((50, 2, 8, 16), 2).double()]
    one_value = _maps((4, 3, 40, 40), 3)
    one_value[:, 1] = 2
    with without("batch_norm", "native_batch_norm"):
        compare(
            function,
            _normalised,
            [(maps,) for maps in cases],
            NORMALISED_WRONGLY,
            "For each channel: subtract its mean, and divide by its standard deviation, both over "
            "all images, rows and columns.",
            stops={
                "must match": dimensions,
                "could not be broadcast": dimensions,
                "at non-singleton": dimensions,
                "from 1 to 2 positional": several,
                "invalid combination": several,
                "'tuple' object": "`var_mean` and `std_mean` return two things: give each a name.",
            },
        )
        compare(
            function,
            _normalised,
            [(one_value,)],
            [
                (
                    lambda x: _normalised(x, eps=0),
                    "A channel of equal numbers gives nan here, as 0 / 0 does. It should give 0: "
                    "that is what 1e-5 is for.",
                )
            ],
            "Right, but not for a channel whose numbers are all equal. It should give 0.",
        )
