"""Answers to the exercises of notebook 3."""

import copy
import math
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from answers import Answers, numbers


def epoch(net, batches, optimizer, order="ECA"):
    """The letters as in the puzzle; the logits and the loss come first."""
    for images, labels in batches:
        loss = F.cross_entropy(net(images), labels)
        for letter in order:
            {"A": optimizer.step, "C": loss.backward, "E": optimizer.zero_grad}[letter]()


def epoch_clearing_first(net, batches, optimizer):
    net.train()
    for batch in batches:
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(batch[0]), batch[1])
        loss.backward()
        optimizer.step()


def epoch_with_losses(net, batches, optimizer):
    losses = []
    for number in range(len(batches)):
        images, labels = batches[number]
        loss = -net(images).log_softmax(1)[range(len(labels)), labels].mean()
        net.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def epoch_by_autograd(net, batches, optimizer):
    for images, labels in batches:
        weights = list(net.parameters())
        gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
        for each, gradient in zip(weights, gradients):
            each.grad = gradient
        optimizer.step()
    return net


def epoch_cleared_once(net, batches, optimizer):
    optimizer.zero_grad()
    epoch(net, batches, optimizer, "CA")


def epoch_clearing_nothing(net, batches, optimizer):
    for images, labels in batches:
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad  # noqa: B018, without parentheses
        loss.backward()
        optimizer.step()


def epoch_of(loss):
    def train(net, batches, optimizer):
        for images, labels in batches:
            optimizer.zero_grad()
            loss(net(images), labels).backward()
            optimizer.step()

    return train


def epoch_stepping_behind_the_loop(net, batches, optimizer):
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()


def epoch_returning_at_once(net, batches, optimizer):
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss


def epoch_without_gradients(net, batches, optimizer):
    with torch.no_grad():
        epoch(net, batches, optimizer)


def epoch_of_pairs(net, batches, optimizer):
    for batch in batches:
        net(batch)


def epoch_with_its_own_optimizer(net, batches, optimizer):
    epoch(net, batches, torch.optim.SGD(net.parameters(), lr=0.01))


def epoch_with_a_copy_of_the_optimizer(net, batches, optimizer):
    epoch(net, batches, torch.optim.SGD(net.parameters(), **optimizer.defaults))


def epoch_by_loop(history):
    best, epoch = -1.0, 0
    for _, row in history.iterrows():
        if row["validation_accuracy"] > best:
            best, epoch = row["validation_accuracy"], row["epoch"]
    return epoch


def epoch_of_highest(column):
    return lambda history: history.loc[history[column].idxmax(), "epoch"]


def cross_entropy_by_loops(logits, labels):
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist()):
        largest = max(row)
        total += largest + math.log(sum(math.exp(z - largest) for z in row)) - row[label]
    return total / len(labels)


def cross_entropy_in_numpy(logits, labels):
    logits, labels = logits.numpy(), labels.numpy()
    shifted = logits - logits.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(logarithms[np.arange(len(labels)), labels])


def cross_entropy_one_hot(logits, labels):
    right = F.one_hot(labels, logits.shape[1])
    return -(right * F.log_softmax(logits, dim=1)).sum() / len(logits)


def one_hot(logits, labels):
    return F.one_hot(labels, logits.shape[1]).to(logits.dtype)


def of_label(values, labels):
    return values[torch.arange(len(labels)), labels]


def of_softmax(logits, labels):
    return -of_label(logits.softmax(dim=1), labels).log().mean()


def by_fraction(logits, labels):
    return -of_label(logits.exp() / logits.exp().sum(dim=1, keepdim=True), labels).log().mean()


def largest_of_all(logits, labels):
    logits = logits - logits.max()
    return (logits.exp().sum(dim=1).log() - of_label(logits, labels)).mean()


def right_loss(logits, labels):
    return logits.logsumexp(dim=1) - of_label(logits, labels)


def overflows_in_math(logits, labels):
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist()):
        total -= math.log(math.exp(row[label]) / sum(map(math.exp, row)))
    return total / len(labels)


