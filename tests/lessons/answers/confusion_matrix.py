"""Answers to the exercises of notebook 4."""

from collections import namedtuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from garments import BAG, BOOT, COAT, DRESS, PULLOVER, SANDAL, SHIRT, SNEAKER, T_SHIRT, TROUSER

from answers import Answers
from fmnist_lib import evaluate
from fmnist_lib.confidence import confident_mistakes
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.evaluate import per_class_report

TWO = (0.8, 2 / 3)
Scores = namedtuple("Scores", "precision recall")

MATRIX = pd.DataFrame(np.diag([90] * 10), CLASS_NAMES, CLASS_NAMES).rename_axis(
    index="true class", columns="predicted class"
)
MATRIX.loc[SHIRT, COAT], MATRIX.loc[COAT, SHIRT] = 60, 50  # most in both directions
MATRIX.loc[PULLOVER, DRESS], MATRIX.loc[DRESS, PULLOVER] = 80, 2  # most in one
MATRIX.loc[BAG, SANDAL:SNEAKER] = 45  # found least, with Trouser
MATRIX.loc[TROUSER, SANDAL:SNEAKER] = 44
ROW = pd.Series({"true class": COAT, "predicted class": SHIRT, "images": 110, "share": 0.6})

PROBABILITIES = (3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))).softmax(1)
CONFIDENCE = PROBABILITIES.max(dim=1).values
OF_TEST = (2.5 * torch.randn(400, 10, generator=torch.Generator().manual_seed(1))).softmax(1)
THRESHOLD = CONFIDENCE.quantile(0.2).item()


def f1_of(matrix):
    counts = matrix.to_numpy().astype(float)
    return 2 * counts.diagonal() / (counts.sum(0) + counts.sum(1))


def parts(matrix):
    counts = torch.tensor(matrix.to_numpy()).double()
    return counts.diagonal() / counts.sum(0), counts.diagonal() / counts.sum(1)


def f1_by_loops(matrix):
    scores = []
    for name in matrix.index:
        correct = matrix.loc[name, name]
        if correct == 0:
            scores.append(0)
            continue
        precision, recall = correct / matrix[name].sum(), correct / matrix.loc[name].sum()
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / len(scores)


def f1_in_pandas(matrix):
    correct = pd.Series(np.diag(matrix), matrix.index)
    precision, recall = correct / matrix.sum(axis=0), correct / matrix.sum(axis=1)
    return (2 * precision * recall / (precision + recall)).fillna(0).mean()


def f1_in_numpy(matrix):
    counts = matrix.to_numpy()
    said, true = np.maximum(counts.sum(axis=0), 1), np.maximum(counts.sum(axis=1), 1)
    precision, recall = counts.diagonal() / said, counts.diagonal() / true
    return np.mean(2 * precision * recall / np.maximum(precision + recall, 1e-12))


def f1_of_counts(matrix):
    total = 0
    for place in range(len(matrix)):
        correct = matrix.iloc[place, place]
        missed = matrix.iloc[place].sum() - correct
        wrong = matrix.iloc[:, place].sum() - correct
        total += 2 * correct / (2 * correct + missed + wrong)
    return total / len(matrix)


def f1_with_small_number(matrix):
    correct = np.diag(matrix)
    precision = correct / (matrix.sum(axis=0) + 1e-9)
    recall = correct / (matrix.sum(axis=1) + 1e-9)
    return (2 * precision * recall / (precision + recall + 1e-9)).mean()


def f1_nan(matrix):
    precision, recall = parts(matrix)
    return (2 * precision * recall / (precision + recall)).mean()


def f1_of_these_ten(matrix):
    return sum(matrix.loc[name, name] for name in CLASS_NAMES)


def f1_divides_by_zero(matrix):
    rows = matrix.astype(int).to_numpy().tolist()
    scores = []
    for place, row in enumerate(rows):
        precision = row[place] / sum(each[place] for each in rows)
        recall = row[place] / sum(row)
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / len(scores)


def weighted_f1(matrix):
    return np.average(f1_of(matrix), weights=matrix.sum(axis=1))


def of_label(probabilities, labels):
    return probabilities[torch.arange(len(labels)), labels]


def doubted_by_loop(probabilities, labels, n):
    beliefs = [float(row[label]) for row, label in zip(probabilities, labels)]
    return sorted(range(len(beliefs)), key=beliefs.__getitem__)[:n]


def doubted_one_by_one(probabilities, labels, n):
    beliefs, found = of_label(probabilities, labels), []
    for _ in range(n):
        found.append(beliefs.argmin().item())
        beliefs[found[-1]] = 2
    return set(found)


def doubted_in_numpy(probabilities, labels, n):
    beliefs = probabilities.numpy()[np.arange(len(labels)), labels.numpy()]
    return np.argpartition(beliefs, n - 1)[:n]


