"""One HTML file in which a network computes: it asks nothing of a network connection."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from string import Template

import torch
from torch import Tensor, nn

from fmnist_lib.data import CLASS_NAMES, PIXEL_MEAN, PIXEL_STD, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.evaluate import predict
from fmnist_lib.lessons.explain.operations import Operation, operations
from fmnist_lib.sources import SOURCES
from fmnist_lib.storage import atomic

HERE = Path(__file__).parent
# Each uses those before it.
CODE = ("network.js", "picture.js", "drawing.js", "number.js", "tours.js", "page.js")
EXPORT = r"^export (?:async )?(?:const|function) (\w+)"
LARGEST = 5_000_000  # parameters: the page has 13 MB then, and takes seconds to open
OF_EACH_CLASS = 3  # images; with ten classes, 30


def write(path: Path, network: nn.Module, images: Split) -> Path:
    """Write the page of a network, with some of these images; returns its path.

    Raises CourseError as `operations` does, and when the file can't be written.
    """
    atomic.write_text(path, as_html(network, images))
    return path


def offer(path: Path, network: nn.Module, images: Split) -> None:
    """`write`, and print where the page is, or why this network can't have one."""
    try:
        size = write(path, network, images).stat().st_size
    except CourseError as error:
        print(error)
    else:
        print(f"{'/'.join(path.parts[-3:])}: {size / 1e6:.1f} MB. Open it in a browser.")


def as_html(network: nn.Module, images: Split) -> str:
    """The page as text; see `write`."""
    name = type(network).__name__
    written = as_data(network, examples(network, images))
    # "<" would end the element that it stands in, at "</script>".
    data = json.dumps(written, separators=(",", ":")).replace("<", "\\u003c")
    code = "\n".join(map(_as_part, CODE))
    style = (HERE / "page.css").read_text(encoding="utf-8")
    about = (
        f"{name} has {sum(each['parameters'] for each in written['operations']):,} parameters. "
        f"The images are {SOURCES.get(images.source, images.source)}."
    )
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=f"default-src 'none'; script-src {_hash(code)}; style-src {_hash(style)}",
        title=html.escape(f"See {name} think"),
        about=html.escape(about),
        style=style,
        network=data,
        code=code,
    )


def as_data(network: nn.Module, images: Split) -> dict:
    """What `network.js` reads: operations, and their weights as float16 in one text.

    Raises CourseError when a weight is too large for float16, or no number, or there are more than
    LARGEST.
    """
    name, found = type(network).__name__, operations(network)
    if (count := sum(each.parameters for each in found)) > LARGEST:
        raise CourseError(
            f"{name} has {count:,} parameters, too many for a page: at most {LARGEST:,}."
        )
    for each in found:
        if any(part is not None and part.isnan().any() for part in (each.weight, each.bias)):
            raise CourseError(
                f"{each.name} of {name} has weights that are no numbers (NaN). Train again, with a "
                "smaller learning rate if it was a training that diverged."
            )
    names = [*CLASS_NAMES, *(f"class {n}" for n in range(len(CLASS_NAMES), found[-1].shape[0]))]
    weights = torch.cat([part.flatten() for each in found for part in (each.weight, each.bias)
                         if part is not None] or [torch.zeros(0)]).half()  # fmt: skip
    if not weights.isfinite().all():
        raise CourseError(
            f"A weight of {name} is above 65,504, too large for the 16 bits that "
            "the page has for it. Did the training diverge? Train with a smaller learning rate."
        )
    return {
        "name": name,
        "names": names,
        "mean": PIXEL_MEAN,
        "std": PIXEL_STD,
        "operations": [_as_data(each) for each in found],
        "weights": base64.b64encode(weights.numpy().tobytes()).decode(),
        "images": [
            {"label": label.item(), "pixels": base64.b64encode(pixels.numpy().tobytes()).decode()}
            for pixels, label in zip(images.images, images.labels)
        ],
    }


def _as_data(each: Operation) -> dict:
    written = each.options | {
        "kind": each.kind, "name": each.name, "shape": each.shape, "inputs": each.inputs,
        "parameters": each.parameters, "multiply_adds": each.multiply_adds,
        "weights": _count(each.weight), "biases": _count(each.bias),
    }  # fmt: skip
    if each.kind == "convolution":
        written |= {"kernel": each.weight.shape[2:], "depth": each.weight.shape[1]}
    return written


def _count(weights: Tensor | None) -> int:
    return 0 if weights is None else weights.numel()


def examples(network: nn.Module, images: Split) -> Split:
    """Some images of each class, one of which the network gets wrong where there is such a one.

    Of more than 1,000 images only these are tried.
    """
    images = images[:1000]
    wrong = predict(network, images.images).argmax(dim=1) != images.labels
    chosen: list[int] = []
    for label in images.labels.unique():
        of_class = images.labels == label
        right = (of_class & ~wrong).nonzero().flatten().tolist()
        mistaken = (of_class & wrong).nonzero().flatten().tolist()
        chosen += [*right[: OF_EACH_CLASS - 1], *mistaken[:1], *right[OF_EACH_CLASS - 1 :],
                   *mistaken[1:]][:OF_EACH_CLASS]  # fmt: skip
    return images[torch.tensor(chosen)]


def _as_part(name: str) -> str:
    """A module of the page as part of one script: a function that returns what it exports."""
    text = (HERE / name).read_text(encoding="utf-8")
    text = re.sub(r'^import ([^;]*) from "./(\w+).js";', r"const \1 = \2;", text, flags=re.M)
    text, exported = re.sub(r"^export ", "", text, flags=re.M), re.findall(EXPORT, text, re.M)
    module = name.removesuffix(".js")
    return f"const {module} = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();"


def _hash(text: str) -> str:
    """By which the page allows this script or style, and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
