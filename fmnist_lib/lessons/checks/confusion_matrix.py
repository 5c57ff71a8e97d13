"""The checks of notebook 4, The confusion matrix."""

import re
from collections.abc import Mapping, Sequence, Set
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fmnist_lib import evaluate
from fmnist_lib.data import CLASS_NAMES
from fmnist_lib.lessons.checks.core import (
    Hint,
    call,
    check,
    class_name,
    compare,
    expect,
    is_close,
    judge_share,
    number,
    of_label,
    unordered,
)


@check(
    "Precision is a share of all that were called Bag, rightly or not. Recall is a share of all "
    "that are bags, whatever they were called."
)
def precision_recall(answer):
    """(precision, recall) of Bag: 8 bags found, 2 boots called Bag, 4 bags called Boot."""
    precision, recall = _two_shares(answer)
    expect(
        not (is_close(precision, 2 / 3, 2) and is_close(recall, 0.8, 2)),
        "These are the two, but in the other order: precision comes first.",
    )
    judge_share(
        precision,
        0.8,
        {
            2 / 3: "That is the share of the bags that were found. Precision asks something else: "
            "of all that were called Bag, what share is one?",
            0.2: "Precision: that is the share that is wrong. It is the right ones that count.",
            8 / 14: "Precision: the bags that were called Boot have no part in it.",
        },
        "Precision: of all that were called Bag, what share is one?",
    )
    judge_share(
        recall,
        2 / 3,
        {
            0.8: "That is the precision again. Recall: of all bags, what share was found?",
            1 / 3: "Recall: that is the share of the bags that was missed.",
            8 / 14: "Recall: the boots have no part in it.",
            0.66: "Recall: this is cut off. Rounded, the last digit is larger.",
            0.7: "Recall: give two digits after the point.",
            0.5: "Recall: the 12 bags are all of them, found or not.",
        },
        "Recall: of all the bags, what share was found?",
    )


def _two_shares(answer) -> tuple[float, float]:
    """(precision, recall) in any form: a pair, a dictionary, a row of a report, a text."""
    answer = _alone(answer)
    if isinstance(answer, (Mapping, pd.Series)):
        answer = _named(dict(answer)) or list(dict(answer).values())
    if isinstance(answer, str):
        parts = re.split(r"[,;]\s|;|\band\b", answer)
        is_reversed = re.search("recall.*precision", answer, re.I)
        answer = [_without_words(part) for part in (parts[::-1] if is_reversed else parts)]
    expect(not isinstance(answer, Set), "A set has no order. Give a pair: precision, recall.")
    if _shape(answer) == (2, 1):
        answer = [row[0] for row in answer]
    is_pair = isinstance(answer, (Sequence, np.ndarray, Tensor)) and _shape(answer) == (2,)
    expect(is_pair, "Give two numbers: the precision, and the recall behind it.")
    values = [number(each) for each in answer]
    expect(values != [10, 12], "These are what has to be divided by. What is counted of each?")
    expect(values != [8, 8], "That is how many are right. As a share of which images, each time?")
    expect(
        not any(1 < value <= 2 for value in values),
        "A share is no more than 1. Divide the part by the whole, not the whole by the part.",
    )
    percent = [value > 1 for value in values]
    expect(len(set(percent)) == 1, "One is a share and one a percentage. Give both alike.")
    precision, recall = (value / 100 if all(percent) else value for value in values)
    return precision, recall


def _alone(answer):
    """What is alone in a list, a dictionary or a table of one row; else the answer itself."""
    if isinstance(answer, pd.DataFrame) and len(answer) == 1:
        return answer.iloc[0]
    if isinstance(answer, (Sequence, np.ndarray, Tensor)) and _shape(answer)[:1] == (1,):
        return answer[0]
    if isinstance(answer, Mapping) and len(answer) == 1:
        (inside,) = answer.values()
        return inside
    return answer


def _shape(answer) -> tuple[int, ...]:
    try:
        return tuple(np.shape(answer))
    except ValueError:  # rows of unequal length
        return ()


def _without_words(part: str) -> str | float:
    """ "precision 8/10" → 0.8; "recall 67 %" → "67 %"."""
    part = re.sub(r"^\D*", "", part)
    fraction = re.fullmatch(r"(\d+)\s*/\s*([1-9]\d*)\D*", part)
    return int(fraction[1]) / int(fraction[2]) if fraction else part


