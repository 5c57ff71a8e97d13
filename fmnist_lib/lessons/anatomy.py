"""What becomes of one image in a network, step by step, found by running it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fmnist_lib.data import as_input

# What is named of what stands between the layers: functions of PyTorch and layers without weights.
BETWEEN = {
    "relu": "ReLU", "max_pool2d": "max-pooling", "avg_pool2d": "mean-pooling",
    "maxpool2d": "max-pooling", "avgpool2d": "mean-pooling", "amax": "max of a map",
    "mean": "mean of a map", "flatten": "flatten", "view": "flatten", "reshape": "flatten",
}  # fmt: skip


@dataclass
class Step:
    """A layer with weights, or whatever changes the shape, with what follows and keeps it."""

    name: str
    shape: tuple[int, ...]  # of the result, for one image
    parameters: int = 0
    kernel: tuple[int, int] | None = None  # of a convolution
    notes: list[str] = field(default_factory=list)


def steps(network: nn.Module) -> list[Step]:
    """The steps of a network for images [1, 1, 28, 28]; the first one is the image itself.

    A layer is what the network holds as an attribute: a block of several counts as one. The network
    stays as it is.
    """
    weights = next(network.parameters(), torch.zeros(1))
    image = as_input(torch.zeros(1, 28, 28, dtype=torch.uint8)).to(weights)
    tracer = _Tracer(Step("image", tuple(image.shape[1:])))
    modes = {layer: layer.training for layer in network.modules()}
    hooks = []
    for name, layer in network.named_children():
        hooks.append(layer.register_forward_pre_hook(tracer.enter))
        leave = lambda layer, given, result, name=name: tracer.leave(name, layer, result)  # noqa: E731
        hooks.append(layer.register_forward_hook(leave))
    try:
        with torch.no_grad(), tracer:
            network.eval()(image)
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    return tracer.steps


class _Tracer(TorchFunctionMode):
    """While it holds, it notes what the layers and the functions between them give."""

    def __init__(self, first: Step):
        super().__init__()
        self.steps, self.inside = [first], 0

    def enter(self, *_) -> None:
        self.inside += 1

    def leave(self, name: str, layer: nn.Module, result: Tensor) -> None:
        self.inside -= 1
        kind, count = type(layer).__name__, sum(each.numel() for each in layer.parameters())
        if not count:
            self._between(BETWEEN.get(kind.lower(), kind), result)
        elif "BatchNorm" in kind:
            last = self.steps[-1]
            last.parameters += count
            last.notes.append("batch norm")
        else:
            step = Step(name, tuple(result.shape[1:]), count)
            if isinstance(layer, nn.Conv2d):
                step.kernel = layer.kernel_size
            elif not isinstance(layer, nn.Linear):
                step.notes.append(kind)
            self.steps.append(step)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not self.inside and isinstance(result, Tensor) and result.dim() > 1:
            name = getattr(function, "__name__", "")
            self._between(BETWEEN.get(name, name), result)
        return result

    def _between(self, what: str, result: Tensor) -> None:
        last, shape = self.steps[-1], tuple(result.shape[1:])
        if shape != last.shape:
            self.steps.append(Step(what, shape))
        elif what in BETWEEN.values() and what not in (last.name, *last.notes):
            last.notes.append(what)
