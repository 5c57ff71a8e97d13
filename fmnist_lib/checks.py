"""The exercises' checks and the quiz. Each prints one line: right, not answered yet, or a hint.

`checks.receptive_field(answer)` knows the answer; the hint leads on without giving it away. A check
is a function that raises `Hint` on a wrong answer, made safe by `@check`: nothing that a student
writes ends in a traceback. Sections follow the notebooks.
"""

import functools
import math
from collections.abc import Callable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.quiz import QUESTIONS


class Hint(Exception):
    """What to say about a wrong answer."""


class Unanswered(Exception):
    """The dots are still there."""


def expect(condition: bool, hint: str) -> None:
    """Raise `Hint` unless the condition holds."""
    if not condition:
        raise Hint(hint)


def check(exercise: Callable) -> Callable:
    """Make a check of a function of an answer that raises `Hint` when it is wrong.

    The check prints one line and returns nothing. An answer of `...`, and a function that returns
    `...` or nothing, count as not answered yet.
    """

    @functools.wraps(exercise)
    def checked(answer, *given) -> None:
        try:
            if answer is ... or answer is None:
                raise Unanswered
            exercise(answer, *given)
        except Unanswered:
            print("Not answered yet. Put your answer where the dots are, and run the cell again.")
        except Hint as hint:
            print(f"Not yet. {hint}")
        except Exception as error:  # an answer can be of any kind and fail anywhere
            print(f"Not yet. With this answer the check stops: {type(error).__name__}: {error}")
        else:
            print("Right.")

    return checked


def number(answer) -> float:
    """The answer as a float; `Hint` when it is not one number."""
    try:
        return float(answer)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Hint(f"Give one number, not {type(answer).__name__}.") from error


def call(function, *arguments):
    """What the student's function returns; `Hint` when it can't be called or stops."""
    expect(callable(function), "Give the function itself, without parentheses behind its name.")
    try:
        result = function(*arguments)
    except Exception as error:
        raise Hint(f"Your function stops with {type(error).__name__}: {error}") from error
    if result is None or result is ...:
        raise Unanswered
    return result


def as_tensor(answer, *shape: int) -> Tensor:
    """The answer as a float32 tensor of this shape; `Hint` when it is none."""
    try:
        tensor = torch.as_tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise Hint(f"Give a tensor of shape {list(shape)}, not {type(answer).__name__}.") from error
    expect(
        tuple(tensor.shape) == shape,
        f"The shape should be {list(shape)}; this is {list(tensor.shape)}.",
    )
    return tensor.detach()


def class_name(answer) -> str:
    """The answer as the name of a class; `Hint` when it is none."""
    expect(answer in CLASS_NAMES, f"Give a name out of CLASS_NAMES, such as {CLASS_NAMES[0]!r}.")
    return answer


def quiz(question: str, answer: str) -> None:
    """One multiple-choice question: says why a letter is right, or which idea is behind it."""
    if answer is ...:
        print('Not answered yet. Put a letter where the dots are, such as "a".')
        return
    right, reasons = QUESTIONS[question]
    letter = str(answer).strip().lower()
    if letter not in reasons:
        print(f"Not yet. Answer with one letter: {', '.join(reasons)}.")
    else:
        print(f"{'Right.' if letter == right else 'Not yet.'} {reasons[letter]}")


# ------------------------------------------------------------------------------ 01: the data


@check
def label_file_bytes(answer):
    """How many bytes does the idx file of the test labels have, unzipped?"""
    size = number(answer)
    expect(size != 10_000, "That is the labels alone. What comes before them in the file?")
    expect(size != 10_016, "Labels have one dimension, so their header is shorter.")
    expect(size < 1_000_000, "That is more than labels need: one byte each, and no pixels.")
    expect(size == 10_008, "Add up the header (4 bytes, and 4 for each dimension) and the labels.")


@check
def balanced_accuracy(answer):
    """Mean recall over the classes of "always Bag", on 900 bags and 100 boots."""
    share = number(answer)
    expect(share != 0.9, "That is the plain accuracy, which the larger class dominates.")
    expect(share <= 1, "Give a share from 0 to 1, not percent.")
    expect(share == 0.5, "What share of the bags is right? Of the boots? Take the mean of the two.")


