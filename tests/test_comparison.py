"""The rule by which a gain is called one: against printed tables, and tried by drawing."""

import math

import numpy as np
import pandas as pd
import pytest

from fmnist_lib.comparison import FALSE_ALARMS, by_seed, threshold, verdicts
from fmnist_lib.errors import CourseError

# Two-sided quantiles of Student's t, as books print them: seeds, comparisons at 5 % in all.
PRINTED = [
    (3, 1, 4.303), (5, 1, 2.776), (10, 1, 2.262), (31, 1, 2.042), (3, 5, 9.925),
    (5, 5, 4.604), (5, 10, 5.598), (11, 10, 3.581), (3, 50, 31.599), (5, 50, 8.610),
]  # fmt: skip


@pytest.mark.parametrize(("seeds", "comparisons", "printed"), PRINTED)
def test_the_threshold_is_that_of_the_tables(seeds, comparisons, printed):
    assert threshold(seeds, comparisons) == pytest.approx(printed, rel=5e-4)


def test_fewer_than_three_seeds_say_nothing():
    assert threshold(0) == threshold(1) == threshold(2) == math.inf
    equal = pd.DataFrame({"base": [0.90, 0.91], "up": [0.9002, 0.9102]})  # by rounding
    assert verdicts(equal, "base")["verdict"].tolist() == ["unclear"]


def test_what_is_not_there_is_said():
    with pytest.raises(CourseError, match="comparisons=0 is not at least 1"):
        verdicts(pd.DataFrame({"a": [1.0], "b": [1.0]}), "a", comparisons=0)
    with pytest.raises(CourseError, match="There is no 'c' among a, b"):
        verdicts(pd.DataFrame({"a": [1.0], "b": [1.0]}), "c")
    with pytest.raises(CourseError, match="These runs have no step, validation_accuracy"):
        by_seed(pd.DataFrame({"seed": [0]}), ["step"])


@pytest.mark.parametrize(("seeds", "comparisons"), [(3, 1), (5, 1), (5, 8), (10, 4)])
def test_where_nothing_differs_false_alarms_are_as_rare_as_promised(seeds, comparisons):
    sweeps = 1000
    random = np.random.default_rng(0)
    accuracy = pd.DataFrame(random.normal(size=(seeds, sweeps * comparisons))).assign(base=0)
    said = verdicts(accuracy, "base", comparisons)["verdict"].to_numpy()
    alarms = (said != "unclear").reshape(sweeps, comparisons).any(axis=1).mean()
    assert abs(alarms - FALSE_ALARMS) < 4 * math.sqrt(FALSE_ALARMS / sweeps)


def runs_of(**accuracies):
    rows = [
        {"step": step, "seed": seed, "validation_accuracy": value}
        for step, values in accuracies.items()
        for seed, value in enumerate(values)
        if value is not None
    ]
    return pd.DataFrame(rows)


BASE = [0.90, 0.91, 0.92, 0.93, 0.94]


def test_pairs_tell_what_means_and_spreads_do_not():
    better = [value + 0.004 + 0.001 * (seed % 2) for seed, value in enumerate(BASE)]
    runs = runs_of(base=BASE, better=better, worse=[value - 0.01 for value in BASE], same=BASE)
    runs = runs.sample(frac=1, random_state=0)  # their order is no matter
    table = verdicts(by_seed(runs, ["step"]), "base")
    assert table["verdict"].to_dict() == {"better": "gain", "same": "unclear", "worse": "loss"}
    assert table["difference"].round(6).to_dict() == {"better": 0.0044, "same": 0, "worse": -0.01}
    assert table["seeds"].tolist() == [5, 5, 5]
    # By hand: the differences are 4, 5, 4, 5, 4 thousandths.
    error = np.std([4, 5, 4, 5, 4], ddof=1) / math.sqrt(5) / 1000
    assert table["standard_error"]["better"] == pytest.approx(error)
    assert table["margin"]["better"] == pytest.approx(error * threshold(5, 3))


def test_more_comparisons_ask_for_more():
    accuracy = by_seed(runs_of(base=BASE, better=[0.905, 0.912, 0.93, 0.937, 0.944]), ["step"])
    said = [verdicts(accuracy, "base", many)["verdict"].item() for many in (1, 20)]
    assert said == ["gain", "unclear"]


def test_only_seeds_that_both_have_count():
    runs = runs_of(base=BASE, some=[0.91, None, 0.93, float("nan"), None], one=[0.99])
    table = verdicts(by_seed(runs, ["step"]), "base")
    assert table["seeds"].to_dict() == {"one": 1, "some": 2}
    assert table["verdict"]["one"] == "unclear"


def test_several_settings_name_a_column_and_no_run_counts_twice():
    runs = pd.DataFrame(
        {"rate": [0.1, 0.2], "size": [5, 5], "seed": [0, 0], "validation_accuracy": [0.5, 0.6]}
    )
    columns = by_seed(runs, ["rate", "size"]).columns.tolist()
    assert columns == ["rate 0.1, size 5", "rate 0.2, size 5"]
    with pytest.raises(CourseError, match="Two runs have one seed and the same settings"):
        by_seed(pd.concat([runs, runs]), ["rate"])
