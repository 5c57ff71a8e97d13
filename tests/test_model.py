import torch

from fmnist_lib.model import Net

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
    assert torch.allclose(net(x), expected, atol=1e-6)
    assert net(x).shape == (3, 10)


def test_memory_layout_does_not_change_the_answer():
    net, x = Net(), torch.rand(3, 1, 28, 28)
    expected = net(x)
    assert torch.allclose(net.to(memory_format=torch.channels_last)(x), expected, atol=1e-5)