ANSWERS = {
    "loop_order": Answers(
        right=[
            "DBECA",
            {"first": "D", "second": "B", "third": "E", "fourth": "C", "fifth": "A"},
            "EDBCA",
            "DEBCA",
            "DBCAE",
            "d, b, e, c, a",
            "D → B → E → C → A",
            ["D", "B", "E", "C", "A"],
            ("E", "D", "B", "C", "A"),
            {1: "D", 2: "B", 3: "E", 4: "C", 5: "A"},
            {5: "A", 4: "C", 3: "B", 2: "D", 1: "E"},
            {"5th": "A", "1st": "D", "2nd": "B", "3rd": "E", "4th": "C"},
            np.array(list("DBECA")),
            pd.Series(list("DBECA")),
        ],
        wrong=[
            ("DBCEA", "E stands between C and A"),
            ("DBEAC", "Which line computes these gradients"),
            ("DBAEC", "Which line computes these gradients"),
            ("ABCDE", "Which line makes them"),
            ("BDECA", "Which line makes them"),
            ("DCBEA", "Which line computes the loss"),
            ("CDBEA", "Which line computes the loss"),
            ("DBCA", "missing: E"),
            ("DB", "missing: A, C, E"),
            ("", "missing: A, B, C, D, E"),
            ("DBECAE", "E is there more than once"),
            ("DBECAF", "There is no line F"),
            ([4, 2, 5, 3, 1], "Give the letters of the lines"),
            ("logits = net(images)", "not the lines"),
            ({1: "D", "2": "B", 3: "E", 4: "C", 5: "A"}, "in one way"),
            (5, "Give the letters of the lines"),
        ],
        same={
            "answer = {'1st': 'D', '2nd': 'E', '3rd': 'B', '4th': 'C', '5th': 'A'}": "E may stand "
            "before B"
        },
    ),
    "train_epoch": Answers(
        right=[
            epoch,
            epoch_clearing_first,
            epoch_with_losses,
            epoch_by_autograd,
            partial(epoch, order="CAE"),
            lambda net, batches, optimizer: [epoch(net, [each], optimizer) for each in batches],
            epoch_of(nn.CrossEntropyLoss(reduction="mean")),
        ],
        wrong=[
            (partial(epoch, order="CA"), "add up from batch to batch"),
            (epoch_cleared_once, "add up from batch to batch"),
            (epoch_clearing_nothing, "add up from batch to batch"),
            (partial(epoch, order="EC"), "The weights are as they were"),
            (partial(epoch, order="EA"), "The weights are as they were"),
            (partial(epoch, order="CEA"), "The weights are as they were"),
            (partial(epoch, order="EAC"), "The weights are as they were"),
            (partial(epoch, order="AEC"), "before backward() could go back"),
            (partial(epoch, order="AC"), "before backward() could go back"),
            (epoch_returning_at_once, "Only the first batch"),
            (epoch_stepping_behind_the_loop, "Only the last batch"),
            (lambda net, batches, o: epoch(net, batches[:-1], o), "The last batch is missing"),
            (lambda *given: [epoch(*given), epoch(*given)], "learned from twice"),
            (lambda net, x, o: (epoch(net, x, o, "C"), o.step()), "one step for the whole epoch"),
            (epoch_of(lambda z, y: F.cross_entropy(z.softmax(1), y)), "Softmax was applied twice"),
            (epoch_of(nn.CrossEntropyLoss(reduction="sum")), "The loss is a sum"),
            (epoch_of(lambda z, y: -F.cross_entropy(z, y)), "The sign"),
            (epoch_of(lambda z, y: F.cross_entropy(y, z)), "The logits come first"),
            (epoch_of(nn.CrossEntropyLoss(reduction="none")), "starts from one number"),
            (epoch_without_gradients, "Inside no_grad"),
            (epoch_of_pairs, "Each batch is a pair"),
            (epoch_with_its_own_optimizer, "makes no step"),
            (epoch_with_a_copy_of_the_optimizer, "makes no step"),
            (lambda net, batches, o: epoch(copy.deepcopy(net), batches, o), "as they were"),
            (lambda net, batches, o: epoch(net, batches[::-1], o), "in the order given"),
            (3, "the function itself"),
        ],
    ),
    "momentum_way": Answers(
        right=[*numbers(0.0561), -0.0561, "-0.0561", 5.61e-2, 0.01 * (1 + 1.9 + 2.71)],
        wrong=[
            (0.03, "without momentum"),
            (0.0271, "So far goes the third step"),
            (0.019, "second step alone"),
            (0.01, "first step alone"),
            (0.029, "two steps"),
            (0.0461, "second and the third"),
            (0.057, "three times the second"),
            (0.0813, "three times the third"),
            (5.61, "the sum of the velocities"),
            (2.71, "the velocity in the third"),
            (0.027, "not the gradient"),
            (0.00561, "added as it is"),
            (0.05049, "not before it"),
            (0.09049, "four steps"),
            (0.056, "rounded too far"),
            (0.5, "Write down the velocity"),
            ([0.01, 0.019, 0.0271], "Give one number"),
        ],
        same={
            "answer, speed = (0.0, 0.0)": "both begin with 0",
            "answer -= 0.01 * speed": "as far, in the other direction",
            "speed = 0.9 * speed - 1": "as far, in the other direction",
        },
    ),
    "choose_epoch": Answers(
        right=[
            epoch_by_loop,
            epoch_of_highest("validation_accuracy"),
            lambda h: h["epoch"].iloc[h["validation_accuracy"].argmax()],
            lambda h: h.sort_values("validation_accuracy")["epoch"].tolist()[-1],
            lambda h: h[h.validation_accuracy == h.validation_accuracy.max()]["epoch"],
            lambda h: h.nlargest(1, "validation_accuracy")["epoch"].item(),
            lambda h: h.epoch.to_numpy()[np.argmax(h.validation_accuracy.to_numpy())],
            lambda h: h.set_index("epoch")["validation_accuracy"].idxmax(),
            lambda h: str(max(zip(h["validation_accuracy"], h["epoch"]))[1]),
            lambda h: torch.tensor(h["epoch"].to_numpy())[
                torch.tensor(h["validation_accuracy"].to_numpy()).argmax()
            ],
        ],
        wrong=[
            (lambda h: h["validation_accuracy"].idxmax(), "position of the row"),
            (lambda h: h["validation_accuracy"].argmax() + 1, "only where the first row"),
            (epoch_of_highest("test_accuracy"), "best epoch on the test set"),
            (epoch_of_highest("train_accuracy"), "its own training images"),
            (lambda h: h["test_accuracy"].argmax(), "best epoch on the test set"),
            (lambda h: h["test_accuracy"].argmax() + 1, "best epoch on the test set"),
            (lambda h: h["train_accuracy"].idxmax() + 1, "its own training images"),
            (
                lambda h: h["epoch"][(h.validation_accuracy + h.test_accuracy).idxmax()],
                "The test set has a say",
            ),
            (
                lambda h: h["epoch"][(h.validation_accuracy + h.train_accuracy).idxmax()],
                "The training images have a say",
            ),
            (lambda h: h["epoch"].max(), "the last epoch"),
            (lambda h: h["epoch"][0], "the first epoch"),
            (lambda h: h["epoch"][h["validation_accuracy"].idxmin()], "lowest validation"),
            (lambda h: h["validation_accuracy"].max(), "That is the accuracy"),
            (lambda h: h.loc[h["validation_accuracy"].idxmax()], "all of it"),
            (
                lambda h: h["epoch"][(h.train_accuracy - h.validation_accuracy).abs().idxmin()],
                "are closest",
            ),
            (lambda h: 3, "Find the row"),
            (lambda h: h["validation"].idxmax(), "a column or a key"),
            (lambda h: h.argmax(), "one column of the table"),
            (lambda h: h, "The shape should be"),
        ],
    ),
    "cross_entropy": Answers(
        right=[
            cross_entropy_by_loops,
            cross_entropy_in_numpy,
            cross_entropy_one_hot,
            lambda z, y: right_loss(z, y).mean(),
            lambda z, y: -of_label(z - torch.logsumexp(z, 1, keepdim=True), y).sum() / len(y),
            lambda z, y: -z.log_softmax(dim=-1).gather(1, y[:, None]).mean().item(),
            lambda z, y: torch.stack([torch.logsumexp(a, 0) - a[b] for a, b in zip(z, y)]).mean(),
            lambda z, y: round(float(right_loss(z, y).double().mean()), 4),
            lambda z, y: cross_entropy_in_numpy(z.float(), y).astype("float32"),
        ],
        wrong=[
            # in place: what it writes does not change the right answer of small logits
            (
                lambda z, y: (z.exp_().sum(1).log() - z[range(len(y)), y].log()).mean(),
                "Right for small logits. For 1000 and 0",
            ),
            (F.cross_entropy, "does all that this exercise"),
            (lambda z, y: nn.CrossEntropyLoss()(z, y), "does all that this exercise"),
            (lambda z, y: F.nll_loss(z.log_softmax(1), y), "does all that this exercise"),
            (lambda z, y: -right_loss(z, y).mean(), "The sign"),
            (lambda z, y: right_loss(z, y).sum(), "the sum over the images"),
            (right_loss, "the loss of each image"),
            (lambda z, y: right_loss(z.softmax(1), y).mean(), "applied twice"),
            (lambda z, y: right_loss(z, z.argmax(1)).mean(), "the largest logit"),
            (lambda z, y: right_loss(z, y).mean() / z.shape[1], "number of classes"),
            (lambda z, y: -of_label(z.exp() / z.exp().sum(), y).log().mean(), "to 1 together"),
            (lambda z, y: -of_label(z.softmax(0), y).log().mean(), "goes over the images"),
            (lambda z, y: -of_label(z.softmax(1), y).mean().log(), "mean of the probabilities f"),
            (lambda z, y: -of_label(z.softmax(1), y).mean(), "its logarithm"),
            (lambda z, y: (1 - of_label(z.softmax(1), y)).mean(), "1 minus the probability"),
            (lambda z, y: -z[:, y].log_softmax(1).mean(), "softmax of its label"),
            (lambda z, y: (z.logsumexp(1)[:, None] - z[:, y]).mean(), "[:, labels] takes"),
            (lambda z, y: -z.log_softmax(1).mean(), "mean over all classes"),
            (lambda z, y: -of_label(z, y).mean(), "the logit of the label"),
            (lambda z, y: right_loss(z, y).mean() / math.log(2), "base 2"),
            (lambda z, y: -of_label(z.softmax(1), y).log10().mean(), "base 10"),
            (lambda z, y: torch.logsumexp(z, 1).mean(), "the sums alone"),
            (lambda z, y: (torch.logsumexp(z, 1) + of_label(z, y)).mean(), "the wrong sign"),
            (lambda z, y: (torch.logsumexp(z, 1) - z[y]).mean(), "A label is a column"),
            (lambda z, y: F.kl_div(z.log_softmax(1), one_hot(z, y)), "does all that this exercise"),
            (lambda z, y: -(one_hot(z, y) * z.softmax(1).log()).sum(1).mean(), "it gives nan"),
            (by_fraction, "it gives nan"),
            (lambda z, y: (z.exp().sum(1).log() - of_label(z, y)).mean(), "it gives inf"),
            (overflows_in_math, "it overflows"),
            (of_softmax, "rounded to 0"),
            (
                lambda z, y: -(of_label(z.softmax(1), y) + 1e-9).log().mean(),
                "added or cut off",
            ),
            (largest_of_all, "a largest logit of its own"),
            (lambda z, y: -math.log(z.softmax(1)[y]), "single numbers"),
            (lambda z, y: 1.0, "softmax of its label"),
        ],
    ),
}
