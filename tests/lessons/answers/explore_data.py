"""Answers to the exercises of notebook 1."""

from types import SimpleNamespace

import numpy as np
import torch
from garments import BAG, BOOT, COAT, SHIRT, T_SHIRT

from answers import Answers, numbers
from fmnist_lib.data import Split

SPLIT = Split(  # class 9 has the largest pixel values, class 0 the smallest
    torch.arange(10, dtype=torch.uint8).mul(20)[:, None, None].expand(10, 28, 28),
    torch.arange(10),
    "synthetic",
)


def in_place(images):
    images.copy_(images.flip(2))


def by_loop(images):
    mirrored = torch.zeros_like(images)
    for column in range(28):
        mirrored[:, :, column] = images[:, :, 27 - column]
    return mirrored


def nearest_by_loops(images, means):
    labels = []
    for image in images:
        distances = [float((image.float() - mean).abs().sum()) for mean in means]
        labels.append(distances.index(min(distances)))
    return labels


def distance(images, means):
    return images[:, None].float() - means


ANSWERS = {
    "balanced_accuracy": Answers(
        right=[*numbers(0.5), 50, "50 %"],
        wrong=[
            (0.9, "plain accuracy"),
            (90, "What share of the bags"),
            (1, "recall of the bags"),
            (0, "recall of the boots"),
            (0.45, "half of the accuracy"),
            (0.1, "What share of the bags"),
            (float("nan"), "What share of the bags"),
            (float, "Call it"),
        ],
        same={"answer = (1.0 - 0.0) / 2": "no boot is found: nothing is added or subtracted"},
    ),
    "brightest_class": Answers(
        given=(SPLIT,),
        names=vars(SPLIT) | {"data": SimpleNamespace(train=SPLIT)},
        right=[
            BOOT, BOOT.lower(), f" {BOOT.replace(' ', '')} ", BOOT.upper().replace(" ", "-"),
            BOOT[:5], 9, np.int64(9),
        ],
        wrong=[
            (T_SHIRT, "the smallest"),
            (T_SHIRT.lower(), "the smallest"),
            (0, "the smallest"),
            (SHIRT, "another class"),
            (torch.tensor(8), "another class"),
            ("Jacket", "is no name"),
            ("S", "is no name"),
            (10, "Give a name"),
            ([BAG, COAT], "Give a name"),
            ("", "is no name"),
        ],
        same={
            "values = [images[labels == label].float().sum() for label in range(10)]":
                "the classes are of one size",
        },
    ),
    "mirror": Answers(
        right=[
            lambda x: x.copy_(x.flip(2)),
            in_place,
            by_loop,
            lambda x: torch.flip(x, dims=[-1]),
            lambda x: x.numpy()[:, :, ::-1],
            lambda x: np.flip(np.asarray(x), axis=2).copy(),
            lambda x: [[row[::-1] for row in image] for image in x.tolist()],
            lambda x: x[..., torch.arange(27, -1, -1)],
            lambda x: x.float().flip(-1),
        ],
        wrong=[
            (lambda x: x, "as they were"),
            (lambda x: x.flip(1), "upside down"),
            (lambda x: x.flip(0), "order of the images"),
            (lambda x: x.mT, "swaps rows and columns"),
            (lambda x: x.flip(1, 2), "by half"),
            (lambda x: x.roll(-1, 2), "moves the columns"),
            (lambda x: 255 - x, "value of every pixel"),
            (lambda x: x[:, 0], "The shape should be [2, 28, 28]"),
            (lambda x: x[:, :, ::-1], "no steps backwards"),
            (lambda x: x.nowhere, "nothing of the name"),
            (lambda: 1, "another number"),
            ("flip", "the function itself"),
        ],
    ),
    "nearest_by_absolute": Answers(
        right=[
            nearest_by_loops,
            lambda x, m: distance(x, m).abs().sum((2, 3)).argmin(1),
            lambda x, m: torch.cdist(x.float().flatten(1), m.flatten(1), p=1).argmin(1),
            lambda x, m: np.abs(x.numpy()[:, None] - m.numpy()).mean((2, 3)).argmin(1),
            lambda x, m: distance(x, m).abs().mean((2, 3)).min(dim=1).indices.tolist(),
            lambda x, m: torch.stack(
                [(x.float() - each).abs().mean((1, 2)) for each in m]
            ).argmin(0).float(),
        ],
        wrong=[
            (lambda x, m: distance(x, m).square().mean((2, 3)).argmin(1), "squares"),
            (lambda x, m: distance(x, m).abs().mean((2, 3)).argmax(1), "farthest"),
            (lambda x, m: distance(x, m).mean((2, 3)).argmin(1), "both signs"),
            (lambda x, m: distance(x, m).abs().mean((2, 3)), "all ten"),
            (lambda x, m: distance(x, m).abs().mean((2, 3)).argmin(0), "image for each class"),
            (lambda x, m: distance(x, m).abs().amax((2, 3)).argmin(1), "single pixel"),
            (lambda x, m: torch.zeros(len(x)), "Subtract as float"),
            (lambda x, m: (x - m).abs().mean((1, 2)).argmin(1), "meet when"),
            (lambda x, m: (x[:, None] - m.byte()).float().mean((2, 3)).argmin(1), "wrap around"),
        ],
        same={
            "difference = images[:, None] - means": "bytes minus floats are floats",
            "difference = -(images[:, None].float() - means)": "abs() takes the sign away",
            "return difference.abs().mean(dim=(3, 2)).argmin(dim=1)": "rows and columns: one mean",
            "return difference.abs().sum(dim=(2, 3)).argmin(dim=1)": "784 times the mean",
        },
    ),
    "mlp_parameters": Answers(
        right=[*numbers(238_510, "parameters"), 784 * 300 + 300 + 300 * 10 + 10],
        wrong=[
            (784 * 300 + 300 * 10, "These are the weights"),
            (784 * 300 + 300 * 10 + 10, "the hidden numbers have some"),
            (784 * 300 + 300 + 300 * 10, "the ten outputs have some"),
            (784 * 300 + 300, "the first layer. What"),
            (784 * 300, "first layer alone"),
            (300 * 10 + 10, "the second layer. What"),
            (784 * 10 + 10, "softmax regression"),
            (101_770, "with 128 hidden"),
            (784 * 300 * 10, "follow each other"),
            (1094, "Count the weights"),
            ("many", "Give one number"),
            ([784, 300], "Give one number"),
        ],
    ),
}  # fmt: skip
