"""Training: device choice, one epoch, the loop over epochs, checkpoints."""

import io
import math
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fmnist_lib import distributed, files
from fmnist_lib.data import Split, as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.model import BatchNormNet, Net, RawNet, ResidualNet, WideResidualNet

# What a checkpoint may hold, by the name of its class.
NETWORKS = (Net, RawNet, BatchNormNet, ResidualNet, WideResidualNet)
ARCHITECTURES = {network.__name__: network for network in NETWORKS}
FAST_RECIPE = {  # more accurate in fewer epochs; chosen on the validation split
    "epochs": 16,
    "batch_size": 150,
    "learning_rate": 0.1,
    "nesterov": True,
    "weight_decay": 5e-4,
    "schedule": "one-cycle",
    "label_smoothing": 0.1,
    "flip": True,
}
LARGEST_CHECKPOINT = 512 * 2**20  # bytes, unpacked; that of WideResidualNet has 70 MB
LARGEST_PICKLE = 2 * 2**20  # bytes of it that are no tensors; a thousand epochs have 0.2 MB
SHIPPED = Path(__file__).parent / "checkpoints"  # trained networks; see the README there


@dataclass(frozen=True)
class Epoch:
    """One row of the history. Losses are means per image, accuracies are shares from 0 to 1."""

    epoch: int  # counts from 1
    epochs: int  # how many were asked for
    train_loss: float  # running mean while the weights change, as the epoch goes by
    train_accuracy: float
    validation_loss: float  # after the epoch
    validation_accuracy: float
    test_accuracy: float | None  # only for the published way of reporting, never to choose by
    seconds: float  # the pass over the training set
    evaluation_seconds: float  # the passes over validation (and test) set

    @property
    def diverged(self) -> bool:
        """Whether a loss is infinite or no number, and so are the weights: it can't recover."""
        return not (math.isfinite(self.train_loss) and math.isfinite(self.validation_loss))

    def __str__(self) -> str:
        if self.diverged:
            return (
                f"epoch {self.epoch:2}/{self.epochs}   DIVERGED: the training loss is "
                f"{self.train_loss}, the validation loss {self.validation_loss}. Training ends "
                "here. Start again with a smaller learning rate."
            )
        left = (self.epochs - self.epoch) * (self.seconds + self.evaluation_seconds)
        return (
            f"epoch {self.epoch:2}/{self.epochs}   "
            f"train: loss {self.train_loss:.4f}, {self.train_accuracy:.2%}   "
            f"validation: loss {self.validation_loss:.4f}, {self.validation_accuracy:.2%}   "
            f"{self.seconds:.1f} s, {left // 60:.0f}:{left % 60:02.0f} min left"
        )


