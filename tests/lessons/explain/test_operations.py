"""A network as a list of operations: computed one by one they give what the network gives."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from conftest import equal
from torch import nn

from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.explain.operations import operations
from fmnist_lib.model import build


class Own(nn.Module):
    """Padding, stride, groups, dilation, and the same things written in other ways."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.5)
        )
        self.strided = nn.Conv2d(8, 12, (3, 5), stride=(2, 1), padding=(1, 2), groups=4, bias=False)
        self.dilated = nn.Conv2d(12, 12, 3, dilation=2, groups=12)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(12, affine=False)
        self.beside = nn.Conv2d(12, 12, 1)
        self.out = nn.Linear(12 * 2 * 6, 10, bias=False)

    def forward(self, x):
        x = torch.relu(self.strided(self.first(x)))
        x = self.norm(self.pool(self.dilated(x).relu_()))
        x = x + self.beside(x)
        x = F.avg_pool2d(F.dropout(x, training=self.training), 2)
        return self.out(x.reshape(x.size(0), -1)) * 2 - 1


class Places(nn.Module):
    """Means and largest numbers over places, in every form."""

    def __init__(self, form):
        super().__init__()
        self.form, self.conv, self.fc = form, nn.Conv2d(1, 6, 5), nn.Linear(6, 10)

    def forward(self, x):
        x = self.conv(x)
        x = {
            "mean": lambda: x.mean(dim=(2, 3)),
            "mean, backwards": lambda: x.mean((-1, -2)),
            "largest": lambda: torch.amax(x, (-2, -1)),
            "kept": lambda: x.amax(dim=(2, 3), keepdim=True).flatten(1),
            "adaptive": lambda: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
            "adaptive, largest": lambda: F.adaptive_max_pool2d(x, 1).flatten(1),
        }[self.form]()
        return self.fc(x)


def with_statistics(network):
    """As after a training: batch normalisation has seen images, and its weights have moved."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                layer.weight.data.normal_()  # below 0, too
                layer.bias.data.normal_()
    return network.eval()


def seeded(make):
    torch.manual_seed(0)
    return with_statistics(make())


OF_THE_COURSE = ("Net", "RawNet", "BatchNormNet", "ResidualNet")
NETWORKS = {name: partial(build, name) for name in OF_THE_COURSE} | {"Own": Own}
FORMS = ("mean", "mean, backwards", "largest", "kept", "adaptive", "adaptive, largest")
ALL = NETWORKS | {form: partial(Places, form) for form in FORMS}


def compute(found, x, rounded=False):
    """The logits of images [N, 1, 28, 28] by the operations, in PyTorch's own functions."""
    results = []
    for each in found:
        weights = [None if part is None else part.half().float() if rounded else part
                   for part in (each.weight, each.bias)]  # fmt: skip
        given, options = [results[place] for place in each.inputs], dict(each.options)
        options.pop("batch_norm", None)
        if each.kind == "input":
            result = x
        elif each.kind == "convolution":
            result = F.conv2d(given[0], *weights, **options)
        elif each.kind == "linear":
            result = F.linear(given[0], *weights)
        elif each.kind == "scale":
            factor, term = (part.view(1, -1, *[1] * (given[0].dim() - 2)) for part in weights)
            result = given[0] * factor + term
        elif each.kind == "ReLU":
            result = given[0].relu()
        elif each.kind.endswith("pooling"):
            pool = F.max_pool2d if each.kind.startswith("max") else F.avg_pool2d
            options["kernel_size"] = options.pop("kernel")
            result = pool(given[0], **options)
        elif each.kind == "add":
            result = given[0] + given[1]
        elif each.kind in ("max", "mean"):
            result = (given[0].amax if each.kind == "max" else given[0].mean)(dim=(2, 3))
        else:
            assert each.kind == "flatten"
            result = given[0].flatten(1)
        results.append(result.reshape(len(x), *each.shape))
    return results[-1]


@pytest.mark.parametrize("name", ALL)
def test_they_give_what_the_network_gives(name, drawn):
    network, x = seeded(ALL[name]), as_input(drawn[1].images[:20])
    before = copy.deepcopy(network.state_dict())
    found = operations(network)
    with torch.no_grad():
        torch.testing.assert_close(compute(found, x), network(x), rtol=1e-4, atol=1e-4)
    assert equal(before, network.state_dict())
    assert sum(each.parameters for each in found) == sum(p.numel() for p in network.parameters())


