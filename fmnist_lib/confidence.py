"""Can the network's confidence, the probability of its answer, be trusted?"""

import math

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import accuracy, names_of

SMALLEST = 1e-45  # the smallest float32 above 0: what underflowed to 0 counts as this
SURE = 1.96  # standard deviations of a normal distribution: 95 % lie within them


def confident_mistakes(probabilities: Tensor, labels: Tensor, n: int = 20) -> pd.DataFrame:
    """The `n` wrong predictions with the highest probability, most confident first.

    Columns: index (of the image), true class, predicted class, probability (of the predicted
    class).
    """
    confidence, predicted = probabilities.max(dim=1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    worst = wrong[confidence[wrong].argsort(descending=True)[:n]]
    return pd.DataFrame(
        {
            "index": worst.tolist(),
            "true class": names_of(labels[worst]),
            "predicted class": names_of(predicted[worst]),
            "probability": confidence[worst].tolist(),
        }
    )


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 10) -> pd.DataFrame:
    """Does a confidence of 80 % mean 80 % right? One row for each bin of confidence with images.

    Columns: confidence (mean in the bin), accuracy (share that is right), images, low and high (of
    the accuracy, as `wilson` has them). The bins divide 0 to 1 evenly (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).
    """
    confidence, predicted = probabilities.max(dim=1)
    frame = pd.DataFrame(
        {
            "confidence": confidence.tolist(),
            "accuracy": (predicted == labels).double().tolist(),
        }
    )
    number = (frame["confidence"] * bins).clip(upper=bins - 1).astype(int).rename("bin")
    grouped = frame.groupby(number)
    table = grouped.mean().assign(images=grouped.size())
    low, high = wilson(table["accuracy"], table["images"])
    return table.assign(low=low, high=high)


def wilson(share: pd.Series | float, images: pd.Series | int) -> tuple:
    """The 95 % interval of a share that was found in so many images: (low, high), each 0 to 1.

    In about 95 of 100 samples, an interval made like this holds the share of all images. It is the
    score interval (Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953), which stays within
    0 and 1 and has a width even where all are right.
    """
    shrunk = 1 + SURE**2 / images
    middle = (share + SURE**2 / (2 * images)) / shrunk
    half = SURE * (share * (1 - share) / images + (SURE / (2 * images)) ** 2) ** 0.5 / shrunk
    return middle - half, middle + half


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by images.

    `table` as `calibration` returns it; 0 is perfect. Source as there.
    """
    gap = (table["confidence"] - table["accuracy"]).abs()
    return float((gap * table["images"]).sum() / table["images"].sum())


def error_by_chance(probabilities: Tensor, draws: int = 20, seed: int = 0) -> float:
    """The calibration error that chance alone gives: the mean over draws, from 0 to 1.

    probabilities: float [N, C], with C at least 2. In each draw every answer is right with the
    probability that it states. So the network is calibrated perfectly, and the error is above 0
    only because N is finite (Vaicenavicius et al. 2019, https://arxiv.org/abs/1902.06977, call this
    consistency resampling).
    """
    confidence, predicted = probabilities.max(dim=1)
    another = (predicted + 1) % probabilities.shape[1]
    random = torch.Generator().manual_seed(seed)
    errors = []
    for _ in range(draws):
        is_right = torch.rand(len(confidence), generator=random) < confidence
        table = calibration(probabilities, torch.where(is_right, predicted, another))
        errors.append(calibration_error(table))
    return sum(errors) / draws


def coverage(probabilities: Tensor, labels: Tensor, steps: int = 50) -> pd.DataFrame:
    """What a threshold of confidence does: how many images are answered, and how many rightly.

    Columns: threshold (the quantiles of the confidence), answered (share of all images), accuracy
    (share of the answered that is right); one row for each step.
    """
    confidence, predicted = probabilities.max(dim=1)
    rows = []
    for threshold in confidence.quantile(torch.linspace(0, 0.98, steps)).tolist():
        answered = confidence >= threshold
        right = accuracy(predicted[answered], labels[answered])
        rows.append((threshold, answered.float().mean().item(), right))
    return pd.DataFrame(rows, columns=["threshold", "answered", "accuracy"])


def threshold_for(probabilities: Tensor, labels: Tensor, share: float) -> float:
    """The lowest confidence at which the answers from it on are right in this share.

    probabilities: float [N, C]. labels: int64 [N]. share: 0 to 1. Infinite where none is: then
    nothing is answered.
    """
    confidence, predicted = probabilities.max(dim=1)
    order = confidence.argsort(descending=True)
    confidence, right = confidence[order], (predicted == labels)[order]
    shares = right.double().cumsum(0) / torch.arange(1, len(right) + 1)
    # Images of equal confidence are answered together: the share counts behind the last of them.
    is_last = torch.cat([confidence[1:] < confidence[:-1], torch.tensor([True])])
    reached = ((shares >= share) & is_last).nonzero()
    return confidence[reached[-1, 0]].item() if len(reached) else math.inf


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T for which softmax(logits / T) has the lowest log loss on these images.

    logits: float [N, C], or the logarithm of probabilities: a constant added to a row changes
        nothing. labels: int64 [N].
    One number for all classes and images (Guo et al. 2017, https://arxiv.org/abs/1706.04599), from
    0.01 to 100. The log loss is convex in 1 / T, so it is lowest where its slope is 0, and that
    place is found by halving an interval. Raises CourseError when the shapes do not fit or a number
    is none.
    """
    if logits.dim() != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise CourseError(
            f"Logits of shape {[*logits.shape]} and labels of shape {[*labels.shape]} do not fit. "
            "Give logits [N, C] and labels [N] of at least one image."
        )
    if logits.isnan().any() or (logits == math.inf).any():
        raise CourseError("A logit is infinite or no number. Look at the weights of the network.")
    logits = logits.double().log_softmax(dim=1).clamp_min(math.log(SMALLEST))
    of_label = logits.gather(1, labels[:, None])[:, 0]
    low, high = math.log(0.01), math.log(100)  # of 1 / T
    for _ in range(60):
        middle = (low + high) / 2
        expected = ((logits * math.exp(middle)).softmax(dim=1) * logits).sum(dim=1)
        # The slope of the log loss by 1 / T is the mean of this difference.
        if (expected - of_label).mean() > 0:
            high = middle
        else:
            low = middle
    return math.exp(-(low + high) / 2)


def log_loss(probabilities: Tensor, labels: Tensor) -> float:
    """The mean of -ln p, with p the probability of the label: the cross-entropy; 0 is perfect.

    probabilities: float32 [N, C]. labels: int64 [N]. A probability of 0 counts as `SMALLEST`.
    """
    return F.nll_loss(probabilities.clamp_min(SMALLEST).log(), labels).item()


def one_in(share: float) -> str:
    """A small share as one says it, with two digits: 0.00012 is "1 in 8,300"; 0 is "none"."""
    return f"1 in {float(f'{1 / share:.2g}'):,.0f}" if share else "none"
