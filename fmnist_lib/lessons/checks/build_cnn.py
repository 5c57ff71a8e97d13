"""The checks of notebook 2, Build the CNN."""

import copy
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmnist_lib import checkpoints
from fmnist_lib.data import as_input
from fmnist_lib.lessons.checks.core import (
    Hint,
    Unanswered,
    array,
    call,
    check,
    compare,
    expect,
    is_stub,
    judge_number,
    without,
)
from fmnist_lib.model import Net


@check(
    "Of an image with equal rows each column of the kernel counts with its sum; of one with equal "
    "columns each row does. Which of these sums must be 0, and which not?"
)
def edge_kernel(answer):
    """A 3 × 3 kernel: 0 where it is flat or brighter to the right, positive where downwards.

    What it gives is a weighted sum, so these five images stand for all that are brighter to one
    side: any of these is a sum of them.
    """
    kernel = array(answer)
    if kernel.dim() > 2 and kernel.numel() == 9:  # [1, 1, 3, 3], as F.conv2d takes it
        kernel = kernel.reshape(kernel.shape[-2:])
    kernel = array(kernel, 3, 3)
    expect(bool(kernel.isfinite().all()), "Its nine numbers have to be finite.")
    expect(bool(kernel.any()), "This kernel gives 0 everywhere, on an edge too.")
    kernel = kernel / kernel.abs().max()

    def gives(image: Tensor) -> float:
        value = (kernel * image).sum().item()
        return 0.0 if abs(value) < 1e-4 else value

    right = [torch.tensor([values]).repeat(3, 1) for values in ([0, 0, 9], [0, 9, 9])]
    to_right = [gives(image) for image in right]
    down_late, down_early = downwards = [gives(image.T) for image in right]
    expect(
        gives(torch.ones(3, 3)) == 0,
        "On a flat area it does not give 0. What do the nine numbers have to add up to?",
    )
    expect(
        any(downwards) or not any(to_right),
        "It answers where the image gets brighter to the right, not downwards.",
    )
    expect(
        any(downwards), "It gives 0 where the image gets brighter downwards. Do its rows differ?"
    )
    expect(
        not any(to_right),
        "It also answers where the image gets brighter to the right. There each column of the "
        "kernel counts with its sum.",
    )
    expect(max(downwards) > 0, "The sign is the other way round: this is for darker downwards.")
    expect(
        min(downwards) >= 0,
        "At one place it gives a positive number, at the other a negative one: it finds lines. "
        "Try rows of 0, 0, 9 and rows of 0, 9, 9 from top to bottom.",
    )
    expect(down_early > 0, "It gives 0 where only the first row is darker than the other two.")
    expect(down_late > 0, "It gives 0 where only the last row is brighter than the other two.")


@check(
    "conv2 turns 12 × 12 into maps of 12 - 3 + 1. After pool2, 50 of them are flattened: these are "
    "the inputs of fc1. conv1 and fc2 are as they were."
)
def smaller_kernel_parameters(answer):
    """Parameters of `Net` if conv2 had kernels of 3 × 3."""
    no_biases = "A bias is missing for each output channel, or for each output of a linear layer."
    judge_number(
        answer,
        640_080,
        {
            431_080: "That is Net as it is.",
            415_080: "conv2 has fewer weights, but its maps are larger. How many inputs has fc1?",
            209_000: "That is how many more there are. How many are there in all?",
            639_500: no_biases,
            639_580: no_biases,
            640_030: no_biases,
            640_060: no_biases,
            640_070: no_biases,
            639_760: "Only conv2 gets smaller kernels. Those of conv1 stay 5 × 5.",
            631_530: "conv2 has a kernel for each pair of input and output channel: 20 · 50.",
            656_080: "fc1 gets more inputs, but conv2 still has its 5 × 5 kernels in your sum.",
            25_015_080: "Pooling comes between conv2 and fc1, and halves each side of the maps.",
            9_050: "That is conv2. There are three more layers, and one of them changes, too.",
            625_500: "That is fc1. There are three more layers.",
            634_550: "These are conv2 and fc1. What do conv1 and fc2 have?",
        },
        "Follow the shapes: which side do the maps have after conv2, after pool2, and how many "
        "numbers does flatten make of them? Then add up the four layers, with biases.",
    )


