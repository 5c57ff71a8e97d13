import pytest
import torch
import torch.nn.functional as F
from conftest import own_network

from fmnist_lib import model
from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.model import NETWORKS, BatchNormNet, Block, Net, RawNet, ResidualNet, register

PRINTED = """\
Net(
  (conv1): Conv2d(1, 20, kernel_size=(5, 5), stride=(1, 1))
  (conv2): Conv2d(20, 50, kernel_size=(5, 5), stride=(1, 1))
  (fc1): Linear(in_features=800, out_features=500, bias=True)
  (fc2): Linear(in_features=500, out_features=10, bias=True)
)"""


def test_print():
    assert str(Net()) == PRINTED


def test_parameters():
    assert sum(parameter.numel() for parameter in Net().parameters()) == 431_080


def test_forward_is_the_published_sequence():
    net = Net()
    x = torch.rand(3, 1, 28, 28)
    pool = torch.nn.MaxPool2d(2)
    expected = pool(net.conv2(pool(net.conv1(x).relu())).relu())
    expected = net.fc2(net.fc1(expected.reshape(3, 800)).relu())
    # `Net` has ReLU behind pooling: the same numbers, and a tenth of an epoch's time less.
    assert torch.allclose(net(x), expected, atol=1e-6)
    assert net(x).shape == (3, 10)


def test_memory_layout_does_not_change_the_answer():
    net, x = Net(), torch.rand(3, 1, 28, 28)
    expected = net(x)
    assert torch.allclose(net.to(memory_format=torch.channels_last)(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("net", "count"),
    [(BatchNormNet(), 432_220), (ResidualNet(), 289_130), (ResidualNet(width=128), 4_597_130)],
    ids=["BatchNormNet", "ResidualNet", "ResidualNet, width 128"],
)
def test_better_networks(net, count):
    assert sum(parameter.numel() for parameter in net.parameters()) == count
    assert f"{count:,} parameters" in net.__doc__ or net.width == 128
    assert net(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_raw_net_sees_pixels_from_0_to_1():
    torch.manual_seed(0)
    plain, net = Net(), RawNet()
    net.load_state_dict(plain.state_dict())
    images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    assert torch.allclose(net(as_input(images)), plain(images[:, None] / 255), atol=1e-5)


def test_without_normalisation_batch_norm_net_is_net():
    plain, net = Net(), BatchNormNet().eval()  # as made, a layer in evaluation mode divides by 1
    net.load_state_dict(plain.state_dict(), strict=False)
    x = torch.rand(3, 1, 28, 28)
    assert torch.allclose(net(x), plain(x), atol=1e-4)


def test_a_block_adds_to_its_input():
    block, x = Block(4, 6).eval(), torch.rand(2, 4, 14, 14)
    torch.nn.init.zeros_(block.conv2.weight)  # nothing to add
    assert torch.allclose(block(x), block.shortcut(F.max_pool2d(x, 2)).relu())


def test_a_block_without_a_shortcut_has_nothing_to_add_to():
    block, x = Block(4, 6, shortcut=False).eval(), torch.rand(2, 4, 14, 14)
    assert block(x).shape == Block(4, 6)(x).shape == (2, 6, 7, 7)
    torch.nn.init.zeros_(block.conv2.weight)
    assert not block(x).any()
    twins = [ResidualNet(shortcut=shortcut) for shortcut in (True, False)]
    sizes = [sum(weights.numel() for weights in net.parameters()) for net in twins]
    assert sizes == [289_130, 289_130 - 32 * 64 - 64 * 128]  # the 1 × 1 convolutions
    assert twins[1](torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_width_of_a_residual_net():
    net = ResidualNet(width=8)
    assert net(torch.rand(2, 1, 28, 28)).shape == (2, 10) and net.fc.in_features == 32


def test_networks_are_built_by_name():
    assert {"Net", "RawNet", "BatchNormNet", "ResidualNet"} <= model.NETWORKS.keys()
    assert type(model.build("RawNet")) is RawNet
    assert model.build("ResidualNet", width=8).fc.in_features == 32
    with pytest.raises(CourseError, match="no network 'LeNet5'. Known are: Net, RawNet, "):
        model.build("LeNet5")


def test_register_gives_the_class_back(monkeypatch):
    monkeypatch.setattr(model, "NETWORKS", {})

    class Own(Net):
        pass

    assert model.register(Own) is Own and model.NETWORKS == {"Own": Own}


def test_a_network_of_the_course_keeps_its_name():
    with pytest.raises(CourseError, match="^Net is a network of the course. Choose another name"):
        register(type("Net", (own_network(),), {"__module__": "__main__"}))
    assert NETWORKS["Net"] is Net
    register(Net)  # as when its module is loaded again