@check
def brightest_class(answer, split: Split):
    """The class whose images have the highest mean."""
    expect(not isinstance(answer, (int, Tensor)), "That is a label; CLASS_NAMES has its name.")
    brightness = pd.Series(
        [split.images[split.labels == label].float().mean().item() for label in range(10)],
        CLASS_NAMES,
    )
    name = class_name(answer)
    expect(name != brightness.idxmin(), "That is the darkest one. Mind that 255 is the brightest.")
    expect(
        name == brightness.idxmax(),
        f"{name} has a mean of {brightness[name]:.0f}; another class has a higher one.",
    )


@check
def mirror(function):
    """A function that mirrors images [N, 28, 28] left to right."""
    images = torch.arange(2 * 28 * 28).reshape(2, 28, 28) % 251
    result = as_tensor(call(function, images.clone()), 2, 28, 28)

    def is_(other):
        return torch.equal(result, other.float())

    expect(not is_(images), "The images come back as they were.")
    expect(not is_(images.flip(1)), "This turns them upside down. Columns are the last dimension.")
    expect(not is_(images.flip(0)), "This reverses the order of the images. Leave that as it is.")
    expect(not is_(images.mT), "This swaps rows and columns. Mirroring keeps every row.")
    expect(is_(images.flip(2)), "Compare the first row of an image with that of its mirror image.")


@check
def nearest_by_absolute(function):
    """A function of (images, means) that gives the label with the smallest mean |difference|."""
    random = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (40, 28, 28), generator=random, dtype=torch.uint8)
    # Most pixels a little off, or a few of them by much: the two measures disagree.
    means = images[:10].float() + 40 * torch.randn(10, 28, 28, generator=random)
    means[:, :3] += 150
    difference = (images[:, None].float() - means).abs().mean(dim=(2, 3))
    answer = call(function, images, means)
    expect(tuple(getattr(answer, "shape", ())) == (40,), "Give one label for each image, [N].")
    result = as_tensor(answer, 40)
    squared = (images[:, None].float() - means).square().mean(dim=(2, 3))
    expect(not torch.equal(result, difference.argmax(1).float()), "These are the farthest means.")
    expect(not torch.equal(result, squared.argmin(1).float()), "This squares the differences.")
    expect(
        torch.equal(result, difference.argmin(dim=1).float()),
        "Subtract as float (bytes wrap around), take abs(), then the mean over rows and columns; "
        "argmin goes over the ten classes.",
    )


# --------------------------------------------------------------------------- 02: the network


@check
def map_size(answer):
    """Side of the map after a 7 × 7 convolution and 2 × 2 max-pooling of a 28 × 28 image."""
    side = number(answer)
    expect(side != 22, "That is the convolution. Pooling comes after it.")
    expect(side != 14, "That is the pooling alone. The kernel does not fit everywhere.")
    expect(side != 12, "That is for a 5 × 5 kernel.")
    expect(side == 11, "First n - k + 1 places, then half of them.")


@check
def edge_kernel(kernel):
    """A 3 × 3 kernel: 0 where the image is flat, positive where it gets brighter downwards."""
    kernel = as_tensor(kernel, 3, 3)
    expect(kernel.abs().sum() > 0, "This kernel answers 0 to everything.")
    expect(abs(kernel.sum()) < 1e-4, "On a flat area it should give 0: what must its sum be?")
    ramp = torch.tensor([0.0, 0, 9]).repeat(3, 1)  # brighter to the right
    expect(abs((kernel * ramp).sum()) < 1e-4, "It answers to edges from left to right as well.")
    down = (kernel * ramp.T).sum()
    expect(down != 0, "It does not answer where the image gets brighter downwards.")
    expect(down > 0, "The sign is the other way round: brighter downwards should be positive.")


@check
def smaller_kernel_parameters(answer):
    """Parameters of `Net` if conv2 had kernels of 3 × 3."""
    count = number(answer)
    expect(count != 431_080, "That is Net as it is.")
    expect(count != 415_080, "conv2 gets smaller, but its feature maps larger: what does fc1 get?")
    expect(
        count == 640_080,
        "Follow the shapes: what side do the maps have after conv2, after pool2, and how many "
        "numbers does flatten make of them? Then add up the four layers, with biases.",
    )