LAYERS = {  # name → kind, numbers or channels that it takes, and gives
    "conv1": ("convolution", 1, 20),
    "conv2": ("convolution", 20, 50),
    "fc1": ("linear layer", 800, 500),
    "fc2": ("linear layer", 500, 10),
}
INPUTS = {  # of fc1, or what comes to it, where something is wrong before
    20_000: "There is no pooling before it: the maps are still 20 × 20.",
    5_000: "Only one pooling comes before it, and Net pools after each of its two convolutions.",
    3_200: "Only one pooling comes before it, and Net pools after each of its two convolutions.",
    1_250: "The maps are 5 × 5 here. Does a convolution pad, or is a kernel smaller?",
    2_450: "Here the maps are 7 × 7. Do the convolutions pad? Those of Net do not.",
    16: "That is one map of 4 × 4. How many maps are there?",
    50: "That is the number of maps. How many numbers does each of them have?",
    200: "Each map has a height and a width. How many numbers are these together?",
    4: "That is one row of a map: is there a `flatten` before it?",
    2_400: "All three images are in one row. `flatten(1)` leaves the first dimension as it is.",
}
MORE_THAN_NET = "A layer or parameter stands in it that Net does not have: "
MODULE = "`{}` of `nn` makes a layer. Use the function of `F` for it, or make the layer first."
STOPS_MAKING = {
    "before Module.__init__": "Its first line has to be `super().__init__()`, which lets PyTorch "
    "keep the layers.",
    "required positional argument": "A layer needs both numbers, or your __init__ asks for more "
    "than `self`.",
    "takes 0 positional arguments": "A method of a class has `self` as its first argument.",
}
STOPS_FORWARD = {
    "takes 1 positional argument but 2": "`forward` takes two arguments: `self` and the images.",
    "missing 1 required positional argument: 'input'": MODULE.format("A class"),
    "not ReLU": MODULE.format("ReLU"),
    "'ReLU' object": MODULE.format("ReLU"),
    "not MaxPool2d": MODULE.format("MaxPool2d"),
    "'MaxPool2d' object": MODULE.format("MaxPool2d"),
    **{f"name '{name}' is not defined": "The layers belong to the network: `self.conv1`."
       for name in LAYERS},
    "has no attribute": "Is each layer made in __init__, and written as there?",
    "x800 and 500x10": "fc1 is left out: 800 numbers come to fc2, which takes 500.",
    "expected input[3, 1, 28, 28] to have 20": "The image comes to conv2 first. Begin with conv1.",
    "to have 1 channels": "What comes to conv1 is no longer the image. Is it used twice?",
    "kernel size can't be greater": "The maps get too small. Net pools by 2, and only twice.",
}  # fmt: skip


def _shape_hint(name: str, weights: Tensor) -> str:
    """What is wrong with the size of the weights of a layer of `Net`."""
    kind, takes, gives = LAYERS[name]
    made, given = weights.shape[:2]
    if weights.dim() != (4 if kind == "convolution" else 2):
        return f"{name} should be a {kind}."
    if (given, made) == (gives, takes):
        return f"{name}: the two sizes are swapped. First comes what the layer takes."
    if weights.dim() == 4 and tuple(weights.shape[2:]) != (5, 5):
        return f"{name}: the kernels of Net are 5 × 5."
    if name == "fc1" and given != takes:
        hint = INPUTS.get(given, "Follow the shapes: what does flatten make of the 50 maps?")
        return f"fc1 takes {given:,} numbers here. {hint}"
    if given != takes:
        return f"{name} takes {given} here. How many come to it from the step before?"
    return f"{name} gives {made} here. How many should it give?"


def _check_layers(net: nn.Module) -> None:
    """`Hint` unless its parameters are those of `Net`, by name and shape."""
    there = dict(net.named_parameters())
    expect(bool(there), "It has no layers. Make them in __init__: self.conv1 = nn.Conv2d(...)")
    wanted = {f"{name}.{part}" for name in LAYERS for part in ("weight", "bias")}
    layers = {name.rpartition(".")[0] or name for name in there}
    if missing := [name for name in LAYERS if name not in layers]:
        expect(
            not layers - set(LAYERS),
            "The shipped weights find their layers by name: conv1, conv2, fc1 and fc2. Yours are "
            f"called {', '.join(sorted(layers))}.",
        )
        raise Hint(f"There is no layer {missing[0]}.")
    extra = sorted(set(net.state_dict()) - wanted)
    expect(not extra, f"{MORE_THAN_NET}{', '.join(extra)}.")
    for name in sorted(wanted - set(there)):
        raise Hint(f"{name} is missing. Each layer of Net has weights and a bias.")
    for name in LAYERS:
        layer = getattr(net, name)
        if name.startswith("conv") and isinstance(layer, nn.Conv2d):
            expect(
                layer.padding in ((0, 0), "valid"), f"{name} pads. The convolutions of Net don't."
            )
            expect(layer.stride == (1, 1), f"{name} has a stride. That of Net is 1.")
        weights = there[f"{name}.weight"]
        kind, takes, gives = LAYERS[name]
        shape = (gives, takes, 5, 5) if kind == "convolution" else (gives, takes)
        expect(tuple(weights.shape) == shape, _shape_hint(name, weights))


