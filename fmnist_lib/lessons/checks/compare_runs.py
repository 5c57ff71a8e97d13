"""The checks of notebook 6, Compare runs."""

import pandas as pd

from fmnist_lib.lessons.checks.core import (
    call,
    check,
    compare,
    expect,
    is_close,
    judge_number,
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
