"""The checks of notebook 3, Train with SGD."""

import math
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from fmnist_lib.lessons.checks.core import (
    Hint,
    call,
    check,
    compare,
    expect,
    is_close,
    judge_number,
    number,
    of_label,
    without,
)

LINES = {
    "A": "optimizer.step()",
    "B": "loss = F.cross_entropy(logits, labels)",
    "C": "loss.backward()",
    "D": "logits = net(images)",
    "E": "optimizer.zero_grad()",
}


@check(
    "Ask of each line what it needs: the loss needs the logits, backward() needs the loss, step() "
    "needs the gradients. zero_grad() may stand anywhere, but for one place."
)
def loop_order(answer):
    """The five lines of the loop in an order that works: their letters, in any form."""
    letters = _letters(answer)
    wrong = "".join(sorted(set(letters) - LINES.keys()))
    expect(not wrong, f"There is no line {wrong}. The lines are A, B, C, D and E.")
    for letter in LINES:
        expect(letters.count(letter) < 2, f"{letter} is there more than once.")
    missing = ", ".join(sorted(LINES.keys() - set(letters)))
    expect(not missing, f"All five lines are needed; missing: {missing}.")
    place = {letter: letters.index(letter) for letter in LINES}
    expect(place["D"] < place["B"], "B compares the logits with the labels. Which line makes them?")
    expect(place["B"] < place["C"], "C goes back from the loss. Which line computes the loss?")
    expect(
        place["C"] < place["A"],
        "A moves the weights against their gradients. Which line computes these gradients?",
    )
    expect(
        not place["C"] < place["E"] < place["A"],
        "E stands between C and A: it clears the gradients before the step could use them.",
    )


def _letters(answer) -> str:
    """The capital letters of a text, a list or a dictionary by place, in their order."""
    if isinstance(answer, dict):
        try:
            has_numbers = all(re.match(r"\s*\d", str(place)) for place in answer)
            answer = [answer[place] for place in (sorted(answer) if has_numbers else answer)]
        except TypeError:
            raise Hint("Name all places in one way: numbers from 1 to 5, or 1st to 5th.") from None
    if isinstance(answer, (pd.Series, np.ndarray)):
        answer = list(answer)
    parts = answer if isinstance(answer, (list, tuple)) else [answer]
    for part in parts:
        expect(isinstance(part, str), "Give the letters of the lines, such as ABCDE.")
        of_code = any(each.partition("(")[0] in part for each in LINES.values())
        expect(not of_code, "Give the letters of the lines, not the lines.")
    return re.sub(r"[^A-Za-z]", "", "".join(parts)).upper()


EPOCHS_TRAINED = [  # images, batch size, seed, dtype, settings of SGD
    (30, 10, 0, torch.float32, {"lr": 0.1}),
    (25, 10, 1, torch.float64, {"lr": 0.05, "momentum": 0.9}),
    (20, 4, 2, torch.float32, {"lr": 0.2}),
]


@check(
    "A for-loop over the batches; in each turn the five lines of the puzzle, indented alike: "
    "logits, loss, zero_grad(), backward(), step(). The network and the optimizer are given."
)
def train_epoch(function):
    """A function of (net, batches, optimizer) that trains for one epoch."""
    stops = {
        "does not require grad": "Inside no_grad or inference_mode nothing is kept for backward().",
        "'NoneType'": "Before the first backward() a weight has no gradient: it is None.",
        "second time": "backward() can go through each loss once only.",
        "not subscriptable": "Each batch is a pair: for images, labels in batches.",
        "'tuple' object has no": "Each batch is a pair: for images, labels in batches.",
        "too many values to unpack": "Each turn of the loop gets one pair of images and labels.",
        "not implemented for 'Long'": "The logits come first in the loss, then the labels.",
        "implicitly created only": "backward() starts from one number, the mean loss of a batch.",
        "by an inplace operation": "step() has changed the weights before backward() could go back "
        "through them. Which of the two comes first?",
    }
    student = partial(call, function, stops=stops, returns=False)
    given = [_epoch_trained(student, *case) for case in EPOCHS_TRAINED]
    is_trained = _are_trained(given, _train_epoch)
    if not is_trained:
        for wrong, hint in EPOCHS_WRONGLY_TRAINED:
            expect(not _are_trained(given, wrong), hint)
    expect(
        all(steps for _, steps in given),
        "The optimizer that the function is given makes no step. Does another one?",
    )
    expect(
        is_trained,
        "The weights differ from those of a correct loop, which takes each batch once, in the "
        "order given, and makes one step for each.",
    )


