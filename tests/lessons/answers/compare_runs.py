"""Answers to the exercises of notebook 6."""

import math
import statistics

import numpy as np
import pandas as pd
import torch

from answers import Answers, numbers


def rates_of(trials):
    return sorted(set(trials["learning_rate"]))


def of_rate(trials, rate, column="validation_accuracy"):
    return trials.loc[trials["learning_rate"] == rate, column]


def best_by_loop(trials):
    best, highest = None, 0.0
    for rate in trials["learning_rate"].unique():
        mean = of_rate(trials, rate).mean()
        if mean > highest:
            best, highest = rate, mean
    return best


def best_by_dictionary(trials):
    accuracies = {}
    for _, run in trials.iterrows():
        accuracies.setdefault(run["learning_rate"], []).append(run["validation_accuracy"])
    return max(accuracies, key=lambda rate: sum(accuracies[rate]) / len(accuracies[rate]))


def best_in_numpy(trials):
    rates = np.unique(trials["learning_rate"])
    accuracies = trials["validation_accuracy"].to_numpy()
    means = [accuracies[trials["learning_rate"].to_numpy() == rate].mean() for rate in rates]
    return rates[np.argmax(means)]


def best_in_torch(trials):
    rates, group = torch.tensor(trials["learning_rate"].to_numpy()).unique(return_inverse=True)
    accuracies = torch.tensor(trials["validation_accuracy"].to_numpy()).double()
    sums = torch.zeros(len(rates)).double().index_add(0, group, accuracies)
    return rates[(sums / group.bincount()).argmax()]


def best_of_a_new_column(trials):
    groups = trials.groupby("learning_rate")["validation_accuracy"]
    trials["mean"] = groups.transform("mean")
    return trials.sort_values("mean")["learning_rate"].iloc[-1]


def grouped(trials, column="validation_accuracy"):
    return trials.groupby("learning_rate")[column]


def cut_by_loop(trials, epochs):
    found = []
    for rate in trials["learning_rate"].unique():
        if (of_rate(trials, rate, "best_epoch") == epochs).all():
            found.append(rate)
    return found


def cut_by_sets(trials, epochs):
    earlier = trials[trials["best_epoch"] < epochs]["learning_rate"]
    return set(trials["learning_rate"]) - set(earlier)


def cut_by_dictionary(trials, epochs):
    last = {}
    for rate, epoch in zip(trials["learning_rate"], trials["best_epoch"]):
        last[rate] = last.get(rate, True) and epoch == epochs
    return tuple(rate for rate, always in last.items() if always)


def cut_in_numpy(trials, epochs):
    rates, best = trials["learning_rate"].to_numpy(), trials["best_epoch"].to_numpy()
    return np.array([rate for rate in np.unique(rates) if np.all(best[rates == rate] == epochs)])


def cut_with_if(trials, epochs):
    return [rate for rate in rates_of(trials) if of_rate(trials, rate, "best_epoch") == epochs]


def earliest(trials):
    return grouped(trials, "best_epoch").min()


def of_last_epoch(trials, epochs):
    return trials[trials["best_epoch"] == epochs]["learning_rate"]


def gains_by_loops(before, after, threshold):
    differences = []
    for one, other in zip(before, after):
        differences.append(other - one)
    mean = sum(differences) / len(differences)
    squares = sum((each - mean) ** 2 for each in differences)
    spread = (squares / (len(differences) - 1)) ** 0.5
    return mean > threshold * spread / len(differences) ** 0.5