def _named(answer: dict) -> list:
    """The values called precision and recall, or p and r; none if these are not there."""
    found = [
        [
            value
            for name, value in answer.items()
            if re.search(rf"(^|[\W_]){letter}", str(name), re.I)
        ]
        for letter in "pr"
    ]
    return [values[0] for values in found] if [len(values) for values in found] == [1, 1] else []


@check(
    "matrix + matrix.T has the confusions of both directions. Leave its diagonal out, and find the "
    "largest number."
)
def confused_pair(answer, matrix: pd.DataFrame):
    """The two classes with the most confusions, both directions together."""
    first, second = _two_classes(answer)
    both = matrix + matrix.T
    pairs = {frozenset(pair): both.loc[pair] for pair in combinations(CLASS_NAMES, 2)}
    one_way = {frozenset((a, b)): max(matrix.loc[a, b], matrix.loc[b, a]) for a, b in pairs}
    recall = evaluate.per_class_report(matrix)["recall"]
    expect(max(pairs.values()) > 0, "This network confuses no two classes: no pair is the answer.")
    expect(first != second, "The diagonal is what was right. Give two different classes.")
    given = frozenset((first, second))
    if pairs[given] == max(pairs.values()):
        return
    expect(
        one_way[given] < max(one_way.values()),
        "These have the most in one direction. Count the other direction, too: "
        f"with it they have {pairs[given]}, and others have more.",
    )
    expect(
        given != {*recall.nsmallest(2).index},
        "These are the two that are found least. What are they taken for?",
    )
    raise Hint(f"These have {pairs[given]} confusions, both directions together; others have more.")


def _two_classes(answer) -> list[str]:
    """The names of two classes, in any form: a pair or set, a row of `most_confused`, a text."""
    if isinstance(answer, Mapping) and len(answer) == 1:  # {"Bag": "Dress"}
        answer = next(iter(answer.items()))
    answer = _alone(answer)
    if isinstance(answer, (Mapping, pd.Series)):
        row = dict(answer)
        classes = [value for name, value in row.items() if "class" in str(name)]
        answer = classes if len(classes) == 2 else list(row.values())
    if isinstance(answer, str):
        names = sorted(CLASS_NAMES, key=len, reverse=True)  # one may begin as another does
        plain = [re.sub(r"\W+", r"\\W*", re.sub("/top", "", name)) for name in names]
        answer = re.findall(rf"\b(?:{'|'.join(plain)})", answer, re.I)
    try:
        names = list(answer)
    except TypeError:
        names = []
    example = f'("{CLASS_NAMES[8]}", "{CLASS_NAMES[3]}")'
    expect(len(names) == 2, f"Give the names of two classes, such as {example}.")
    return [class_name(name) for name in names]


@check(
    "20 % of the images should lie below the threshold. The median has 50 % below it, and is the "
    "quantile of 0.5."
)
def threshold_for_coverage(answer, probabilities: Tensor, of_test: Tensor):
    """The threshold of confidence at which 80 % of the validation images are answered.

    probabilities, of_test: float [N, 10], of the validation images and of the test images.
    """
    threshold = number(answer)
    if 1 < threshold <= 100:
        threshold /= 100  # a percentage
    expect(0 <= threshold <= 1, "The threshold is a probability, from 0 to 1.")
    confidence = probabilities.max(dim=1).values
    exact = confidence.quantile(0.2).item()
    answered = (confidence >= threshold).double().mean().item()
    is_rounded = any(is_close(threshold, round(exact, digits)) for digits in (2, 3, 4))
    if abs(answered - 0.8) < (0.1 if is_rounded else max(0.005, 1 / len(confidence))):
        return
    rounded = is_close(threshold, round(exact, 1))
    expect(not rounded, "The threshold can't be told so exactly with one digit. Give two or more.")
    so_far = f"With this threshold {answered:.0%} are answered."
    for wrong, hint in {
        of_test.max(dim=1).values.quantile(0.2).item(): f"{so_far} This fits the test images. They "
        "are to judge the choice, which is made on the validation images.",
        confidence.quantile(0.8).item(): f"{so_far} That is the other end: refuse the 20 % of "
        "which it is *least* sure.",
        probabilities.quantile(0.2).item(): f"{so_far} This is about all ten probabilities of "
        "each image. The confidence is the largest of the ten.",
        confidence.mean().item(): f"{so_far} This is the mean confidence. Where do 20 % lie below?",
        confidence.quantile(0.5).item(): f"{so_far} This is the median. 20 % should lie below, "
        "not half.",
        0.8: f"{so_far} 80 % is the share to be answered. Which confidence do so many reach?",
        0.2: f"{so_far} 20 % is the share to be refused. Which confidence do so many not reach?",
    }.items():
        expect(not is_close(threshold, wrong, 3), hint)
    other_way = "higher" if answered > 0.8 else "lower"
    raise Hint(f"{so_far} It should be 80 %: the threshold is {other_way}.")


