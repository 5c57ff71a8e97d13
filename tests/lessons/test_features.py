"""The features of a network, the map of them, and which pixels an answer depends on."""

import pytest
import torch
from conftest import PUBLISHED_NETWORKS
from torch import nn

from fmnist_lib import evaluate
from fmnist_lib.data import PIXEL_STD, as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import features, saliency
from fmnist_lib.model import NETWORKS, Net


@pytest.mark.parametrize("name", PUBLISHED_NETWORKS)
def test_the_features_are_what_the_last_layer_is_given(name, drawn):
    network, images = NETWORKS[name]().eval(), drawn[1].images[:7]
    found = features.of_last_layer(network, images)
    last = network.fc if name == "ResidualNet" else network.fc2
    assert found.shape == (7, last.in_features) and found.dtype == torch.float32
    assert torch.allclose(last(found), network(as_input(images)), atol=1e-4)
    assert not last._forward_hooks


def test_networks_without_features(drawn):
    class Unused(Net):
        def __init__(self):
            super().__init__()
            self.spare = nn.Linear(3, 3)

    convolution = nn.Sequential(nn.Conv2d(1, 10, 28), nn.Flatten())
    for network, message in ((convolution, "no nn.Linear"), (Unused(), "does not use the last")):
        with pytest.raises(CourseError, match=message):
            features.of_last_layer(network, drawn[1].images[:2])


def test_a_plane_shows_the_two_largest_variances():
    random = torch.Generator().manual_seed(0)
    values = torch.randn(2000, 5, generator=random) * torch.tensor([1.0, 4, 1, 2, 0.1]) + 7
    places, share = features.plane(values)
    assert places.shape == (2000, 2) and share == pytest.approx(20 / 22, abs=0.02)
    assert places.mean(dim=0).abs().max() < 1e-3
    assert places.std(dim=0).tolist() == pytest.approx([4, 2], rel=0.05)


@pytest.mark.parametrize("name", ["Net", "ResidualNet"])
def test_the_gradient_is_the_slope_of_the_logit(name, drawn):
    torch.manual_seed(0)
    network = NETWORKS[name]().double()
    images, labels = drawn[1].images[:2], torch.tensor([3, 5])

    def logit(pixels):
        return network(as_input(pixels.double()).double()).gather(1, labels[:, None])[:, 0]

    class InDouble(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network

        def forward(self, x):
            return self.inner(x.double())

    found = saliency.gradient(InDouble(), images, labels)
    assert found.shape == (2, 28, 28) and all(p.grad is None for p in network.parameters())
    for row, column in ((14, 14), (5, 20)):
        more = images.double().clone()
        more[:, row, column] += 0.01
        with torch.no_grad():
            slope = (logit(more) - logit(images)) / 0.01
        assert torch.allclose(found[:, row, column].double(), slope, rtol=0.05, atol=1e-4)


def test_a_linear_network_has_its_weights_as_gradient(drawn):
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    found = saliency.gradient(network, drawn[1].images[:3], torch.tensor([1, 1, 4]))
    weights = network[1].weight.detach().view(10, 28, 28) / PIXEL_STD
    assert torch.allclose(found, weights[torch.tensor([1, 1, 4])], atol=1e-6)


def test_an_untrained_network_has_other_weights():
    torch.manual_seed(0)
    network, before = Net(), torch.get_rng_state()
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    one, same, other = (saliency.untrained(network, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.fc1.weight, same.fc1.weight)
    assert not torch.equal(one.fc1.weight, other.fc1.weight)
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    assert not torch.equal(one.fc1.weight, network.fc1.weight)


class Top(nn.Module):
    """Sure of class 1 as long as pixel (0, 0) has ink."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(10.0))

    def forward(self, x):
        ink = (x[:, 0, 0, 0] > 0) * 2.0 - 1
        return torch.stack([-self.weight * ink, self.weight * ink], dim=1)


def test_the_probability_falls_without_the_pixels_that_count():
    images = torch.full((2, 28, 28), 200, dtype=torch.uint8)
    images[:, 14:] = 0
    labels, maps = torch.tensor([1, 1]), torch.zeros(2, 28, 28)
    maps[0, 0, 0] = 1  # the pixel that counts
    maps[1, 3, 3] = 1  # another one
    maps[:, 20, 20] = 5  # background: not part of the garment
    falls = saliency.fall(Top(), images, labels, maps, pixels=1)
    assert falls.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert images[0, 0, 0] == 200  # the images stay
    assert evaluate.predict(Top(), images)[:, 1].tolist() == pytest.approx([1, 1])