@check
def receptive_field(answer):
    """Receptive field of a third convolution, 3 × 3, after pool2."""
    side = number(answer)
    expect(side != 16, "That is after pool2, before the new layer.")
    expect(side != 18, "One place further on is not one pixel: how long is a step after pool2?")
    expect(side != 28, "It does not see the whole image yet.")
    expect(side == 24, "Use the formula: r + (k - 1) · step, with r and step as after pool2.")


@check
def max_pool(function):
    """A function that max-pools one map [H, W] by 2, without F.max_pool2d."""
    maps = torch.rand(6, 8, generator=torch.Generator().manual_seed(0))
    result = as_tensor(call(function, maps), 3, 4)
    mean = F.avg_pool2d(maps[None, None], 2)[0, 0]
    expect(not torch.allclose(result, mean), "This is the mean of each square, not its maximum.")
    expect(not torch.equal(result, maps[::2, ::2]), "This is one corner of each square.")
    expect(
        torch.equal(result, F.max_pool2d(maps[None, None], 2)[0, 0]),
        "Cut both sides in pairs: reshape(H // 2, 2, W // 2, 2), then amax over the two pairs.",
    )


# ------------------------------------------------------------------------------ 03: training


@check
def updates_per_epoch(answer):
    """Updates in an epoch of 55,000 images in batches of 75."""
    updates = number(answer)
    expect(updates != 733, "A few images are left over, and the last batch takes them.")
    expect(updates not in (55_000, 75), "One update for each batch: how many batches are there?")
    expect(updates == 734, "Divide, and do not forget the last, smaller batch.")


@check
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


@check
def momentum_way(answer):
    """How far a weight moves in 3 steps: gradient 1 each time, rate 0.01, momentum 0.9."""
    way = abs(number(answer))
    expect(not math.isclose(way, 0.03, rel_tol=1e-3), "That is without momentum.")
    expect(not math.isclose(way, 0.0271, rel_tol=1e-3), "That is the third step. Add the others.")
    expect(
        math.isclose(way, 0.0561, rel_tol=1e-3),
        "Write down the velocity after each step: 1, then 0.9 · 1 + 1, … and the rate times each.",
    )


@check
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


@check
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
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    return net, torch.randn(30, 4), torch.randint(3, (30,))


@check
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


@check
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


@check
def repaired_logits(function):
    """A function of (net, images) that gives the logits, on whatever device the network is."""
    net, images, _ = _small_task()
    logits = call(function, net.to("meta"), images)  # a device without memory, on every machine
    expect(
        getattr(logits, "device", None) == torch.device("meta"),
        "The logits should be where the network is. next(net.parameters()).device says where.",
    )


@check
def repaired_choice(function):
    """A function of (validation, test) accuracies by epoch: the test accuracy to report."""
    reported = number(call(function, [0.70, 0.80, 0.75], [0.71, 0.78, 0.82]))
    expect(reported != 0.82, "That is the best on the test set, so it was chosen there.")
    expect(reported not in (0.80, 0.75), "Choose on validation, but report the test accuracy.")
    expect(reported == 0.78, "The test accuracy of the epoch that is best on validation.")


# -------------------------------------------------------------------------- 04: the confusions


@check
def precision_recall(answer):
    """(precision, recall) of Bag: 8 bags found, 2 boots called Bag, 4 bags called Boot."""
    precision, recall = as_tensor(answer, 2).tolist()
    expect(
        not (math.isclose(precision, 2 / 3, rel_tol=0.01) and math.isclose(recall, 0.8)),
        "These are the two, but in the other order.",
    )
    expect(math.isclose(precision, 0.8, rel_tol=0.01), "Precision: of all that were called Bag.")
    expect(math.isclose(recall, 2 / 3, rel_tol=0.01), "Recall: of all that are bags.")


@check
def confused_pair(answer, matrix: pd.DataFrame):
    """The two classes with the most confusions, both directions together."""
    both = matrix + matrix.T
    expect(
        isinstance(answer, (tuple, list, set)) and len(answer) == 2,
        'Give two names, such as ("Bag", "Dress").',
    )
    first, second = (class_name(name) for name in answer)
    expect(first != second, "The diagonal is no confusion. Give two different classes.")
    most = max(both.loc[a, b] for a in both.index for b in both.index if a != b)
    expect(
        both.loc[first, second] == most,
        f"These two have {both.loc[first, second]} confusions, both ways; others have more.",
    )


