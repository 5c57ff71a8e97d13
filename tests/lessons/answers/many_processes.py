"""Answers to the exercises of notebook 8."""

from fractions import Fraction
from functools import reduce

import numpy as np
import torch

from answers import Answers, numbers


def by_loop(gradients, sizes):
    whole = torch.zeros_like(gradients[0])
    for gradient, size in zip(gradients, sizes):
        whole += gradient * size
    return whole / sum(sizes)


def in_place(gradients, sizes):
    for gradient, size in zip(gradients, sizes):
        gradient *= size / sum(sizes)
    return sum(gradients)


def by_shares(gradients, sizes):
    shares = torch.tensor(sizes) / sum(sizes)
    return torch.tensordot(shares, torch.stack(gradients).float(), dims=1)


def by_einsum(gradients, sizes):
    sizes = torch.tensor(sizes).double()
    return torch.einsum("p,p...->...", sizes, torch.stack(gradients).double()) / sizes.sum()


def one_image_at_a_time(gradients, sizes):
    images = [gradient for gradient, size in zip(gradients, sizes) for _ in range(size)]
    return torch.stack(images).mean(dim=0)


def as_lists(gradients, sizes):
    rows = [(gradient.flatten() * size).tolist() for gradient, size in zip(gradients, sizes)]
    whole = [sum(column) / sum(sizes) for column in zip(*rows)]
    return torch.tensor(whole).reshape(gradients[0].shape).tolist()


def running_mean(gradients, sizes):
    whole, seen = gradients[0] * 0, 0
    for gradient, size in zip(gradients, sizes):
        seen += size
        whole = whole + (gradient - whole) * size / seen
    return whole


def nothing_returned(gradients, sizes):
    whole = sum(g * s for g, s in zip(gradients, sizes)) / sum(sizes)
    print(end="" if whole.numel() else "no weights")


def weighted(gradients, sizes):
    return [gradient * size for gradient, size in zip(gradients, sizes)]


ANSWERS = {
    "efficiency": Answers(
        right=[*numbers(0.75), 75, "75 %", "75% of it", "0,75", Fraction(3, 4), torch.tensor(75)],
        wrong=[
            (3, "the speed-up"),
            ("3 times as fast", "the speed-up"),
            (1 / 3, "wrong way up"),
            (12, "Multiplied"),
            (0.083, "not the other way"),
            (4 / 3, "is perfect"),
            (0.25, "what is missing"),
            (0.67, "share of the time that is saved"),
            (9, "four perfect processes"),
            (48, "all four together"),
            (24, "the time saved"),
            (0.8, "divided by the number of processes"),
            (7.5, "divided by the number of processes"),
            ([3, 4], "Give one number"),
            ("good", "Give one number"),
        ],
    ),
    "amdahl": Answers(
        right=[*numbers(10), "10 times as fast", "10×", "10-fold", Fraction(10), 1 / (1 - 0.9)],
        wrong=[
            (0.9, "can be shared out"),
            ("90 %", "can be shared out"),
            (90, "can be shared out"),
            (9, "the two parts of the work"),
            (0.1, "How many times as fast"),
            ("10 %", "How many times as fast"),
            (1.11, "faster still"),
            (1 / 0.9, "leaves out the tenth"),
            (1, "as fast as one"),
            (float("inf"), "takes its time always"),
            (np.inf, "takes its time always"),
            (9.91, "faster still"),
            (3.08, "faster still"),
            (100, "So fast it can't get"),
            (0, "time that is left in any case"),
            (float("nan"), "time that is left in any case"),
            ("1 / 0.1", "Give one number"),
            ([1, 10], "Give one number"),
        ],
    ),
    "whole_gradient": Answers(
        right=[
            by_loop,
            in_place,
            by_shares,
            by_einsum,
            one_image_at_a_time,
            as_lists,
            running_mean,
            lambda g, s: np.average([each.numpy() for each in g], axis=0, weights=s),
            lambda g, s: sum(np.asarray(each) * n for each, n in zip(g, s)) / np.sum(s),
            lambda g, s: sum(each.numpy() * n / sum(s) for each, n in zip(g, s)).astype("float32"),
            lambda g, s: (torch.stack(g).movedim(0, -1) * torch.tensor(s)).sum(-1) / sum(s),
            lambda g, s: reduce(torch.add, weighted(g, s)).div(sum(s)).requires_grad_(),
        ],
        wrong=[
            (lambda g, s: sum(g) / len(g), "plain mean"),
            (lambda g, s: torch.stack(g).mean(dim=0), "plain mean"),
            (lambda g, s: np.mean([each.numpy() for each in g], axis=0), "plain mean"),
            (lambda g, s: sum(weighted(g, s)), "sum over all images"),
            (lambda g, s: sum(weighted(g, s)) / len(s), "divides by the number of parts"),
            (lambda g, s: [each / sum(s) for each in weighted(g, s)], "one by one"),
            (weighted, "sums over each part"),
            (lambda g, s: sum(g), "adds the gradients up"),
            (
                lambda g, s: sum(a / n for a, n in zip(g, s)) / sum(1 / n for n in s),
                "a smaller part counts for more",
            ),
            (lambda g, s: sum(a / n for a, n in zip(g, s)), "already divided"),
            (lambda g, s: sum(g) / sum(s), "a mean already"),
            (lambda g, s: by_loop(g, s[::-1]), "reverse order"),
            (lambda g, s: by_loop(g, s).mean(), "keep the shape"),
            (lambda g, s: by_loop(g[:2], s[:2]), "more than two parts"),
            (lambda g, s: (g[0] * s[0] + g[1] * s[1]) / (s[0] + s[1]), "any number of parts"),
            (lambda g, s: g[0], "first part alone"),
            (lambda g, s: g[int(np.argmax(s))], "largest part alone"),
            (lambda g, s: g * s, "one gradient and one size"),
            (lambda g, s: torch.stack(g) * torch.tensor(s), "meet single numbers"),
            (lambda g, s: np.stack(g) * np.array(s), "meet single numbers"),
            (lambda g, s: np.dot(np.array(s), np.stack(g)) / sum(s), "meet single numbers"),
            (lambda g, s: [by_loop(g, s)], "The shape should be [5]; this is [1, 5]"),
            (lambda g, s: torch.tensor(g), "torch.stack"),
            (lambda g, s: by_loop(g, s).abs(), "How many images"),
            (lambda g, s: torch.cat([each.flatten() for each in g]), "The shape should be"),
            (nothing_returned, "returns nothing"),
            (2.0, "the function itself"),
        ],
        same={
            "weighted = (gradient * size for size, gradient in zip(gradients, sizes))":
                "a product in the other order",
            "weighted = (gradient * size for gradient, size in zip(sizes, gradients))":
                "a product in the other order",
        },
    ),
}  # fmt: skip