def _parts(matrix: pd.DataFrame) -> tuple[Tensor, Tensor, Tensor]:
    """(precision, recall, F1) of each class."""
    counts = torch.tensor(matrix.to_numpy()).double()
    correct, said, true = counts.diagonal(), counts.sum(0), counts.sum(1)
    return correct / said, correct / true, 2 * correct / (said + true)


def _mean_f1(matrix: pd.DataFrame) -> Tensor:
    return _parts(matrix)[2].mean()


def _f1_of_means(matrix: pd.DataFrame) -> Tensor:
    precision, recall, _ = (part.mean() for part in _parts(matrix))
    return 2 * precision * recall / (precision + recall)


def _weighted_f1(matrix: pd.DataFrame, axis: int) -> Tensor:
    """Weighted by the sums along this axis."""
    images = torch.tensor(matrix.sum(axis=axis).to_numpy()).double()
    return (_parts(matrix)[2] * images).sum() / images.sum()


WRONG_MACRO_F1 = [
    (
        lambda m: np.trace(m) / m.to_numpy().sum(),
        "This is the accuracy, the share of all images that is right.",
    ),
    (
        lambda m: _parts(m)[2].sum() / 10,
        "Divide by the number of classes of this matrix, which need not be 10.",
    ),
    (lambda m: _parts(m)[0].mean(), "This is the mean precision. F1 needs both."),
    (lambda m: _parts(m)[1].mean(), "This is the mean recall. F1 needs both."),
    (
        lambda m: _weighted_f1(m, axis=1),
        "This weights each class with its number of images. In the macro mean all classes count "
        "alike.",
    ),
    (
        lambda m: _weighted_f1(m, axis=0),
        "This weights each class with how often it is said. In the macro mean all classes count "
        "alike.",
    ),
    (
        _f1_of_means,
        "This is F1 of the mean precision and mean recall. First F1 of each class, then the mean.",
    ),
    (
        lambda m: (_parts(m)[0] + _parts(m)[1]).mean() / 2,
        "This is the plain mean of precision and recall. F1 is the harmonic mean.",
    ),
    (
        lambda m: (_parts(m)[0] * _parts(m)[1]).sqrt().mean(),
        "This is a geometric mean of precision and recall. F1 is the harmonic mean.",
    ),
    (lambda m: _mean_f1(m) / 2, "This is half of it. Look at the formula of F1 again."),
    (lambda m: _mean_f1(m) * len(m), "This is the sum over the classes, not the mean."),
    (lambda m: _mean_f1(m) * 100, "This is a percentage. Give a share from 0 to 1."),
    (lambda m: _parts(m)[2], "This is F1 of each class. Take the mean of them."),
    (lambda m: np.median(_parts(m)[2]), "This is the median over the classes."),
    (lambda m: _parts(m)[2].min(), "This is the lowest F1. Take the mean of all."),
    (lambda m: _parts(m)[2].max(), "This is the highest F1. Take the mean of all."),
    (lambda m: round(float(_mean_f1(m)), 2), "This is rounded. Give it as it is."),
    (lambda m: 0.0, "It gives 0 for every matrix. Does a division cut off, as `//`?"),
]


@check(
    "Precision goes by columns and recall by rows, both with what is on the diagonal. Make F1 of "
    "each class, put 0 where it is nan, and take the mean."
)
def macro_f1(function):
    """A function of a confusion matrix (rows true) that gives the mean F1 over the classes."""
    same_hint = "It gives the same for every matrix. Does it use the one that it is given?"
    with _WithoutReport():
        every_class_found = [(matrix,) for matrix in _matrices()]
        first = call(function, *every_class_found[0], stops=_STOPS)
        compare(
            function,
            _mean_f1,
            every_class_found,
            [*WRONG_MACRO_F1, (lambda m: first, same_hint)],
            "First precision (by columns), recall (by rows) and F1 of each class, then the mean.",
            digits=3,
            stops=_STOPS,
        )
        compare(
            function,
            _mean_f1,
            [(matrix,) for matrix in _with_a_class_never_right()],
            [
                (
                    lambda m: _parts(m)[2].sum() / (_parts(m)[2] > 0).sum(),
                    "It leaves out a class of which no image is recognised, which counts as 0.",
                ),
            ],
            "It goes wrong where no image of a class is recognised. The formula divides by zero "
            "there, which gives nan. Such a class counts as 0.",
            digits=3,
            stops=_STOPS,
        )


