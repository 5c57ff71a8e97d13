"""Which network it is: what `model.build` needs to make another one like it."""

import inspect
import io

import numpy as np
import torch
from torch import Tensor, nn

from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError, in_one_line
from fmnist_lib.model import NETWORKS, build


def describe(model: nn.Module) -> dict:
    """What `model.build` needs for another network like this one: its name and its arguments.

    A network keeps each argument of its constructor as an attribute of the same name, as
    scikit-learn's estimators do. Raises CourseError when it is not registered, or when this doesn't
    give a network with the same weights and the same answers.
    """
    name = type(model).__name__
    _check_registered(type(model))
    arguments = {each: _argument(model, each) for each in _arguments(type(model))}
    described = {"network": name, "arguments": arguments}
    answers = _answers(model)
    try:
        with torch.random.fork_rng(devices=[]):  # the numbers that it draws are not to be missed
            again = build(name, **arguments)
        again.load_state_dict(model.state_dict())
        again = _answers(again.to(answers.device))
        if not torch.allclose(again, answers, rtol=1e-3, atol=1e-3, equal_nan=True):
            raise ValueError("with the same weights it gives other answers")
    except Exception as error:  # it is somebody's own class: anything may happen
        raise CourseError(
            f"Another {name} with the arguments {arguments} is not like the one that is to be "
            f"trained ({in_one_line(error)}). Let it keep its arguments as they came, and make "
            "its layers in __init__. Then run again."
        ) from error
    return described


def _check_registered(network: type[nn.Module]) -> None:
    name, known = network.__name__, NETWORKS.get(network.__name__)
    if known is network:
        return
    lost = f"{name} is not registered, so it could be trained but not loaded again. "
    if network.__module__.startswith("torch."):
        raise CourseError(
            f"{lost}It is a class of PyTorch: write one of your own that holds it, with @register "
            "(from fmnist_lib.model) above it. Do without torch.compile, if that made it."
        )
    names = ("__module__", "__qualname__")
    if known and all(getattr(known, each) == getattr(network, each) for each in names):
        raise CourseError(
            f"The class {name} was defined anew after this network was made from it. Make the "
            "network again, and go on from there."
        )
    raise CourseError(
        f"{lost}Write @register (from fmnist_lib.model) in the line above the class, and run again."
    )


def defaults(network: type[nn.Module]) -> dict:
    """What its constructor takes where nothing is given: name → value."""
    taken = inspect.signature(network).parameters.values()
    return {each.name: each.default for each in taken if each.default is not each.empty}


def _arguments(network: type[nn.Module]) -> list[str]:
    """The names of what its constructor takes."""
    taken = inspect.signature(network).parameters.values()
    if anything := [
        str(each) for each in taken if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]:
        raise CourseError(
            f"{network.__name__} takes {anything[0]}, so nobody knows what it was built with. Name "
            "each argument in its __init__, and run again."
        )
    return [each.name for each in taken]


def _argument(model: nn.Module, name: str):
    """An argument of its constructor, which the network keeps under that name."""
    network = type(model).__name__
    if not hasattr(model, name):
        raise CourseError(
            f"{network} does not keep its argument {name!r}, so it could not be built again. Write "
            f"self.{name} = {name} in its __init__, and run again."
        )
    value = getattr(model, name)
    if isinstance(value, nn.Module | Tensor):
        raise CourseError(
            f"{network} keeps a {type(value).__name__} as self.{name}, where its argument {name!r} "
            f"should stand. Give that another name, write self.{name} = {name} as well, and run "
            "again."
        )
    if isinstance(value, np.generic):
        value = value.item()
    if not _is_plain(value):
        raise CourseError(
            f"{network} has {name}={value!r}, which a checkpoint can't hold. Let its arguments be "
            "numbers, texts or lists of them, and run again."
        )
    return value


@torch.no_grad()
def _answers(model: nn.Module) -> Tensor:
    """Its logits for two made-up images, in evaluation mode; nothing in it changes."""
    images = torch.arange(2 * 28 * 28).remainder(251).to(torch.uint8).view(2, 28, 28)
    modes = {layer: layer.training for layer in model.modules()}
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            return model(as_input(images.to(next(model.parameters()).device)))
    finally:
        for layer, mode in modes.items():
            layer.training = mode


def _is_plain(value) -> bool:
    """Whether a value is the same after it was written and read, which runs no code."""
    file = io.BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        return repr(torch.load(file, weights_only=True)) == repr(value)
    except Exception:  # torch.load raises nearly anything
        return False