def _epoch_trained(train: Callable, count: int, size: int, seed: int, dtype, settings: dict):
    """All weights after a training, and how many steps the optimizer made."""
    torch.default_generator.manual_seed(seed)  # set back by `check`; torch's also seeds the GPUs
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)).to(dtype)
    images, labels = torch.randn(count, 1, 8, 8, dtype=dtype), torch.randint(10, (count,))
    steps, optimizer = [], optim.SGD(net.parameters(), **settings)
    optimizer.register_step_post_hook(lambda *given: steps.append(given))
    train(net, list(zip(images.split(size), labels.split(size))), optimizer)
    return nn.utils.parameters_to_vector(net.parameters()).detach(), len(steps)


def _are_trained(given: list, train: Callable) -> bool:
    expected = [_epoch_trained(train, *case)[0] for case in EPOCHS_TRAINED]
    return all(
        torch.allclose(weights, right, rtol=1e-3, atol=1e-5, equal_nan=True)
        for (weights, _), right in zip(given, expected)
    )


def _train_epoch(net, batches, optimizer, clear=True, step=True, of=F.cross_entropy):
    for images, labels in batches:
        loss = of(net(images), labels)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        if step:
            optimizer.step()


EPOCHS_WRONGLY_TRAINED = [
    (
        partial(_train_epoch, clear=False),
        "Gradients add up from batch to batch. Which line clears the old ones, in each turn of the "
        "loop, by a call with parentheses?",
    ),
    (
        lambda *given: None,
        "The weights are as they were. step() needs the gradients that backward() has just left: "
        "is one of the two missing, or are these cleared in between?",
    ),
    (
        lambda net, batches, optimizer: _train_epoch(net, batches[:1], optimizer),
        "Only the first batch was learned from. Does something end the loop in its first turn?",
    ),
    (
        lambda net, batches, optimizer: _train_epoch(net, batches[-1:], optimizer),
        "Only the last batch was learned from. Which lines have to be inside the loop?",
    ),
    (
        lambda net, batches, optimizer: _train_epoch(net, batches[:-1], optimizer),
        "The last batch is missing.",
    ),
    (
        lambda *given: (_train_epoch(*given), _train_epoch(*given)),
        "The images were learned from twice. An epoch is one pass.",
    ),
    (
        lambda net, batches, optimizer: (
            _train_epoch(net, batches, optimizer, clear=False, step=False),
            optimizer.step(),
        ),
        "There was one step for the whole epoch. Each batch makes one of its own.",
    ),
    (
        partial(_train_epoch, of=lambda logits, labels: F.cross_entropy(logits.softmax(1), labels)),
        "Softmax was applied twice: the loss takes the logits.",
    ),
    (
        partial(_train_epoch, of=partial(F.cross_entropy, reduction="sum")),
        "The loss is a sum here. F.cross_entropy gives the mean of a batch by itself.",
    ),
    (
        partial(_train_epoch, of=lambda logits, labels: -F.cross_entropy(logits, labels)),
        "The sign of the loss: these steps make it larger.",
    ),
]


@check(
    "Write down the velocity after each step: 1 at first, then 0.9 times the last one and 1 more. "
    "Each step moves the weight by 0.01 times its velocity. Add up the three."
)
def momentum_way(answer):
    """How far a weight moves in 3 steps: gradient 1 each time, rate 0.01, momentum 0.9."""
    judge_number(
        abs(number(answer)),  # the weight falls
        0.0561,
        {
            0.056: "Right, but rounded too far. Give four digits after the point.",
            0.03: "That is the way without momentum.",
            0.0271: "So far goes the third step. All three add up, each with its own velocity.",
            0.019: "So far goes the second step alone. How far do all three go?",
            0.01: "So far goes the first step alone. How far do all three go?",
            0.029: "That is the way of two steps. Then comes a third one.",
            0.0461: "That is the second and the third step. The first one moves it, too.",
            0.057: "That is three times the second step. The velocity grows from step to step.",
            0.0813: "That is three times the third step. The velocity grows from step to step.",
            5.61: "That is the sum of the velocities. Each step is the learning rate times one.",
            2.71: "That is the velocity in the third step. How far does the weight move in all?",
            0.027: "The momentum multiplies the velocity of the step before, not the gradient.",
            0.00561: "The gradient is added as it is; only the old velocity is multiplied.",
            0.05049: "The gradient is added after the multiplication by 0.9, not before it.",
            0.09049: "That is the way of four steps.",
        },
        "Write down the velocity after each step, then the way of each step, and add up.",
        digits=4,
    )


