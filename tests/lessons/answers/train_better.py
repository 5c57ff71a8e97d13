"""Answers to the exercises of notebook 7."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from answers import Answers, numbers


def smoothed_by_loops(labels, smoothing):
    targets = []
    for label in labels:
        row = [smoothing / 10] * 10
        row[int(label)] += 1 - smoothing
        targets.append(row)
    return targets


def smoothed_in_numpy(labels, smoothing):
    return (1 - smoothing) * np.eye(10)[labels.numpy()] + smoothing / 10


def smoothed_by_filling(labels, smoothing):
    targets = torch.full((len(labels), 10), smoothing / 10)
    targets[torch.arange(len(labels)), labels] = 1 - 0.9 * smoothing
    return targets


def smoothed_by_scatter(labels, smoothing):
    targets = torch.zeros(len(labels), 10).scatter_(1, labels[:, None], 1 - smoothing)
    return targets.add_(smoothing / 10)


def smoothed_in_pandas(labels, smoothing):
    dummies = pd.get_dummies(pd.Categorical(labels.tolist(), categories=range(10)))
    return dummies * (1 - smoothing) + smoothing / 10


def rows_instead_of_columns(labels, smoothing):
    targets = torch.full((len(labels), 10), smoothing / 10)
    targets[labels] = 1 - smoothing + smoothing / 10
    return targets


def whole_numbers(labels, smoothing):
    targets = F.one_hot(labels, 10)
    targets[targets == 1] = 1 - smoothing + smoothing / 10
    return targets * 1


def whole_numbers_in_place(labels, smoothing):
    targets = F.one_hot(labels, 10)
    targets *= 1 - smoothing
    return targets + smoothing / 10


def by_its_gradient(labels, smoothing):
    logits = torch.zeros(len(labels), 10, requires_grad=True)
    F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum").backward()
    return 0.1 - logits.grad


def normalised_by_loops(maps):
    result = torch.zeros_like(maps)
    for channel in range(maps.shape[1]):
        one = maps[:, channel]
        result[:, channel] = (one - one.mean()) / (one.var() + 1e-5) ** 0.5
    return result


def normalised_in_place(maps):
    maps -= maps.mean(dim=(0, 2, 3), keepdim=True)
    maps /= (maps**2).mean(dim=(0, 2, 3), keepdim=True).add(1e-5).sqrt()


def normalised_in_numpy(maps):
    array = maps.numpy()
    mean, variance = array.mean((0, 2, 3), keepdims=True), array.var((0, 2, 3), keepdims=True)
    return (array - mean) / np.sqrt(variance + 1e-5)


def normalised_in_rows(maps):
    rows = maps.transpose(0, 1).flatten(1)
    variance, mean = torch.var_mean(rows, dim=1, correction=0)
    rows = (rows - mean[:, None]) * torch.rsqrt(variance + 1e-5)[:, None]
    return rows.reshape(maps.shape[1], len(maps), *maps.shape[2:]).transpose(0, 1)


def by_moments(maps):
    mean = maps.mean((0, 2, 3))[:, None, None]
    variance = (maps**2).mean((0, 2, 3))[:, None, None] - mean**2
    return (maps - mean) / (variance + 1e-5).sqrt()


def normalised(over, eps=1e-5, correction=1, root=True):
    """A function as the exercise asks for, with what may be wrong in it."""

    def function(maps):
        spread = maps.var(dim=over, keepdim=True, correction=correction) + eps
        return (maps - maps.mean(dim=over, keepdim=True)) / (spread.sqrt() if root else spread)

    return function


def spread_of_sums(maps):
    centred = maps - maps.mean(CHANNEL, keepdim=True)
    return centred / (centred.square().sum(CHANNEL, keepdim=True) + 1e-5).sqrt()


CHANNEL = (0, 2, 3)


def whole_columns(labels, smoothing):
    targets = torch.full((len(labels), 10), smoothing / 10)
    targets[:, labels] = 1 - smoothing + smoothing / 10
    return targets


ANSWERS = {
    "one_cycle_peak": Answers(
        right=[*numbers(1101, "updates"), 1100, 1098, 1102, 1103, "1100", 1100.0, (1101,)],
        wrong=[
            (3, "Count updates"),
            (1835, "That is the middle"),
            (1833, "That is the middle"),
            (3660, "At the end the rate is 0"),
            (3670, "At the end the rate is 0"),
            (2569, "then it falls"),
            (110, "one epoch"),
            (367, "one epoch"),
            (1200, "for validation"),
            (2200, "batches of 75"),
            (16_500, "These are images"),
            (550_000, "These are images"),
            (1097, "How many updates"),
            (1104, "How many updates"),
            (0.3, "How many updates"),
            (float("nan"), "How many updates"),
            ("early", "Give one number"),
        ],
        same={"updates = 10 * round(55001 / 150)": "one image more makes no batch more"},
    ),
    "block_parameters": Answers(
        right=[*numbers(57_600, "parameters"), "57_600"],
        wrong=[
            (55_552, "shortcut has weights"),
            (57_344, "Batch normalisation has parameters"),
            (55_296, "What else"),
            (57_472, "two parameters for each channel"),
            (57_536, "Behind conv1 there are 64"),
            (57_728, "no biases"),
            (57_792, "no biases"),
            (57_856, "do not count"),
            (57_858, "do not count"),
            (73_984, "1 × 1"),
            (39_168, "not 32"),
            (29_824, "inputs come first"),
            (289_130, "whole ResidualNet"),
            (8_448, "3 × 3 weights"),
            (1, "Add up conv1"),
        ],
    ),
    "smooth_targets": Answers(
        right=[
            smoothed_by_loops,
            smoothed_in_numpy,
            smoothed_by_filling,
            smoothed_by_scatter,
            smoothed_in_pandas,
            lambda y, s: F.one_hot(y, 10) * (1 - s) + s / 10,
            lambda y, s: torch.lerp(torch.eye(10)[y], torch.tensor(0.1), s),
            lambda y, s: torch.where(y[:, None] == torch.arange(10), 1 - 0.9 * s, s / 10).double(),
        ],
        wrong=[
            (whole_columns, "whole column of each label"),
            (lambda y, s: F.one_hot(y, 10).float(), "not smoothed yet"),
            (lambda y, s: F.one_hot(y, 10) * (1 - s - s / 9) + s / 9, "true one too"),
            (lambda y, s: F.one_hot(y, 10) * (1 - 1.1 * s) + s / 10, "less than 1"),
            (lambda y, s: F.one_hot(y, 10) * (1 - s), "nobody gets it"),
            (lambda y, s: F.one_hot(y, 10) + s / 10, "more than 1"),
            (lambda y, s: (F.one_hot(y, 10) + s / 10).clamp(max=1), "more than 1"),
            (lambda y, s: F.one_hot(y, 10) * (1 - s) + s, "together get the share"),
            (lambda y, s: F.one_hot(y, 10) * (1 - 2 * s) + s, "not each of them"),
            (lambda y, s: F.one_hot(y, 10) * s + (1 - s) / 10, "changed places"),
            (lambda y, s: F.one_hot(y, 10) * 0.9 + 0.01, "not always 0.1"),
            (lambda y, s: F.one_hot(y) * (1 - s) + s / 10, "Ten columns"),
            (lambda y, s: (F.one_hot(y, 10) * (1 - s) + s / 10).T, "One row for each label"),
            (lambda y, s: torch.full((len(y), 10), 0.1), "whatever y is"),
            (rows_instead_of_columns, "should pick a column"),
            (lambda y, s: torch.eye(9)[y] * (1 - s) + s / 10, "from 0 to 9"),
            (lambda y, s: (F.one_hot(y, 10) * (1 - s) + s) / 10, "Only the share"),
            (lambda y, s: F.one_hot(y, 10) * (1 - 0.9 * s), "tenth of the share each"),
            (lambda y, s: pd.get_dummies(y.numpy()) * (1 - s) + s / 10, "Ten columns"),
            (whole_numbers, "begin with float"),
            (whole_numbers_in_place, "begin with float"),
            (by_its_gradient, "cross_entropy does all"),
            (lambda y, s: y * (1 - s) + s / 10, "The shape should be [2, 10]"),
            (lambda y: torch.eye(10)[y], "another number"),
            (lambda y, s: F.one_hot(y, 10) * (1 - s) + s / 20, "What is it with 0.3"),
        ],
    ),
    "batch_norm": Answers(
        right=[
            normalised_by_loops,
            normalised_in_place,
            normalised_in_numpy,
            normalised_in_rows,
            by_moments,
            normalised(CHANNEL),
            lambda x: (x - x.mean(CHANNEL, True)) / (x.std(CHANNEL, keepdim=True) + 1e-5),
            lambda x: normalised((1, 2, 3))(x.transpose(0, 1)).transpose(0, 1),
        ],
        wrong=[
            (lambda x: F.batch_norm(x, None, None, training=True), "batch_norm does all"),
            (lambda x: nn.BatchNorm2d(x.shape[1])(x.float()), "batch_norm does all"),
            (normalised((1, 2, 3)), "normalises each image"),
            (lambda x: F.layer_norm(x, x.shape[1:]), "normalises each image"),
            (normalised((0, 1, 2, 3)), "one mean over everything"),
            (lambda x: (x - x.mean()) / x.std(), "one mean over everything"),
            (normalised((2, 3), correction=0), "by itself"),
            (F.instance_norm, "each map of each image"),
            (normalised((0,)), "each place"),
            (normalised((0, 2)), "Columns belong"),
            (normalised(CHANNEL, root=False), "variance"),
            (normalised(CHANNEL, eps=0), "gives nan"),
            (lambda x: x - x.mean(CHANNEL, True), "Now the spreads"),
            (lambda x: x / x.std(CHANNEL, keepdim=True), "Subtract the means"),
            (lambda x: x - x.mean(CHANNEL, True) / x.std(CHANNEL, keepdim=True), "parentheses"),
            (lambda x: (x - x.mean()) / x.std(CHANNEL, keepdim=True), "the mean that of"),
            (lambda x: (x - x.mean(CHANNEL, True)) / x.std(), "the spread that of"),
            (lambda x: (x - x.mean(CHANNEL)) / x.std(CHANNEL), "keepdim=True"),
            (lambda x: x.numpy() - x.numpy().mean(CHANNEL), "keepdim=True"),
            (lambda x: (x - x.mean(0, 2, 3)) / x.std(0, 2, 3), "as one tuple"),
            (lambda x: (x - x.std(CHANNEL, keepdim=True)) / x.mean(CHANNEL, True), "places"),
            (spread_of_sums, "not their sum"),
            (lambda x: x, "as they were"),
            (lambda x: normalised(CHANNEL)(x).nan_to_num() * 2, "For each channel"),
            (lambda x: normalised(CHANNEL)(x)[0], "The shape should be"),
        ],
        same={"over = (3, 2, 0)": "all three dimensions at once, in any order"},
        unnoticed={
            "variance = maps.var(dim=over, keepdim=True, correction=1)":
                "on purpose: the text asks for a standard deviation of 1, which may be either",
        },
    ),
}  # fmt: skip
