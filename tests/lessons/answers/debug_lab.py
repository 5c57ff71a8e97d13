"""Answers to the exercises of notebook 5."""

import copy
from functools import partial

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from answers import Answers

# ------------------------------------------------------------------------------- the diagnosis

RIGHT = {1: "labels", 2: "device", 3: "eval", 4: "softmax", 5: "zero_grad", 6: "test set"}


OTHER_DOTS = [  # the first line of the stored solution with another number
    f"answer = {{{', '.join(f'{each + (each == number)}: ...' for each in RIGHT)}}}"
    for number in RIGHT
]


def other(changed):
    return RIGHT | changed


# -------------------------------------------------------------------------------- cures of A


def loop(net, images, labels, optimizer, clear=None, size=10):
    losses = []
    for batch, targets in zip(images.split(size), labels.split(size)):
        loss = F.cross_entropy(net(batch), targets)
        if clear:
            clear(net, optimizer)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


cleared = partial(loop, clear=lambda net, optimizer: optimizer.zero_grad())


def begins_with_train(net, images, labels, optimizer):
    net.train()
    return cleared(net, images, labels, optimizer)


def returns_nothing(net, images, labels, optimizer):
    cleared(net, images, labels, optimizer)


def clears_after_step(net, images, labels, optimizer):
    losses = []
    for start in range(0, len(images), 10):
        loss = nn.CrossEntropyLoss()(net(images[start : start + 10]), labels[start : start + 10])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses += [loss.detach()]
    return torch.stack(losses)


