"""The checks of notebook 6, Compare runs."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from fmnist_lib.lessons.checks.core import (
    Hint,
    array,
    call,
    check,
    compare,
    expect,
    is_close,
    judge_number,
    kind,
    number,
    unordered,
)


@check("√9 is 3. The mean of nine runs scatters less than a single run does.")
def standard_error(answer):
    """Standard error of the mean of 9 runs with a spread of 0.3 points."""
    value = number(answer)
    is_share = isinstance(answer, str) and "%" in answer
    a_share = "That is a share. Asked is for points, and a point is 0.01."
    expect(is_share or not is_close(value, 0.001), a_share)
    judge_number(
        value * 100 if is_share else value,  # a point is a percent
        0.1,
        {
            0.3: "That is how far single runs scatter, not their mean.",
            0.3 / 9: "That falls too fast: divide by the square root of the number of runs.",
            0.3 / 4.5: "That is divided by a half of the number of runs. A root is another thing.",
            0.3 * 3: "Multiplied. But the mean of many runs scatters less than one run.",
            0.3 * 9: "Multiplied. But the mean of many runs scatters less than one run.",
            0.3 / 8**0.5: "It is n here, not n - 1: the spread has that in it already.",
            0.3**2 / 9: "That is its square.",
            0.3**0.5 / 3: "That takes the root of the spread, too. It is the root of n alone.",
            0.3 / 81: "That is divided by the square of the number of runs, not by its root.",
            3: "That is √n. What has to be divided by it?",
        },
        "Divide the spread by the square root of the number of runs.",
        digits=3,
    )


@check(
    "Group the runs by learning rate and take the mean of each group, on the split on which "
    "choices are made. Then ask which group has the highest."
)
def best_setting(function):
    """A function of a table of runs that gives the learning rate to prefer.

    By mean and by median it is the same one.
    """

    def by_rate(runs: pd.DataFrame, split: str = "validation"):
        return runs.groupby("learning_rate")[f"{split}_accuracy"]

    def luckiest(runs, split):
        return runs.loc[runs[f"{split}_accuracy"].idxmax(), "learning_rate"]

    def of_both(runs):
        return by_rate(runs).mean() + by_rate(runs, "test").mean()

    cases = [(runs,) for runs in _tables_of_runs()]
    first = call(function, *cases[0])
    lucky = "That is the rate of the luckiest run. What does a rate reach on average?"
    most_runs = "That is the rate with the most runs. Which one has the best?"
    test = "That is the choice of the test set, which should have no part in it."
    compare(
        function,
        lambda runs: by_rate(runs).mean().idxmax(),
        cases,
        [
            (lambda runs: luckiest(runs, "validation"), lucky),
            (lambda runs: by_rate(runs, "test").mean().idxmax(), test),
            (lambda runs: luckiest(runs, "test"), test + " And one run may be lucky."),
            (
                lambda runs: of_both(runs).idxmax(),
                "This takes the test set into account, which should have no part in the choice.",
            ),
            (
                lambda runs: by_rate(runs).sum().idxmax(),
                "This adds up: a rate with more runs has more. Take the mean.",
            ),
            (lambda runs: by_rate(runs).count().idxmax(), most_runs),
            (lambda runs: runs["learning_rate"].value_counts().idxmax(), most_runs),
            (lambda runs: by_rate(runs).mean().idxmin(), "That is the rate with the lowest mean."),
            (
                lambda runs: by_rate(runs).min().idxmax(),
                "This judges each rate by its worst run, which may be bad luck.",
            ),
            (
                lambda runs: by_rate(runs).std().idxmin(),
                "That is the rate whose runs differ least, however bad they are.",
            ),
            (
                lambda runs: (
                    runs[runs["seed"] == 0]
                    .set_index("learning_rate")["validation_accuracy"]
                    .idxmax()
                ),
                "This looks at one seed only.",
            ),
            (
                lambda runs: by_rate(runs).mean().argmax(),
                "That is a position, counted from 0. Which rate stands there?",
            ),
            (lambda runs: by_rate(runs).mean().max(), "That is an accuracy. Which rate has it?"),
            (lambda runs: by_rate(runs).max().max(), "That is an accuracy. Which rate has it?"),
            (
                lambda runs: by_rate(runs).mean(),
                "These are the means of all rates. Which rate has the highest?",
            ),
            (
                lambda runs: runs.groupby("seed")["validation_accuracy"].mean().idxmax(),
                "That is a seed. Group by the learning rate.",
            ),
            (
                lambda runs: runs.loc[runs["validation_accuracy"].idxmax(), "seed"],
                "That is a seed. Which learning rate is to be preferred?",
            ),
            (
                lambda runs: first,
                "It gives the same rate for every table. Does it use the table that it is given?",
            ),
        ],
        "What does each rate reach on average over its runs, and where is that highest?",
    )


def _tables_of_runs() -> list[pd.DataFrame]:
    """Learning rate → accuracies on validation and on test.

    In the last table each criterion prefers another rate.
    """
    two = {0.1: ([0.95, 0.85], [0.94, 0.93]), 0.01: ([0.92, 0.91], [0.90, 0.91])}
    of_unequal_numbers = {
        0.003: ([0.93, 0.86, 0.86, 0.87], [0.83, 0.82, 0.84, 0.83]),
        0.03: ([0.905, 0.895], [0.88, 0.87]),
        0.3: ([0.70, 0.80, 0.90], [0.95, 0.94, 0.96]),
    }
    whole = {
        1: ([0.30, 0.75, 0.55], [0.59, 0.60, 0.61]),
        2: ([0.63, 0.62, 0.55], [0.50, 0.51, 0.52]),
        4: ([0.552, 0.553, 0.554], [0.40, 0.70, 0.30]),
    }
    many = {
        0.064: ([0.60, 0.60, 0.60], [0.60, 0.60, 0.60]),  # differ least
        0.004: ([0.80, 0.80, 0.82], [0.99, 0.50, 0.50]),  # the luckiest on test
        0.0005: ([0.86, 0.93, 0.94], [0.50, 0.50, 0.51]),  # the highest mean
        0.001: ([0.97, 0.80, 0.70], [0.70, 0.70, 0.71]),  # the luckiest
        0.002: ([0.85, 0.80, 0.75], [0.93, 0.94, 0.95]),  # the highest mean on test
        0.008: ([0.40, 0.50, 0.50, 0.50, 0.60], [0.50, 0.50, 0.50, 0.50, 0.51]),  # most runs
        0.016: ([0.10, 0.20, 0.30], [0.20, 0.20, 0.21]),  # the lowest mean
        0.032: ([0.8649, 0.8650, 0.8651], [0.70, 0.70, 0.71]),  # the best of the worst
        0.128: ([0.70, 0.75, 0.80, 0.75], [0.70, 0.70, 0.70, 0.71]),  # the highest sum
        0.256: ([0.80, 0.90, 0.95], [0.90, 0.90, 0.91]),  # the highest of both splits
    }
    tables = []
    for accuracies in (two, of_unequal_numbers, whole, many):
        rows = [
            (rate, seed, *pair)
            for rate, both in accuracies.items()
            for seed, pair in enumerate(zip(*both))
        ]
        columns = ["learning_rate", "seed", "validation_accuracy", "test_accuracy"]
        tables.append(pd.DataFrame(rows, columns=columns))
    mixed = tables[1].sample(frac=1, random_state=1)
    named = mixed.set_index("run " + mixed.index.astype(str))  # as the table of the notebook
    return [tables[0], named, tables[2].astype({"validation_accuracy": "float32"}), tables[3]]


def _best_at(runs: pd.DataFrame):
    """The best epochs of the runs at each rate."""
    return runs.groupby("learning_rate")["best_epoch"]


def _rates(chosen: pd.Series) -> list:
    """Those for which it holds."""
    return chosen.index[chosen].tolist()


def _cut_short(runs: pd.DataFrame, epochs: int) -> list:
    return _rates(_best_at(runs).min() == epochs)


ALL_OF_THEM = "This takes a rate when one of its runs was cut short. It should be every run."
FROM_ONE = "Epochs count from 1 here, so that the last one has the number `epochs`."
ONE_RUN = "This looks at one run of each rate only."
ONE_RATE = "This is always one rate. It may be several, or none."
CUT_SHORT_WRONGLY = [
    (lambda runs, epochs: _rates(_best_at(runs).max() == epochs), ALL_OF_THEM),
    (lambda runs, epochs: runs.loc[runs["best_epoch"] == epochs, "learning_rate"], ALL_OF_THEM),
    (
        lambda runs, epochs: _rates(_best_at(runs).median() == epochs),
        "This takes a rate when most of its runs were cut short. It should be every run.",
    ),
    (
        lambda runs, epochs: [
            rate for rate in runs["learning_rate"] if rate in _cut_short(runs, epochs)
        ],
        "These are the right rates, but some of them several times. Give each once.",
    ),
    (
        lambda runs, epochs: _rates(_best_at(runs).min() != epochs),
        "These are the rates that were *not* cut short.",
    ),
    (
        lambda runs, epochs: _rates(_best_at(runs).max() != epochs),
        "These are the rates of which no run was cut short. The others are asked.",
    ),
    (
        lambda runs, epochs: _cut_short(runs, runs["best_epoch"].max()),
        "The last epoch is not always the best of some run. Compare with `epochs`.",
    ),
    (
        lambda runs, epochs: _rates(_best_at(runs).max() == runs["best_epoch"].max()),
        ALL_OF_THEM + " And compare with `epochs`.",
    ),
    (lambda runs, epochs: _cut_short(runs, 5), "It may be other than 5: compare with `epochs`."),
    (lambda runs, epochs: _cut_short(runs, epochs - 1), FROM_ONE),
    (lambda runs, epochs: _rates(_best_at(runs).max() == epochs - 1), FROM_ONE),
    (
        lambda runs, epochs: [rate for rate, best in _best_at(runs) if {*best} == {epochs - 1}],
        FROM_ONE,
    ),
    (lambda runs, epochs: _rates(_best_at(runs).first() == epochs), ONE_RUN),
    (lambda runs, epochs: _rates(_best_at(runs).last() == epochs), ONE_RUN),
    (lambda runs, epochs: [_best_at(runs).mean().idxmax()], ONE_RATE),
    (lambda runs, epochs: runs.loc[runs["best_epoch"].idxmax(), "learning_rate"], ONE_RATE),
    (
        lambda runs, epochs: _cut_short(runs, epochs)[:1],
        "It stops at the first rate. There may be several.",
    ),
    (
        lambda runs, epochs: len(_cut_short(runs, epochs)),
        "This is how many they are. Which rates are they?",
    ),
    (
        lambda runs, epochs: runs[runs["learning_rate"].isin(_cut_short(runs, epochs))],
        "These are the runs. Give their learning rates, each once.",
    ),
    (
        lambda runs, epochs: runs[runs["best_epoch"] == epochs],
        "These are all runs that were cut short. Which rates have no other ones?",
    ),
    (
        lambda runs, epochs: _best_at(runs).min() == epochs,
        "This says yes or no for each rate. Give the rates for which it is yes.",
    ),
    (
        lambda runs, epochs: [epochs for _ in _cut_short(runs, epochs)],
        "These are epochs. The rates that they belong to stand in the index.",
    ),
    (lambda runs, epochs: runs["learning_rate"].unique(), "These are all rates."),
    (lambda runs, epochs: [], "This is never any rate."),
]


@check(
    "The best epochs of a rate are all the last one if even the earliest of them is. Group by "
    "learning rate, and compare with the number of epochs."
)
def cut_short(function):
    """A function of (runs, epochs): the rates of which every run was best in its last epoch."""
    mixed = {0.3: [8, 2], 0.2: [7, 7], 0.1: [8, 8, 8], 0.03: [8, 7, 8, 8], 0.02: [1, 8], 1: [8, 8]}
    compare(
        function,
        _cut_short,
        [
            (_best_epochs({0.001: [5, 5, 5], 0.01: [4, 5, 5], 0.1: [3, 4, 4]}), 5),
            (_best_epochs(mixed), 8),
            (_best_epochs({0.01: [2, 3], 0.1: [2, 2], 1: [1, 2]}), 3),
            (_best_epochs({0.02: [7, 7], 0.2: [7, 6]}), 10),  # none reached the last
            (_best_epochs({0.05: [4], 0.5: [3]}).astype({"best_epoch": float}), 4),
        ],
        CUT_SHORT_WRONGLY,
        "Which rates have the last epoch as the best one, in each of their runs?",
        stops={
            "ambiguous": "`if` asks for one yes or no, and here is one for each run. `.all()` says "
            "whether it is yes for all."
        },
        read=unordered,
    )


def _best_epochs(of_rates: dict[float, list[int]]) -> pd.DataFrame:
    """A table of runs: learning rate → the best epoch with each seed."""
    rows = [
        (rate, seed, epoch)
        for rate, epochs in of_rates.items()
        for seed, epoch in enumerate(epochs)
    ]
    return pd.DataFrame(rows, columns=["learning_rate", "seed", "best_epoch"])


def _pairs(differences: list[float], threshold: float, before: list | None = None) -> tuple:
    """Before, after, and the threshold; `differences` in thousandths."""
    before = before or [0.90, 0.93, 0.91, 0.94, 0.92, 0.95, 0.89, 0.96, 0.88, 0.97]
    pairs = [(one, round(one + each / 1000, 6)) for one, each in zip(before, differences)]
    return *map(list, zip(*pairs)), threshold


SMALL_SPREAD = [0.900, 0.901, 0.900, 0.901, 0.900]
# Behind each: how many standard errors the mean of the differences is away from 0.
PAIRS = [
    _pairs([4, 5, 4, 5, 4], 2.776),  # 18: each list has a large spread, the pairs have not
    _pairs([-4, -5, -4, -5, -4], 2.776),  # -18
    _pairs([6, 0, 8, -1, 7], 2.776),  # 2.1
    _pairs([6, 2, 5, 1, 4], 2.776),  # 3.9: not away by so many spreads
    _pairs([6, 2, 5, 1, 4], 5.598),
    _pairs([2, 9, 4], 4.303),  # 2.4
    _pairs([5, 9, 7], 4.303),  # 6.1
    _pairs([4.5, 9.5, 7], 4.303),  # 4.8
    _pairs([4, 10, 7], 4.303),  # 4.04; with a standard deviation that divides by n 4.9
    _pairs([5, -3, 4, 6, -2, 5, 4, -1, 6, 3], 2.262),  # 2.5
    _pairs([5, -3, 4, 6, -6, 5, 4, -4, 6, 1], 2.262),  # 1.2
    _pairs([9, 9, 9, -14, 9], 2.776),  # 1.0: a median that is far away
    _pairs([2, 1, 2, 1, 60], 2.776, SMALL_SPREAD),  # 1.1: all of one sign
    _pairs([-3, 12, 1, 14, 16], 2.776, SMALL_SPREAD),  # 2.1
    _pairs([5, 5, 5, 10, 0], 0.55),  # 3.2; highest minus lowest is 10, twice the mean
    _pairs([44, -16, 25, -36, 5], 2.776),  # 0.3: sorted, each pair would gain 4 or 5
    _pairs([2, 3, 1, 2, 2, 3, 1, 2, 2, 2], 100.0),  # 9.5: the sum of the differences is not asked
    ([90.1, 90.4, 89.8, 90.2, 90.0], [90.6, 90.8, 90.4, 90.9, 90.4], 2.776),  # 8.9, in percent
    ([90.1, 90.4, 89.8, 90.2, 90.0], [94.6, 90.8, 96.4, 91.9, 92.4], 2.776),  # 2.9
]


def _ratio(before: list, after: list, ddof: int = 1) -> float:
    """How many standard errors the mean of the differences is away from 0."""
    differences = np.subtract(after, before)
    return differences.mean() / (differences.std(ddof=ddof) / len(differences) ** 0.5)


def _is_clear(before: list, after: list, threshold: float) -> bool:
    return bool(_ratio(before, after) > threshold)


def _against(error) -> Callable:
    """The rule with another error of the mean: a function of (differences, before, after)."""

    def says(before: list, after: list, threshold: float) -> bool:
        differences = np.subtract(after, before)
        return differences.mean() > threshold * error(differences, before, after)

    return says


def _largest_spread(*lists: list) -> float:
    return max(np.std(each, ddof=1) for each in lists)


UNPAIRED = "These are the spreads of the two lists. The differences, pair by pair, have one spread."
NO_ROOT = "The spread has to be divided by the square root of the number of pairs."
FIXED = "The threshold is given: use the third argument."
NOT_CLEAR = [
    (lambda b, a, t: True, "This says True each time, also where the mean falls."),
    (lambda b, a, t: False, "This says False each time, also where every pair gains half a point."),
    (lambda b, a, t: not _is_clear(b, a, t), "This says True and False the other way round."),
    (lambda b, a, t: _is_clear(a, b, t), "This is True for a loss. Which list comes first?"),
    (lambda b, a, t: abs(_ratio(b, a)) > t, "This is True for a clear loss, too."),
    (lambda b, a, t: _ratio(b, a) > 0, "A higher mean may be luck. How large is its error?"),
    (lambda b, a, t: _ratio(b, a, ddof=0) > t, "np.std divides by n. Give it ddof=1."),
    (lambda b, a, t: _ratio(b, a) > 2, FIXED),
    (lambda b, a, t: _ratio(b, a) > 2.776, FIXED),
    (lambda b, a, t: np.mean(a) - np.mean(b) > t, "Points are compared with standard errors here."),
    (
        lambda b, a, t: _is_clear(sorted(b), sorted(a), t),
        "Sorting tears the pairs apart: what belongs to one seed has to stay together.",
    ),
    (
        lambda b, a, t: np.min(np.subtract(a, b)) > 0,
        "Each pair may be higher and the mean be unclear, if they differ much.",
    ),
    (
        lambda b, a, t: (
            np.median(np.subtract(a, b)) > t * np.std(np.subtract(a, b), ddof=1) / len(a) ** 0.5
        ),
        "This takes the median, not the mean.",
    ),
    (_against(lambda d, b, a: d.std(ddof=1)), NO_ROOT),
    (_against(lambda d, b, a: d.std()), NO_ROOT),
    (
        _against(lambda d, b, a: d.std(ddof=1) / len(d)),
        "Divide by the *root* of the number of pairs.",
    ),
    (
        _against(lambda d, b, a: d.var(ddof=1) / len(d) ** 0.5),
        "This is the variance. Take its root.",
    ),
    (_against(lambda d, b, a: np.ptp(d)), "This takes highest minus lowest."),
    (_against(lambda d, b, a: _largest_spread(b, a) / len(d) ** 0.5), UNPAIRED),
    (_against(lambda d, b, a: _largest_spread(a) / len(d) ** 0.5), UNPAIRED),
    (_against(lambda d, b, a: _largest_spread(b) / len(d) ** 0.5), UNPAIRED),
    (
        _against(lambda d, b, a: ((np.var(b, ddof=1) + np.var(a, ddof=1)) / len(d)) ** 0.5),
        UNPAIRED,
    ),
    (lambda b, a, t: np.mean(a) - np.mean(b) > 2 * _largest_spread(b, a), UNPAIRED),
    (lambda b, a, t: np.mean(a) - np.mean(b) > t * _largest_spread(b, a), UNPAIRED),
    (
        _against(lambda d, b, a: d.std(ddof=1) * len(d) ** 0.5),
        "That multiplies by the root of the number of pairs. The error of a mean gets smaller.",
    ),
    (
        lambda b, a, t: np.sum(np.subtract(a, b)) > t * np.std(np.subtract(a, b)) / len(a) ** 0.5,
        "That is the sum of the differences. Take their mean.",
    ),
    (
        _against(lambda d, b, a: sum(np.std(each, ddof=1) for each in (b, a)) / len(d) ** 0.5),
        UNPAIRED,
    ),
]


@check(
    "Make the list of differences, after minus before. Their mean has to be larger than the "
    "threshold times their standard deviation divided by the root of their number."
)
def clear_gain(function):
    """A function of (before, after, threshold): is the mean difference clearly above 0?"""

    def says(before: list, after: list, threshold: float) -> bool:
        result = call(function, before, after, threshold, returns=False, stops=stops)
        expect(
            result is not None,
            f"For {before} and {after} your function returns nothing. It has to return True or "
            "False in every case.",
        )
        try:
            flag = array(result).reshape(-1).tolist()
        except Hint:
            flag = []
        expect(flag in ([0.0], [1.0]), f"Return True or False, not {kind(result)}")
        return flag == [1.0]

    whole = "Lists can't be calculated with as a whole. Make a Series or tensor of each."
    stops = {
        "'list' object has no attribute": whole,
        "unsupported operand type": whole,
        "must be Tensor, not list": whole,
        "infer output dtype": whole,
        "is ambiguous": "There has to be one comparison, of single numbers.",
    }
    compare(
        says,
        _is_clear,
        PAIRS,
        NOT_CLEAR,
        "The mean of the differences against the threshold times its standard error. Try pairs "
        "that all gain the same, pairs that scatter, and a loss.",
    )
