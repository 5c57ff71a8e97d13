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

from fmnist_lib.lessons.checks import pretended
from fmnist_lib.lessons.checks.core import (
    Hint,
    array,
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

# ------------------------------------------------------------------------------- the debug lab

MISTAKES = {"A": "zero_grad", "B": "eval", "C": "device", "D": "test set"}
SYMPTOMS = {
    "A": "A's loss falls, then grows on and on, at a small rate: what adds up from batch to batch?",
    "B": "In B one network gives another result for the same images each time: what is random?",
    "C": "C ends in a message that names two places: what is where?",
    "D": "D reports more than new images give: by which images was that number picked?",
}
ELSEWHERE = {  # why a mistake can't be the one in another piece of code
    "zero_grad": "Gradients play a part only where backward() is called.",
    "eval": "A forgotten eval() lets each measurement of one network differ a little.",
    "device": "Two devices always end in an error.",
    "test set": "This mistake needs a number of the test set.",
}


@check(
    "Take them one by one. Which runs into an error? Which calls backward()? In which does nothing "
    "change, and yet the result does? The one that is left reports a number."
)
def diagnosis(answer):
    """Which mistake is in which loop of the debug lab: a dictionary from A, B, C, D."""
    given = {
        letter: _mistake(text, letter)
        for letter, text in _by_letter(answer).items()
        if letter in MISTAKES
    }
    expect(given.keys() == MISTAKES.keys(), "Name a mistake for each of A, B, C and D.")
    for mistake in given.values():
        twice = list(given.values()).count(mistake) > 1
        expect(not twice, f"{mistake!r} stands there more than once. Each mistake is in one piece.")
    for letter, mistake in given.items():
        expect(MISTAKES[letter] == mistake, f"{ELSEWHERE[mistake]} {SYMPTOMS[letter]}")


def _by_letter(answer) -> dict[str, object]:
    """The answers by capital letter, from a dictionary in either direction, a list, a series."""
    if isinstance(answer, pd.Series):
        answer = answer.to_dict()
    if isinstance(answer, str):
        answer = re.split("[,;]", answer)
    if isinstance(answer, (list, tuple, np.ndarray)) and len(answer) == len(MISTAKES):
        answer = dict(zip(MISTAKES, answer))
    expect(isinstance(answer, dict), 'Give a dictionary: {"A": "…", "B": "…", "C": "…", "D": "…"}.')
    letters = {_letter(key): value for key, value in answer.items()}
    if letters.keys() & MISTAKES.keys():
        return letters
    return {_letter(value): key for key, value in answer.items()}


def _letter(text) -> str:
    return str(text).strip(" .:)(").upper()


def _mistake(text, letter: str) -> str:
    """The name of a mistake, without regard to case, blanks, hyphens, parentheses."""
    plain = re.sub(r"[\W_]", "", str(text)).lower()
    names = {re.sub(r"[\W_]", "", name): name for name in MISTAKES.values()}
    found = [names[each] for each in names if each in plain or (plain and each.startswith(plain))]
    expect(
        len(found) == 1,
        f"{letter}: {str(text)[:40]!r} is none of {', '.join(MISTAKES.values())}.",
    )
    return found[0]


def _lab(
    count: int, seed: int, dtype: torch.dtype = torch.float32, dropout: float = 0.5
) -> tuple[nn.Module, Tensor, Tensor]:
    """A network like that of the lab, images, and labels of which it knows about two thirds."""
    torch.default_generator.manual_seed(seed)  # set back by `check`; torch's also seeds the GPUs
    layers = nn.Linear(784, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 10)
    net = nn.Sequential(nn.Flatten(), *layers).to(dtype)
    images = torch.randn(count, 1, 28, 28, dtype=dtype)
    known = torch.rand(count) < 0.65
    net.eval()
    labels = torch.where(known, net(images).argmax(dim=1), torch.randint(10, (count,)))
    net.train()  # as a training loop leaves it
    return net, images, labels


TRAININGS = [  # count, seed, dtype, settings of SGD
    (30, 0, torch.float32, {"lr": 0.1}),
    (25, 1, torch.float64, {"lr": 0.05, "momentum": 0.9}),
    (41, 2, torch.float32, {"lr": 0.02}),
]


@check(
    "backward() adds its gradients to those that a weight already has. In each turn of the loop "
    "the optimizer has to forget the old ones: after step(), or at any place before backward()."
)
def repaired_training(function):
    """A function of (net, images, labels, optimizer) that trains for one epoch in batches of 10."""
    stops = {
        "does not require grad": "Inside no_grad or inference_mode nothing is kept for backward().",
        "'NoneType'": "Before the first backward() a weight has no gradient: it is None.",
        "second time": "backward() can go through each loss once only.",
        "object is not callable": "Parentheses stand behind something that is no function.",
    }
    student = partial(call, function, stops=stops, returns=False)
    given = [_trained(student, *case) for case in TRAININGS]
    if not _same_weights(given, _train):
        for wrong, hint in TRAINED_WRONGLY:
            expect(not _same_weights(given, wrong), hint)
        expect(
            all(steps for *_, steps in given),
            "The optimizer that the function is given makes no step. Does another one?",
        )
        raise Hint(
            "The weights differ from those of a correct loop, which takes the batches of train_a "
            "in their order, and makes one step for each."
        )
    for (_, losses, modes, _), case in zip(given, TRAININGS):
        expect(
            all(modes),
            "The weights are right, but the network learned in evaluation mode. Dropout belongs to "
            "training.",
        )
        _, right, *_ = _trained(_train, *case)
        expect(
            _are_losses(losses, right),
            "The weights are right, but the numbers returned are not the losses of the batches. "
            "Is each of them noted, as in train_a?",
        )


def _trained(train: Callable, count: int, seed: int, dtype: torch.dtype, settings: dict):
    """All weights after a training, what it returned, the modes of the network, the steps."""
    net, images, labels = _lab(count, seed, dtype, dropout=0.0)  # the same in both modes
    modes, steps = _modes(net), []
    optimizer = optim.SGD(net.parameters(), **settings)
    optimizer.register_step_post_hook(lambda *given: steps.append(given))
    returned = train(net, images, labels, optimizer)
    weights = nn.utils.parameters_to_vector(net.parameters()).detach()
    return weights, returned, modes, len(steps)


def _modes(net: nn.Module) -> list[bool]:
    """A list that notes at each pass whether the dropout of this network was in training mode."""
    modes = []
    net[3].register_forward_hook(lambda layer, *_: modes.append(layer.training))
    return modes


def _same_weights(given: list, train: Callable) -> bool:
    expected = [_trained(train, *case)[0] for case in TRAININGS]
    return all(
        torch.allclose(weights, right, rtol=1e-3, atol=1e-5)
        for (weights, *_), right in zip(given, expected)
    )


def _are_losses(returned, right: list[float]) -> bool:
    """Whether these are the losses, if they are numbers: nothing or the network is fine, too."""
    try:
        losses = array(returned).reshape(-1)
    except Hint:
        return True
    return losses.numel() == 1 or (
        len(losses) == len(right) and torch.allclose(losses, array(right), rtol=1e-3)
    )


def _train(
    net, images, labels, optimizer, size=10, clear=True, last_step_only=False, of=F.cross_entropy
):
    losses = []
    for batch, targets in zip(images.split(size), labels.split(size)):
        loss = of(net(batch), targets)
        if clear:
            optimizer.zero_grad()
        loss.backward()
        if not last_step_only:
            optimizer.step()
        losses.append(loss.item())
    if last_step_only:
        optimizer.step()
    return losses


TRAINED_WRONGLY = [
    (
        partial(_train, clear=False),
        "Gradients still add up from batch to batch. Are the old ones cleared in each turn of the "
        "loop, by a call with parentheses?",
    ),
    (
        lambda *given: None,
        "The weights are as they were. step() needs the gradients that backward() has just left: "
        "is one of the two missing, or are these cleared in between?",
    ),
    (
        lambda net, images, labels, optimizer: _train(net, images[:10], labels[:10], optimizer),
        "Only the first batch was learned from. Does something end the loop in its first turn?",
    ),
    (
        lambda net, images, labels, optimizer: _train(net, images, labels, optimizer, len(images)),
        "All images went into a single step. train_a cuts them into batches of 10.",
    ),
    (
        partial(_train, clear=False, last_step_only=True),
        "There was one step for the whole epoch. Each batch makes one of its own.",
    ),
    (
        partial(_train, last_step_only=True),
        "There was one step, by the gradients of the last batch. Each batch makes one of its own.",
    ),
    (
        partial(_train, size=1),
        "Each image made a step of its own. train_a cuts them into batches of 10.",
    ),
    (
        lambda net, images, labels, optimizer: _train(
            net, images[: len(images) // 10 * 10], labels, optimizer
        ),
        "The last batch is missing where it is smaller than the others.",
    ),
    (
        lambda *given: (_train(*given), _train(*given)),
        "The images were learned from twice. An epoch is one pass.",
    ),
    (
        partial(_train, of=partial(F.cross_entropy, reduction="sum")),
        "The loss is a sum here, which makes the steps 10 times as long. In train_a it is a mean.",
    ),
    (
        partial(_train, of=lambda logits, labels: F.cross_entropy(logits.softmax(1), labels)),
        "Softmax was applied twice: the loss takes the logits.",
    ),
]


@check(
    "Dropout is part of the network, and two methods of the network switch it: one for training, "
    "one for measuring. inference_mode only saves the work for gradients."
)
def repaired_accuracy(function):
    """A function of (net, images, labels) that gives the accuracy, dropout switched off."""
    stops = {
        "must match": "Predictions and labels are of different lengths. Over which dimension does "
        "argmax go?",
        "Bool": "True and False are no numbers in a tensor; `float()` makes them 1 and 0.",
    }
    net, images, labels = _lab(60, 3)
    modes, results = _modes(net), set()
    for _ in range(8):
        net.train()
        value = call(function, net, images, labels, stops=stops)
        results.add(str(value))
    at_work = modes and modes[-1] and net[3].p > 0
    expect(
        not at_work or len(results) == 1,
        "Eight calls give different results: dropout is still at work. Is it switched off, by a "
        "call with parentheses, before the network sees the images?",
    )
    expect(
        not at_work,
        "The results agree, but dropout is at work: a seed lets it choose the same numbers each "
        "time. What switches it off?",
    )

    def predicted(net, images):
        return net.eval()(images).argmax(dim=1)

    def accuracy(net, images, labels):
        return (predicted(net, images) == labels).double().mean()

    compare(
        function,
        accuracy,
        [_lab(40, 4), _lab(7, 5, torch.float64), _lab(23, 6), _lab(1, 7)],
        [
            (
                lambda net, x, y: accuracy(net, x, y) * len(y),
                "This counts the images that are right. Which share of all are they?",
            ),
            (
                lambda net, x, y: 1 - accuracy(net, x, y),
                "This is the share that is wrong. How large is the share that is right?",
            ),
            (
                lambda net, x, y: predicted(net, x) == y,
                "This says of each image whether it is right. Which share of all are they?",
            ),
            (
                lambda net, x, y: predicted(net, x),
                "These are the predictions. Which share of them agrees with the labels?",
            ),
            (
                lambda net, x, y: (net.eval()(x).argmax() == y).double().mean(),
                "Without a dimension, argmax finds one position in the table of all logits.",
            ),
            (
                lambda net, x, y: F.cross_entropy(net.eval()(x), y),
                "This is the loss. The accuracy is the share of right predictions.",
            ),
            (
                lambda net, x, y: (net.eval()(x).argmin(dim=1) == y).double().mean(),
                "This takes the smallest logit. The prediction is the class with the largest.",
            ),
        ],
        "The results agree from call to call, but they are not the accuracy on these images in "
        "evaluation mode.",
        digits=3,
        stops=stops,
        share=True,
    )


@check(
    "Three steps: take any parameter of the network, ask it for its device, and let the images go "
    "there before the network sees them."
)
def repaired_logits(function):
    """A function of (net, images) that gives the logits, on whatever device the network is."""

    def logits(net, images):
        return net(images.to(next(net.parameters()).device))

    wrong = [
        (
            lambda net, x: logits(net, x).softmax(dim=1),
            "These are the probabilities. Return what the network gives.",
        ),
        (
            lambda net, x: logits(net, x).argmax(dim=1),
            "These are the predicted labels. Return what the network gives.",
        ),
        (lambda net, x: x, "These are the images. Return what the network makes of them."),
    ]
    for device in ("cpu", "cuda:1", "mps:0"):
        given = [_lab(count, seed, dropout=0.0)[:2] for count, seed in ((5, 8), (1, 9))]
        cases = [(pretended.put(net, device), images) for net, images in given]
        with pretended.Devices() as devices:
            try:
                otherwise = "These are not the network's logits of these images."
                compare(function, logits, cases, wrong, otherwise, stops=_of_two_places(device))
            except Hint as hint:
                lost = "and cpu!" in str(hint) and torch.device(device) in devices.sent
                expect(
                    not lost,
                    "The images are sent to the right device, but `to` leaves a tensor where it is "
                    "and returns another one. Which one does the network get?",
                )
                raise
        places = {pretended.place(weights) for net, _ in cases for weights in net.parameters()}
        expect(
            places == {torch.device(device)},
            "This moves the network to another device, and there it stays. Let the images move.",
        )


def _of_two_places(device: str) -> dict[str, str]:
    """What errors mean while the network seems to be on this device: as `call` takes them."""
    return {
        f"{device} and cpu!": "The images are still on the CPU; the check lets the network seem to "
        f"be on {device}. What knows where the network is?",
        "same device": "The images went to a device that was named or guessed; the network seems "
        f"to be on {device} here. Ask the network itself.",
        "generator": "parameters() gives one parameter after the other. Take the first of them.",
        "'Sequential' object": "A network has no device or weights of its own. What is it made of, "
        "that has?",
        "(Sequential)": "A network is no device. What is it made of, that has one?",
        "negative": "Such a number is −1 for the CPU. Ask for the device itself.",
    }


@check(
    "Two steps: the position of the highest validation accuracy, found without a look at the test "
    "accuracies; then the test accuracy at that position."
)
def repaired_choice(function):
    """A function of (validation, test) accuracies by epoch: the test accuracy to report."""

    def best(accuracies: list) -> int:
        return accuracies.index(max(accuracies))

    compare(
        function,
        lambda validation, test: test[best(validation)],
        [
            ([0.70, 0.80, 0.75], [0.71, 0.78, 0.82]),
            ([0.52, 0.66, 0.71, 0.85, 0.83], [0.50, 0.74, 0.69, 0.72, 0.61]),
            ([0.91, 0.40, 0.60, 0.65], [0.62, 0.88, 0.45, 0.81]),
            ([0.30, 0.55, 0.57], [0.33, 0.58, 0.54]),
        ],
        [
            (
                lambda v, t: max(t),
                "That is the highest on the test set, so the test set has chosen it.",
            ),
            (
                lambda v, t: max(v),
                "That is the validation accuracy by which the epoch was chosen, so it is too good. "
                "What did this epoch reach on the test set?",
            ),
            (lambda v, t: t[-1], "That is the last epoch. Which one is best on validation?"),
            (
                lambda v, t: v[-1],
                "That is the last epoch, on validation. Which epoch is best there, and what did it "
                "reach on the test set?",
            ),
            (
                lambda v, t: t[0],
                "That is position 0, the first epoch. Which is best on validation?",
            ),
            (lambda v, t: max(v + t), "That is the highest of both lists. Only one may choose."),
            (
                lambda v, t: v[best(t)],
                "The two lists have changed places: the test set chose, validation is reported.",
            ),
            (
                lambda v, t: t[v.index(min(v))],
                "That is the epoch that is worst on validation.",
            ),
            (
                lambda v, t: best(v),
                "That is a position in the list. Which test accuracy stands there?",
            ),
            (
                lambda v, t: best(v) + 1,
                "That is the number of the epoch. Which test accuracy did it reach?",
            ),
            (
                lambda v, t: sum(t) / len(t),
                "That is the mean over the epochs. One network is kept: that of which epoch?",
            ),
            (
                lambda v, t: t[max(range(len(v)), key=lambda i: v[i] + t[i])],
                "The test set has a say in this choice. Only validation may choose.",
            ),
            (
                lambda v, t: t[best(v) - 1],
                "That is the epoch before the best one. Positions in a list count from 0.",
            ),
        ],
        "Find the epoch that is best on validation; give its test accuracy.",
        digits=3,
        stops={
            "list indices": "A list is asked by a position. `index` gives the position of a value.",
            "is not in list": "It looks for a value in the list in which it does not stand.",
            "'list' object has no": "Lists have `index`, and max(…) takes a list.",
        },
        share=True,
    )


# ------------------------------------------------------------------------------- the exercises


@check(
    "Mean times number of images gives the sum of a batch. Only the last batch may be smaller: it "
    "has what the full batches before it leave. Add up the sums, and divide by all images."
)
def epoch_loss(function):
    """A function of (losses of the batches, images, batch_size): the mean loss of an image."""

    def weighted(losses: list, last: int, batch_size: int) -> float:
        return batch_size * sum(losses[:-1]) + last * losses[-1]

    def left(losses: list, images: int, batch_size: int) -> int:
        return images - batch_size * (len(losses) - 1)

    def right(losses: list, images: int, batch_size: int) -> float:
        return weighted(losses, left(losses, images, batch_size), batch_size) / images

    compare(
        function,
        right,
        [
            ([2.0, 1.25, 0.5], 25, 10),
            ([2.5, 1.5, 0.8, 0.3], 40, 10),  # the last batch is full
            ([1.8, 1.1, 0.9, 0.2, 4.5], 301, 75),  # the last batch is one image
            ([1.5], 4, 10),
            ([2.2, 0.4], 6, 3),
        ],
        [
            (
                lambda losses, n, size: sum(losses) / len(losses),
                "This counts each batch the same. Then an image of a smaller batch counts for more "
                "than another one.",
            ),
            (
                lambda losses, n, size: sum(losses[:-1]) / (len(losses) - 1 or 1),
                "The last batch is left out. Its images count, too.",
            ),
            (
                lambda losses, n, size: size * sum(losses) / n,
                "This takes the last batch as full. How many images are left for it?",
            ),
            (
                lambda losses, n, size: weighted(losses, n % size, size) / n,
                "Right where the last batch is smaller. Where it is full, % gives 0, and it does "
                "not count at all.",
            ),
            (
                lambda losses, n, size: right(losses, n, size) * n,
                "This is the sum over all images. What is the mean?",
            ),
            (
                lambda losses, n, size: right(losses, n, size) * n / len(losses),
                "This divides the sum over all images by the number of batches.",
            ),
            (
                lambda losses, n, size: right(losses, n, size) * n / (size * len(losses)),
                "The sum is right, but divided by more images than there are.",
            ),
            (lambda losses, n, size: sum(losses), "This is the sum of the means of the batches."),
            (
                lambda losses, n, size: sum(losses) / n,
                "Each loss is already a mean over its batch. How many images does each stand for?",
            ),
            (lambda losses, n, size: losses[-1], "This is the last batch alone."),
            (
                lambda losses, n, size: size * sum(losses[:-1]) / n,
                "This leaves the last batch out, but divides by all images.",
            ),
            (
                lambda losses, n, size: weighted(losses, left(losses, n, size) - 1, size) / n,
                "The last batch has one image more than that.",
            ),
        ],
        "How many images does each number in `losses` stand for? So often does it count.",
        digits=3,
        stops={
            "division by zero": "Think of an epoch with a single batch.",
            "'list' object has no": "A list has no mean of its own; sum(…) adds its numbers up.",
            "'list' and": "A list does not calculate number by number. Use a loop, or a tensor.",
            "can't multiply sequence": "A list does not calculate number by number. Use a loop, or "
            "a tensor.",
            "must match": "The number of sizes is not that of the losses.",
            "broadcast": "The number of sizes is not that of the losses.",
        },
    )


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
        "OverflowError": "e^1000 is more than a float can hold.",
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