def clears_by_hand(net, images, labels, optimizer):
    total = 0.0
    for batch, targets in zip(images.split(10), labels.split(10)):
        for weights in net.parameters():
            weights.grad = None
        loss = F.cross_entropy(net(batch), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(images)


def gradients_of_autograd(net, images, labels, optimizer):
    for batch, targets in zip(images.split(10), labels.split(10)):
        loss = -net(batch).log_softmax(1)[range(len(targets)), targets].mean()
        weights = list(net.parameters())
        for each, gradient in zip(weights, torch.autograd.grad(loss, weights)):
            each.grad = gradient
        optimizer.step()
    return net


def by_closures(net, images, labels, optimizer):
    data = torch.utils.data.TensorDataset(images, labels)
    for batch, targets in torch.utils.data.DataLoader(data, 10):

        def loss_and_gradients():
            optimizer.zero_grad()
            loss = F.cross_entropy(net(batch), targets)  # noqa: B023
            loss.backward()
            return loss

        optimizer.step(loss_and_gradients)


def clears_before_the_loop(net, images, labels, optimizer):
    optimizer.zero_grad()
    return loop(net, images, labels, optimizer)


def without_parentheses(net, images, labels, optimizer):
    return loop(net, images, labels, optimizer, lambda net, optimizer: optimizer.zero_grad)


def clears_before_step(net, images, labels, optimizer):
    for batch, targets in zip(images.split(10), labels.split(10)):
        F.cross_entropy(net(batch), targets).backward()
        optimizer.zero_grad()
        optimizer.step()


def without_step(net, images, labels, optimizer):
    for batch, targets in zip(images.split(10), labels.split(10)):
        optimizer.zero_grad()
        F.cross_entropy(net(batch), targets).backward()


def returns_in_the_loop(net, images, labels, optimizer):
    losses = []
    for batch, targets in zip(images.split(10), labels.split(10)):
        loss = F.cross_entropy(net(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        return losses


def one_step(net, images, labels, optimizer, clear):
    optimizer.zero_grad()
    for batch, targets in zip(images.split(10), labels.split(10)):
        if clear:
            optimizer.zero_grad()
        F.cross_entropy(net(batch), targets).backward()
    optimizer.step()


def in_evaluation_mode(net, images, labels, optimizer):
    net.eval()
    return cleared(net, images, labels, optimizer)


def notes_nothing(net, images, labels, optimizer):
    cleared(net, images, labels, optimizer)
    return []


def with_its_own_optimizer(net, images, labels, optimizer):
    return cleared(net, images, labels, torch.optim.SGD(net.parameters(), lr=0.01))


def of_summed_loss(net, images, labels, optimizer):
    for batch, targets in zip(images.split(10), labels.split(10)):
        optimizer.zero_grad()
        F.cross_entropy(net(batch), targets, reduction="sum").backward()
        optimizer.step()


def of_probabilities(net, images, labels, optimizer):
    return cleared(nn.Sequential(net, nn.Softmax(dim=1)), images, labels, optimizer)


def trains_a_copy(net, images, labels, optimizer):
    return cleared(copy.deepcopy(net), images, labels, optimizer)


def without_gradients(net, images, labels, optimizer):
    with torch.no_grad():
        return cleared(net, images, labels, optimizer)


def zeroes_what_is_not_there(net, images, labels, optimizer):
    def zero(net, optimizer):
        for weights in net.parameters():
            weights.grad.zero_()

    return loop(net, images, labels, optimizer, zero)


def shuffles(net, images, labels, optimizer):
    order = torch.randperm(len(images))
    return cleared(net, images[order], labels[order], optimizer)


# -------------------------------------------------------------------------------- cures of B


def share(net, images, labels):
    return (net(images).argmax(dim=1) == labels).float().mean().item()


def accuracy(net, images, labels):
    net.eval()
    return share(net, images, labels)


def accuracy_in_numpy(net, images, labels):
    net.eval()
    with torch.no_grad():
        predicted = net(images).numpy().argmax(axis=1)
    return np.mean(predicted == labels.numpy())


def accuracy_by_loop(net, images, labels):
    net.eval()
    right = 0
    for i in range(len(images)):
        right += int(net(images[i : i + 1]).argmax()) == int(labels[i])
    return right / len(labels)


def accuracy_and_back(net, images, labels):
    net.train(False)
    result = share(net, images, labels)
    net.train()
    return torch.tensor([result])


def accuracy_of_a_copy(net, images, labels):
    return pd.Series([share(copy.deepcopy(net).eval(), images, labels)])


def accuracy_without_dropout(net, images, labels):
    for layer in net:
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    return share(net, images, labels)


def too_late(net, images, labels):
    result = share(net, images, labels)
    net.eval()
    return result


def seeded(net, images, labels):
    torch.manual_seed(0)
    return share(net, images, labels)


def only_without_gradients(net, images, labels):
    with torch.inference_mode():
        return share(net, images, labels)


def mean_of_many(net, images, labels):
    return np.mean([share(net, images, labels) for _ in range(20)])


def returns_no_accuracy(net, images, labels):
    accuracy(net, images, labels)


def predicted(net, images):
    return net.eval()(images).argmax(dim=1)


# -------------------------------------------------------------------------------- cures of C


def to_the_device(net, images):
    return net(images.to(next(net.parameters()).device))


def to_the_first_layer(net, images):
    return net(images.to(net[1].weight.device, non_blocking=True))


def to_a_parameter(net, images):
    net.eval()
    with torch.inference_mode():
        return net(images.to(list(net.parameters())[0]))


def by_its_state(net, images):
    place = str(next(iter(net.state_dict().values())).device)
    return torch.cat([net(image[None].to(device=place)) for image in images])


def and_back(net, images):
    return net(torch.as_tensor(images, device=net[4].bias.device)).cpu()


def if_it_is_elsewhere(net, images):
    device = {weights.device for weights in net.parameters()}.pop()
    if images.device != device:
        images = images.to(device, torch.float32)
    return net(images).detach().cpu().numpy()


def in_a_new_tensor(net, images):
    weights = next(net.parameters())
    return net(torch.empty(images.shape, device=weights.device).copy_(images)).tolist()


def on_a_gpu_or_not(net, images):
    return net(images.cuda() if next(net.parameters()).is_cuda else images)


def tried(net, images):
    try:
        return net(images)
    except RuntimeError:
        return net(images.to("cuda:1"))


def moves_the_network(net, images):
    return net.to(images.device)(images)


# -------------------------------------------------------------------------------- cures of D


def choice_by_loop(validation, test):
    best, reported = -1, None
    for one, other in zip(validation, test):
        if one > best:
            best, reported = one, other
    return reported


def best_of(accuracies):
    return accuracies.index(max(accuracies))


ANSWERS = {
    "diagnosis": Answers(
        right=[
            RIGHT,
            {str(number): mistake.upper() for number, mistake in RIGHT.items()},
            {
                1: "Labels (shuffled)",
                2: "devices",
                3: "net.eval()",
                4: "nn.Softmax",
                5: "optimizer.zero_grad()",
                6: "test-set",
            },
            {6: "test", 5: "zero grad", 4: " softmax ", 3: "eval", 2: "device", 1: "label"},
            list(RIGHT.values()),
            tuple(RIGHT.values()),
            {mistake: number for number, mistake in RIGHT.items()},
            pd.Series(RIGHT),
            {f"Report {number}.": mistake for number, mistake in RIGHT.items()},
            {number: [mistake] for number, mistake in RIGHT.items()},
            np.array(list(RIGHT.values())),
            "labels, device, eval, softmax, zero_grad, test set",
        ],
        wrong=[
            (other({1: "softmax", 4: "labels"}), "the loss of guessing"),
            (other({1: "softmax", 4: "labels"}), "over 1.46"),
            (other({1: "zero_grad", 5: "labels"}), "make the steps grow"),
            (other({2: "eval", 3: "device"}), "names two places"),
            (other({3: "test set", 6: "eval"}), "What in it is random"),
            (other({3: "test set", 6: "eval"}), "needs a number of the test set"),
            (other({4: "zero_grad", 5: "softmax"}), "Which numbers does it get"),
            (other({5: "test set", 6: "zero_grad"}), "What adds up there"),
            (other({5: "device", 2: "zero_grad"}), "make the steps grow"),
            (other({4: "device", 2: "softmax"}), "over 1.46"),
            (other({1: "eval"}), "'eval' stands there more than once"),
            (dict.fromkeys(RIGHT, "device"), "more than once"),
            ({1: "labels", 2: "device"}, "each of the reports 1 to 6"),
            (other({6: "luck"}), "Report 6: 'luck' is none of"),
            (other({2: ""}), "Report 2: '' is none of"),
            (["labels", "eval"], "Give a dictionary"),
            ("zero_grad", "Give a dictionary"),
            (set(RIGHT.values()), "Give a dictionary"),
        ],
        same=dict.fromkeys(OTHER_DOTS, "the dots are no answer"),
    ),
    "repaired_training": Answers(
        right=[
            cleared,
            begins_with_train,
            returns_nothing,
            clears_after_step,
            clears_by_hand,
            gradients_of_autograd,
            by_closures,
            partial(loop, clear=lambda net, optimizer: net.zero_grad()),
            partial(loop, clear=lambda net, optimizer: optimizer.zero_grad(set_to_none=False)),
        ],
        wrong=[
            (loop, "still add up"),
            (clears_before_the_loop, "still add up"),
            (without_parentheses, "still add up"),
            (clears_before_step, "The weights are as they were"),
            (without_step, "The weights are as they were"),
            (returns_in_the_loop, "Only the first batch"),
            (lambda net, x, y, o: cleared(net, x, y, o, size=len(x)), "single step"),
            (partial(one_step, clear=False), "one step for the whole epoch"),
            (partial(one_step, clear=True), "by the gradients of the last batch"),
            (partial(cleared, size=5), "The weights differ"),
            (shuffles, "in their order"),
            (partial(cleared, size=1), "Each image made a step"),
            (lambda net, x, y, o: cleared(net, x[: len(x) // 10 * 10], y, o), "last batch is miss"),
            (lambda *given: [cleared(*given), cleared(*given)], "learned from twice"),
            (with_its_own_optimizer, "makes no step"),
            (of_summed_loss, "The loss is a sum"),
            (of_probabilities, "Softmax was applied twice"),
            (trains_a_copy, "The weights are as they were"),
            (in_evaluation_mode, "in evaluation mode"),
            (notes_nothing, "the numbers returned"),
            (lambda *given: [-each for each in cleared(*given)], "the numbers returned"),
            (without_gradients, "Inside no_grad"),
            (zeroes_what_is_not_there, "it is None"),
            (lambda net, x, y: None, "another number"),
            (3, "the function itself"),
        ],
        same={"without return losses": "the network learns the same; nothing need be returned"},
    ),
    "repaired_accuracy": Answers(
        right=[
            accuracy,
            accuracy_in_numpy,
            accuracy_by_loop,
            accuracy_and_back,
            accuracy_of_a_copy,
            accuracy_without_dropout,
            lambda *given: 100 * accuracy(*given),
            lambda *given: round(accuracy(*given), 3),
            lambda *given: f"{accuracy(*given):.4f}",
            lambda *given: f"{accuracy(*given):.2%}",
        ],
        wrong=[
            (share, "different results"),
            (too_late, "different results"),
            (only_without_gradients, "different results"),
            (mean_of_many, "different results"),
            (lambda net, x, y: (net.train(), share(net, x, y))[1], "different results"),
            (lambda net, x, y: (net.eval, share(net, x, y))[1], "different results"),
            (seeded, "a seed lets it choose"),
            (lambda net, x, y: accuracy(net, x, y) * len(y), "counts the images"),
            (lambda net, x, y: 1 - accuracy(net, x, y), "share that is wrong"),
            (lambda net, x, y: predicted(net, x) == y, "whether it is right"),
            (lambda net, x, y: predicted(net, x), "These are the predictions"),
            (lambda net, x, y: F.cross_entropy(net.eval()(x), y), "This is the loss"),
            (lambda net, x, y: (net.eval()(x).argmin(1) == y).float().mean(), "smallest logit"),
            (lambda net, x, y: (net.eval()(x).argmax(0) == y).float().mean(), "Over which"),
            (lambda net, x, y: (net.eval()(x).argmax() == y).float().mean(), "Without a dimension"),
            (lambda net, x, y: (predicted(net, x) == y).mean(), "are no numbers"),
            (lambda *given: 100 - 100 * accuracy(*given), "share that is wrong"),
            (lambda net, x, y: 0.7, "they are not the accuracy"),
            (returns_no_accuracy, "returns nothing"),
        ],
    ),
    "repaired_logits": Answers(
        right=[
            to_the_device,
            to_the_first_layer,
            to_a_parameter,
            by_its_state,
            and_back,
            if_it_is_elsewhere,
            in_a_new_tensor,
            lambda net, x: net.forward(x.type_as(next(net.parameters()))),
        ],
        wrong=[
            (lambda net, x: net(x), "still on the CPU"),
            (lambda net, x: net(x.cpu()), "still on the CPU"),
            (lambda net, x: net(x.to(x.device)), "still on the CPU"),
            (lambda net, x: net(x.to("meta")), "named or guessed"),
            (lambda net, x: net(x.to("cuda")), "named or guessed"),
            (lambda net, x: net(x.cuda()), "named or guessed"),
            (on_a_gpu_or_not, "named or guessed"),
            (tried, "named or guessed"),
            (lambda net, x: (x.to(net[1].weight.device), net(x))[1], "returns another one"),
            (lambda net, x: net(x.to(net.weight.device)), "A network has no device or weights"),
            (lambda net, x: net(x.to(net)), "A network is no device"),
            (lambda net, x: net(x.to(net[1].weight.get_device())), "−1 for the CPU"),
            (moves_the_network, "moves the network"),
            (lambda net, x: net.cpu()(x), "moves the network"),
            (lambda net, x: net(x.to(net.device)), "A network has no device"),
            (lambda net, x: net(x.to(net.parameters().device)), "one parameter after the other"),
            (lambda net, x: to_the_device(net, x).softmax(1), "the probabilities"),
            (lambda net, x: to_the_device(net, x).argmax(1), "the predicted labels"),
            (lambda net, x: x.to(next(net.parameters()).device), "the images"),
            (lambda net, x: torch.zeros(len(x), 10), "not the network's logits"),
            (lambda net, x: (to_the_device(net, x), None)[1], "returns nothing"),
        ],
    ),
    "repaired_choice": Answers(
        right=[
            choice_by_loop,
            lambda v, t: t[best_of(v)],
            lambda v, t: t[int(np.argmax(v))],
            lambda v, t: torch.tensor(t)[torch.tensor(v).argmax()],
            lambda v, t: np.array(t, dtype="float32")[np.array(v) == max(v)],
            lambda v, t: pd.Series(t)[pd.Series(v).idxmax()],
            lambda v, t: max(zip(v, t))[1],
            lambda v, t: f"{t[best_of(v)]:.2f}",
            lambda v, t: 100 * t[best_of(v)],
        ],
        wrong=[
            (lambda v, t: max(t), "highest on the test set"),
            (lambda v, t: max(v), "by which the epoch was chosen"),
            (lambda v, t: t[-1], "the last epoch. Which one"),
            (lambda v, t: v[-1], "the last epoch, on validation"),
            (lambda v, t: t[0], "the first epoch"),
            (lambda v, t: max(v + t), "highest of both"),
            (lambda v, t: v[best_of(t)], "changed places"),
            (lambda v, t: t[v.index(min(v))], "worst on validation"),
            (lambda v, t: best_of(v), "a position"),
            (lambda v, t: best_of(v) + 1, "the number of the epoch"),
            (lambda v, t: np.mean(t), "the mean over the epochs"),
            (lambda v, t: np.array(t)[(np.array(v) + t).argmax()], "has a say"),
            (lambda v, t: t[best_of(v) - 1], "before the best one"),
            (lambda v, t: t[max(v)], "asked by a position"),
            (lambda v, t: t[v.index(max(t))], "does not stand"),
            (lambda v, t: t[v.argmax()], "Lists have"),
            (lambda v, t: t, "The shape should be"),
            (lambda v, t: 0.78, "best on validation"),
        ],
    ),
}