@check(
    "Find the row with the highest validation accuracy; `idxmax` of a column gives the label of "
    "that row. Then read the column `epoch` in this row."
)
def choose_epoch(function):
    """A function of a history that gives the number of the epoch to keep."""

    def of_highest(*names: str) -> Callable:
        return lambda h: h["epoch"][h[list(names)].sum(axis=1).idxmax()]

    def position(history: pd.DataFrame, name: str = "validation_accuracy") -> int:
        return int(history[name].argmax())

    def by_another(name: str, hint: str) -> list[tuple]:
        """The epoch in which this column is highest, by its number or by a position."""
        wrong = (
            of_highest(name),
            lambda h: position(h, name),
            lambda h: position(h, name) + 1,
        )
        return [(each, hint) for each in wrong]

    compare(
        function,
        of_highest("validation_accuracy"),
        [(history,) for history in _histories()],
        [
            (
                position,
                "That is the position of the row, counted from 0. Which epoch stands in it?",
            ),
            (
                lambda h: position(h) + 1,
                "That is right only where the first row is epoch 1. What says the column epoch?",
            ),
            *by_another(
                "test_accuracy",
                "That is the best epoch on the test set. If it chooses, it can't judge any more.",
            ),
            *by_another(
                "train_accuracy",
                "The training accuracy only says how well it knows its own training images.",
            ),
            (
                of_highest("validation_accuracy", "test_accuracy"),
                "The test set has a say in this choice. Only one of the splits may choose.",
            ),
            (
                of_highest("train_accuracy", "validation_accuracy"),
                "The training images have a say in this choice, though the network knows them.",
            ),
            (
                lambda h: h["epoch"].iloc[-1],
                "That is the last epoch. It has learned longest; is it best on other images?",
            ),
            (lambda h: h["epoch"].iloc[0], "That is the first epoch of the table."),
            (
                lambda h: h["epoch"][h["validation_accuracy"].idxmin()],
                "That is the epoch with the lowest validation accuracy.",
            ),
            (
                lambda h: h["validation_accuracy"].max(),
                "That is the accuracy. Which epoch has it?",
            ),
            (
                lambda h: h.loc[h["validation_accuracy"].idxmax()],
                "That is the right row, all of it. Which number has its epoch?",
            ),
            (
                lambda h: h["epoch"][
                    (h["train_accuracy"] - h["validation_accuracy"]).abs().idxmin()
                ],
                "That is where training and validation are closest, not where a network is best.",
            ),
        ],
        "Find the row with the highest accuracy of the split that is there to choose; give its "
        "epoch.",
        stops={
            "has no attribute 'argmax'": "Take one column of the table first.",
            "has no attribute 'index'": "A column has `idxmax`.",
        },
    )


def _histories() -> list[pd.DataFrame]:
    """Tables in which each column, and each sum of two, is highest in another row."""
    columns = ["epoch", "train_accuracy", "validation_accuracy", "test_accuracy"]
    short = [
        (1, 0.84, 0.79, 0.78),
        (2, 0.90, 0.86, 0.88),
        (3, 0.95, 0.88, 0.86),
        (4, 0.99, 0.87, 0.84),
    ]
    later = [
        (11, 0.70, 0.69, 0.71),
        (12, 0.80, 0.83, 0.77),
        (13, 0.90, 0.79, 0.80),
        (14, 0.93, 0.72, 0.83),
        (15, 0.91, 0.75, 0.80),
    ]
    falling = [(5, 0.62, 0.66, 0.54), (6, 0.75, 0.60, 0.61), (7, 0.71, 0.50, 0.57)]
    tables = [pd.DataFrame(rows, columns=columns) for rows in (short, later, falling)]
    return [*tables, tables[1].astype("float32")]


@check(
    "ln(a / b) is ln a − ln b, and ln e^z is z: so the loss of an image is the logarithm of a sum, "
    "minus the logit of its label. torch.logsumexp computes the first at any size."
)
def cross_entropy(function):
    """A function of (logits [N, C], labels [N]) that gives the mean cross-entropy."""
    stops = {
        "OverflowError": "e^1000 is a number, but it is larger than any float: it overflows.",
        "only one element": "math takes single numbers; PyTorch has the same function for tensors.",
        "can be converted to Python scalars": "math takes single numbers; PyTorch has the same "
        "function for tensors.",
        "out of bounds": "[labels] alone takes rows, which are images. A label is a column.",
        "shape mismatch": "The positions of the images and the labels are not equally many.",
    }
    with without("cross_entropy", "cross_entropy_loss", "nll_loss", "nll_loss_nd", "kl_div"):
        compare(
            function,
            _loss,
            _logits_and_labels(),
            WRONG_LOSSES,
            "For each image: minus the logarithm of the softmax of its label; then the mean.",
            digits=3,
            stops=stops,
        )
        _expect_large_logits(partial(call, function, stops=stops))


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return -of_label(logits.double().log_softmax(1), labels).mean()


