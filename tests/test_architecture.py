"""Which network it is: class and arguments, or why another could not be built from these."""

import copy

import numpy as np
import pytest
import torch
from conftest import equal, own_network
from torch import nn

from fmnist_lib import architecture
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net, ResidualNet


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))


class Forgets(Small):  # `depth` is kept nowhere
    def __init__(self, depth):
        super().__init__()


class Doubles(Small):
    def __init__(self, hidden=4):
        super().__init__()
        self.hidden = 2 * hidden  # not as it came: another one would have 16
        self.more = nn.Linear(4, 2 * hidden)


class Asks(Small):  # for something that no file can hold
    def __init__(self, activation):
        super().__init__()
        self.activation = activation


class TakesAll(Small):
    def __init__(self, **options):
        super().__init__()


class Scales(Small):  # a weight stands where the argument should
    def __init__(self, scale):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))


class Drawn(Small):  # by chance, and in no state_dict
    def __init__(self):
        super().__init__()
        self.order = torch.randperm(784)

    def forward(self, x):
        return super().forward(x.flatten(1)[:, self.order])


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (Forgets, [3], "Forgets does not keep its argument 'depth'.* Write self.depth = depth in"),
        (Doubles, [], "Another Doubles with the arguments {'hidden': 8} is not like the one that"),
        (Asks, [torch.relu], "Asks has activation=<built-in .*Let its arguments be numbers, texts"),
        (Asks, [lambda x: x], "Asks has activation=<function .* which a checkpoint can't hold"),
        (
            Asks,
            [nn.ReLU()],
            "Asks keeps a ReLU as self.activation, where its argument 'activation'",
        ),
        (
            TakesAll,
            [],
            r"^TakesAll takes \*\*options, so nobody knows what .* Name each argument in",
        ),
        (
            Scales,
            [0.5],
            "keeps a Parameter as self.scale, .* write self.scale = scale as well, and",
        ),
        (Drawn, [], r"like the one .*\(with the same weights it gives other answers\)"),
    ],
    ids=["forgets", "changes", "function", "lambda", "module", "anything", "weights", "chance"],
)
def test_a_network_that_could_not_be_built_again(registered, network, arguments, message):
    registered(network)
    with pytest.raises(CourseError, match=message) as refused:
        architecture.describe(network(*arguments))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500  # one paragraph


def test_arguments_of_plain_values_are_kept(registered):
    registered(Asks)
    for value in (None, True, 3, 0.5, "relu", [1, 2], (1, 2), {"a": [1]}):
        assert architecture.describe(Asks(value))["arguments"] == {"activation": value}


def test_arguments_from_numpy_are_kept_as_numbers(registered):
    registered(Asks)
    ((name, value),) = architecture.describe(Asks(np.int64(3)))["arguments"].items()
    assert (name, value, type(value)) == ("activation", 3, int)


def test_a_layer_that_was_put_in_later():
    net = Net()
    net.fc2 = nn.Sequential(net.fc2, nn.Softmax(1))
    with pytest.raises(
        CourseError, match="Another Net .* is not like .* make its layers in __init"
    ):
        architecture.describe(net)
    net = ResidualNet(width=4)
    net.bn.eps = 0.1  # the weights are the same
    with pytest.raises(CourseError, match="with the same weights it gives other answers"):
        architecture.describe(net)


def test_a_network_is_left_as_it_was():
    net = ResidualNet(width=4)
    net.bn.eval()
    before, drawn_next = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    architecture.describe(net)
    assert net.training and not net.bn.training and net.block1.bn1.training
    assert equal(net.state_dict(), before) and torch.equal(torch.get_rng_state(), drawn_next)


def test_a_class_of_pytorch():
    for net in (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), torch.compile(Net())):
        with pytest.raises(
            CourseError, match="is a class of PyTorch: write one of your own .*@reg"
        ):
            architecture.describe(net)


def test_a_network_from_before_its_cell_was_run_again(registered):
    old = registered(own_network())()
    registered(own_network())
    with pytest.raises(CourseError, match="Own was defined anew .* Make the network again"):
        architecture.describe(old)


def test_describing_takes_no_random_numbers():
    net = ResidualNet(width=4)
    before = torch.get_rng_state()
    assert architecture.describe(net) == {
        "network": "ResidualNet",
        "arguments": {"width": 4, "shortcut": True},
    }
    assert torch.equal(torch.get_rng_state(), before)
