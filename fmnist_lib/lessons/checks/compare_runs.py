"""The checks of notebook 6, Compare runs."""

import math

import pandas as pd

from fmnist_lib.lessons.checks.core import call, check, expect, number


@check("")
def runs_in_sweep(answer):
    """Runs of a sweep over 3 rates, 2 batch sizes and the seeds 0:5."""
    count = number(answer)
    expect(count != 10, "Each value meets each value of the others: it is a product.")
    expect(count != 36, "0:5 is 0, 1, 2, 3, 4.")
    expect(count == 30, "Multiply how many values each parameter has.")


@check("")
def standard_error(answer):
    """Standard error of the mean of 4 runs with a spread of 0.2 points."""
    error = number(answer)
    expect(not math.isclose(error, 0.2), "That is how far single runs scatter, not their mean.")
    expect(not math.isclose(error, 0.05), "It falls with the square root of the number of runs.")
    expect(math.isclose(error, 0.1, rel_tol=0.01), "Spread divided by √n.")


@check("")
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
