"""Networks on disk: what a training keeps, to go on with or to predict with."""

import io
import math
import zipfile
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from fmnist_lib import architecture
from fmnist_lib.data import Split
from fmnist_lib.errors import CourseError, in_one_line
from fmnist_lib.history import Epoch
from fmnist_lib.model import NETWORKS, build
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import PACKAGE, in_work_folder, is_file, is_folder, remedy

WEIGHTS = PACKAGE / "weights"  # trained networks; see the README there
LARGEST = 512 * 2**20  # bytes, unpacked; that of a ResidualNet with a width of 128 has 70 MB
LARGEST_PICKLE = 2 * 2**20  # bytes of it that are no tensors; a thousand epochs have 0.2 MB


# ---------------------------------------------------------------------------- writing, reading


def place(path: str | Path) -> Path:
    """Where a checkpoint is to be written; a relative path counts from the work folder.

    Raises CourseError when it is a folder, or the folder around it can't be made.
    """
    path = in_work_folder(path)
    if is_folder(path):
        raise CourseError(f"{path} is a folder. Name a file in it, such as checkpoint.pt.")
    atomic.make_folder(path.parent)
    return path


def write(path: str | Path, state: dict) -> None:
    """Write a checkpoint so that `path` holds the old one or the new one, never half of one.

    Raises CourseError when it can't be written, as on a full disk.
    """
    content = io.BytesIO()
    torch.save(state, content)
    with atomic.replacing(path) as scratch:
        scratch.write_bytes(content.getbuffer())


def read(path: str | Path) -> dict:
    """Read what `fit` wrote, onto the CPU; runs no code from the file (`weights_only=True`).

    path: counted from the work folder when it is relative. Raises CourseError when there is no
    such file, or it may not be read, is torn, no checkpoint of this version of the course, larger
    than any of its networks needs, or of a network that is not registered.
    """
    path = in_work_folder(path)
    if not is_file(path):
        raise CourseError(f"There is no checkpoint {path}. Train first: notebook 03 writes one.")
    with atomic.reading(path):
        open(path, "rb").close()  # else one that may not be read would pass for a torn one
    try:
        _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises nearly anything on a bad file
        raise CourseError(
            f"{path} is torn or is no checkpoint of this course. "
            + remedy(path, "Delete it and train again.")
        ) from error
    try:
        _check_state(state)
    except Exception as error:  # so does a file of somebody else
        raise CourseError(
            f"{path} is no checkpoint of this version of the course ({type(error).__name__}: "
            f"{in_one_line(error)}). Train again, into another folder if you still need it."
        ) from error
    if state["network"] not in NETWORKS:
        raise CourseError(
            f"{path} holds the network {state['network']!r}; known are {', '.join(NETWORKS)}. If "
            "it is your own, run the cell with its class, under @register, first."
        )
    return state


def _check_archive(path: Path) -> None:
    """ValueError when a file is altered, or needs more than a checkpoint does: a zip bomb."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        pickles = sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl"))
        whole = max(path.stat().st_size, sum(entry.file_size for entry in entries))
        if whole > LARGEST or pickles > LARGEST_PICKLE:
            raise ValueError(f"{whole:,} bytes, {pickles:,} of them no tensors")
        if altered := archive.testzip():
            raise ValueError(f"{altered} is not as it was written")


def _check_state(state: dict) -> None:
    """An error of any kind unless all is there that a reader of checkpoints takes for given."""
    for kind, value in (
        (str, state["network"]),
        (dict, state["arguments"]),
        (str, state["source"]),
        (dict, state["best"]["model"]),
        (int, state["best"]["epoch"]),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is not of type {kind.__name__}")
    Recipe(**state["recipe"])
    for row in state["history"]:
        str(Epoch(**row))  # which formats each of its numbers


def _build(state: dict) -> nn.Module:
    return build(state["network"], **state["arguments"])


def _size(state: dict) -> int:
    """Bytes of the weights of a network, which takes no memory yet; 0 when its class can't say."""
    with suppress(Exception), torch.device("meta"):
        return sum(weights.nbytes for weights in _build(state).state_dict().values())
    return 0


def load_model(path: str | Path) -> tuple[nn.Module, dict]:
    """The network of the best epoch, on the CPU and in evaluation mode, and its checkpoint.

    Raises CourseError as `read` does, and when the weights do not fit the network or are no finite
    numbers.
    """
    state = read(path)
    try:
        if (size := _size(state)) > LARGEST:
            raise ValueError(f"its weights would have {size:,} bytes")
        model = _build(state)
    except Exception as error:  # of somebody's own class, or with arguments of another one
        raise CourseError(
            f"{state['network']} can't be built with the arguments in {path}: {error}. "
            + _of_another_class(path)
        ) from error
    _load_weights(model, state["best"]["model"], path)
    # A buffer may well hold -inf: the mask of an attention, say.
    if not (
        all(value.isfinite().all() for value in model.parameters())
        and not any(value.isnan().any() for value in model.buffers())
    ):
        raise CourseError(
            f"Weights in {path} are infinite or no numbers (NaN). "
            + remedy(
                path,
                "Delete the file and train again, with a smaller learning rate if it was a "
                "training that diverged.",
            )
        )
    return model.to(memory_format=torch.channels_last).eval(), state


