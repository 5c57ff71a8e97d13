"""Answers to the exercises of notebook 2."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from answers import Answers, numbers

SOBEL = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]


def pooled_by_loops(values):
    height, width = values.shape
    result = torch.zeros(height // 2, width // 2)
    for row in range(height // 2):
        for column in range(width // 2):
            square = values[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            result[row, column] = square.max()
    return result


def pooled_by_lists(values):
    rows = values.tolist()
    return [
        [max(*up[i : i + 2], *low[i : i + 2]) for i in range(0, len(up), 2)]
        for up, low in zip(rows[::2], rows[1::2])
    ]


def pooled_in_numpy(values):
    array = values.numpy()
    height, width = array.shape
    return array.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))


def pooled_by_unfold(values):
    height, width = values.shape
    columns = F.unfold(values[None, None], 2, stride=2)
    return columns.amax(1).reshape(height // 2, width // 2)


def from_zero(values):
    result = torch.zeros(values.shape[0] // 2, values.shape[1] // 2)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            if values[row, column] > result[row // 2, column // 2]:
                result[row // 2, column // 2] = values[row, column]
    return result


def fixed_loops(values):
    result = torch.zeros(14, 14)
    for row in range(14):
        for column in range(14):
            result[row, column] = values[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max()
    return result


def result_of_full_index(values):
    result = torch.zeros(len(values) // 2, values.shape[1] // 2)
    for row in range(0, len(values), 2):
        for column in range(0, values.shape[1], 2):
            result[row, column] = values[row : row + 2, column : column + 2].max()
    return result


def overlapping(values):
    result = torch.zeros(len(values) // 2, values.shape[1] // 2)
    for row in range(result.shape[0]):
        for column in range(result.shape[1]):
            result[row, column] = values[row : row + 2, column : column + 2].max()
    return result


def half_with_a_point(values):
    height, width = values.shape
    return torch.stack([values[2 * row].maximum(values[2 * row + 1]) for row in range(height / 2)])


def python_max(values):
    return [max(values[row : row + 2]) for row in range(0, len(values), 2)]


def one_row_missing(values):
    rows = values[::2].maximum(values[1::2])
    return rows[:, ::2].maximum(rows[:, 1::2])[1:]


def pooled_in_place(values):
    values.copy_(torch.maximum(values, values.roll(-1, 0)))
    return torch.maximum(values, values.roll(-1, 1))[::2, ::2]


ANSWERS = {
    "map_size": Answers(
        right=[*numbers(11, "pixels"), torch.tensor([[11]]), (11, 11), "11 × 11", {11}],
        wrong=[
            (22, "after the convolution"),
            (14, "pooling alone"),
            (12, "5 × 5 kernel"),
            (21, "pooling comes after"),
            (10.5, "one place more"),
            (10, "one place more"),
            (5, "halves twice"),
            (121, "How long is one side"),
            (44, "not larger"),
            (13, "how many places"),
            ((11, 22), "Give one number"),
            ("eleven", "Give one number"),
        ],
        same={
            "answer = (29 - 7 + 1) // 2": "half of 23 is 11, too",
            "answer = (28 - 7 + 2) // 2": "half of 23 is 11, too",
        },
    ),
    "edge_kernel": Answers(
        right=[
            SOBEL,
            np.array(SOBEL),
            torch.tensor(SOBEL)[None, None],
            pd.DataFrame(SOBEL),
            [[-1e-3] * 3, [0] * 3, [1e-3] * 3],
            [[-1, 0, 0], [0, 0, 0], [1, 0, 0]],
            [[-1, -1, -1], [-1, -1, -1], [2, 2, 2]],
            [[-1 / 3] * 3, [0] * 3, torch.ones(3) / 3],
            torch.tensor([[-1.0, 0, 1]]).repeat(3, 1).T,
            nn.Parameter(torch.tensor(SOBEL).float()),
            [[0, -1, 0], [-1, 1, 0], [1, 0, 0]],
        ],
        wrong=[
            ([[2] * 3, [-5] * 3, [3] * 3], "finds lines"),
            ([[1] * 3, [-2] * 3, [1] * 3], "finds lines"),
            (torch.zeros(3, 3), "gives 0 everywhere"),
            ([[-1, 0, 1]] * 3, "to the right, not downwards"),
            ([[1, 0, -1]] * 3, "to the right, not downwards"),
            ([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]], "also answers"),
            ([[1] * 3, [0] * 3, [-1] * 3], "other way round"),
            ([[0] * 3, [-1] * 3, [1] * 3], "first row is darker"),
            ([[-1] * 3, [1] * 3, [0] * 3], "last row is brighter"),
            ([[1 / 9] * 3] * 3, "flat area"),
            ([[0] * 3, [0] * 3, [1] * 3], "flat area"),
            ([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], "also answers"),
            ([[1, -1, 0], [-1, 1, 0], [0, 0, 0]], "Do its rows differ"),
            ([[-1, 0, 1]], "The shape should be [3, 3]"),
            (torch.tensor(SOBEL).flatten(), "The shape should be [3, 3]"),
            ("sobel", "Give"),
            ([[float("inf")] * 3, [0] * 3, [1] * 3], "finite"),
        ],
        same={
            "answer = torch.tensor([[-1, -1, -1], [0, 0, 0], [1, 1, 1]])": "whole numbers do, too",
        },
    ),
    "smaller_kernel_parameters": Answers(
        right=[*numbers(640_080, "parameters"), "640_080", "640 080"],
        wrong=[
            (431_080, "as it is"),
            (415_080, "How many inputs has fc1"),
            (209_000, "how many more"),
            (639_500, "bias is missing"),
            (640_030, "bias is missing"),
            (639_760, "Only conv2"),
            (631_530, "each pair"),
            (656_080, "still has its 5 × 5"),
            (25_015_080, "Pooling comes between"),
            (9_050, "three more layers"),
            (625_500, "three more layers"),
            (640_081, "Follow the shapes"),
            ("more", "Give one number"),
        ],
        same={
            "conv1, conv2 = (50 * 20 * 9 + 50, 20 * 25 + 20)": "both are added up",
            "conv2, conv1 = (20 * 25 + 20, 50 * 20 * 9 + 50)": "both are added up",
        },
    ),
    "receptive_field": Answers(
        right=[*numbers(24, "pixels"), torch.tensor(24), [24, 24], "24x24 pixels"],
        wrong=[
            (16, "before the new layer"),
            (18, "steps of 1 pixel"),
            (20, "How many are these"),
            (32, "steps of 8 pixels"),
            (28, "k - 1 steps, not k"),
            (19, "k - 1 steps, not k"),
            (48, "does not multiply"),
            (8, "what the new layer adds"),
            (22, "after conv2"),
            (576, "How wide"),
            (27, "Use the formula"),
            ("24 × 16", "Give one number"),
        ],
    ),
    "max_pool": Answers(
        right=[
            pooled_in_place,
            pooled_by_loops,
            pooled_by_lists,
            pooled_in_numpy,
            pooled_by_unfold,
            lambda x: pd.DataFrame(x.numpy()).T.groupby(lambda i: i // 2).max().T.groupby(
                lambda i: i // 2
            ).max(),
            lambda x: x.unfold(0, 2, 2).unfold(1, 2, 2).flatten(2).max(-1).values,
            lambda x: torch.stack([x[r::2, c::2] for r in (0, 1) for c in (0, 1)]).amax(0),
            lambda x: torch.maximum(
                torch.maximum(x[::2, ::2], x[1::2, ::2]), torch.maximum(x[::2, 1::2], x[1::2, 1::2])
            ),
            lambda x: x.reshape(len(x) // 2, 2, -1, 2).max(3)[0].max(1)[0].double(),
        ],
        wrong=[
            (lambda x: F.max_pool2d(x[None, None], 2)[0, 0], "max_pool2d does all"),
            (lambda x: nn.MaxPool2d(2)(x[None])[0], "max_pool2d does all"),
            (lambda x: nn.AdaptiveMaxPool2d((len(x) // 2, 2))(x[None])[0], "does all"),
            (lambda x: F.avg_pool2d(x[None, None], 2)[0, 0], "mean of each square"),
            (lambda x: -pooled_by_loops(-x), "smallest number"),
            (lambda x: x[::2, ::2], "one corner"),
            (lambda x: x[1::2, ::2], "one corner"),
            (from_zero, "not 0"),
            (lambda x: x[::2].maximum(x[1::2]), "Two columns"),
            (lambda x: x[:, ::2].maximum(x[:, 1::2]), "Two rows"),
            (lambda x: x.reshape(len(x) // 2, x.shape[1] // 2, 4).amax(2), "in a line"),
            (lambda x: x.reshape(2, len(x) // 2, 2, -1).amax((0, 2)), "half a map apart"),
            (lambda x: x.reshape(14, 2, 14, 2).amax((1, 3)), "values.shape"),
            (lambda x: x.numpy().reshape(14, 2, 14, 2).max((1, 3)), "values.shape"),
            (fixed_loops, "largest of no numbers"),
            (half_with_a_point, "`//` gives"),
            (lambda x: torch.zeros(len(x) / 2, x.shape[1] / 2), "`//` gives"),
            (result_of_full_index, "half as many"),
            (overlapping, "overlap"),
            (lambda x: x.unfold(0, 2, 2).unfold(1, 2, 2).flatten(2).max(2), "two things"),
            (python_max, "can't compare rows"),
            (lambda x: x.reshape(len(x) // 2, 2, -1, 2).max(dim=(1, 3)), "amax"),
            (lambda x: x.reshape(len(x) // 2, 2, -1, 2).max(1).max(2), "`.values`"),
            (lambda x: x.reshape(*x.shape[:2], x.shape[2]), "another"),
            (one_row_missing, "The shape should be [3, 4]"),
            (lambda x: pooled_by_loops(x).flatten(), "stand in rows"),
            (lambda x: pooled_by_loops(x).T, "swapped"),
            (lambda x: x, "as it was"),
            (lambda x: x.unfold(0, 2, 1).unfold(1, 2, 1).amax((2, 3)), "overlap"),
            (lambda x: pooled_by_loops(x.abs()), "sign counts"),
            (lambda x: x.max(), "whole map"),
            (lambda x: pooled_by_loops(x) + 1, "the largest of these is -1"),
            (lambda x: print(end=""), "returns nothing"),
        ],
        same={"return squares.amax(dim=(3, 1))": "both dimensions at once, in any order"},
    ),
}  # fmt: skip
