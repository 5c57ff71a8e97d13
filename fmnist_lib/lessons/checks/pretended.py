"""Devices that need not be there: on every machine a network can seem to be on a GPU.

An exercise that moves tensors is so checked without one, and no solution passes by naming the
device that the check happens to use.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")
KINDS = ("cpu", "cuda", "meta", "mps", "xpu")
OF_NETWORKS = ("_parse_to", "_has_compatible_shallow_copy_type")  # called by a network's own `to`


def put(net: nn.Module, device: str) -> nn.Module:
    """The network, which from now on seems to be on this device."""
    for weights in net.parameters():
        weights.pretended = _device(device)
    return net


def place(tensor: Tensor) -> torch.device:
    """Where a tensor seems to be."""
    return getattr(tensor, "pretended", CPU)


class Devices(TorchFunctionMode):
    """While it holds, tensors only seem to move; what mixes devices stops, as it does in PyTorch.

    Tensors stay on the CPU all the while, so that their numbers can be compared. `sent` notes
    where any of them was sent to.
    """

    def __init__(self):
        super().__init__()
        self.sent: set[torch.device] = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(function, "__name__", "")
        if name == "__get__":  # an attribute, such as `x.device`
            attribute = getattr(function.__self__, "__name__", "")
            if attribute == "device":
                return place(args[0])
            if attribute[3:] in KINDS:  # is_cuda and its like
                return place(args[0]).type == attribute[3:]
        if name in OF_NETWORKS:
            return function(*args, **kwargs)
        if name == "get_device":
            return -1 if place(args[0]) == CPU else place(args[0]).index
        if name in ("to", "cpu", "cuda", "type_as"):
            moved = _moved(name, *args, **kwargs)
            self.sent.add(place(moved))
            return moved
        if name == "__set__":  # `weights.data = moved`, as a network's own `to` does
            if isinstance(args[1], Tensor):
                args[0].pretended = place(args[1])
            return function(*args, **kwargs)
        given = list(_tensors([*args, *kwargs.values()]))
        if kwargs.get("device") is not None:  # torch.tensor(…, device=…)
            target = _device(kwargs.pop("device"))
        elif name == "copy_":  # from one device to another is allowed
            target = place(args[0])
        else:
            target = _common(given)
        result = function(*args, **kwargs)
        if isinstance(result, Tensor) and any(result is each for each in given):
            return result if place(result) == target else _elsewhere(result, target)
        for each in _tensors([result]):
            each.pretended = target
        return result


def _moved(name: str, tensor: Tensor, *args, **kwargs) -> Tensor:
    """What `to` and its like give: the tensor, or a copy that seems to be elsewhere."""
    target, dtype = _device(name) if name in ("cpu", "cuda") else place(tensor), tensor.dtype
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            target, dtype = place(value), value.dtype
        elif isinstance(value, torch.dtype):
            dtype = value
        elif isinstance(value, (str, torch.device)) or type(value) is int:
            target = _device(value)
    result = tensor.to(dtype)
    return result if place(result) == target else _elsewhere(result, target)


def _elsewhere(tensor: Tensor, target: torch.device) -> Tensor:
    copied = tensor.clone()
    copied.pretended = target
    return copied


def _device(value) -> torch.device:
    """As PyTorch reads it: 1 and "cuda:1" are one device, "cuda" is the first of its kind."""
    device = torch.device("cuda", value) if isinstance(value, int) else torch.device(value)
    has_no_number = device.type in ("cpu", "meta")
    return torch.device(device.type, None if has_no_number else device.index or 0)


def _common(tensors: list[Tensor]) -> torch.device:
    """The one place of all tensors; single numbers on the CPU may go with any."""
    places = {place(each): None for each in tensors if each.dim() or place(each) != CPU}
    if len(places) > 1:
        first, second, *_ = sorted(map(str, places), reverse=True)
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{first} and {second}!"
        )
    return next(iter(places), CPU)


def _tensors(values: Iterable) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