def shipped(network: str = "Net") -> Path:
    """The trained network that comes with the course; CourseError when there is none of that name.

    How each was trained, and its test accuracy: `fmnist_lib/weights/README.md`.
    """
    known = {path.stem: path for path in sorted(WEIGHTS.glob("*.pt"))}
    if network not in known:
        names = ", ".join(known)
        raise CourseError(f"The course comes with no trained {network!r}, only with: {names}.")
    return known[network]


def _load_weights(model: nn.Module, weights: dict[str, Tensor] | None, path: str | Path) -> None:
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CourseError(
            f"The weights in {path} do not fit {type(model).__name__}. {_of_another_class(path)}"
        ) from error


def _of_another_class(path: str | Path) -> str:
    """What has happened to a checkpoint whose class is another one now, and what to do."""
    if Path(path).resolve().parent == WEIGHTS:
        return (
            "The file comes with the course, and the class has changed since. Undo that in "
            "fmnist_lib/model.py, and give the changed class a name of its own, under @register."
        )
    return (
        "The file belongs to another network, or the class has changed since. Name another "
        "folder, or delete the file, and train again."
    )


# ------------------------------------------------------------------------------------ resuming


def made_from(model: nn.Module, train: Split, recipe: Recipe, dtype: torch.dtype) -> dict:
    """What a checkpoint says of its training, which another one has to equal to go on from it.

    Raises CourseError when the network or the recipe could not be built again from it.
    """
    if type(recipe) is not Recipe:
        raise CourseError(
            f"{type(recipe).__name__} is another class than Recipe, so it could not be read again. "
            "Add your options to Recipe itself (fmnist_lib/recipe.py), and run again."
        )
    content = zlib.crc32(train.labels.cpu().contiguous().numpy())
    return architecture.describe(model) | {
        "source": train.source,
        "train_images": len(train),
        "images": zlib.crc32(train.images.cpu().contiguous().numpy(), content),
        "recipe": asdict(recipe),
        "dtype": str(dtype),
    }


def restore(path: str | Path, training, made_from: dict) -> None:
    """Put all that changes in a training, a `train.Training`, where the checkpoint left it.

    made_from: of this training, as the function of that name gives it; that of the checkpoint has
    to be the same, but for the number of epochs where no schedule depends on it. Raises CourseError
    when it is not, or when the checkpoint can't be gone on from.
    """
    atomic.remove_scratch(path)
    state = read(path)
    recipe = made_from["recipe"]
    if changed := _changes(made_from, state):
        raise CourseError(
            f"{path} was made from something else ({', '.join(changed)}). Give another folder, or "
            "train anew without resuming."
        )
    if "optimizer" not in state:
        raise CourseError(f"{path} holds only the finished network; training can't go on from it.")
    _load_weights(training.model, state.get("model"), path)
    history = [Epoch(**row) for row in state["history"]]
    if len(history) > recipe["epochs"]:
        raise CourseError(
            f"{path} has {len(history)} epochs behind it, more than epochs={recipe['epochs']}. Ask "
            "for more, or train anew without resuming."
        )
    steps = len(history) * math.ceil(made_from["train_images"] / recipe["batch_size"])
    try:
        if training.averaged:
            training.averaged.load_state_dict(state["averaged"])
        _load_like(training.optimizer, state["optimizer"])
        _load_like(training.scheduler, state["scheduler"])
        training.random.set_state(state["random"])
        for weights, kept in training.optimizer.state.items():
            if kept.get("momentum_buffer") is not None:
                kept["momentum_buffer"].view_as(weights)  # fails here, not at the first step
        if training.scheduler.last_epoch != steps:
            raise ValueError("its optimizer is at another place than its history.")
    except Exception as error:  # these raise nearly anything on what another program has written
        raise CourseError(
            f"{path} can't be resumed from: {error} Train again from the start, without resuming."
        ) from error
    training.history, training.best = history, state["best"]


def _changes(made_from: dict, state: dict) -> list[str]:
    """Names of what differs between a training and a checkpoint."""
    # An option that the recipe did not have then had its default.
    recipes = made_from["recipe"], asdict(Recipe(**state["recipe"]))
    ours, theirs = made_from | recipes[0], state | recipes[1]
    ours["recipe"] = theirs["recipe"] = None
    if isinstance(theirs.get("arguments"), dict):  # so had an argument of the network
        defaults = architecture.defaults(NETWORKS[made_from["network"]])
        theirs["arguments"] = defaults | theirs["arguments"]
        for each in (ours, theirs):
            each["arguments"] = sorted(map(repr, each["arguments"].items()))
    if made_from["recipe"]["schedule"] == "constant":  # else more epochs are another course
        theirs["epochs"] = ours["epochs"]
    # By their text: what a hostile file holds may not be comparable.
    return [name for name in ours if repr(theirs.get(name)) != repr(ours[name])]


def _load_like(part, state: dict) -> None:
    """Load the state of an optimizer or scheduler; ValueError if a setting has another type now."""

    def types() -> list[dict[str, type]]:
        settings = getattr(part, "param_groups", None) or [part.state_dict()]
        return [{name: type(value) for name, value in each.items()} for each in settings]

    before = types()
    part.load_state_dict(state)
    if types() != before:
        raise ValueError("its settings are of other types.")