def gains_by_statistics(before, after, threshold):
    differences = [other - one for one, other in zip(before, after)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    if statistics.mean(differences) > threshold * error:
        return True
    return False


def gains_in_torch(before, after, threshold):
    differences = torch.tensor(after) - torch.tensor(before)
    return differences.mean() / (differences.std() / len(after) ** 0.5) > threshold


def gains_or_nothing(before, after, threshold):
    if gains_by_loops(before, after, threshold):
        return True


def rule(middle=np.mean, error=lambda d: np.std(d, ddof=1) / len(d) ** 0.5):
    """A function as the exercise asks for, with what may be wrong in it."""
    return lambda b, a, t: middle(np.subtract(a, b)) > t * error(np.subtract(a, b))


def of_the_lists(error, factor=None):
    """The rule with an error of the two lists instead of the differences."""
    return lambda b, a, t: np.mean(a) - np.mean(b) > (factor or t) * error(b, a)


ANSWERS = {
    "standard_error": Answers(
        right=[*numbers(0.1), "0.1 points", "± 0.1", "0.1 %", "0,1", 0.3 / np.sqrt(9)],
        wrong=[
            (0.001, "That is a share"),
            (0.3, "single runs scatter"),
            (0.3 / 9, "falls too fast"),
            (0.3 / 4.5, "a half of the number"),
            (0.033, "falls too fast"),
            (0.106, "not n - 1"),
            ("10 %", "Divide the spread"),
            (0.9, "Multiplied"),
            (2.7, "Multiplied"),
            (0.3 / 8**0.5, "not n - 1"),
            (0.01, "its square"),
            (0.3**0.5 / 3, "n alone"),
            (0.3 / 81, "square of the number of runs"),
            (3, "That is √n"),
            (1, "Divide the spread"),
            (-0.1, "Divide the spread"),
            ("0.3 / 3", "Give one number"),
            ([0.3, 9], "Give one number"),
        ],
    ),
    "best_setting": Answers(
        right=[
            best_by_loop,
            best_by_dictionary,
            best_in_numpy,
            best_in_torch,
            best_of_a_new_column,
            lambda t: t.groupby("learning_rate").mean()["validation_accuracy"].idxmax(),
            lambda t: grouped(t).median().idxmax(),
            lambda t: grouped(t).mean().sort_values(ascending=False).index[0],
            lambda t: grouped(t).mean().nlargest(1).index,
            lambda t: t.pivot_table("validation_accuracy", "learning_rate").idxmax(),
            lambda t: [max(rates_of(t), key=lambda rate: of_rate(t, rate).mean())],
            lambda t: str(grouped(t).mean().idxmax()),
        ],
        wrong=[
            (lambda t: t.loc[t["validation_accuracy"].idxmax(), "learning_rate"], "luckiest run"),
            (lambda t: grouped(t).max().idxmax(), "luckiest run"),
            (lambda t: t.sort_values("validation_accuracy")["learning_rate"].iloc[-1], "luckiest"),
            (lambda t: grouped(t, "test_accuracy").mean().idxmax(), "choice of the test set"),
            (lambda t: t.loc[t["test_accuracy"].idxmax(), "learning_rate"], "no part in it"),
            (
                lambda t: (grouped(t).mean() + grouped(t, "test_accuracy").mean()).idxmax(),
                "into account",
            ),
            (lambda t: grouped(t).sum().idxmax(), "adds up"),
            (lambda t: t["learning_rate"].value_counts().idxmax(), "the most runs"),
            (lambda t: grouped(t).mean().idxmin(), "lowest mean"),
            (lambda t: grouped(t).min().idxmax(), "worst run"),
            (lambda t: grouped(t).std().idxmin(), "differ least"),
            (lambda t: grouped(t).mean().max(), "That is an accuracy"),
            (lambda t: t["validation_accuracy"].max(), "That is an accuracy"),
            (lambda t: grouped(t).mean(), "means of all rates"),
            (lambda t: t.groupby("seed")["validation_accuracy"].mean().idxmax(), "a seed"),
            (lambda t: t["validation_accuracy"].idxmax(), "on average over its runs"),
            (lambda t: best_by_loop(t[t["seed"] == 0]), "one seed only"),
            (lambda t: grouped(t).mean().argmax(), "a position"),
            (lambda t: 0.01, "the same rate for every table"),
            (lambda t: t["learning_rate"].max(), "on average over its runs"),
            (lambda t: t.groupby("rate")["validation_accuracy"].mean(), "a column or a key"),
            (lambda t: (grouped(t).mean().idxmax(), grouped(t).mean().max()), "of one number"),
            ("0.01", "the function itself"),
        ],
    ),
    "cut_short": Answers(
        right=[
            cut_by_loop,
            cut_by_sets,
            cut_by_dictionary,
            cut_in_numpy,
            lambda t, n: earliest(t)[earliest(t) == n].index,
            lambda t, n: earliest(t).index[earliest(t) == n].to_numpy(),
            lambda t, n: [rate for rate, best in grouped(t, "best_epoch") if best.min() == n],
            lambda t, n: grouped(t, "best_epoch").mean().loc[lambda mean: mean == n].index,
            lambda t, n: grouped(t, "best_epoch").agg(lambda best: (best == n).all())
            .loc[lambda always: always].index.to_series(),
            lambda t, n: earliest(t).reset_index().query("best_epoch == @n")["learning_rate"],
            lambda t, n: {rate for rate in rates_of(t) if {*of_rate(t, rate, "best_epoch")} == {n}},
            lambda t, n: (rate for rate in rates_of(t) if rate in cut_by_loop(t, n)),
            lambda t, n: torch.tensor(cut_by_loop(t, n)),
        ],
        wrong=[
            (lambda t, n: of_last_epoch(t, n).unique(), "one of its runs"),
            (lambda t, n: set(of_last_epoch(t, n)), "one of its runs"),
            (of_last_epoch, "one of its runs"),
            (lambda t, n: [r for r, b in grouped(t, "best_epoch") if n in set(b)], "one of its"),
            (
                lambda t, n: [r for r, b in grouped(t, "best_epoch") if b.median() == n],
                "most of its runs",
            ),
            (
                lambda t, n: t[t.groupby("learning_rate")["best_epoch"].transform("min") == n][
                    "learning_rate"
                ],
                "several times",
            ),
            (lambda t, n: earliest(t)[earliest(t) < n].index, "*not* cut short"),
            (lambda t, n: set(t["learning_rate"]) - set(of_last_epoch(t, n)), "no run was cut"),
            (lambda t, n: earliest(t)[earliest(t) == t["best_epoch"].max()].index, "`epochs`"),
            (lambda t, n: grouped(t, "best_epoch").last()[lambda last: last == n].index, "one run"),
            (lambda t, n: t.loc[t["best_epoch"].idxmax(), "learning_rate"], "always one rate"),
            (lambda t, n: sorted(cut_by_loop(t, n))[:1], "stops at the first"),
            (lambda t, n: len(cut_by_loop(t, n)), "how many"),
            (lambda t, n: t[t["learning_rate"].isin(cut_by_loop(t, n))], "These are the runs"),
            (lambda t, n: t[t["best_epoch"] == n], "all runs that were cut short"),
            (lambda t, n: of_last_epoch(t, t["best_epoch"].max()).unique(), "compare with"),
            (lambda t, n: cut_by_loop(t, 5), "other than 5"),
            (lambda t, n: cut_by_loop(t, n - 1), "count from 1"),
            (lambda t, n: of_last_epoch(t[t["seed"] == 0], n), "one run of each rate"),
            (
                lambda t, n: grouped(t, "best_epoch").mean()[lambda mean: mean >= n - 0.5].index,
                "Expected in this case: 1; yours: 2",
            ),
            (lambda t, n: grouped(t, "best_epoch").mean().idxmax(), "always one rate"),
            (lambda t, n: earliest(t) == n, "yes or no for each rate"),
            (lambda t, n: earliest(t)[earliest(t) == n], "These are epochs"),
            (lambda t, n: rates_of(t), "all rates"),
            (lambda t, n: [], "never any rate"),
            (cut_with_if, "`.all()`"),
            (lambda t: cut_by_loop(t, 5), "another number"),
            (lambda t, n: print(end="" if n else "none"), "returns nothing"),
            ([0.001], "the function itself"),
        ],
    ),
    "clear_gain": Answers(
        right=[
            gains_by_loops,
            gains_by_statistics,
            gains_in_torch,
            rule(),
            lambda b, a, t: int(gains_by_loops(b, a, t)),
            lambda b, a, t: [gains_in_torch(b, a, t)],
            lambda b, a, t: (pd.Series(a) - pd.Series(b)).pipe(lambda d: d.mean() > t * d.sem()),
            lambda b, a, t: np.mean(a) - np.mean(b) > t * pd.Series(np.subtract(a, b)).sem(),
        ],
        wrong=[
            (lambda b, a, t: True, "True each time"),
            (lambda b, a, t: False, "False each time"),
            (lambda b, a, t: not gains_by_loops(b, a, t), "other way round"),
            (lambda b, a, t: gains_by_loops(a, b, t), "Which list comes first"),
            (lambda b, a, t: rule()(a, b, t) or rule()(b, a, t), "True for a clear loss"),
            (lambda b, a, t: np.mean(a) > np.mean(b), "may be luck"),
            (lambda b, a, t: sum(a) - sum(b) > 0, "may be luck"),
            (rule(error=lambda d: np.std(d) / len(d) ** 0.5), "ddof=1"),
            (lambda b, a, t: rule()(b, a, 2), "third argument"),
            (lambda b, a, t: rule()(b, a, 2.776), "third argument"),
            (lambda b, a, t: np.mean(a) - np.mean(b) > t, "Points are compared"),
            (lambda b, a, t: all(x < y for x, y in zip(b, a)), "Each pair may be higher"),
            (lambda b, a, t: rule()(sorted(b), sorted(a), t), "Sorting tears the pairs apart"),
            (rule(error=lambda d: np.std(d, ddof=1) * len(d) ** 0.5), "multiplies by the root"),
            (rule(middle=np.sum, error=lambda d: np.std(d, ddof=1)), "*root*"),
            (rule(middle=np.median), "median"),
            (rule(error=lambda d: np.std(d, ddof=1)), "square root of the number"),
            (rule(error=np.std), "square root of the number"),
            (rule(error=lambda d: np.std(d, ddof=1) / len(d)), "*root*"),
            (rule(error=lambda d: np.var(d, ddof=1) / len(d) ** 0.5), "variance"),
            (rule(error=np.ptp), "highest minus lowest"),
            (of_the_lists(lambda b, a: max(np.std(b, ddof=1), np.std(a, ddof=1)), 2), "pair by"),
            (of_the_lists(lambda b, a: np.std(a, ddof=1) / len(a) ** 0.5), "pair by pair"),
            (
                of_the_lists(lambda b, a: math.hypot(*np.std([b, a], 1, ddof=1)) / len(a) ** 0.5),
                "pair by pair",
            ),
            (lambda b, a, t: np.mean(a) - np.mean(b) > 0.0045, "The mean of the differences"),
            (lambda b, a, t: np.mean(a) - np.mean(b), "Return True or False"),
            (lambda b, a, t: "True", "Return True or False"),
            (gains_or_nothing, "returns nothing"),
            (lambda b, a, t: print(end=""), "returns nothing"),
            (lambda b, a: True, "another number"),
            (lambda b, a, t: a.mean() - b.mean() > t, "Make a Series"),
            (lambda b, a, t: (a - b) > 0, "Make a Series"),
        ],
    ),
}  # fmt: skip