WRONG_LOSSES = [
    (lambda z, y: -_loss(z, y), "The sign: the logarithm of a probability is negative."),
    (
        lambda z, y: _loss(z, y) * len(y),
        "This is the sum over the images. The loss is their mean.",
    ),
    (
        lambda z, y: -of_label(z.log_softmax(1), y),
        "This is the loss of each image. What is the mean?",
    ),
    (
        lambda z, y: _loss(z.softmax(1), y),
        "Softmax was applied twice. The logits need it once.",
    ),
    (
        lambda z, y: _loss(z, z.argmax(1)),
        "This takes the class with the largest logit. Which class is right say the labels.",
    ),
    (
        lambda z, y: _loss(z, y) / z.shape[1],
        "This is divided by the number of classes, too. The mean is over the images only.",
    ),
    (
        lambda z, y: -of_label((z.exp() / z.exp().sum()).log(), y).mean(),
        "Here the probabilities of all images add up to 1 together. Those of each should.",
    ),
    (
        lambda z, y: -of_label(z.log_softmax(0), y).mean(),
        "This softmax goes over the images. It goes over the classes: dimension 1.",
    ),
    (
        lambda z, y: -of_label(z.softmax(1), y).mean().log(),
        "This takes the mean of the probabilities first. The mean comes after the logarithms.",
    ),
    (
        lambda z, y: -of_label(z.softmax(1), y).mean(),
        "This is minus the probability itself. What is missing is its logarithm.",
    ),
    (
        lambda z, y: (1 - of_label(z.softmax(1), y)).mean(),
        "This is 1 minus the probability. The loss takes its logarithm.",
    ),
    (
        lambda z, y: of_label(z.softmax(1), y).mean(),
        "This is the mean of the probabilities. The loss takes their logarithms.",
    ),
    (
        lambda z, y: -of_label(z, y).mean(),
        "This is minus the logit of the label. The sum over the classes is missing.",
    ),
    (
        lambda z, y: (z.logsumexp(1)[:, None] - z[:, y]).mean(),
        "[:, labels] takes the columns of all labels from every image. Take from each image the "
        "one of its own label.",
    ),
    (
        lambda z, y: -z.log_softmax(1).mean(),
        "This is the mean over all classes. Each image has one class that is right.",
    ),
    (
        lambda z, y: _loss(z, y) / math.log(2),
        "This is the logarithm to base 2. The loss takes the natural one.",
    ),
    (
        lambda z, y: _loss(z, y) / math.log(10),
        "This is the logarithm to base 10. The loss takes the natural one.",
    ),
    (
        lambda z, y: z.logsumexp(1).mean(),
        "This is the logarithm of the sums alone. What becomes of the logit of the label?",
    ),
    (
        lambda z, y: (z.logsumexp(1) + of_label(z, y)).mean(),
        "The logit of the label has the wrong sign: ln(a / b) is ln a − ln b.",
    ),
    (
        lambda z, y: (z.exp().sum(1) - of_label(z, y)).mean(),
        "The logarithm of the sum is missing.",
    ),
]


def _logits_and_labels() -> list[tuple[Tensor, Tensor]]:
    """Several sizes and types; not every class is a label, and some logits are equal."""
    random = torch.Generator().manual_seed(0)
    cases = [
        (
            (scale * torch.randn(count, classes, generator=random)).to(dtype),
            torch.randint(classes, (count,), generator=random),
        )
        for count, classes, scale, dtype in (
            (6, 10, 1, torch.float32),
            (4, 3, 2, torch.float64),
            (9, 9, 1, torch.float32),
            (1, 5, 3, torch.float32),
        )
    ]
    return [*cases, (torch.tensor([[-2.0, -2.0, 1.0], [0.5, 0.5, 0.5]]), torch.tensor([1, 1]))]


def _expect_large_logits(student: Callable) -> None:
    """Raise `Hint` unless logits of 1000 give the right loss."""

    def loss(rows: list, labels: list) -> float:
        return number(student(torch.tensor(rows), torch.tensor(labels)))

    small = loss([[1000.0, 0.0]], [0])
    expect(
        is_close(small, 0, 3),
        f"Right for small logits. For 1000 and 0 it gives {small:.4g}: a float makes e^1000 "
        "infinite, or a probability 0. Which number can be taken out of the sum first?",
    )
    large = loss([[1000.0, 0.0]], [1])
    expect(
        large != math.inf,
        "Right for small logits. But the softmax of 0 beside 1000 is rounded to 0, and then its "
        "logarithm is infinite. Can the logarithm be taken without the softmax?",
    )
    expect(
        is_close(large, 1000, 1),
        f"Right for small logits. For 1000 and 0, where the 0 is right, the loss is 1000; yours is "
        f"{large:.4g}. Is something added or cut off, against the logarithm of 0?",
    )
    expect(
        is_close(loss([[1000.0, 0.0], [0.0, 1.0]], [0, 1]), math.log1p(math.exp(-1)) / 2, 4),
        "Right for one image with a logit of 1000. Beside it an image with small logits goes "
        "wrong: each image has a largest logit of its own.",
    )
