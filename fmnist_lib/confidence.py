"""Can the network's confidence, the probability of its answer, be trusted?"""

import pandas as pd
import torch
from torch import Tensor

from fmnist_lib.evaluate import accuracy, names_of


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

    Columns: confidence (mean in the bin), accuracy (share that is right), images. The bins divide
    0 to 1 evenly (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
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
    return grouped.mean().assign(images=grouped.size())


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by images.

    `table` as `calibration` returns it; 0 is perfect. Source as there.
    """
    gap = (table["confidence"] - table["accuracy"]).abs()
    return float((gap * table["images"]).sum() / table["images"].sum())


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
