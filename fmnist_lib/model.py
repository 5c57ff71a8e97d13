"""The networks: `Net`, the published one, and those of notebook 7.

Each maps images, float [N, 1, 28, 28] as `data.as_input` makes them, to logits, float [N, 10].
"""

import torch.nn.functional as F
from torch import Tensor, nn

from fmnist_lib.data import PIXEL_MEAN, PIXEL_STD
from fmnist_lib.errors import CourseError

NETWORKS: dict[str, type[nn.Module]] = {}  # by name: what a checkpoint can hold


def register(network: type[nn.Module]) -> type[nn.Module]:
    """Make a network known by the name of its class, so that it can be saved and loaded.

    Written as `@register` above it. What its constructor takes, it keeps under the same names.
    Raises CourseError when a network of this module has that name.
    """
    known = NETWORKS.get(network.__name__)
    if known and known.__module__ == __name__ != network.__module__:
        raise CourseError(f"{network.__name__} is a network of the course. Choose another name.")
    NETWORKS[network.__name__] = network
    return network


def build(name: str, **arguments) -> nn.Module:
    """A network with new weights; CourseError when none of that name is registered."""
    if name not in NETWORKS:
        raise CourseError(f"There is no network {name!r}. Known are: {', '.join(NETWORKS)}.")
    return NETWORKS[name](**arguments)


@register
class Net(nn.Module):
    """431,080 parameters. ReLU behind pooling gives the same as before it, with less work."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))  # [N, 20, 12, 12]
        x = F.relu(F.max_pool2d(self.conv2(x), 2))  # [N, 50, 4, 4]
        x = x.flatten(1)  # [N, 800]
        x = F.relu(self.fc1(x))  # [N, 500]
        return self.fc2(x)  # [N, 10]


@register
class RawNet(Net):
    """`Net` on pixels from 0 to 1: it undoes the standardisation of `data.as_input`."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x * PIXEL_STD + PIXEL_MEAN) / 255)


@register
class BatchNormNet(Net):
    """`Net` with batch normalisation before every ReLU, 432,220 parameters."""

    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(20)
        self.bn2 = nn.BatchNorm2d(50)
        self.bn3 = nn.BatchNorm1d(500)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.bn1(self.conv1(x)), 2))
        x = F.relu(F.max_pool2d(self.bn2(self.conv2(x)), 2))
        return self.fc2(F.relu(self.bn3(self.fc1(x.flatten(1)))))


class Block(nn.Module):
    """Two convolutions that learn what to add to their input (He et al. 2015,
    https://arxiv.org/abs/1512.03385): [N, inputs, H, W] → [N, outputs, H / 2, W / 2].

    shortcut: without, they are two plain convolutions, one behind the other.
    """

    def __init__(self, inputs: int, outputs: int, shortcut: bool = True):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        change = F.relu(self.bn1(self.pool(self.conv1(x))))
        change = self.bn2(self.conv2(change))
        return F.relu(self.shortcut(self.pool(x)) + change if self.shortcut else change)


@register
class ResidualNet(nn.Module):
    """A convolution and two residual blocks, 289,130 parameters with a width of 32.

    shortcut: whether its blocks have one.
    """

    def __init__(self, width: int = 32, shortcut: bool = True):
        super().__init__()
        self.width, self.shortcut = width, shortcut
        self.conv = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.block1 = Block(width, 2 * width, shortcut)
        self.block2 = Block(2 * width, 4 * width, shortcut)
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn(F.max_pool2d(self.conv(x), 2)))  # [N, width, 14, 14]
        x = self.block2(self.block1(x))  # [N, 4 · width, 3, 3]
        x = x.amax(dim=(2, 3))  # [N, 4 · width], from wherever in the image
        return self.fc(x)  # [N, 10]
