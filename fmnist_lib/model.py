"""The network of the course."""

import torch.nn.functional as F
from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions, two linear layers, 431,080 parameters.

    Maps images, float [N, 1, 28, 28] as `data.as_input` makes them, to logits, float [N, 10].
    """

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(800, 500)
        self.fc2 = nn.Linear(500, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # [N, 20, 12, 12]
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # [N, 50, 4, 4]
        x = x.flatten(1)  # [N, 800]
        x = F.relu(self.fc1(x))  # [N, 500]
        return self.fc2(x)  # [N, 10]
