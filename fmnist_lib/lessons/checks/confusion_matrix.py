"""The checks of notebook 4, The confusion matrix."""

import math

import pandas as pd
import torch
from torch import Tensor

from fmnist_lib.lessons.checks.core import array, call, check, class_name, expect, number


@check("")
def precision_recall(answer):
    """(precision, recall) of Bag: 8 bags found, 2 boots called Bag, 4 bags called Boot."""
    precision, recall = array(answer, 2).tolist()
    expect(
        not (math.isclose(precision, 2 / 3, rel_tol=0.01) and math.isclose(recall, 0.8)),
        "These are the two, but in the other order.",
    )
    expect(math.isclose(precision, 0.8, rel_tol=0.01), "Precision: of all that were called Bag.")
    expect(math.isclose(recall, 2 / 3, rel_tol=0.01), "Recall: of all that are bags.")


@check("")
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


@check("")
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


@check("")
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


@check("")
def likely_mislabels(function):
    """A function of (probabilities, labels, n): the n images whose label is doubted most."""
    probabilities = torch.tensor(
        [[0.90, 0.05, 0.05], [0.50, 0.30, 0.20], [0.01, 0.98, 0.01], [0.60, 0.39, 0.01],
         [0.34, 0.33, 0.33]]
    )  # fmt: skip
    labels = torch.tensor([0, 0, 0, 2, 1])
    answer = call(function, probabilities, labels, 2)
    result = array(answer, 2).int().tolist()
    expect(result != [1, 0] and result != [0, 1], "These labels the network believes.")
    expect(sorted(result) != [0, 2], "These are the surest answers, right or wrong.")
    expect(
        sorted(result) == [2, 3],
        "Take the probability of the *given* label of each image, and the n smallest of them.",
    )