def _forward(net: Net, relus=("conv1", "conv2", "fc1"), pool=F.max_pool2d, bend=F.relu):
    """`forward` of a `Net`, with ReLU behind some of its layers only."""

    def forward(x: Tensor) -> Tensor:
        for name in LAYERS:
            x = getattr(net, name)(x.flatten(1) if name == "fc1" else x)
            x = bend(x) if name in relus else x
            x = pool(x, 2) if name.startswith("conv") else x
        return x

    return forward


def _net_mistakes(net: Net) -> list:
    right, layers = _forward(net), ("conv1", "conv2", "fc1")
    softmax = "Softmax is at the end. Net gives the logits themselves."
    return [
        (lambda x: right(x).softmax(1), softmax),
        (lambda x: right(x).log_softmax(1), softmax),
        (lambda x: right(x).sigmoid(), "A sigmoid is at the end. Net gives the logits themselves."),
        (lambda x: right(x).relu(), "ReLU is behind fc2, too. Logits may be negative."),
        (lambda x: right(x).argmax(1), "This is the class. Net gives ten logits for each image."),
        (_forward(net, pool=F.avg_pool2d), "This pools by the mean. Net takes the largest number."),
        (_forward(net, bend=torch.tanh), "This is tanh. Net has ReLU in its place."),
        (_forward(net, bend=torch.sigmoid), "This is a sigmoid. Net has ReLU in its place."),
        *(
            (_forward(net, [each for each in layers if each not in left_out]),
             f"ReLU is missing behind {' and '.join(left_out)}.")
            for size in (1, 2, 3)
            for left_out in combinations(layers, size)
        ),
    ]  # fmt: skip


def _made(network) -> nn.Module:
    """A network of the student's class, with whatever weights."""
    if isinstance(network, nn.Module):
        return copy.deepcopy(network)
    expect(isinstance(network, type), "Give the class: its name, without parentheses.")
    expect(issubclass(network, nn.Module), "The class has to be one of networks: `(nn.Module)`.")
    own = vars(network)
    if all(is_stub(own[name]) for name in ("__init__", "forward") if name in own):
        raise Unanswered
    expect("forward" in own, "It has no `forward`, which computes the logits of the images.")
    expect(not is_stub(network.__init__), "There are no layers in __init__ yet, only dots.")
    net = network.__new__(network)
    call(net.__init__, stops=STOPS_MAKING, returns=False)
    return net


@check(
    "In __init__: `super().__init__()`, then a line for each layer, self.conv1 to self.fc2. In "
    "forward: a line for each convolution with its pooling and ReLU, then flatten, fc1 with ReLU "
    "and fc2. Return what fc2 gives."
)
def own_net(network):
    """A class like `Net`: the shipped weights load, and the logits are the same."""
    net = _made(network)
    expect(not isinstance(net, Net), "That is the course's own `Net`. Write yours.")
    _check_layers(net)
    shipped = checkpoints.load_model(checkpoints.shipped())[0]
    net.load_state_dict(shipped.state_dict())
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3, 28, 28), generator=random, dtype=torch.uint8)
    images[1, 8:20, 4:24] = 0
    images = as_input(images)
    stops = {f"x{size} and 800x500": hint for size, hint in INPUTS.items()} | STOPS_FORWARD
    with torch.no_grad():
        if not is_stub(net.forward):
            first, again = (call(net.forward, images, stops=stops) for _ in range(2))
            expect(
                not isinstance(first, Tensor) or torch.equal(first, again),
                "It answers differently each time. Are layers made in `forward`? Make them in "
                "__init__, so that they keep their weights.",
            )
        compare(
            net.forward,
            shipped,
            [(images,), (images[:1],)],
            _net_mistakes(shipped),
            "The layers are right, and the logits differ from those of Net. Compare your `forward` "
            "with the picture, step by step.",
            stops=stops,
        )
    logits = net(images)
    expect(
        isinstance(logits, Tensor) and logits.requires_grad,
        "The logits are right, but PyTorch could not train with them: they have no gradient. Does "
        "`forward` use no_grad(), detach() or numbers that are no tensor?",
    )


