"""The checks of notebook 8, One run on many processes."""

import math

import torch
from torch import Tensor

from fmnist_lib.lessons.checks.core import check, compare, judge_number, judge_share, number


@check("The speed-up compares 36 s with 12 s. Four processes at their best would reach 4.")
def efficiency(answer):
    """Efficiency of 4 processes that take 12 s where one takes 36 s."""
    judge_share(
        answer,
        0.75,
        {
            3: "That is the speed-up. How much of it is that for each process?",
            1 / 3: "That is the speed-up the wrong way up: how many times as fast are they?",
            12: "Multiplied. With more processes the same speed-up is worth less, not more.",
            1 / 12: "The speed-up is the time of one process in times of four, not the other way.",
            4 / 3: "This is the wrong way up: an efficiency of 1 is perfect, and this is more.",
            0.25: "That is what is missing. How much of the perfect speed-up is there?",
            2 / 3: "That is the share of the time that is saved. Begin with the speed-up.",
            9: "That is the time of four perfect processes. Compare it with what they take.",
            48: "That is the time of all four together. Compare it with the time of one alone.",
            24: "That is the time saved. Begin with the speed-up: how many times as fast?",
        },
        "The efficiency is the speed-up divided by the number of processes.",
    )


@check(
    "Let the epoch take 1. The tenth takes 0.1 in any case, the rest with ever more processes 0."
)
def amdahl(answer):
    """Largest speed-up when a tenth of the work can't be shared out."""
    value = number(answer)
    otherwise = "Compare the time of one process with the time that is left in any case."
    if 1 < value < 10:
        otherwise = "More processes make it faster still. What is left when their part takes none?"
    if value > 10:
        otherwise = "So fast it can't get: the tenth that one process does alone takes its time."
    judge_number(
        value,
        10,
        {
            0.9: "That is the share of the work that can be shared out. How fast does it get?",
            9: "That compares the two parts of the work. Compare the whole with what is left.",
            90: "That is the share of the work that can be shared out. How fast does it get?",
            0.1: "That is the time that is left. How many times as fast is that?",
            1 / 0.9: "That leaves out the tenth. It is the rest that may take no time.",
            1: "One process is as fast as one. The others take nine tenths of the work from it.",
            math.inf: "The tenth that one process does alone takes its time always.",
        },
        otherwise,
    )


def _part_sums(gradients: list[Tensor], sizes: list) -> Tensor:
    """Each gradient times its size."""
    return torch.stack([each.double() * size for each, size in zip(gradients, sizes)])


def _mean_of_parts(gradients: list[Tensor], weights: list) -> Tensor:
    return _part_sums(gradients, weights).sum(0) / sum(weights)


SINGLE_NUMBERS = (
    "The weights meet single numbers of the gradients. Each should meet a whole gradient, whatever "
    "its shape."
)
AVERAGED_WRONGLY = [  # g: gradients, s: sizes of the parts
    (
        lambda g, s: torch.stack(g).mean(0),
        "This is the plain mean, but the parts are not of one size. A part with more images should "
        "count for more.",
    ),
    (
        lambda g, s: _part_sums(g, s).sum(0),
        "This is the sum over all images. The gradient of a batch is the mean.",
    ),
    (
        lambda g, s: _part_sums(g, s).mean(0),
        "This divides by the number of parts. The mean is over all images.",
    ),
    (
        lambda g, s: _part_sums(g, s) / sum(s),
        "This is what each part adds to the whole, one by one. Add them up.",
    ),
    (
        lambda g, s: _part_sums(g, s),
        "These are the sums over each part. What is the mean over all images?",
    ),
    (
        lambda g, s: torch.stack(g).sum(0),
        "This adds the gradients up. Each is a mean over its part, with a weight.",
    ),
    (
        lambda g, s: _mean_of_parts(g, [1 / size for size in s]),
        "Here a smaller part counts for more. It should be the other way round.",
    ),
    (
        lambda g, s: sum(each / size for each, size in zip(g, s)),
        "A gradient is already divided by the size of its part.",
    ),
    (
        lambda g, s: torch.stack(g).sum(0) / sum(s),
        "Each gradient is a mean already. Make it the sum over its part's images first.",
    ),
    (
        lambda g, s: _mean_of_parts(g, s[::-1]),
        "The sizes come in reverse order: each gradient has another one's weight.",
    ),
    (
        lambda g, s: _mean_of_parts(g, s).mean(),
        "This is one number. The gradient has one for each weight: keep the shape.",
    ),
    (lambda g, s: _mean_of_parts(g[:2], s[:2]), "There may be more than two parts."),
    (lambda g, s: g[0], "This is the gradient of the first part alone."),
    (lambda g, s: g[s.index(max(s))], "This is the gradient of the largest part alone."),
]


@check(
    "The gradient of a part is a mean: times its size it is the sum over its images. Add these "
    "sums, and make a mean over all images of it."
)
def whole_gradient(function):
    """A function of (gradients, sizes of the parts) that gives the gradient of the whole batch."""
    compare(
        function,
        _mean_of_parts,
        [
            ([torch.tensor(1.0), torch.tensor(4.0)], [50, 25]),
            (_gradients(3, 5), [10, 20, 70]),
            (_gradients(2, 2, 3), [1, 7]),
            (_gradients(5, 4, 2, 3, 3), [75, 75, 75, 75, 30]),
            (_gradients(2, 3), [8, 8]),
            (_gradients(1, 4), [37]),
        ],
        AVERAGED_WRONGLY,
        "How many images does each gradient stand for? So much it counts in the mean.",
        stops={
            "IndexError": "There may be any number of parts, one as well.",
            "multiply sequence": "A list can't be multiplied so. Take one gradient and one size "
            "at a time.",
            "must match": SINGLE_NUMBERS,
            "not aligned": SINGLE_NUMBERS,
            "broadcast": SINGLE_NUMBERS,
            "to Python scalars": "The gradients are tensors already; `torch.stack` puts them "
            "into one.",
        },
    )


def _gradients(count: int, *shape: int) -> list[Tensor]:
    """Gradients of parts of a batch, of both signs."""
    random = torch.Generator().manual_seed(count)
    return list(torch.randn(count, *shape, generator=random))
