"""The drawn stand-in for Fashion-MNIST, for when neither the files nor a network are there.

These images are not Fashion-MNIST and never claim to be: each is a garment drawn by the few
formulas below, with random cut, shade, pattern and noise. They have the same sizes and classes, and
ranges that overlap (the sleeves of a T-shirt and of a shirt, say), so that a network confuses the
same kinds of garments. Nothing measured on them says anything about the real data.

Coordinates: x to the right and y downwards, both from -1 to 1. A drawing is a function of one
`Pen`; it returns cover (0 outside the garment, 1 inside) and ink (brightness, about 0 to 1), both
float32 [n, 28, 28].
"""

import torch
from torch import Tensor

SIZE = 28
PIXEL = 2 / SIZE
BATCH = 40  # images drawn at once: one processor, in its cache, is faster than many beyond it

# In ASCII: scripts print it, too, and not every terminal and pipe is UTF-8.
NOTICE = """\
+------------------------------------------------------------------------------+
|  GENERATED IMAGES. This is the drawn stand-in, not Fashion-MNIST.            |
|  Every lesson runs, but no figure or number below is about the real data.    |
|  Real data: put the four files where `fmnist doctor` says, then run again.   |
+------------------------------------------------------------------------------+"""


def generate(
    train: int = 60_000, test: int = 10_000, seed: int = 0
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Draw a training and a test set: ((images, labels), (images, labels)).

    images: uint8 [N, 28, 28], 0 is background; labels: int64 [N], 0 to 9, their counts differ by
    at most one; shuffled. The same seed gives the same bytes. Raises ValueError on a size that is
    not a whole number of 0 or more.
    """
    for name, size in (("train", train), ("test", test)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ValueError(f"{name}={size!r}: give a whole number of images, 0 or more.")
    # Two generators: how many training images are asked for doesn't change the test set.
    return tuple(
        _draw_split(size, torch.Generator().manual_seed(2 * seed + part))
        for part, size in enumerate((train, test))
    )


def _draw_split(size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.arange(size) % len(DRAWINGS)
    images = torch.empty(size, SIZE, SIZE, dtype=torch.uint8)
    for label, draw in enumerate(DRAWINGS):
        for some in (labels == label).nonzero()[:, 0].split(BATCH):
            images[some] = _develop(draw, Pen(len(some), random))
    order = torch.randperm(size, generator=random)
    return images[order], labels[order]


class Pen:
    """Coordinates and random numbers for n images at once."""

    def __init__(self, n: int, random: torch.Generator):
        self.n, self.random = n, random
        axis = (torch.arange(SIZE) + 0.5) * PIXEL - 1
        # No garment lies perfectly straight in the middle.
        tilt = self.around(0, 0.025)
        self.x = axis[None, None, :] + self.around(0, 0.02) + tilt * axis[None, :, None]
        self.y = axis[None, :, None] + self.around(0, 0.02) - tilt * axis[None, None, :]

    def between(self, low: float, high: float) -> Tensor:
        """One uniform number for each image, [n, 1, 1]."""
        return low + (high - low) * torch.rand(self.n, 1, 1, generator=self.random)

    def around(self, mean: float, spread: float) -> Tensor:
        """One normal number for each image, [n, 1, 1]."""
        return mean + spread * torch.randn(self.n, 1, 1, generator=self.random)

    def often(self, share: float) -> Tensor:
        """1 for this share of the images and 0 for the others, [n, 1, 1]."""
        return (self.between(0, 1) < share).float()


# ------------------------------------------------------------------------------- primitives


def below(value: Tensor, limit: Tensor | float) -> Tensor:
    """1 where value < limit, 0 where it is greater, soft over the width of one pixel."""
    return (0.5 + (limit - value) / PIXEL).clamp(0, 1)


def span(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """1 where low < value < high, with soft edges."""
    return below(value, high) * below(-value, -low)


def ellipse(x: Tensor, y: Tensor, width: Tensor | float, height: Tensor | float) -> Tensor:
    """1 inside the ellipse around (0, 0) with these half-axes."""
    radius = ((x / width) ** 2 + (y / height) ** 2).sqrt()
    return below((radius - 1) * height, 0)


def bar(x: Tensor, y: Tensor, start: tuple, end: tuple, thickness: Tensor | float) -> Tensor:
    """1 inside a thick line with round ends from start (x, y) to end (x, y)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx**2 + dy**2)
    along = along.clamp(0, 1)
    distance = ((x - start[0] - along * dx) ** 2 + (y - start[1] - along * dy) ** 2).sqrt()
    return below(distance, thickness)


def union(*covers: Tensor) -> Tensor:
    """1 where any of the covers is."""
    return torch.stack(torch.broadcast_tensors(*covers)).amax(dim=0)


