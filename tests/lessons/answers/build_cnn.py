"""Answers to the exercises of notebook 2."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from answers import Answers, numbers
from fmnist_lib.model import Net

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


class Layers(nn.Module):
    """The layers of Net, for classes that differ in `forward`."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)


def net_with(forward, **layers):
    """A class with these layers in place of those of Net; a layer None is left out."""

    def init(self):
        Layers.__init__(self)
        for name, make in layers.items():
            delattr(self, name) if make is None else setattr(self, name, make())

    return type("MyNet", (Layers,), {"__init__": init, "forward": forward})


def relu_last(self, x):
    x = F.relu(F.max_pool2d(self.conv1(x), 2))
    x = F.relu(F.max_pool2d(self.conv2(x), 2))
    return self.fc2(F.relu(self.fc1(x.flatten(1))))


def relu_first(self, x):
    x = F.max_pool2d(torch.relu(self.conv1(x)), (2, 2))
    x = F.max_pool2d(self.conv2(x).relu(), kernel_size=2, stride=2)
    x = x.view(-1, 50 * 4 * 4)
    return self.fc2(self.fc1(x).clamp(min=0))


def with_modules(self, x):
    x = self.pool(self.bend(self.conv1(x)))
    x = self.pool(self.bend(self.conv2(x)))
    return self.fc2(self.bend(self.fc1(self.flat(x))))


def step_by_step(self, image):
    batch = image.shape[0]
    out = F.relu(self.conv1(image))
    out = nn.MaxPool2d(2)(out)
    out = F.relu(self.conv2(out))
    out = nn.MaxPool2d(2)(out)
    out = out.reshape(batch, -1)
    out = F.relu(self.fc1(out))
    out = self.fc2(out)
    return out


class ByFunctions(Layers):
    """Written into the parameter lists, with Conv2d's other names."""

    def __init__(self):
        super(Layers, self).__init__()
        self.fc2 = nn.Linear(in_features=500, out_features=10, bias=True)
        self.fc1 = nn.Linear(50 * 4**2, 500)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=(5, 5), stride=1, padding="valid")
        self.conv1 = nn.Conv2d(in_channels=1, out_channels=20, kernel_size=5)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = F.relu(conv(x)).unfold(2, 2, 2).unfold(3, 2, 2).amax((4, 5))
        return self.fc2(torch.maximum(self.fc1(torch.flatten(x, 1)), torch.zeros(())))


class NoSuper(nn.Module):
    def __init__(self):
        self.conv1 = nn.Conv2d(1, 20, 5)

    def forward(self, x):
        return self.conv1(x)


class NoForward(Layers):
    def __init__(self):
        super().__init__()


class NoLayers(nn.Module):
    def __init__(self):
        super().__init__()

    def forward(self, x):
        return x


class NoModule:
    def __init__(self):
        self.conv1 = nn.Conv2d(1, 20, 5)

    def forward(self, x):
        return self.conv1(x)


class DotsInInit(nn.Module):
    def __init__(self): ...

    def forward(self, x):
        return x


class OneNumber(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(20)

    def forward(self, x):
        return self.conv1(x)


class OtherNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5))
        self.classifier = nn.Sequential(nn.Linear(800, 500), nn.Linear(500, 10))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def no_flatten(self, x):
    x = F.relu(F.max_pool2d(self.conv1(x), 2))
    x = F.relu(F.max_pool2d(self.conv2(x), 2))
    return self.fc2(F.relu(self.fc1(x)))


def flat_all(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc2(F.relu(self.fc1(x.flatten())))


def no_pooling(self, x):
    x = F.relu(self.conv2(F.relu(self.conv1(x))))
    return self.fc2(F.relu(self.fc1(x.flatten(1))))


def one_pooling(self, x):
    x = F.relu(self.conv2(F.max_pool2d(F.relu(self.conv1(x)), 2)))
    return self.fc2(F.relu(self.fc1(x.flatten(1))))


def no_fc1(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc2(x.flatten(1))


def no_relus(self, x):
    x = F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x), 2)), 2)
    return self.fc2(self.fc1(x.flatten(1)))


