"""The page "From NumPy to PyTorch": every line runs and equals the one beside it."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

PAGE = Path(__file__).parent.parent.parent / "notebooks" / "numpy_to_torch.md"
TEXT = PAGE.read_text(encoding="utf-8")
OF_PYTHON_NUMBERS = ("from a list", "only zeros")  # float64 in NumPy, float32 in PyTorch
ROWS = re.findall(r"^\| (.+?) \| (`.+?`) \| (`.+?`) \|$", TEXT, flags=re.M)


def names():
    found = {}
    exec(re.search(r"```python\n(.*?)```", TEXT, flags=re.S)[1], found)
    return found


@pytest.mark.parametrize("what, in_numpy, in_torch", ROWS, ids=[row[0] for row in ROWS])
def test_both_lines_give_the_same(what, in_numpy, in_torch):
    left, right = (re.findall(r"`([^`]+)`", cell) for cell in (in_numpy, in_torch))
    expected = [eval(line, names()) for line in left]
    results = [eval(line, names()) for line in right]
    if len(expected) != len(results):  # several ways to one result
        expected = expected[:1] * len(results)
    for one, other, line in zip(expected, results, right):
        if isinstance(one, np.ndarray):
            assert isinstance(other, torch.Tensor | np.ndarray), line
            other = other.detach().numpy() if isinstance(other, torch.Tensor) else other
            assert one.shape == other.shape, line
            assert one.dtype == other.dtype or what in OF_PYTHON_NUMBERS, line
        assert np.array_equal(one, other), line


def test_the_page_has_what_was_promised():
    assert len(ROWS) == sum(line.count("|") == 4 and "`" in line for line in TEXT.splitlines())
    for word in ("zeros", "dtype", "shape", "reshape", "view", "dim=", "argmax", "unsqueeze",
                 "None", "matmul", "device", "from_numpy", "numpy()", "no_grad"):  # fmt: skip
        assert word in TEXT, word


def test_the_two_kinds_share_their_memory():
    array = np.zeros(3)
    tensor = torch.from_numpy(array)
    tensor[0] = 1
    assert array[0] == 1 and np.shares_memory(tensor.numpy(), array)


def test_what_stands_below_the_tables():
    assert torch.tensor([1.0]).dtype == torch.float32 and np.array([1.0]).dtype == np.float64
    with pytest.raises(RuntimeError):
        torch.zeros(2, 3).T.view(6)
    assert torch.zeros(2, 3).T.reshape(6).shape == (6,)
