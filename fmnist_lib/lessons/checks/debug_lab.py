"""The checks of notebook 5, the debug lab."""

import re
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from fmnist_lib.lessons.checks import pretended
from fmnist_lib.lessons.checks.core import Hint, array, call, check, compare, expect

MISTAKES = {  # number of the report → the mistake behind it
    1: "labels",
    2: "device",
    3: "eval",
    4: "softmax",
    5: "zero_grad",
    6: "test set",
}
SYMPTOMS = {
    1: "Report 1: 2.30 is ln 10, the loss of guessing. The rate is good: what is there to learn?",
    2: "Report 2: the message names two places. What is where?",
    3: "Report 3: one network gives another result for the same images. What in it is random?",
    4: "Report 4: all ten answers are right, and yet the loss is far from 0. Which numbers does it "
    "get?",
    5: "Report 5: the loss grows from batch to batch. What adds up there?",
    6: "Report 6: the number is higher than on new images. By which images was it picked?",
}
ELSEWHERE = {  # why a mistake can't be the one behind another report
    "labels": "With wrong labels even the training images can't be told apart.",
    "device": "Two devices always end in an error.",
    "eval": "A forgotten eval() lets each measurement of one network differ a little.",
    "softmax": "A softmax too many keeps the loss over 1.46, however good the answers are.",
    "zero_grad": "Gradients that add up make the steps grow, and the loss with them.",
    "test set": "This mistake needs a number of the test set.",
}


@check(
    "For each report find the piece of code above that had this symptom. Which ends in an error? "
    "In which is the loss that of guessing? Which is about measuring, and not about training?"
)
def diagnosis(answer):
    """Which mistake is behind which report: a dictionary from 1 to 6."""
    given = {
        number: _mistake(text, number)
        for number, text in _by_number(answer).items()
        if number in MISTAKES
    }
    expect(given.keys() == MISTAKES.keys(), "Name a mistake for each of the reports 1 to 6.")
    for mistake in given.values():
        twice = list(given.values()).count(mistake) > 1
        expect(not twice, f"{mistake!r} stands there more than once. Each is behind one report.")
    for number, mistake in sorted(given.items()):
        expect(MISTAKES[number] == mistake, f"{ELSEWHERE[mistake]} {SYMPTOMS[number]}")


def _by_number(answer) -> dict[int | None, object]:
    """The answers by number, from a dictionary in either direction, a list, a text, a series."""
    if isinstance(answer, pd.Series):
        answer = answer.to_dict()
    if isinstance(answer, str):
        answer = re.split("[,;]", answer)
    if isinstance(answer, (list, tuple, np.ndarray)) and len(answer) == len(MISTAKES):
        answer = dict(zip(MISTAKES, answer))
    expect(isinstance(answer, dict), 'Give a dictionary: {1: "…", 2: "…", 3: "…", 4: "…", …}.')
    numbers = {_number(key): value for key, value in answer.items()}
    if numbers.keys() & MISTAKES.keys():
        return numbers
    return {_number(value): key for key, value in answer.items()}


def _number(text) -> int | None:
    """The one number in a text such as "Report 3." or "3"; None where there is none."""
    found = re.findall(r"\d+", str(text))
    return int(found[0]) if len(found) == 1 else None


def _mistake(text, number: int) -> str:
    """The name of a mistake, without regard to case, blanks, hyphens, parentheses."""
    plain = re.sub(r"[\W_]", "", str(text)).lower()
    names = {re.sub(r"[\W_]", "", name): name for name in MISTAKES.values()}
    found = [names[each] for each in names if each in plain or (plain and each.startswith(plain))]
    expect(
        len(found) == 1,
        f"Report {number}: {str(text)[:40]!r} is none of {', '.join(MISTAKES.values())}.",
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
