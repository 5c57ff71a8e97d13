"""The checks of notebook 7, One run on many processes."""

import math

import torch

from fmnist_lib.lessons.checks.core import call, check, expect, number


@check("")
def whole_gradient(function):
    """A function of (gradients, sizes of the parts) that gives the gradient of the whole batch."""
    result = number(call(function, [torch.tensor(1.0), torch.tensor(4.0)], [50, 25]))
    expect(not math.isclose(result, 2.5), "The parts are not of one size: weight the mean.")
    expect(not math.isclose(result, 150), "This is the sum over all images.")
    expect(math.isclose(result, 2, rel_tol=1e-4), "Weight each gradient with the size of its part.")


@check("")
def efficiency(answer):
    """Efficiency of 4 processes that take 12 s where one takes 36 s."""
    share = number(answer)
    expect(share != 3, "That is the speed-up. How much of it is that for each process?")
    expect(math.isclose(share, 0.75), "Speed-up divided by the number of processes.")


@check("")
def amdahl(answer):
    """Largest speed-up when a tenth of the work can't be shared out."""
    limit = number(answer)
    expect(limit not in (0.9, 90, 9), "However many processes: what time remains in any case?")
    expect(not math.isinf(limit), "The tenth that one process does alone takes its time always.")
    expect(math.isclose(limit, 10), "With ever more processes the time goes to a tenth.")
