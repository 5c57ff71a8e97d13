"""What a network makes of an image before its last layer: its features."""

import torch
from torch import Tensor, nn

from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import predict


def of_last_layer(model: nn.Module, images: Tensor) -> Tensor:
    """What the last linear layer of a network is given: its features of each image.

    images: uint8 [N, 28, 28]. Returns float32 [N, D], with D the inputs of that layer: 500 for
    `Net`. Raises CourseError when the network has no `nn.Linear`, or does not use the last of them.
    """
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise CourseError(
            f"{type(model).__name__} has no nn.Linear, so it has no features to look at. Take "
            "another network."
        )
    given = []
    hook = linear[-1].register_forward_hook(lambda layer, inputs, _: given.append(inputs[0].cpu()))
    try:
        predict(model, images)
    finally:
        hook.remove()
    if not given:
        raise CourseError(
            f"{type(model).__name__} does not use the last nn.Linear that it has. Delete that "
            "layer from its __init__, or use it in forward."
        )
    return torch.cat(given)


def plane(values: Tensor) -> tuple[Tensor, float]:
    """The two directions in which points vary most (principal component analysis).

    values: float [N, D]. Returns (places, share): float [N, 2], each point's coordinates along the
    two directions, counted from the mean of all; and the share, 0 to 1, of the variance of all D
    numbers that these two show.
    """
    centred = values - values.mean(dim=0)
    _, lengths, directions = torch.linalg.svd(centred, full_matrices=False)
    variances = lengths.square()
    return centred @ directions[:2].T, (variances[:2].sum() / variances.sum()).item()
