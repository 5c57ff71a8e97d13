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

# ------------------------------------------------------------------------------- the diagnosis

RIGHT = {"A": "zero_grad", "B": "eval", "C": "device", "D": "test set"}


def other(**changed):
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


# -------------------------------------------------------------------------------- the others


def epoch_loss_by_loop(losses, images, batch_size):
    total, left = 0.0, images
    for loss in losses:
        size = min(batch_size, left)
        total, left = total + loss * size, left - size
    return total / images


def epoch_loss_in_numpy(losses, images, batch_size):
    sizes = np.full(len(losses), batch_size)
    sizes[-1] = images - sizes[:-1].sum()
    return np.average(losses, weights=sizes)


def epoch_loss_in_pandas(losses, images, batch_size):
    table = pd.DataFrame({"loss": losses, "size": float(batch_size)})
    table.loc[table.index[-1], "size"] -= batch_size * len(losses) - images
    return (table["loss"] * table["size"]).sum() / table["size"].sum()


def epoch_loss_by_image(losses, images, batch_size):
    each = [losses[number // batch_size] for number in range(images)]
    return torch.tensor(each).mean()


def total_loss(losses, images, batch_size):
    return epoch_loss_by_loop(losses, images, batch_size) * images


def full_and_rest(losses, images, batch_size, rest):
    return (batch_size * sum(losses[:-1]) + rest * losses[-1]) / images


def epoch_by_loop(history):
    best, epoch = -1.0, 0
    for _, row in history.iterrows():
        if row["validation_accuracy"] > best:
            best, epoch = row["validation_accuracy"], row["epoch"]
    return epoch


def epoch_of(column):
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
    "diagnosis": Answers(
        right=[
            RIGHT,
            {"a": "Zero_Grad", "b": "EVAL", "c": "Device", "d": "Test Set"},
            {"A": "optimizer.zero_grad()", "B": "net.eval()", "C": "devices", "D": "test-set"},
            {"D": "test", "C": " device ", "B": "eval", "A": "zero grad"},
            ["zero_grad", "eval", "device", "test set"],
            ("zero_grad", "eval", "device", "testset"),
            {mistake: letter for letter, mistake in RIGHT.items()},
            pd.Series(RIGHT),
            {f"{letter}.": text for letter, text in RIGHT.items()},
            {letter: f"{text} (forgotten)" for letter, text in RIGHT.items()},
            {letter: [text] for letter, text in RIGHT.items()},
            np.array(list(RIGHT.values())),
            "zero_grad, eval, device, test set",
        ],
        wrong=[
            (other(A="eval", B="zero_grad"), "A's loss falls"),
            (other(A="eval", B="zero_grad"), "each measurement"),
            (other(A="device", C="zero_grad"), "end in an error"),
            (other(B="test set", D="eval"), "In B one network"),
            (other(B="device", C="eval"), "what is random"),
            (other(C="test set", D="device"), "names two places"),
            (other(C="test set", D="device"), "needs a number of the test set"),
            (other(A="eval"), "'eval' stands there more than once"),
            (dict.fromkeys("ABCD", "device"), "more than once"),
            ({"A": "zero_grad", "B": "eval"}, "each of A, B, C and D"),
            (other(D="luck"), "D: 'luck' is none of"),
            (other(B=""), "B: '' is none of"),
            (["zero_grad", "eval"], "Give a dictionary"),
            ("zero_grad", "Give a dictionary"),
            (set(RIGHT.values()), "Give a dictionary"),
        ],
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
    "epoch_loss": Answers(
        right=[
            epoch_loss_by_loop,
            epoch_loss_in_numpy,
            epoch_loss_by_image,
            lambda losses, n, size: full_and_rest(losses, n, size, n % size or size),
            lambda losses, n, size: full_and_rest(losses, n, size, (n - 1) % size + 1),
            lambda losses, n, size: torch.tensor(losses).repeat_interleave(size)[:n].mean(),
            epoch_loss_in_pandas,
            lambda losses, n, size: f"{epoch_loss_by_loop(losses, n, size):.4f}",
            lambda losses, n, size: [np.float32(epoch_loss_by_loop(losses, n, size))],
            lambda losses, n, size: round(epoch_loss_by_loop(losses, n, size), 4),
        ],
        wrong=[
            (lambda losses, n, size: sum(losses[:-1]) / max(len(losses) - 1, 1), "is left out"),
            (lambda losses, n, size: sum(losses) / len(losses), "counts each batch the same"),
            (lambda losses, n, size: np.mean(losses), "counts each batch the same"),
            (lambda losses, n, size: size * sum(losses) / n, "takes the last batch as full"),
            (lambda losses, n, size: full_and_rest(losses, n, size, n % size), "% gives 0"),
            (total_loss, "the sum over all images"),
            (lambda x, n, size: total_loss(x, n, size) / len(x), "by the number of batches"),
            (lambda x, n, size: total_loss(x, n, size) / (size * len(x)), "more images than"),
            (lambda losses, n, size: sum(losses), "the sum of the means"),
            (lambda losses, n, size: sum(losses) / n, "already a mean"),
            (lambda losses, n, size: losses[-1], "the last batch alone"),
            (lambda losses, n, size: size * sum(losses[:-1]) / n, "leaves the last batch out"),
            (
                lambda losses, n, size: full_and_rest(losses, n, size, n - size * len(losses)),
                "How many images does each number",
            ),
            (lambda losses, n, size: losses.mean(), "A list has no mean"),
            (lambda losses, n, size: losses / n, "number by number"),
            (lambda losses, n, size: sum(losses[:-1]) / len(losses[:-1]), "a single batch"),
            (lambda losses, n, size: losses, "The shape should be"),
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
            "answer, velocity = (0.0, 0.0)": "both begin with 0",
            "answer -= 0.01 * velocity": "as far, in the other direction",
            "velocity = 0.9 * velocity - 1": "as far, in the other direction",
        },
    ),
    "choose_epoch": Answers(
        right=[
            epoch_by_loop,
            epoch_of("validation_accuracy"),
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
            (epoch_of("test_accuracy"), "best epoch on the test set"),
            (epoch_of("train_accuracy"), "its own training images"),
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
            (overflows_in_math, "more than a float can hold"),
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