def fit(
    model: nn.Module,
    train: Split,
    validation: Split,
    *,
    test: Split | None = None,
    epochs: int = 25,
    batch_size: int = 75,
    learning_rate: float = 0.01,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    schedule: str = "constant",
    label_smoothing: float = 0.0,
    flip: bool = False,
    shift: int = 0,
    erase: int = 0,
    average: float = 0.0,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Iterator[Epoch]:
    """Train `model` with SGD on the cross-entropy; yields one `Epoch` after each epoch.

    The defaults are the published recipe. A generator trains only while something iterates over
    it: `history = pd.DataFrame(fit(...))` runs it to the end.

    test: also measure the test accuracy after every epoch, to report as the published text does.
    schedule: "constant", or "one-cycle": the learning rate of each batch rises to `learning_rate`
        in the first 30 % of the training and falls to 0 in the rest (Smith and Topin 2017,
        https://arxiv.org/abs/1708.07120).
    label_smoothing: share of each target that is spread evenly over the classes; it is part of
        `train_loss`, not of the other losses.
    flip, shift, erase: see `augment`; drawn anew for each epoch.
    average: decay of a moving average of the weights, `average · old + (1 - average) · new` after
        every batch (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046); 0 for none. What is
        validated and what `load_model` returns is then the average, not `model`.
    seed: order (and augmentation) of the training images. The initial weights are the caller's.
    device, dtype: see `choose_device` and `choose_dtype`.
    checkpoint: file that is replaced after every epoch; it holds all that `resume` needs, and the
        weights of the epoch with the best validation accuracy, which `load_model` returns.
    resume: go on from `checkpoint` if it exists; the epochs done are yielded first. On one CPU the
        result equals that of an uninterrupted run.

    Training ends with the first epoch that has diverged. What is kept as the best is then an epoch
    before it, and in the first epoch the initial weights, as epoch 0.

    Raises CourseError when a number makes no sense, the device is not there, or the checkpoint
    can't be written, or resumed from.
    """
    device = choose_device(device)
    dtype = choose_dtype(dtype, device)
    recipe = {
        "source": train.source,
        "train_images": len(train),
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "momentum": momentum,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "schedule_epochs": epochs if schedule == "one-cycle" else None,  # more epochs: another run
        "label_smoothing": label_smoothing,
        "flip": flip,
        "shift": shift,
        "erase": erase,
        "average": average,
        "seed": seed,
        "dtype": str(dtype),
    }
    _check_recipe(epochs, recipe, len(train))
    model.to(device, memory_format=torch.channels_last)  # the layout convolutions are fastest in
    images, labels = train.images.to(device), train.labels.to(device)
    optimizer = optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        fused=True,
    )
    random = torch.Generator().manual_seed(seed)
    if schedule == "constant":
        scheduler = optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    else:
        scheduler = optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=learning_rate,
            total_steps=epochs * math.ceil(len(train) / batch_size),
            cycle_momentum=False,
        )
    network = distributed.parallel(model, batch_size)  # under torchrun; else the model itself
    averaged = None
    if average:
        averaged = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(average), use_buffers=True
        )
    history: list[Epoch] = []
    best = {"epoch": 0, "validation_accuracy": -1.0, "model": _copy(model)}

    if resume and checkpoint and Path(checkpoint).exists():
        history, best = _restore(checkpoint, model, averaged, optimizer, scheduler, random, recipe)
        yield from history

    for number in range(len(history) + 1, epochs + 1):
        if history and history[-1].diverged:
            return
        start = time.perf_counter()
        order = torch.randperm(len(train), generator=random).to(device)
        train_loss, train_accuracy = train_one_epoch(
            network,
            augment(images[order], random, flip, shift, erase),
            labels[order],
            optimizer,
            batch_size,
            dtype,
            scheduler,
            label_smoothing,
            averaged,
        )
        trained = time.perf_counter()
        validation_loss, validation_accuracy = measure(averaged or network, validation, dtype)
        test_accuracy = measure(averaged or network, test, dtype)[1] if test else None
        epoch = Epoch(
            epoch=number,
            epochs=epochs,
            train_loss=train_loss,
            train_accuracy=train_accuracy,
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            test_accuracy=test_accuracy,
            seconds=trained - start,
            evaluation_seconds=time.perf_counter() - trained,
        )
        history.append(epoch)
        if validation_accuracy > best["validation_accuracy"] and not epoch.diverged:
            best = {
                "epoch": number,
                "validation_accuracy": validation_accuracy,
                "model": _copy(averaged.module if averaged else model),
            }
        if checkpoint and distributed.is_main():
            write_checkpoint(
                checkpoint,
                {
                    "architecture": type(model).__name__,
                    "source": train.source,
                    "recipe": recipe,
                    "model": model.state_dict(),
                    "averaged": averaged.state_dict() if averaged else None,
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "random": random.get_state(),
                    "history": [asdict(row) for row in history],
                    "best": best,
                },
            )
        yield epoch


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def train_one_epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: optim.Optimizer,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    scheduler: optim.lr_scheduler.LRScheduler | None = None,
    label_smoothing: float = 0.0,
    averaged: AveragedModel | None = None,
) -> tuple[float, float]:
    """One pass over the images, in the order given; returns the mean loss and accuracy.

    images, labels: uint8 [N, 28, 28] and int64 [N], shuffled, on the model's device. No DataLoader:
    a batch is a slice of them.
    scheduler: steps once per batch. averaged: takes in the weights after each batch.
    """
    model.train()
    # Kept on the device: fetching a number after every batch would make a GPU wait for us.
    loss_sum = torch.zeros((), device=images.device)
    correct = torch.zeros((), device=images.device, dtype=torch.int64)
    for batch, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            logits = model(as_input(batch))
            loss = F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        if averaged:
            averaged.update_parameters(model)
        loss_sum += loss.detach() * len(batch)
        correct += (logits.detach().argmax(dim=1) == targets).sum()
    return loss_sum.item() / len(images), correct.item() / len(images)


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