def no_relu_behind_fc1(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc2(self.fc1(x.flatten(1)))


def mean_pooling(self, x):
    x = F.avg_pool2d(F.relu(self.conv1(x)), 2)
    x = F.avg_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc2(F.relu(self.fc1(x.flatten(1))))


def without_return(self, x):
    relu_last(self, x)


def without_self(self, x):
    return conv1(x)  # noqa: F821


def module_as_function(self, x):
    return F.max_pool2d(nn.ReLU(self.conv1(x)), 2)


def pooling_as_function(self, x):
    return F.relu(nn.MaxPool2d(self.conv1(x), 2))


def layers_in_forward(self, x):
    x = F.max_pool2d(F.relu(nn.Conv2d(1, 20, 5)(x)), 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc2(F.relu(self.fc1(x.flatten(1))))


def conv2_first(self, x):
    return F.relu(self.conv2(x))


def conv1_twice(self, x):
    return self.conv1(self.conv1(x))


def without_images(self):
    return self.conv1


def all_by_two(self, x):
    return relu_last(self, x) * 2


ANSWERS = {
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
    "own_net": Answers(
        right=[
            net_with(relu_last),
            net_with(relu_first),
            net_with(step_by_step),
            net_with(
                with_modules,
                bend=nn.ReLU,
                pool=lambda: nn.MaxPool2d(2),
                flat=nn.Flatten,
            ),
            ByFunctions,
            net_with(relu_last)(),
            net_with(lambda self, x: relu_last(self, x).double()),
        ],
        wrong=[
            (Net, "the course's own"),
            (Net(), "the course's own"),
            (type("MyNet", (Net,), {"forward": lambda self, x: Net.forward(self, x)}), "own"),
            (net_with(lambda self, x: relu_last(self, x).detach()), "no gradient"),
            (net_with(torch.no_grad()(relu_last)), "no gradient"),
            (NoSuper, "super().__init__()"),
            (NoForward, "no `forward`"),
            (NoLayers, "no layers"),
            (NoModule, "(nn.Module)"),
            (DotsInInit, "only dots"),
            (OneNumber, "both numbers"),
            (OtherNames, "find their layers by name"),
            (lambda x: x, "Give the class"),
            (3, "Give the class"),
            (net_with(relu_last, fc2=None), "no layer fc2"),
            (net_with(relu_last, bn1=lambda: nn.BatchNorm2d(20)), "bn1.bias"),
            (net_with(relu_last, bn1=lambda: nn.BatchNorm2d(20, affine=False)), "bn1.running"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(1, 20, 5, bias=False)), "and a bias"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(1, 20, 3)), "kernels of Net are 5 × 5"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(20, 1, 5)), "swapped"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(3, 20, 5)), "conv1 takes 3"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(1, 32, 5)), "conv1 gives 32"),
            (net_with(relu_last, conv2=lambda: nn.Conv2d(1, 50, 5)), "conv2 takes 1 here"),
            (net_with(relu_last, conv2=lambda: nn.Conv2d(20, 50, 5, padding=2)), "conv2 pads"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(1, 20, 5, padding="same")), "1 pads"),
            (net_with(relu_last, conv1=lambda: nn.Conv2d(1, 20, 5, stride=2)), "has a stride"),
            (net_with(relu_last, fc1=lambda: nn.Linear(20_000, 500)), "no pooling before"),
            (net_with(relu_last, fc1=lambda: nn.Linear(3_200, 500)), "Only one pooling"),
            (net_with(relu_last, fc1=lambda: nn.Linear(50, 500)), "number of maps"),
            (net_with(relu_last, fc1=lambda: nn.Linear(16, 500)), "How many maps"),
            (net_with(relu_last, fc1=lambda: nn.Linear(784, 500)), "Follow the shapes"),
            (net_with(relu_last, fc1=lambda: nn.Linear(500, 800)), "swapped"),
            (net_with(relu_last, fc1=lambda: nn.Linear(800, 100)), "fc1 gives 100"),
            (net_with(relu_last, fc2=lambda: nn.Linear(800, 10)), "fc2 takes 800"),
            (net_with(relu_last, fc2=lambda: nn.Conv2d(500, 10, 1)), "should be a linear layer"),
            (net_with(no_flatten), "is there a `flatten`"),
            (net_with(flat_all), "All three images are in one row"),
            (net_with(no_pooling), "no pooling before"),
            (net_with(one_pooling), "Only one pooling"),
            (net_with(no_fc1), "fc1 is left out"),
            (net_with(no_relus), "ReLU is missing behind conv1 and conv2 and fc1."),
            (net_with(no_relu_behind_fc1), "ReLU is missing behind fc1."),
            (net_with(mean_pooling), "pools by the mean"),
            (net_with(without_return), "returns nothing"),
            (net_with(without_self), "self.conv1"),
            (net_with(module_as_function), "`ReLU` of `nn` makes a layer"),
            (net_with(pooling_as_function), "`MaxPool2d` of `nn` makes a layer"),
            (net_with(layers_in_forward), "differently each time"),
            (net_with(conv2_first), "Begin with conv1"),
            (net_with(conv1_twice), "Is it used twice"),
            (net_with(without_images), "`self` and the images"),
            (net_with(all_by_two), "logits differ"),
            (net_with(lambda self, x: relu_last(self, x).softmax(1)), "Softmax is at the end"),
            (net_with(lambda self, x: F.log_softmax(relu_last(self, x), 1)), "Softmax is at"),
            (net_with(lambda self, x: relu_last(self, x).relu()), "ReLU is behind fc2"),
            (net_with(lambda self, x: relu_last(self, x).argmax(1)), "This is the class"),
            (net_with(lambda self, x: relu_last(self, x).T), "The shape should be [3, 10]"),
        ],
        names={"nn": nn},
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