def cloth(pen: Pen, pattern: float = 0.3) -> Tensor:
    """Ink of plain, striped or printed cloth with folds; `pattern` is the share with a pattern."""
    shade = pen.between(0.35, 0.95)
    folds = pen.around(0, 0.07) * torch.sin(pen.x * pen.between(3, 9) + pen.between(0, 6))
    light = pen.around(0, 0.08) * pen.y
    stripes = torch.sin(pen.y * pen.between(10, 28) + pen.x * pen.around(0, 6))
    spots = torch.sin(pen.y * pen.between(9, 20)) * torch.sin(pen.x * pen.between(9, 20))
    drawn = torch.where(pen.often(0.6) > 0, stripes, spots)
    return shade + folds + light + pen.often(pattern) * pen.between(0.05, 0.25) * drawn


# ---------------------------------------------------------------------------------- garments


def top(
    pen: Pen,
    *,
    sleeve: tuple[float, float],  # length along the arm
    width: tuple[float, float],  # of the body, from its middle to a side
    hem: tuple[float, float],  # y of the lower edge
    flare: tuple[float, float] = (0.0, 0.08),  # how much wider the hem is than the chest
    sleeveless: float = 0.0,  # share of the images
    collar: float = 0.0,
    buttons: float = 0.0,
    open_front: float = 0.0,
    pattern: float = 0.3,
) -> tuple[Tensor, Tensor]:
    """Body, two sleeves and a neck: T-shirts, pullovers, dresses, coats and shirts."""
    x, y, side = pen.x, pen.y, pen.x.abs()
    shoulder, end = pen.around(-0.84, 0.04), pen.between(*hem)
    chest = pen.between(*width)
    down = ((y - shoulder) / (end - shoulder)).clamp(0, 1)
    waist = pen.between(0, 0.06) * torch.sin(3.14 * down)
    half_width = chest + pen.between(*flare) * down**2 - waist
    slope = side * pen.between(0.15, 0.35)  # shoulders fall to the sides
    body = below(side, half_width) * span(y, shoulder + slope, end)

    length, angle = pen.between(*sleeve), pen.between(0.05, 0.3)
    start = (chest - 0.1, shoulder + 0.24)
    elbow = (start[0] + length * angle + 0.1, start[1] + length)
    has_sleeves = 1 - pen.often(sleeveless)
    sleeves = has_sleeves * bar(side, y, start, elbow, pen.between(0.13, 0.2))

    neck_width = pen.between(0.14, 0.3)
    neck = ellipse(x, y - shoulder, neck_width, pen.between(0.06, 0.28))
    cover = union(body, sleeves) * (1 - neck)

    ink = cloth(pen, pattern)
    armhole = span(side - half_width + 0.03, -0.03, 0.03) * below(y, start[1] + length)
    ink = ink - has_sleeves * pen.between(0, 0.25) * armhole
    collar_band = ellipse(x, y - shoulder, neck_width + 0.13, 0.38) * pen.often(collar)
    ink = ink + pen.between(-0.25, 0.25) * collar_band
    front = span(x, -0.03, 0.03)
    dots = front * span(torch.sin(y * pen.between(18, 26)), 0.6, 2)
    ink = ink - pen.often(buttons) * pen.between(0.05, 0.4) * dots
    return cover, ink - pen.often(open_front) * pen.between(0.1, 0.6) * front


def t_shirt(pen):
    return top(pen, sleeve=(0.05, 0.42), width=(0.46, 0.62), hem=(0.72, 0.95),
               sleeveless=0.08, buttons=0.05, pattern=0.4)  # fmt: skip


def pullover(pen):
    return top(pen, sleeve=(0.85, 1.4), width=(0.46, 0.64), hem=(0.66, 0.92),
               collar=0.15, open_front=0.05)  # fmt: skip


def dress(pen):
    return top(pen, sleeve=(0.02, 0.7), width=(0.22, 0.36), hem=(0.82, 0.98), flare=(0.0, 0.4),
               sleeveless=0.6, collar=0.05)  # fmt: skip


def coat(pen):
    return top(pen, sleeve=(0.95, 1.45), width=(0.44, 0.62), hem=(0.78, 0.98), flare=(0.0, 0.14),
               collar=0.5, buttons=0.4, open_front=0.6, pattern=0.15)  # fmt: skip


def shirt(pen):
    return top(pen, sleeve=(0.2, 1.35), width=(0.42, 0.62), hem=(0.7, 0.96), flare=(0.0, 0.12),
               sleeveless=0.05, collar=0.4, buttons=0.4, open_front=0.15, pattern=0.4)  # fmt: skip


