"""What is done to images before a network sees them, all uint8 [N, 28, 28]."""

import torch
import torch.nn.functional as F
from torch import Tensor

from fmnist_lib.errors import CourseError


def augment(
    images: Tensor, random: torch.Generator, flip: bool = False, shift: int = 0, erase: int = 0
) -> Tensor:
    """Each image mirrored or not, moved, and with a part missing; uint8 [N, 28, 28].

    random: a generator on the CPU.
    flip: mirror half of them, left to right.
    shift: move by up to so many pixels; what moves in at an edge is background (0).
    erase: side in pixels of a square that is set to 0, somewhere in the image (DeVries and Taylor
        2017, https://arxiv.org/abs/1708.04552).
    """
    if flip:
        mirrored = torch.rand(len(images), generator=random).to(images.device) < 0.5
        images = torch.where(mirrored[:, None, None], images.flip(dims=[2]), images)
    if shift:
        # Each of the (2 shift + 1)² positions is a window on the padded image: a view, no copy.
        windows = F.pad(images, [shift] * 4).unfold(1, 28, 1).unfold(2, 28, 1)
        down, right = torch.randint(2 * shift + 1, (2, len(images)), generator=random)
        images = windows[torch.arange(len(images)), down, right]
    if erase:
        top, left = torch.randint(28 - erase + 1, (2, len(images), 1), generator=random)
        pixel = torch.arange(28)
        rows = (top <= pixel) & (pixel < top + erase)  # [N, 28]
        columns = (left <= pixel) & (pixel < left + erase)
        square = rows[:, :, None] & columns[:, None, :]
        images = images.masked_fill(square.to(images.device), 0)
    return images


def disturb(images: Tensor, kind: str, strength: float, seed: int = 0) -> Tensor:
    """Worse images, as a worse camera would take them: uint8 [N, 28, 28], as before.

    kind and unit of strength: "noise", standard deviation of Gaussian noise in grey levels, 0 to
    255; "shift", pixels to the right, background moving in; "blur", standard deviation of a
    Gaussian in pixels. A strength of 0 changes nothing.

    Raises CourseError for another kind.
    """
    if kind not in ("noise", "shift", "blur"):
        raise CourseError(f"kind={kind!r} is none of noise, shift and blur.")
    if strength == 0:
        return images
    if kind == "shift":
        return F.pad(images, [int(strength), 0])[:, :, :28]
    if kind == "blur":
        from torchvision.transforms.v2.functional import gaussian_blur  # here: it takes a second

        return gaussian_blur(images, kernel_size=13, sigma=strength)
    random = torch.Generator().manual_seed(seed)
    noise = strength * torch.randn(images.shape, generator=random)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def nearest_images(queries: Tensor, references: Tensor, batch: int = 1000) -> tuple[Tensor, Tensor]:
    """For each query the most similar reference image.

    queries, references: uint8 [Q, 28, 28] and [R, 28, 28]. Returns (distance, index): float32 [Q],
    the root-mean-square difference of the pixels in grey levels, 0 to 255; and int64 [Q].
    """
    flat = references.flatten(1).float()
    squared = flat.square().sum(1)
    # |q - r|² = |q|² - 2 q·r + |r|², and |q|² is the same for every r
    index = torch.cat(
        [
            torch.addmm(squared, chunk.flatten(1).float(), flat.T, alpha=-2).argmin(dim=1)
            for chunk in queries.split(batch)
        ]
    )
    difference = queries.float() - references[index].float()
    return difference.square().mean(dim=(1, 2)).sqrt(), index
