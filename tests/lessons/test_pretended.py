"""Pretended devices: code that moves tensors sees what it would see with a GPU."""

import pytest
import torch
from torch import nn

from fmnist_lib.lessons.checks import pretended

MOVES = {
    "a text": lambda x, net: x.to("cuda:1"),
    "a device": lambda x, net: x.to(torch.device("cuda:1"), non_blocking=True),
    "by name": lambda x, net: x.to(device="cuda:1", dtype=torch.float64),
    "a number": lambda x, net: x.cuda(1),
    "another tensor": lambda x, net: x.to(net.weight),
    "its type": lambda x, net: x.type_as(net.weight),
    "a new one": lambda x, net: torch.as_tensor(x, device="cuda:1"),
    "its numbers": lambda x, net: torch.tensor(x.tolist(), device=net.weight.device),
    "like it": lambda x, net: torch.empty_like(x, device="cuda:1").copy_(x),
    "and what is made of it": lambda x, net: torch.stack([*x.to("cuda:1")]).flip(0).add_(1),
}


@pytest.fixture
def net():
    return pretended.put(nn.Linear(4, 3), "cuda:1")


@pytest.mark.parametrize("way", MOVES)
def test_a_tensor_goes_where_it_is_sent(way, net):
    images = torch.ones(2, 4)
    with pretended.Devices():
        moved = MOVES[way](images, net)
        assert moved.device == torch.device("cuda:1") and moved.is_cuda and not moved.is_cpu
        assert images.device == torch.device("cpu") and images.is_cpu
        assert moved.cpu().device == torch.device("cpu") and moved.get_device() == 1
        assert net(moved.float()).shape == (2, 3)
    assert torch.ones(1).device == torch.device("cpu")


def test_a_tensor_that_is_there_stays_itself():
    images = torch.ones(2, 4)
    with pretended.Devices():
        assert images.to("cpu") is images.cpu() is images
        moved = images.to("cuda")
        assert moved.to("cuda:0") is moved


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps", "meta"])
def test_two_places_stop_as_in_pytorch(device, net):
    with pretended.Devices(), pytest.raises(RuntimeError, match="found at least two devices"):
        net(torch.ones(2, 4).to(device))


def test_a_single_number_goes_with_any_device(net):
    with pretended.Devices():
        assert (net.weight * torch.tensor(2.0)).device == torch.device("cuda:1")


@pytest.mark.parametrize("move", [lambda net: net.cpu(), lambda net: net.to("cpu")])
def test_a_network_can_be_moved(move, net):
    with pretended.Devices():
        assert move(net)(torch.ones(2, 4)).device == torch.device("cpu")
    assert {pretended.place(weights) for weights in net.parameters()} == {torch.device("cpu")}