def trouser(pen):
    """Two legs under a waistband."""
    side = pen.x.abs()
    waist, ankle = pen.around(-0.88, 0.04), pen.around(0.88, 0.05)
    down = (pen.y - waist) / (ankle - waist)
    outer = pen.between(0.2, 0.34) + pen.between(-0.04, 0.2) * down
    crotch = pen.between(-0.45, -0.2)
    gap = pen.between(0.02, 0.2) * ((pen.y - crotch) / (ankle - crotch)).clamp(min=0)
    legs = span(side, gap - 0.01, outer) * span(pen.y, waist, ankle)
    seam = pen.between(0, 0.3) * below(side, 0.03)
    return legs, cloth(pen, pattern=0.12) - seam


def bag(pen):
    """A box with a handle or a long strap."""
    upper, lower = pen.between(-0.4, 0.1), pen.between(0.6, 0.9)
    half_width = pen.between(0.5, 0.92) + pen.around(0, 0.08) * pen.y
    body = below(pen.x.abs(), half_width) * span(pen.y, upper, lower)
    arch_width, height = pen.between(0.25, 0.6), pen.between(0.25, 0.7)
    thickness = pen.between(0.06, 0.12)
    outside = ellipse(pen.x, pen.y - upper, arch_width, height)
    inside = ellipse(pen.x, pen.y - upper, arch_width - thickness, height - thickness)
    flap = pen.often(0.6) * pen.between(-0.3, 0.3) * span(pen.y, upper, upper + 0.35)
    clasp = pen.often(0.5) * 0.3 * ellipse(pen.x, pen.y - upper - 0.35, 0.1, 0.1)
    return union(body, outside - inside), cloth(pen, pattern=0.25) + flap + clasp


def shoe(
    pen: Pen,
    *,
    shaft: tuple[float, float],  # y of the upper edge at the ankle
    heel: tuple[float, float],  # height of the heel
    cut_outs: tuple[float, float],  # how much of the upper is cut away between straps
    steepness: tuple[float, float] = (7, 14),  # of the rise from the toes to the ankle
) -> tuple[Tensor, Tensor]:
    """Sole, upper and shaft, toe to the left: sandals, sneakers and ankle boots."""
    x, y = pen.x, pen.y
    ground, heel_height = pen.between(0.38, 0.56), pen.between(*heel)
    left, right = pen.between(-0.96, -0.86), pen.between(0.8, 0.95)
    along = ((x - left) / (right - left)).clamp(0, 1)  # 0 at the toe, 1 at the heel
    arch = heel_height * along**2
    sole_height = pen.between(0.08, 0.16)
    sole = span(x, left, right) * span(y, ground - arch - sole_height, ground - arch)
    heel_block = span(x, right - pen.between(0.15, 0.4), right) * span(y, ground - arch, ground)

    ankle, toe = pen.between(*shaft), ground - arch - sole_height - pen.between(0.12, 0.24)
    rise = torch.sigmoid((along - pen.between(0.38, 0.55)) * pen.between(*steepness))
    upper_edge = toe + (ankle - toe) * rise
    rounding = 0.3 * (0.12 - along).clamp(min=0) / 0.12  # the toe cap is round
    upper = span(x, left, right - 0.02) * span(y, upper_edge + rounding, ground - arch)

    phase = x * pen.between(5, 9) - y * pen.between(-3, 6) + pen.between(0, 6)
    straps = span(torch.sin(phase), pen.between(*cut_outs), 2)
    ink = cloth(pen, pattern=0.25) + pen.between(-0.3, 0.3) * sole
    laces = span(along, 0.35, 0.6) * span(torch.sin(y * 30 + x * 12), 0.2, 2)
    return union(sole, heel_block, upper * straps), ink - pen.often(0.5) * 0.25 * laces


def sandal(pen):
    return shoe(pen, shaft=(-0.6, 0.2), heel=(0.0, 0.6), cut_outs=(-0.9, 0.8))


def sneaker(pen):
    return shoe(pen, shaft=(-0.3, 0.08), heel=(0.0, 0.06), cut_outs=(-2.0, -0.9))


def ankle_boot(pen):
    return shoe(pen, shaft=(-0.98, -0.2), heel=(0.0, 0.3), cut_outs=(-2.0, -0.95),
                steepness=(12, 40))  # fmt: skip


# in the order of the labels
DRAWINGS = (
    t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot,
)  # fmt: skip


def _develop(draw, pen: Pen) -> Tensor:
    """From cover and ink to grey levels, with the noise of a photograph: uint8 [n, 28, 28]."""
    cover, ink = draw(pen)
    grain = pen.between(0.01, 0.06) * torch.randn(pen.n, SIZE, SIZE, generator=pen.random)
    values = cover * (ink + grain).clamp(0.08, 1)
    return (values * 255).round().to(torch.uint8)
