"""Is one setting better than another? The rule that notebook 6 tries out and notebook 7 applies.

Two settings are compared over the same seeds: seed by seed, what is the difference? Their mean is
called a gain or a loss when it lies further from 0 than chance alone would bring it, else nothing
is said. The rule knows the luck of the seeds only: other validation images are another matter.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from fmnist_lib.errors import CourseError

FALSE_ALARMS = 0.05  # probability of one or more among all comparisons where nothing differs


def by_seed(
    runs: pd.DataFrame, settings: Sequence[str], column: str = "validation_accuracy"
) -> pd.DataFrame:
    """A row for each seed, a column for each setting: what `column` is in that run.

    runs: with the columns seed, `settings` and `column`. With one setting its values name the
    columns, as texts; with several "name value, name value". A run that is not there is NaN. Raises
    CourseError when a column is missing, or when two runs have one seed and the same settings.
    """
    if missing := {"seed", column, *settings} - {*runs}:
        raise CourseError(f"These runs have no {', '.join(sorted(missing))}. Read other ones.")
    if len(settings) == 1:
        names = runs[settings[0]].map(str)
    else:
        rows = zip(*(runs[name] for name in settings))
        names = [", ".join(f"{name} {value}" for name, value in zip(settings, row)) for row in rows]
    named = runs.assign(setting=names)
    if named.duplicated(["seed", "setting"]).any():
        raise CourseError("Two runs have one seed and the same settings. Leave one of them out.")
    return named.pivot(index="seed", columns="setting", values=column)


@functools.cache
def threshold(seeds: int, comparisons: int = 1) -> float:
    """How many standard errors away from 0 the mean of paired differences is no longer chance.

    Where nothing differs and the differences have a normal distribution, their mean divided by its
    standard error follows Student's t distribution with seeds - 1 degrees of freedom (Student 1908,
    https://doi.org/10.1093/biomet/6.1.1). The threshold leaves `FALSE_ALARMS` of it outside, an
    equal share for each of `comparisons` (Bonferroni). Infinite for fewer than three seeds: two
    differences may be equal by rounding, and seem exact. Raises CourseError for no comparison.
    """
    if comparisons < 1:
        raise CourseError(f"comparisons={comparisons} is not at least 1. Count those you make.")
    if seeds < 3:
        return math.inf
    # With t = √(n - 1) · tan(angle), the density of the angle goes with cos(angle)^(n - 2).
    angle = np.linspace(0, math.pi / 2, 10_001)
    density = np.cos(angle) ** (seeds - 2)
    share = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])  # within this angle
    found = np.interp(1 - FALSE_ALARMS / comparisons, share / share[-1], angle)
    return math.sqrt(seeds - 1) * math.tan(found)


def verdicts(
    accuracy: pd.DataFrame, reference: str, comparisons: int | None = None
) -> pd.DataFrame:
    """What each setting gains over the reference: the rule, a row for each other setting.

    accuracy: as `by_seed` gives it. comparisons: how many the rule is used for in all, by default
    as many as there are rows. Columns: difference (mean), standard_error, margin (so far from 0 it
    may be by chance), all in the unit of `accuracy`; seeds, which both have; verdict: "gain",
    "loss" or "unclear". Raises CourseError when the reference is missing, and as `threshold` does.
    """
    if reference not in accuracy:
        raise CourseError(f"There is no {reference!r} among {', '.join(map(str, accuracy))}.")
    differences = accuracy.drop(columns=reference).sub(accuracy[reference], axis=0)
    table = pd.DataFrame(
        {
            "difference": differences.mean(),
            "standard_error": differences.sem(),
            "seeds": differences.count(),
        }
    )
    if comparisons is None:
        comparisons = max(1, len(table))
    limits = [threshold(int(seeds), comparisons) for seeds in table["seeds"]]
    table.insert(2, "margin", table["standard_error"] * limits)
    table["verdict"] = "unclear"
    table.loc[table["difference"] > table["margin"], "verdict"] = "gain"
    table.loc[table["difference"] < -table["margin"], "verdict"] = "loss"
    return table