def test_names_shapes_and_costs_of_the_published_network():
    found = [each for each in operations(build("Net")) if each.parameters]
    assert [(each.name, each.shape, each.multiply_adds) for each in found] == [
        ("conv1", (20, 24, 24), 288_000), ("conv2", (50, 8, 8), 1_600_000),
        ("fc1", (500,), 400_000), ("fc2", (10,), 5_000),
    ]  # fmt: skip


def test_batch_normalisation_is_folded_only_where_it_follows_directly():
    kinds = [each.kind for each in operations(seeded(NETWORKS["BatchNormNet"]))]
    assert "scale" not in kinds
    found = operations(seeded(NETWORKS["ResidualNet"]))  # of which most come behind a pooling
    folded = [each.name for each in found if each.options.get("batch_norm")]
    assert folded == ["block1.conv2", "block2.conv2"]
    assert [each.name for each in found if each.kind == "scale"] == [
        "bn",
        "block1.bn1",
        "block2.bn1",
    ]


def test_a_convolution_whose_plain_result_is_needed_keeps_it(drawn):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(1, 2, 28), nn.BatchNorm2d(2), nn.Linear(2, 10)

        def forward(self, x):
            x = self.conv(x)
            return self.fc((x + self.norm(x)).flatten(1))

    network, x = seeded(Twice), as_input(drawn[1].images[:5])
    with torch.no_grad():
        torch.testing.assert_close(compute(operations(network), x), network(x))


class Wrapped(nn.Module):
    def __init__(self, forward, layer=None):
        super().__init__()
        self.conv, self.layer, self.fc = nn.Conv2d(1, 4, 5), layer, nn.Linear(4 * 24 * 24, 10)
        self.between = forward

    def forward(self, x):
        return self.fc(self.between(self.conv(x), self.layer).flatten(1))


UNKNOWN = {
    "sigmoid": ((lambda x, layer: layer(x), nn.Sigmoid()), "know sigmoid, which layer (Sigmoid)"),
    "softmax": ((lambda x, _: x.softmax(1),), "know softmax, which the forward of Wrapped"),
    "of a module in a module": (
        (lambda x, layer: layer(x), nn.Sequential(nn.ReLU(), nn.Tanh())), "which layer.1 (Tanh)"
    ),
    "concatenation": ((lambda x, _: torch.cat([x[:, :2], x[:, 2:]], 1),), "does not know slice"),
    "ceil_mode": (
        (lambda x, layer: F.pad(layer(x), (0, 12, 0, 12)), nn.MaxPool2d(2, ceil_mode=True)),
        "max-pooling with ceil_mode",
    ),
    "product": ((lambda x, _: x * x,), "a product of results"),
    "quotient": ((lambda x, _: x / (x + 5),), "a quotient of results"),
    "unlike parts": ((lambda x, _: x + x.mean(dim=(2, 3), keepdim=True),), "a sum of unlike parts"),
    "mean over channels": ((lambda x, _: x + x.mean(1, True),), "mean over other dimensions"),
    "padding on one side": (
        (lambda x, layer: layer(x), nn.Conv2d(4, 4, 2, padding="same")), "pads one side more"
    ),
    "reflected padding": (
        (lambda x, layer: layer(x), nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
        "which layer (Conv2d) computes",
    ),
    "group normalisation": ((lambda x, layer: layer(x), nn.GroupNorm(2, 4)), "group_norm"),
    "weights that are computed": (
        (lambda x, layer: F.conv2d(x, layer.weight.abs(), padding=1), nn.Conv2d(4, 4, 3)),
        "does not know abs",
    ),
    "numbers decide": (
        (lambda x, _: x if x.sum() > 0 else -x,), "has to do the same for every image"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_named(name):
    given, message = UNKNOWN[name]
    with pytest.raises(CourseError) as error:
        operations(Wrapped(*given))
    assert message in str(error.value)


def test_a_network_that_takes_other_images():
    with pytest.raises(CourseError, match="can't be written down as a list of operations"):
        operations(nn.Linear(3, 10))
