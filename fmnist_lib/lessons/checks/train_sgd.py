"""The checks of notebook 3, Train with SGD."""

import math

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from fmnist_lib.lessons.checks.core import Unanswered, call, check, expect, number


@check("")
def updates_per_epoch(answer):
    """Updates in an epoch of 55,000 images in batches of 75."""
    updates = number(answer)
    expect(updates != 733, "A few images are left over, and the last batch takes them.")
    expect(updates not in (55_000, 75), "One update for each batch: how many batches are there?")
    expect(updates == 734, "Divide, and do not forget the last, smaller batch.")


@check("")
def cross_entropy(function):
    """A function of (logits [N, C], labels [N]) that gives the mean cross-entropy."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 10, generator=random)
    labels = torch.randint(10, (6,), generator=random)
    loss = number(call(function, logits, labels))
    right = F.cross_entropy(logits, labels).item()

    def is_(value):
        return math.isclose(loss, float(value), rel_tol=1e-4)

    expect(not is_(-right), "Right but for the sign: a logarithm of a probability is negative.")
    expect(not is_(6 * right), "This is the sum over the images; the loss is their mean.")
    expect(
        not is_(F.cross_entropy(logits.softmax(1), labels)),
        "Softmax was applied twice. The logits need it once.",
    )
    expect(
        is_(right),
        "For each image: minus the logarithm of the softmax of its true class, where "
        "logits[i, labels[i]] is the logit; then the mean.",
    )
    large = call(function, torch.tensor([[1000.0, 0.0]]), torch.tensor([1]))
    expect(
        math.isclose(number(large), 1000, rel_tol=1e-3),
        f"Right for small logits, but 1000 and 0 give {number(large)}: e^1000 is too large for a "
        "float. torch.logsumexp, or subtracting the largest logit first, avoids it.",
    )


@check("")
def momentum_way(answer):
    """How far a weight moves in 3 steps: gradient 1 each time, rate 0.01, momentum 0.9."""
    way = abs(number(answer))
    expect(not math.isclose(way, 0.03, rel_tol=1e-3), "That is without momentum.")
    expect(not math.isclose(way, 0.0271, rel_tol=1e-3), "That is the third step. Add the others.")
    expect(
        math.isclose(way, 0.0561, rel_tol=1e-3),
        "Write down the velocity after each step: 1, then 0.9 · 1 + 1, … and the rate times each.",
    )


@check("")
def choose_epoch(function):
    """A function of a history that gives the number of the epoch to keep."""
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3, 4],
            "train_accuracy": [0.80, 0.90, 0.95, 0.99],
            "validation_accuracy": [0.79, 0.86, 0.88, 0.87],
            "test_accuracy": [0.78, 0.88, 0.86, 0.87],
        }
    )
    epoch = number(call(function, history))
    expect(epoch != 4, "The training accuracy only says how well it knows its training images.")
    expect(epoch != 2, "That is the best on the test set or a row's position. Which split chooses?")
    expect(epoch == 3, "Find the row with the highest validation accuracy, and give its epoch.")


MISTAKES = {"A": "zero_grad", "B": "eval", "C": "device", "D": "test set"}


@check("")
def diagnosis(answer):
    """Which mistake is in which loop of the debug lab: a dictionary from A, B, C, D."""
    expect(isinstance(answer, dict), 'Give a dictionary: {"A": "…", "B": "…", "C": "…", "D": "…"}.')
    if any(value is ... for value in answer.values()):
        raise Unanswered
    expect(set(answer) == set(MISTAKES), "Name a mistake for each of A, B, C and D.")
    for mistake in answer.values():
        expect(mistake in MISTAKES.values(), f"{mistake!r} is none of {list(MISTAKES.values())}.")
    symptoms = {
        "A": "a loss that falls and then explodes, though the rate is small: what grows meanwhile?",
        "B": "one network, one set of images, and another result each time: what is random there?",
        "C": "a message about two places: what is where?",
        "D": "what is reported is better than what new images give: how was it chosen?",
    }
    for loop, mistake in MISTAKES.items():
        expect(answer[loop] == mistake, f"{loop} shows {symptoms[loop]}")


def _small_task() -> tuple[nn.Module, Tensor, Tensor]:
    torch.default_generator.manual_seed(0)  # set back by `check`; torch's also seeds the GPUs
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    return net, torch.randn(30, 4), torch.randint(3, (30,))


@check("")
def repaired_training(function):
    """A function of (net, images, labels, optimizer) that trains for one epoch in batches of 10."""
    weights = []
    for train in (function, _train_correctly):
        net, images, labels = _small_task()
        net.eval()  # without dropout both see the same network
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        call(train, net, images, labels, optimizer)
        weights.append(net[0].weight.detach())
    expect(
        torch.allclose(*weights, atol=1e-5),
        "The weights differ from those of a correct loop. PyTorch adds each gradient to the one "
        "that is there: what is missing before backward()?",
    )


def _train_correctly(net, images, labels, optimizer):
    losses = []
    for batch, targets in zip(images.split(10), labels.split(10)):
        loss = F.cross_entropy(net(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@check("")
def repaired_accuracy(function):
    """A function of (net, images, labels) that gives the accuracy, dropout switched off."""
    net, images, labels = _small_task()
    net.eval()
    right = (net(images).argmax(dim=1) == labels).float().mean().item()
    results = set()
    for _ in range(10):
        net.train()  # as a training loop leaves it
        results.add(round(number(call(function, net, images, labels)), 6))
    expect(len(results) == 1, "Ten calls still give different results: dropout is at work.")
    expect(
        results == {round(right, 6)},
        "The results agree, but not with the accuracy of the whole network in evaluation mode.",
    )


@check("")
def repaired_logits(function):
    """A function of (net, images) that gives the logits, on whatever device the network is."""
    net, images, _ = _small_task()
    logits = call(function, net.to("meta"), images)  # a device without memory, on every machine
    expect(
        getattr(logits, "device", None) == torch.device("meta"),
        "The logits should be where the network is. next(net.parameters()).device says where.",
    )


@check("")
def repaired_choice(function):
    """A function of (validation, test) accuracies by epoch: the test accuracy to report."""
    reported = number(call(function, [0.70, 0.80, 0.75], [0.71, 0.78, 0.82]))
    expect(reported != 0.82, "That is the best on the test set, so it was chosen there.")
    expect(reported not in (0.80, 0.75), "Choose on validation, but report the test accuracy.")
    expect(reported == 0.78, "The test accuracy of the epoch that is best on validation.")