_STOPS = {
    f"KeyError: {CLASS_NAMES[0]!r}": "The matrix may be of other classes than these ten. "
    "`matrix.index` has their names.",
    "KeyError: 0": "A table takes names. By number it is `matrix.iloc`, or `matrix.to_numpy()`.",
    "IndexError": "The matrix may have fewer than ten classes.",
    "ZeroDivisionError": "A class of which no image is recognised has nothing to divide by. "
    "It counts as 0.",
    "determine the shape": "`matrix.to_numpy()` is the array in the table.",
}


def _matrices() -> list[pd.DataFrame]:
    """Of 3, 2, 5 and 10 classes, most of unequal size; each class has right answers."""
    random = np.random.default_rng(0)
    five, ten = (random.integers(0, 30, (n, n)) + np.diag(range(5, 5 + 9 * n, 9)) for n in (5, 10))
    return [
        pd.DataFrame([[8, 2, 0], [4, 5, 1], [0, 0, 10]], list("abc"), list("abc")),
        pd.DataFrame([[90, 10], [3, 7]], ["cat", "dog"], ["cat", "dog"]),
        pd.DataFrame(five * [[9], [1], [4], [2], [1]], list("vwxyz"), list("vwxyz")).astype(float),
        pd.DataFrame(
            ten,
            pd.Index(CLASS_NAMES, name="true class"),
            pd.Index(CLASS_NAMES, name="predicted class"),
        ),
    ]


def _with_a_class_never_right() -> list[pd.DataFrame]:
    """One that is never said, one that has no images, and one that is always said wrongly."""
    never_said = [[8, 0, 2], [3, 0, 1], [1, 0, 30]]
    without_images = [[5, 1, 2], [0, 9, 0], [0, 0, 0]]
    always_wrong = [[4, 2, 0, 0], [6, 0, 0, 1], [0, 1, 7, 0], [1, 0, 2, 12]]
    return [
        pd.DataFrame(counts, list("abcd")[: len(counts)], list("abcd")[: len(counts)])
        for counts in (never_said, without_images, always_wrong)
    ]


class _WithoutReport:
    """While it holds, `per_class_report` raises `Hint`, whatever name a student has given it."""

    def __enter__(self) -> None:
        def refuse(*_, **__):
            from fmnist_lib.lessons.checks.core import Hint  # it runs as code of `evaluate`

            raise Hint("per_class_report has F1 ready. Compute it from the matrix.")

        self.own = evaluate.per_class_report.__code__
        evaluate.per_class_report.__code__ = refuse.__code__

    def __exit__(self, *_) -> None:
        evaluate.per_class_report.__code__ = self.own


def _doubted(p: Tensor, y: Tensor, n: int) -> Tensor:
    return of_label(p, y).argsort()[:n]


def _mistakes(p: Tensor, y: Tensor) -> Tensor:
    return (p.argmax(1) != y).nonzero()[:, 0]


def _surest_mistakes(p: Tensor, y: Tensor, n: int) -> Tensor:
    wrong = _mistakes(p, y)
    return wrong[p[wrong].amax(1).argsort(descending=True)[:n]]


def _places_among_mistakes(p: Tensor, y: Tensor, n: int) -> Tensor:
    """Of the mistakes whose label is doubted most."""
    wrong = _mistakes(p, y)
    return _doubted(p[wrong], y[wrong], n)


