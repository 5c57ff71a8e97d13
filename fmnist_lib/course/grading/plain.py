"""Values as JSON and back, exactly: what an answer is, handed on without any code of its author.

A pickle would run what its author likes when it is opened.
"""

from collections import Counter, OrderedDict, defaultdict
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import torch

MOST = 1_000_000  # numbers in one value
VIEWS = (type({}.keys()), type({}.values()))


class NotPlainError(Exception):
    """A value is, or holds, something that is more than data, as a function does."""


def as_json(value):
    """A value in lists, texts and numbers; raises NotPlainError.

    Only of types that are exactly these: a subclass may do anything when it is compared.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind in (list, tuple):
        return {kind.__name__: [as_json(each) for each in value]}
    if kind in (set, frozenset):  # in one order, as the set itself has none
        return {kind.__name__: [as_json(each) for each in sorted(value, key=repr)]}
    if kind is torch.Size or kind in VIEWS:
        return as_json(tuple(value))
    if kind in (Fraction, Decimal):
        return float(value)
    if kind in (dict, Counter, OrderedDict, defaultdict):
        return {"dict": [[as_json(key), as_json(each)] for key, each in value.items()]}
    if kind is range:
        return {"range": [value.start, value.stop, value.step]}
    if value is ...:
        return {"dots": []}
    is_tensor = kind in (torch.Tensor, torch.nn.Parameter) and not value.is_complex()
    if is_tensor and value.numel() <= MOST:
        tensor = value.detach().cpu()
        return {"tensor": [str(tensor.dtype)[6:], list(tensor.shape), tensor.flatten().tolist()]}
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        return as_json(np.asarray(value)) | {"single": True}
    if kind is np.ndarray and value.dtype.kind in "biufU" and value.size <= MOST:
        return {"array": [value.dtype.str, list(value.shape), value.flatten().tolist()]}
    if kind is np.ndarray and value.dtype == object and value.size <= MOST:
        return {"objects": [list(value.shape), [as_json(each) for each in value.flatten()]]}
    if kind is pd.Series:
        return {"series": [as_json(value.index.tolist()), as_json(value.to_numpy())]}
    if kind is pd.DataFrame:
        columns = [as_json(value[name].to_numpy()) for name in value]
        return {"frame": [as_json(value.index.tolist()), as_json([*value.columns]), columns]}
    if isinstance(value, (pd.Index, pd.Categorical)):
        return as_json(np.asarray(value))
    raise NotPlainError(kind.__name__)


def from_json(written):
    """The value again."""
    if not isinstance(written, dict):
        return written
    kind, content = next(iter(written.items()))
    match kind:
        case "list" | "tuple" | "set" | "frozenset":
            make = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind]
            return make(map(from_json, content))
        case "dict":
            return {from_json(key): from_json(each) for key, each in content}
        case "range":
            return range(*content)
        case "dots":
            return ...
        case "tensor":
            dtype, shape, numbers = content
            return torch.tensor(numbers, dtype=getattr(torch, dtype)).reshape(shape)
        case "array":
            dtype, shape, numbers = content
            array = np.array(numbers, dtype=dtype).reshape(shape)
            return array[()] if written.get("single") else array
        case "objects":
            shape, values = content
            array = np.empty(len(values), dtype=object)
            array[:] = [*map(from_json, values)]
            return array.reshape(shape)
        case "series":
            return pd.Series(from_json(content[1]), index=from_json(content[0]))
        case "frame":
            index, names, columns = content
            by_place = {n: from_json(column) for n, column in enumerate(columns)}
            frame = pd.DataFrame(by_place, index=from_json(index))
            frame.columns = from_json(names)
            return frame
    raise ValueError(f"{kind!r} is no kind of value.")