def doubted_in_pandas(probabilities, labels, n):
    beliefs = {i: probabilities[i, label].item() for i, label in enumerate(labels)}
    return pd.Series(beliefs).nsmallest(n).index


def of_the_mistakes(probabilities, labels):
    return (probabilities.argmax(dim=1) != labels).nonzero()[:, 0]


def doubted_of_mistakes(probabilities, labels, n):
    wrong = of_the_mistakes(probabilities, labels)
    return wrong[of_label(probabilities, labels)[wrong].argsort()[:n]]


ANSWERS = {
    "precision_recall": Answers(
        right=[
            TWO,
            [0.8, 0.67],
            (0.80, 0.667),
            np.array(TWO),
            np.float32(TWO),
            torch.tensor(TWO),
            torch.tensor([TWO], dtype=torch.float64),
            pd.Series(TWO),
            {"precision": 0.8, "recall": 2 / 3},
            {"Recall ": 2 / 3, "Precision ": 0.8},
            {"p": 0.8, "r": 0.67},
            pd.Series({"recall": 2 / 3, "precision": 0.8}),
            pd.DataFrame({"precision": [0.8], "recall": [2 / 3]}, index=["Bag"]),
            Scores(0.8, 2 / 3),
            {"Bag": TWO},
            (80, 66.7),
            [80, 67],
            ("80 %", "67 %"),
            ("80 %", 2 / 3),
            "0.8, 0.67",
            "precision 80 %, recall 66.7 %",
            "0,8; 0,667",
            "precision 8/10, recall 8/12",
            "recall 0.67, precision 0.8",
            [[0.8], [0.67]],
            {"Bag": {"precision": 0.8, "recall": 2 / 3}},
            (torch.tensor(0.8), np.float64(2 / 3)),
        ],
        wrong=[
            ((2 / 3, 0.8), "in the other order"),
            (torch.tensor([2 / 3, 0.8]), "in the other order"),
            ((67, 80), "in the other order"),
            ({"precision": 2 / 3, "recall": 0.8}, "in the other order"),
            ((2 / 3, 2 / 3), "Precision asks something else"),
            ((0.8, 0.8), "the precision again"),
            ((0.2, 1 / 3), "Precision: that is the share that is wrong"),
            ((0.8, 1 / 3), "was missed"),
            ((8 / 14, 2 / 3), "called Boot have no part"),
            ((0.8, 8 / 14), "the boots have no part"),
            ((80, 57), "the boots have no part"),
            ((0.8, 0.5), "found or not"),
            ((0.8, 0.66), "cut off"),
            ((0.8, 0.7), "two digits"),
            ((10, 12), "divided by"),
            ((8, 8), "how many are right"),
            ((10 / 8, 12 / 8), "no more than 1"),
            ((80, 2 / 3), "both alike"),
            ({0.8, 2 / 3}, "no order"),
            ("recall 0.8, precision 0.67", "in the other order"),
            (([8, 10], 12), "two numbers"),
            (0.8, "two numbers"),
            ((0.8, 2 / 3, 0.73), "two numbers"),
            ("8 of 10", "two numbers"),
            (("many", "few"), "Give one number"),
            ((0.1, 0.9), "Precision: of all"),
            ((float("nan"), 0.67), "Precision: of all"),
            ((0.8, 0.6), "Recall: of all"),
        ],
    ),
    "confused_pair": Answers(
        given=(MATRIX,),
        names={"matrix": MATRIX},
        right=[
            (SHIRT, COAT),
            [COAT.lower(), f" {SHIRT.upper()}"],
            {COAT, SHIRT},
            frozenset({COAT, SHIRT}),
            (4, 6),
            torch.tensor([6, 4]),
            np.array([COAT, SHIRT]),
            pd.Index([COAT, SHIRT]),
            pd.Series([COAT, SHIRT]),
            f"{SHIRT} and {COAT}",
            f"{COAT}, {SHIRT}".lower(),
            f"{SHIRT} ↔ {COAT}",
            f"{SHIRT}/{COAT}".lower(),
            [(COAT, SHIRT)],
            {SHIRT: COAT},
            ROW,
            ROW.to_frame().T,
            {"true class": COAT, "predicted class": SHIRT},
            pd.Categorical.from_codes([4, 6], CLASS_NAMES),
        ],
        wrong=[
            ((PULLOVER, DRESS), "in one direction"),
            (f"{DRESS} and {PULLOVER}".lower(), "in one direction"),
            (f"{T_SHIRT} - {BOOT}", "These have 0 confusions"),
            ((TROUSER, TROUSER), "The diagonal"),
            ((BAG, TROUSER), "found least"),
            ((BAG, SANDAL), "These have 45 confusions"),
            ((DRESS, BOOT), "These have 0 confusions"),
            ((SHIRT, T_SHIRT), "These have 0 confusions"),
            (SHIRT, "names of two classes"),
            ((SHIRT, COAT, BAG), "names of two classes"),
            (110, "names of two classes"),
            ((SHIRT, "Jacket"), "is no name"),
            ((SHIRT, 12), "Give a name"),
            (MATRIX, "names of two classes"),
        ],
        same={
            "both.loc[name, name] = 1": "1 is less than the confusions of a pair, as 0 is",
        },
    ),
    "threshold_for_coverage": Answers(
        given=(PROBABILITIES, OF_TEST),
        names={"on_validation_calibrated": PROBABILITIES, "calibrated": OF_TEST},
        right=[
            THRESHOLD,
            round(THRESHOLD, 2),
            round(THRESHOLD, 3),
            100 * THRESHOLD,
            f"{THRESHOLD:.0%}",
            f"{THRESHOLD:.2f}",
            CONFIDENCE.quantile(0.2),
            np.quantile(CONFIDENCE.numpy(), 0.2, method="lower"),
            [np.percentile(CONFIDENCE.numpy(), 20)],
            CONFIDENCE.sort().values[100],
            CONFIDENCE.kthvalue(101).values,
            pd.Series(CONFIDENCE.numpy()).quantile(0.2),
            CONFIDENCE.topk(400).values.min(),
        ],
        wrong=[
            (OF_TEST.max(dim=1).values.quantile(0.2), "fits the test images"),
            (CONFIDENCE.quantile(0.8), "the other end"),
            (PROBABILITIES.quantile(0.2), "all ten probabilities"),
            (CONFIDENCE.mean(), "mean confidence"),
            (CONFIDENCE.quantile(0.5), "the median"),
            (0.8, "share to be answered"),
            (80, "share to be answered"),
            ("80 %", "share to be answered"),
            (0.2, "share to be refused"),
            (CONFIDENCE.quantile(0.21), "79% are answered. It should be 80 %: the threshold is lo"),
            (CONFIDENCE.quantile(0.18), "82% are answered. It should be 80 %: the threshold is hi"),
            (1.0, "0% are answered"),
            (-0.5, "from 0 to 1"),
            (2000, "from 0 to 1"),
            (float("nan"), "from 0 to 1"),
            (CONFIDENCE[:5], "Give one number"),
            ("high", "Give one number"),
        ],
        same={
            "answer = validation_confidence.quantile(20 / 101)":
                "80.2 % are answered, 80 rounded",
        },
    ),
    "macro_f1": Answers(
        right=[
            f1_by_loops,
            f1_in_pandas,
            f1_in_numpy,
            f1_of_counts,
            f1_with_small_number,
            lambda m: f1_of(m).mean(),
            lambda m: [torch.tensor(f1_of(m)).float().mean()],
            lambda m: round(f1_of(m).mean(), 3),
            lambda m: f1_by_loops(m.T),
            lambda m: np.nan_to_num([2 / (1 / p + 1 / r) for p, r in zip(*parts(m))]).mean(),
        ],
        wrong=[
            (lambda m: np.trace(m.to_numpy()) / m.to_numpy().sum(), "the accuracy"),
            (lambda m: parts(m)[0].mean(), "mean precision"),
            (lambda m: parts(m)[1].mean(), "mean recall"),
            (weighted_f1, "with its number of images"),
            (lambda m: np.average(f1_of(m), weights=m.sum(axis=0)), "with how often it is said"),
            (
                lambda m: 2 / sum(1 / part.mean() for part in parts(m)),
                "mean precision and mean recall",
            ),
            (lambda m: torch.stack(parts(m)).mean(), "plain mean"),
            (lambda m: (parts(m)[0] * parts(m)[1]).sqrt().mean(), "geometric"),
            (lambda m: f1_of(m).mean() / 2, "half of it"),
            (lambda m: f1_of(m).sum(), "sum over the classes"),
            (lambda m: f1_of(m).sum() / 10, "number of classes"),
            (lambda m: 100 * f1_of(m).mean(), "a percentage"),
            (f1_of, "F1 of each class"),
            (lambda m: np.median(f1_of(m)), "the median"),
            (lambda m: f1_of(m).min(), "the lowest F1"),
            (lambda m: f1_of(m).max(), "the highest F1"),
            (lambda m: round(f1_of(m).mean(), 2), "rounded"),
            (lambda m: (2 * np.diag(m) // (m.sum(axis=0) + m.sum(axis=1))).mean(), "cut off"),
            (lambda m: 0.869, "the same for every matrix"),
            (f1_nan, "no image of a class is recognised"),
            (lambda m: f1_of(m)[f1_of(m) > 0].mean(), "leaves out a class"),
            (lambda m: evaluate.per_class_report(m)["F1"].mean(), "has F1 ready"),
            (lambda m: per_class_report(matrix=m)["F1"].fillna(0).mean(), "has F1 ready"),
            (f1_of_these_ten, "other classes than these ten"),
            (lambda m: sum(m.iloc[i, i] for i in range(10)), "fewer than ten"),
            (lambda m: m[0][0], "takes names"),
            (lambda m: torch.tensor(m), "the array in the table"),
            (f1_divides_by_zero, "It counts as 0"),
        ],
        same={
            "counts = -torch.tensor(matrix.to_numpy()).double()":
                "the signs of part and whole cancel out",
        },
    ),
    "likely_mislabels": Answers(
        right=[
            doubted_by_loop,
            doubted_one_by_one,
            doubted_in_numpy,
            doubted_in_pandas,
            lambda p, y, n: p.gather(1, y[:, None]).squeeze(1).argsort()[:n],
            lambda p, y, n: of_label(p, y).topk(n, largest=False).indices,
            lambda p, y, n: of_label(p, y).argsort(descending=True)[-n:],
            lambda p, y, n: (p * F.one_hot(y, p.shape[1])).sum(1).sort().indices[:n].tolist(),
            lambda p, y, n: F.nll_loss(p.log(), y, reduction="none").argsort(descending=True)[:n],
            lambda p, y, n: (1 - of_label(p, y)).topk(n).indices.flip(0).float(),
            lambda p, y, n: p[:, y].diagonal().argsort()[:n],
            lambda p, y, n: pd.DataFrame(p.numpy()).stack()[list(enumerate(y.tolist()))]
            .nsmallest(n).index.get_level_values(0),
        ],
        wrong=[
            (lambda p, y, n: of_the_mistakes(p, y)[:n], "first mistakes"),
            (
                lambda p, y, n: confident_mistakes(p, y, n)["index"],
                "mistakes it was surest of",
            ),
            (lambda p, y, n: of_the_mistakes(p, y), "all mistakes"),
            (doubted_of_mistakes, "mistakes alone"),
            (
                lambda p, y, n: of_label(p, y)[of_the_mistakes(p, y)].argsort()[:n],
                "places among the mistakes",
            ),
            (
                lambda p, y, n: (of_label(p, y) + 1.0 * (p.argmax(1) == y)).argsort()[:n],
                "the best guess",
            ),
            (lambda p, y, n: (p.amax(1) - of_label(p, y)).topk(n).indices, "its own answer"),
            (lambda p, y, n: (of_label(p, y) / p.amax(1)).argsort()[:n], "its own answer"),
            (lambda p, y, n: p.gather(1, y[:, None]).argsort()[:n], "zeros"),
            (lambda p, y, n: of_label(p, y).argsort()[n:], "all but the n"),
            (lambda p, y, n: (of_label(p, y) < 0.01).nonzero(), "Expected in this case: 2"),
            (lambda p, y, n: of_label(p, y).topk(n).indices, "believes most"),
            (lambda p, y, n: of_label(p, y).argsort()[-n:], "believes most"),
            (lambda p, y, n: p.amax(1).argsort()[:n], "it is unsure"),
            (lambda p, y, n: (p * p.log()).sum(1).argsort()[:n], "it is unsure"),
            (lambda p, y, n: p.amax(1).topk(n).indices, "surest answers"),
            (lambda p, y, n: p.amin(1).argsort()[:n], "of any class"),
            (lambda p, y, n: of_label(p, y).sort().values[:n], "These are the probabilities"),
            (lambda p, y, n: of_label(p, y).topk(n, largest=False), "Give the indices alone"),
            (lambda p, y, n: of_label(p, y).argsort(), "all images"),
            (lambda p, y, n: of_label(p, y) <= of_label(p, y).sort().values[n - 1], "yes or no"),
            (lambda p, y, n: y[of_label(p, y).argsort()[:n]], "These are labels"),
            (lambda p, y, n: range(n), "first n images"),
            (lambda p, y, n: of_label(p, y).argsort().argsort()[:n], "ranks"),
            (lambda p, y, n: p[:, y].argsort()[:n], "every label for every image"),
            (lambda p, y, n: p.gather(1, y), "as many dimensions"),
            (lambda p, y, n: p[torch.arange(10), y].argsort()[:n], "as many as there are"),
            (lambda p, y, n: of_label(p, y).argsort()[:2], "2 images"),
            (lambda p, y, n: list(range(n, 2 * n)), "probability of the given label"),
            (lambda p, y: of_label(p, y).argsort(), "another number"),
            ([1, 2], "the function itself"),
        ],
    ),
}  # fmt: skip