UNSURE = "Of these it is unsure, whatever the label. What does it think of the given label?"
OWN_ANSWER = "This is how much it prefers its own answer. The given label alone is asked."
EVERY_LABEL = (
    "`probabilities[:, labels]` takes every label for every image. Each row needs its own label "
    "only."
)
DOUBTED_WRONGLY = [  # p: probabilities, y: labels, n: how many are asked for
    (
        lambda p, y, n: _mistakes(p, y)[:n],
        "These are the first mistakes. Which are those whose label is believed least?",
    ),
    (
        _surest_mistakes,
        "These are the mistakes it was surest of. How much is left for the *given* label?",
    ),
    (
        lambda p, y, n: _mistakes(p, y),
        "These are all mistakes. The label that is believed least is asked, n times.",
    ),
    (
        lambda p, y, n: _mistakes(p, y)[_places_among_mistakes(p, y, n)],
        "This looks at the mistakes alone. How many are asked for, and of which images?",
    ),
    (_places_among_mistakes, "These are places among the mistakes, not among all images."),
    (
        lambda p, y, n: (p.argmax(1) == y).double().add(of_label(p, y)).argsort()[:n],
        "This puts the mistakes first. A label can be doubted and still be the best guess.",
    ),
    (lambda p, y, n: (of_label(p, y) - p.amax(1)).argsort()[:n], OWN_ANSWER),
    (lambda p, y, n: (of_label(p, y) / p.amax(1)).argsort()[:n], OWN_ANSWER),
    (lambda p, y, n: (p * p.log()).sum(1).argsort()[:n], UNSURE),  # of the largest entropy
    (
        lambda p, y, n: torch.zeros(n),
        "It gives zeros. `argsort` goes along the last dimension: is that the images?",
    ),
    (
        lambda p, y, n: of_label(p, y).argsort()[n:],
        "These are all but the n that are asked for.",
    ),
    (
        lambda p, y, n: of_label(p, y).argsort(descending=True)[:n],
        "These labels it believes most.",
    ),
    (lambda p, y, n: p.amax(1).argsort()[:n], UNSURE),
    (
        lambda p, y, n: p.amax(1).argsort(descending=True)[:n],
        "These are its surest answers. What does it think of the given label?",
    ),
    (
        lambda p, y, n: p.amin(1).argsort()[:n],
        "This takes the smallest of all probabilities, of any class. The given label has its own.",
    ),
    (
        lambda p, y, n: of_label(p, y).sort().values[:n],
        "These are the probabilities. Which images have them?",
    ),
    (
        lambda p, y, n: torch.stack([*of_label(p, y).double().sort()])[:, :n],
        "These are probabilities and indices. Give the indices alone.",
    ),
    (
        lambda p, y, n: of_label(p, y).argsort(),
        "These are all images. It should be the first n of them.",
    ),
    (
        lambda p, y, n: of_label(p, y) <= of_label(p, y).sort().values[n - 1],
        "This says yes or no for each image. Give the indices of those with yes.",
    ),
    (lambda p, y, n: y[_doubted(p, y, n)], "These are labels. Give the indices of the images."),
    (lambda p, y, n: range(n), "These are the first n images."),
    (
        lambda p, y, n: of_label(p, y).argsort().argsort()[:n],
        "These are ranks. The other way round: which image is at each rank?",
    ),
    (lambda p, y, n: p[:, y].argsort()[:n], EVERY_LABEL),
    (lambda p, y, n: p[:, y].argsort(0)[:n], EVERY_LABEL),
    (lambda p, y, n: _doubted(p, y, 2), "It gives 2 images, however many are asked for."),
]


@check(
    "Each image has one number of its own: the probability in its row, in the column of its label. "
    "Where are the n smallest of these?"
)
def likely_mislabels(function):
    """A function of (probabilities, labels, n): the n images whose label is doubted most."""
    compare(
        function,
        _doubted,
        [
            _answers(5, 3, 2, seed=0),
            _answers(60, 10, 7, seed=1),
            _answers(40, 4, 1, seed=2, dtype=torch.float64),
            _answers(30, 10, 5, seed=3),
            _answers(12, 10, 12, seed=4),
        ],
        DOUBTED_WRONGLY,
        "Take the probability of the given label of each image, and find the n smallest of them.",
        stops={
            "could not be broadcast": "Row numbers and labels have to be as many as there are "
            "images.",
            "same number of dimensions": "`gather` takes labels with as many dimensions as the "
            "probabilities have.",
            "out of bounds": "There may be fewer images or classes than in the notebook.",
        },
        read=unordered,
    )


def _answers(
    images: int, classes: int, n: int, seed: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, int]:
    """(probabilities, labels, n).

    Of some images it is sure and of others not, so that a label may be its best guess and yet more
    in doubt than the label of a mistake.
    """
    random = torch.Generator().manual_seed(seed)
    sure = 2 * torch.rand(images, 1, generator=random, dtype=dtype).square()
    probabilities = (sure * torch.randn(images, classes, generator=random, dtype=dtype)).softmax(1)
    first, second = probabilities.topk(2).indices.T
    is_first = torch.rand(images, generator=random) < 0.4
    return probabilities, torch.where(is_first, first, second), n