@check
def threshold_for_coverage(answer, probabilities: Tensor):
    """The threshold of confidence at which 80 % of the images are answered."""
    threshold = number(answer)
    confidence = probabilities.max(dim=1).values
    covered = (confidence >= threshold).float().mean().item()
    expect(0 <= threshold <= 1, "A threshold is a probability, from 0 to 1.")
    expect(
        abs(covered - 0.8) < 0.01,
        f"With this threshold {covered:.0%} are answered. The least confident 20 % should not be: "
        "which quantile is that?",
    )


@check
def macro_f1(function):
    """A function of a confusion matrix (rows true) that gives the mean F1 over the classes."""
    matrix = pd.DataFrame([[8, 2, 0], [4, 5, 1], [0, 0, 10]], list("abc"), list("abc"))
    result = number(call(function, matrix.copy()))
    counts = torch.tensor(matrix.to_numpy()).double()
    correct = counts.diagonal()
    precision, recall = correct / counts.sum(0), correct / counts.sum(1)
    f1 = 2 * precision * recall / (precision + recall)
    for value, hint in (
        (correct.sum() / counts.sum(), "This is the accuracy."),
        (recall.mean(), "This is the mean recall. F1 needs the precision too."),
        (precision.mean(), "This is the mean precision. F1 needs the recall too."),
    ):
        expect(not math.isclose(result, value, rel_tol=1e-4), hint)
    expect(
        math.isclose(result, f1.mean(), rel_tol=1e-4),
        "First precision (by columns), recall (by rows) and F1 of each class, then the mean of F1.",
    )


@check
def likely_mislabels(function):
    """A function of (probabilities, labels, n): the n images whose label is doubted most."""
    probabilities = torch.tensor(
        [[0.90, 0.05, 0.05], [0.50, 0.30, 0.20], [0.01, 0.98, 0.01], [0.60, 0.39, 0.01],
         [0.34, 0.33, 0.33]]
    )  # fmt: skip
    labels = torch.tensor([0, 0, 0, 2, 1])
    answer = call(function, probabilities, labels, 2)
    result = as_tensor(answer, 2).int().tolist()
    expect(result != [1, 0] and result != [0, 1], "These labels the network believes.")
    expect(sorted(result) != [0, 2], "These are the surest answers, right or wrong.")
    expect(
        sorted(result) == [2, 3],
        "Take the probability of the *given* label of each image, and the n smallest of them.",
    )


# ------------------------------------------------------------------------- 05: training better


@check
def one_cycle_peak(answer):
    """The update with the highest rate: 10 epochs, 55,000 images, batches of 150, one cycle."""
    update = number(answer)
    expect(update > 10, "Count updates, not epochs.")
    expect(abs(update - 1835) > 2, "That is the middle. The rate rises in the first 30 % only.")
    expect(abs(update - 1100) <= 2, "How many updates are there in all? 30 % of them rise.")


@check
def smooth_targets(function):
    """A function of (labels [N], smoothing) that gives the targets, float [N, 10]."""
    labels = torch.tensor([3, 0])
    targets = as_tensor(call(function, labels, 0.1), 2, 10)
    expect(
        not torch.equal(targets, F.one_hot(labels, 10).float()),
        "These targets are not smoothed yet.",
    )
    expect(torch.allclose(targets.sum(dim=1), torch.ones(2)), "Each row should sum to 1.")
    expect(
        not torch.isclose(targets[0, 3], torch.tensor(0.9)),
        "The share is spread over all ten classes, and the true one gets its part of it too.",
    )
    expect(
        torch.allclose(targets, F.one_hot(labels, 10) * 0.9 + 0.01),
        "(1 - smoothing) · one-hot + smoothing / 10.",
    )


@check
def clear_gain(function):
    """A function of two lists of accuracies: is the second clearly better than the first?"""
    expect(
        not call(function, [0.90, 0.92, 0.94], [0.92, 0.94, 0.96]),
        "Means of 0.92 and 0.94 with a spread of 0.02: that is not more than twice the spread.",
    )
    expect(
        call(function, [0.900, 0.901, 0.902], [0.910, 0.911, 0.912]),
        "A difference of 0.010 with a spread of 0.001 is clear.",
    )
    expect(
        not call(function, [0.910, 0.911, 0.912], [0.900, 0.901, 0.902]),
        "The second is clearly worse here, not better.",
    )
    expect(
        not call(function, [0.900, 0.901, 0.902], [0.88, 0.91, 0.94]),
        "The second varies much here; the larger of the two spreads counts.",
    )