@torch.inference_mode()
def measure(
    model: nn.Module, split: Split, dtype: torch.dtype = torch.float32, batch_size: int = 500
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on a split, the weights unchanged."""
    model.eval()
    device = next(model.parameters()).device
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), device=device, dtype=torch.int64)
    images, labels = split.images.to(device), split.labels.to(device)
    for batch, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(as_input(batch)).float()
        loss_sum += F.cross_entropy(logits, targets, reduction="sum")
        correct += (logits.argmax(dim=1) == targets).sum()
    return loss_sum.item() / len(split), correct.item() / len(split)


# ------------------------------------------------------------------------- device and dtype


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on. "auto": a CUDA GPU, else Apple's (mps), else the CPU.

    Raises CourseError when the device asked for is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, available in there.items() if available)
    kind, _, number = name.partition(":")
    if kind not in there or (number and not number.isdecimal()):
        raise CourseError(f"device={name!r} is unknown. Choose auto, cpu, cuda, cuda:1 … or mps.")
    if not there[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise CourseError(
            f'device="{name}" is not available to this PyTorch ({torch.__version__}). Use '
            'device="auto" or "cpu"; for a GPU, see what `fmnist doctor` says about its driver.'
        )
    return torch.device(name)


def choose_dtype(name: str = "auto", device: torch.device | str = "cpu") -> torch.dtype:
    """The number format of the products. "auto": bfloat16 where the hardware has it, else float32.

    With bfloat16, autocast computes convolutions and matrix products in 16 bits; weights, loss and
    updates stay in 32.
    """
    if name not in ("auto", "float32", "bfloat16"):
        raise CourseError(f"dtype={name!r} is unknown. Choose auto, float32 or bfloat16.")
    if name == "auto":
        name = "bfloat16" if _has_bfloat16(torch.device(device)) else "float32"
    return getattr(torch, name)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


# ------------------------------------------------------------------------------ checkpoints


def write_checkpoint(path: str | Path, state: dict) -> None:
    """Write a checkpoint so that `path` holds the old one or the new one, never half of one.

    Raises CourseError when it can't be written, as on a full disk.
    """
    content = io.BytesIO()
    torch.save(state, content)
    with files.replacing(path) as scratch:
        scratch.write_bytes(content.getbuffer())


def read_checkpoint(path: str | Path) -> dict:
    """Read what `fit` wrote, onto the CPU; runs no code from the file (`weights_only=True`).

    Raises CourseError when it is missing, torn, no checkpoint of this course, larger than any of
    its networks needs, or of an unknown architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise CourseError(f"There is no checkpoint {path}. Run notebook 03 first: it writes one.")
    try:
        _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        architecture, best = str(state["architecture"]), state["best"]
        state["source"], best["model"]
        f"{best['epoch']:d} {best['validation_accuracy']:f}"  # fails unless these are numbers
        for row in state["history"]:
            str(Epoch(**row))  # and this, unless all is there
    except Exception as error:  # torch.load raises nearly anything on a bad file
        raise CourseError(
            f"{path} is torn or is no checkpoint of this course. Delete it and run notebook 03 "
            "again."
        ) from error
    if architecture not in ARCHITECTURES:
        raise CourseError(
            f"{path} holds the architecture {architecture!r}; known are "
            f"{', '.join(ARCHITECTURES)}. Add the class to fmnist_lib.train.ARCHITECTURES, or "
            "train again with notebook 03."
        )
    return state


def _check_archive(path: Path) -> None:
    """ValueError when a file is altered, or needs more than a checkpoint does: a zip bomb."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        pickles = sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl"))
        whole = max(path.stat().st_size, sum(entry.file_size for entry in entries))
        if whole > LARGEST_CHECKPOINT or pickles > LARGEST_PICKLE:
            raise ValueError(f"{whole:,} bytes, {pickles:,} of them no tensors")
        if altered := archive.testzip():
            raise ValueError(f"{altered} is not as it was written")


def load_model(path: str | Path) -> tuple[nn.Module, dict]:
    """The network of the best epoch, on the CPU and in evaluation mode, and its checkpoint.

    Raises CourseError as `read_checkpoint` does, and when the weights do not fit the architecture
    or are no finite numbers.
    """
    state = read_checkpoint(path)
    model = ARCHITECTURES[state["architecture"]]()
    _load_weights(model, state["best"]["model"], path)
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise CourseError(
            f"Weights in {path} are infinite or no numbers (NaN). Delete the file and train again, "
            "with a smaller learning rate if it was a training that diverged."
        )
    return model.to(memory_format=torch.channels_last).eval(), state


def shipped_checkpoint(architecture: str = "Net") -> Path:
    """The trained network that comes with the course; CourseError when there is none of that name.

    How each was trained, and its test accuracy: `fmnist_lib/checkpoints/README.md`.
    """
    path = SHIPPED / f"{architecture}.pt"
    if not path.exists():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.pt")))
        raise CourseError(f"The course comes with no trained {architecture!r}, only with: {names}.")
    return path


def _load_weights(model: nn.Module, weights: dict[str, Tensor] | None, path: str | Path) -> None:
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise CourseError(
            f"The weights in {path} do not fit {type(model).__name__}: they belong to another "
            "architecture, or the class has changed since. Delete the file and train again."
        ) from error


def _restore(
    path: str | Path,
    model: nn.Module,
    averaged: AveragedModel | None,
    optimizer: optim.Optimizer,
    scheduler: optim.lr_scheduler.LRScheduler,
    random: torch.Generator,
    recipe: dict,
) -> tuple[list[Epoch], dict]:
    """Put all that changes in training where the checkpoint left it; returns (history, best)."""
    files.remove_scratch(path)
    state = read_checkpoint(path)
    if state["architecture"] != type(model).__name__:
        raise CourseError(
            f"{path} holds a {state['architecture']}, the model is a {type(model).__name__}. Give "
            "another checkpoint file, or delete this one."
        )
    if "optimizer" not in state:
        raise CourseError(f"{path} holds only the finished network; training can't go on from it.")
    before = state.get("recipe") if isinstance(state.get("recipe"), dict) else {}
    changed = [key for key in recipe if before.get(key) != recipe[key]]
    if changed:
        raise CourseError(
            f"{path} was trained with another recipe ({', '.join(changed)}). Give another "
            "checkpoint file, delete this one, or set resume=False."
        )
    _load_weights(model, state.get("model"), path)
    history = [Epoch(**row) for row in state["history"]]
    kinds = _kinds(optimizer, scheduler)
    try:
        if averaged:
            averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        random.set_state(state["random"])
        # What follows would fail at the first step only.
        for weights, kept in optimizer.state.items():
            if kept.get("momentum_buffer") is not None:
                kept["momentum_buffer"].view_as(weights)
        steps = len(history) * math.ceil(recipe["train_images"] / recipe["batch_size"])
        if scheduler.last_epoch != steps or _kinds(optimizer, scheduler) != kinds:
            raise ValueError("its optimizer is at another place than its history.")
    except Exception as error:  # these raise nearly anything on what another program has written
        raise CourseError(
            f"{path} can't be resumed from: {error} Delete it, and train again from the start."
        ) from error
    return history, state["best"]


def _kinds(optimizer: optim.Optimizer, scheduler: optim.lr_scheduler.LRScheduler) -> list[dict]:
    settings = [*optimizer.param_groups, scheduler.state_dict()]
    return [{name: type(value) for name, value in setting.items()} for setting in settings]


def _check_recipe(epochs: int, recipe: dict, images: int) -> None:
    def number(name: str, low: float, high: float) -> bool:
        return isinstance(recipe[name], (int, float)) and low <= recipe[name] < high

    def integer(value, low: int, high: int) -> bool:
        return isinstance(value, int) and low <= value <= high

    demands = {
        "epochs": ("an integer of 1 or more", integer(epochs, 1, sys.maxsize)),
        "batch_size": (
            f"an integer from 1 to {images}",
            integer(recipe["batch_size"], 1, images),
        ),
        "learning_rate": (
            "a number over 0",
            number("learning_rate", 0, math.inf) and recipe["learning_rate"] > 0,
        ),
        "momentum": ("a number from 0 to below 1", number("momentum", 0, 1)),
        "nesterov": (
            "False or, with a momentum over 0, True",
            not recipe["nesterov"] or recipe["momentum"],
        ),
        "weight_decay": ("a number of 0 or more", number("weight_decay", 0, math.inf)),
        "schedule": ("constant or one-cycle", recipe["schedule"] in ("constant", "one-cycle")),
        "label_smoothing": ("a number from 0 to below 1", number("label_smoothing", 0, 1)),
        "shift": ("an integer from 0 to 27", integer(recipe["shift"], 0, 27)),
        "erase": ("an integer from 0 to 27", integer(recipe["erase"], 0, 27)),
        "average": ("a number from 0 to below 1", number("average", 0, 1)),
    }
    for name, (demand, met) in demands.items():
        if not met:
            value = {"epochs": epochs, **recipe}[name]
            raise CourseError(
                f"{name}={value!r} is not {demand}. Correct this parameter and run again."
            )


if __name__ == "__main__":
    from fmnist_lib.course import train_command

    sys.exit(train_command.main())
