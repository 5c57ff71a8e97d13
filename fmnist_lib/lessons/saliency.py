"""Which pixels an answer depends on: maps [28, 28], and a check of what they name."""

import copy

import torch
from torch import Tensor, nn

from fmnist_lib.data import as_input
from fmnist_lib.evaluate import predict


def gradient(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """How the logit of the label changes with each pixel, per grey level: float32 [N, 28, 28].

    images: uint8 [N, 28, 28]. labels: int64 [N], of which class for each image. The gradient of the
    logit (Simonyan et al. 2013, https://arxiv.org/abs/1312.6034). The network is left in evaluation
    mode; its own gradients stay as they are.
    """
    model.eval()
    device = next(model.parameters()).device
    pixels = images.to(device).float().requires_grad_()
    logits = model(as_input(pixels))
    chosen = logits.gather(1, labels.to(device)[:, None]).sum()  # images do not mix in a network
    return torch.autograd.grad(chosen, pixels)[0].cpu()


def untrained(model: nn.Module, seed: int = 0) -> nn.Module:
    """A copy of a network with new, random weights."""
    fresh = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in fresh.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return fresh


def fall(
    model: nn.Module, images: Tensor, labels: Tensor, maps: Tensor, pixels: int = 50
) -> Tensor:
    """How much the probability of the label falls without the pixels that a map names.

    images: uint8 [N, 28, 28]. labels: int64 [N]. maps: float [N, 28, 28]. Of each garment, which is
    what is not 0, the `pixels` pixels with the highest values in the map become background, 0.
    Returns float32 [N], from -1 to 1. It is a deletion test (Samek et al. 2015,
    https://arxiv.org/abs/1509.06321).
    """
    of_garment = maps.masked_fill(images == 0, -torch.inf).flatten(1)
    named = of_garment.topk(pixels, dim=1).indices
    without = images.flatten(1).scatter(1, named, 0).view_as(images)
    before, after = (predict(model, each) for each in (images, without))
    return (before - after).gather(1, labels[:, None])[:, 0]