def _squares(x: Tensor) -> Tensor:
    return x.reshape(len(x) // 2, 2, -1, 2)


def _pooled(x: Tensor) -> Tensor:
    return _squares(x).amax((1, 3))


def _overlapping(x: Tensor) -> Tensor:
    return x.unfold(0, 2, 1).unfold(1, 2, 1).amax((2, 3))


def _values_and_indices(x: Tensor) -> Tensor:
    """What `max` gives of each square, both in one tensor."""
    both = _squares(x).transpose(1, 2).flatten(2).max(2)
    return torch.stack([each.double() for each in both])


SIZES = "The map may have any even height and width. Take them from `values.shape`."
EMPTY = "Here it takes the largest of no numbers. How many squares are there in each direction?"
WHOLE = "With `/` a half has a decimal point. `//` gives a whole number."
ONE_MAP = "The map is one alone: it has two dimensions, [H, W]."
OVERLAP = "These squares overlap. The next one starts two places on."
TWO_THINGS = "`max` of a dimension gives two things: `.values` and `.indices`."
MAX_POOLED_WRONGLY = [
    (lambda x: x, "The map comes back as it was."),
    (lambda x: _squares(x).mean((1, 3)), "This is the mean of each square."),
    (lambda x: _squares(x).sum((1, 3)), "This is the sum of each square."),
    (lambda x: _squares(x).amin((1, 3)), "This is the smallest number of each square."),
    *(
        (lambda x, r=r, c=c: x[r::2, c::2], "This is one corner of each square.")
        for r in (0, 1)
        for c in (0, 1)
    ),
    (
        lambda x: _pooled(x).relu(),
        "Where a square has negative numbers only, the largest is negative too, not 0.",
    ),
    (lambda x: _pooled(x.abs()), "-3 is smaller than 1: the sign counts, too."),
    (
        lambda x: _squares(x).amax(1).flatten(1),
        "This joins two rows each. Two columns have to be joined, too.",
    ),
    (
        lambda x: _squares(x).amax(3).flatten(0, 1),
        "This joins two columns each. Two rows have to be joined, too.",
    ),
    (_overlapping, OVERLAP),
    (lambda x: _overlapping(x)[: len(x) // 2, : x.shape[1] // 2], OVERLAP),
    (_values_and_indices, TWO_THINGS),
    (
        lambda x: x.reshape(len(x) // 2, -1, 4).amax(2),
        "This takes four numbers in a line. A square has two from each of two rows.",
    ),
    (
        lambda x: x.reshape(2, len(x) // 2, 2, -1).amax((0, 2)),
        "This compares numbers half a map apart. In `reshape` the 2 of a pair of neighbours comes "
        "behind the number of pairs.",
    ),
    (
        lambda x: _squares(x).amax((0, 2)),
        "This is the largest over all squares. Each square has a largest of its own.",
    ),
    (lambda x: x.max(), "This is the largest of the whole map."),
    (lambda x: _pooled(x).T, "Rows and columns are swapped."),
    (
        lambda x: _pooled(x).flatten(),
        "The numbers are right. They should stand in rows: [H // 2, W // 2].",
    ),
    (lambda x: torch.zeros(len(x) // 2, x.shape[1] // 2), "All of this is 0."),
]


@check(
    "Rows 2 · r and 2 · r + 1 and columns 2 · c and 2 · c + 1 meet in one square. Two loops over r "
    "and c will do, as in the convolution by hand. Or reshape: each side becomes two dimensions."
)
def max_pool(function):
    """A function that max-pools one map [H, W] by 2, without PyTorch's pooling."""
    random = torch.Generator().manual_seed(0)
    shapes = ((6, 8), (4, 10), (2, 2), (10, 4))
    noise = [torch.randn(*shape, generator=random) for shape in shapes]
    own = [f"{kind}max_pool{n}d" for kind in ("", "adaptive_", "fractional_") for n in (1, 2, 3)]
    with without(*own, *(f"{name}_with_indices" for name in own)):
        compare(
            function,
            _pooled,
            # also all below 0; of double precision; with whole numbers, many of them equal
            [(noise[0],), (noise[1] - 5,), (noise[2],), (noise[3].double(),), (noise[0].round(),)],
            MAX_POOLED_WRONGLY,
            "Try it with torch.tensor([[-2.5, -1], [-4, -3]]): the largest of these is -1. Try "
            "each place for it.",
            stops={
                "is invalid for input": SIZES,
                "cannot reshape": SIZES,
                "out of bounds": "The map has H rows and W columns, the result half as many. Which "
                "of the two has no such index?",
                "must match": SIZES,
                "could not be broadcast": SIZES,
                "numel() == 0": EMPTY,
                "zero-size": EMPTY,
                "is empty": EMPTY,
                "empty sequence": EMPTY,
                "'float' object": WHOLE,
                "takes 1 positional argument but": WHOLE,
                "of type float": WHOLE,
                "max() received an invalid": "`max` takes one dimension, `amax` takes several.",
                "return_types": TWO_THINGS,
                "Boolean value of Tensor": "Python's `max` can't compare rows. Tensors have a "
                "`max` of their own.",
                "to unpack": ONE_MAP,
                "Dimension out of range": ONE_MAP,
            },
        )