@check
def batch_norm(function):
    """A function that normalises [N, C, H, W] as batch normalisation does, eps 1e-5."""
    images = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    result = as_tensor(call(function, images), 5, 3, 4, 4)
    expect(
        not torch.allclose(result, F.layer_norm(images, images.shape[1:]), atol=1e-2),
        "This normalises each image. Each *channel* should be, over all images and places.",
    )
    expect(
        not torch.allclose(result, (images - images.mean()) / images.std(), atol=1e-2),
        "This takes one mean over everything. Each channel has its own.",
    )
    expect(
        torch.allclose(result, F.batch_norm(images, None, None, training=True), rtol=0.02),
        "For each channel: subtract its mean and divide by its standard deviation, both over the "
        "dimensions 0, 2 and 3 (with keepdim=True).",
    )


@check
def block_parameters(answer):
    """Parameters of Block(32, 64)."""
    count = number(answer)
    expect(count != 55_552, "The shortcut has weights too.")
    expect(count != 57_344, "Batch normalisation has two parameters for each channel.")
    expect(count != 57_728 and count != 57_792, "The convolutions have no biases (bias=False).")
    expect(
        count == 57_600,
        "conv1, conv2 and shortcut: inputs · outputs · k · k each; bn1 and bn2: 2 · outputs each.",
    )


# -------------------------------------------------------------------------- 06: comparing runs


@check
def runs_in_sweep(answer):
    """Runs of a sweep over 3 rates, 2 batch sizes and the seeds 0:5."""
    count = number(answer)
    expect(count != 10, "Each value meets each value of the others: it is a product.")
    expect(count != 36, "0:5 is 0, 1, 2, 3, 4.")
    expect(count == 30, "Multiply how many values each parameter has.")


@check
def standard_error(answer):
    """Standard error of the mean of 4 runs with a spread of 0.2 points."""
    error = number(answer)
    expect(not math.isclose(error, 0.2), "That is how far single runs scatter, not their mean.")
    expect(not math.isclose(error, 0.05), "It falls with the square root of the number of runs.")
    expect(math.isclose(error, 0.1, rel_tol=0.01), "Spread divided by √n.")


@check
def best_setting(function):
    """A function of a table of runs that gives the learning rate to prefer."""
    runs = pd.DataFrame(
        {
            "learning_rate": [0.1, 0.1, 0.01, 0.01],
            "seed": [0, 1, 0, 1],
            "validation_accuracy": [0.95, 0.85, 0.92, 0.91],
            "test_accuracy": [0.94, 0.93, 0.90, 0.91],
        }
    )
    rate = number(call(function, runs))
    expect(rate != 0.1, "That is the rate of the luckiest run, or the best on the test set.")
    expect(rate == 0.01, "Group by learning_rate, take the mean validation accuracy, then idxmax.")


# ------------------------------------------------------------------------- 07: many processes


@check
def whole_gradient(function):
    """A function of (gradients, sizes of the parts) that gives the gradient of the whole batch."""
    result = number(call(function, [torch.tensor(1.0), torch.tensor(4.0)], [50, 25]))
    expect(not math.isclose(result, 2.5), "The parts are not of one size: weight the mean.")
    expect(not math.isclose(result, 150), "This is the sum over all images.")
    expect(math.isclose(result, 2, rel_tol=1e-4), "Weight each gradient with the size of its part.")


@check
def efficiency(answer):
    """Efficiency of 4 processes that take 12 s where one takes 36 s."""
    share = number(answer)
    expect(share != 3, "That is the speed-up. How much of it is that for each process?")
    expect(math.isclose(share, 0.75), "Speed-up divided by the number of processes.")


@check
def amdahl(answer):
    """Largest speed-up when a tenth of the work can't be shared out."""
    limit = number(answer)
    expect(limit not in (0.9, 90, 9), "However many processes: what time remains in any case?")
    expect(not math.isinf(limit), "The tenth that one process does alone takes its time always.")
    expect(math.isclose(limit, 10), "With ever more processes the time goes to a tenth.")
