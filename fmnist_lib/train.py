"""Training: the loop over epochs, what changes in it, one epoch, measuring."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fmnist_lib import checkpoints, distributed
from fmnist_lib.data import Split, as_input
from fmnist_lib.device import choose_device, choose_dtype
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch, best_epoch
from fmnist_lib.images import augment
from fmnist_lib.recipe import Recipe


def fit(
    model: nn.Module,
    train: Split,
    validation: Split,
    recipe: Recipe = Recipe(),  # noqa: B008 (it can't be changed)
    *,
    test: Split | None = None,
    device: str = "auto",
    dtype: str = "auto",
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Iterator[Epoch]:
    """Train `model` from its present weights, with SGD on the cross-entropy; yields each `Epoch`.

    All is checked when it is called. It trains while something iterates over what it returns, as
    `pd.DataFrame(fit(...))` does, and ends early with the first epoch that diverged.

    test: also measure the test accuracy after every epoch, to report as the published text does.
    device, dtype: see `device.choose_device` and `device.choose_dtype`.
    checkpoint: file (see `checkpoints.place`) that is replaced after every epoch. It gives
        `checkpoints.load_model` the network that is best on validation, be it the initial one.
    resume: go on from `checkpoint` if it exists; the epochs done are yielded first. On one CPU the
        result equals that of an uninterrupted run.

    Raises CourseError when a batch is larger than `train`, a device is not there, or the network is
    to be saved but not registered, or the checkpoint can't be written or resumed from.
    """
    _check(recipe, validation)
    device = choose_device(device)
    dtype = choose_dtype(dtype, device)
    model.to(device, memory_format=torch.channels_last)  # the layout convolutions are fastest in
    images, labels = train.images.to(device), train.labels.to(device)
    training = Training(model, recipe, len(train))
    if checkpoint is not None:
        made_from = checkpoints.made_from(model, train, recipe, dtype)
        checkpoint = checkpoints.place(checkpoint)
        if resume and distributed.as_main(checkpoint.exists()):
            checkpoints.restore(checkpoint, training, made_from)

    def epochs() -> Iterator[Epoch]:
        yield from training.history
        while len(training.history) < recipe.epochs and not training.diverged:
            start = time.perf_counter()
            order = torch.randperm(len(train), generator=training.random).to(device)
            seen = augment(images[order], training.random, recipe.flip, recipe.shift, recipe.erase)
            loss, accuracy = train_one_epoch(
                training.network, seen, labels[order], training.optimizer, recipe.batch_size,
                dtype, recipe.label_smoothing, training.after_step,
            )  # fmt: skip
            trained = time.perf_counter()
            measured = measure(training.result, validation)
            tested = measure(training.result, test)[1] if test else None
            times = trained - start, time.perf_counter() - trained
            number = len(training.history) + 1
            training.record(Epoch(number, recipe.epochs, loss, accuracy, *measured, tested, *times))
            if checkpoint and distributed.is_main():
                checkpoints.write(checkpoint, made_from | training.state_dict())
            yield training.history[-1]

    return epochs()


def _check(recipe: Recipe, validation: Split) -> None:
    if not isinstance(recipe, Recipe):
        raise CourseError(f"recipe={recipe!r} is none. Write, for example, Recipe(epochs=5).")
    if not len(validation):
        raise CourseError("There are no validation images to measure on. Set some aside.")


class Training:
    """All that changes while a network learns, which is what a checkpoint keeps."""

    def __init__(self, model: nn.Module, recipe: Recipe, images: int):
        self.model = model
        # under torchrun the model and its copies, else the model itself
        self.network = distributed.parallel(model, recipe.batch_size, images)
        self.optimizer = optim.SGD(
            model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum,
            nesterov=recipe.nesterov, weight_decay=recipe.weight_decay, fused=True,
        )  # fmt: skip
        self.scheduler = optim.lr_scheduler.ConstantLR(self.optimizer, factor=1.0)
        if recipe.schedule == "one-cycle":
            steps = recipe.epochs * math.ceil(images / recipe.batch_size)
            self.scheduler = optim.lr_scheduler.OneCycleLR(
                self.optimizer, recipe.learning_rate, total_steps=steps, cycle_momentum=False
            )
        self.averaged = None
        if recipe.average:
            mean = get_ema_multi_avg_fn(recipe.average)
            self.averaged = AveragedModel(model, multi_avg_fn=mean, use_buffers=True)
        self.random = torch.Generator().manual_seed(recipe.seed)
        self.history: list[Epoch] = []
        self.best = {"epoch": 0, "model": self._weights()}

    @property
    def result(self) -> nn.Module:
        """What is measured and kept: the moving average of the weights if there is one."""
        return self.averaged or self.network

    @property
    def diverged(self) -> bool:
        return bool(self.history) and self.history[-1].diverged

    def after_step(self) -> None:
        """To be called after every update of the weights."""
        self.scheduler.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)

    def record(self, epoch: Epoch) -> None:
        """Add an epoch to the history, and keep the weights if it is the best one so far."""
        self.history.append(epoch)
        if best_epoch(self.history) is epoch:
            self.best = {"epoch": epoch.epoch, "model": self._weights()}

    def _weights(self) -> dict[str, Tensor]:
        kept = self.averaged.module if self.averaged else self.model
        return {name: value.clone() for name, value in kept.state_dict().items()}

    def state_dict(self) -> dict:
        changing = ("model", "averaged", "optimizer", "scheduler")
        parts = {name: getattr(self, name) for name in changing}
        return {name: part.state_dict() if part else None for name, part in parts.items()} | {
            "random": self.random.get_state(),
            "history": [asdict(epoch) for epoch in self.history],
            "best": self.best,
        }


def train_one_epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: optim.Optimizer,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    label_smoothing: float = 0.0,
    after_step: Callable[[], None] = lambda: None,
) -> tuple[float, float]:
    """One pass over the images, in the order given; returns the mean loss and accuracy.

    images, labels: uint8 [N, 28, 28] and int64 [N], shuffled, on the model's device. No DataLoader:
    a batch is a slice of them.
    """
    model.train()
    # They stay on the device: fetching a number after every batch would make a GPU wait for us.
    loss_sum, correct = 0.0, 0
    for batch, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            logits = model(as_input(batch))
            loss = F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after_step()
        loss_sum += loss.detach() * len(batch)
        correct += (logits.detach().argmax(dim=1) == targets).sum()
    return loss_sum.item() / len(images), correct.item() / len(images)


@torch.inference_mode()
def measure(model: nn.Module, split: Split, batch_size: int = 500) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on a split, in float32; the weights unchanged."""
    model.eval()
    device = next(model.parameters()).device
    loss_sum, correct = 0.0, 0
    images, labels = split.images.to(device), split.labels.to(device)
    for batch, targets in zip(images.split(batch_size), labels.split(batch_size), strict=True):
        logits = model(as_input(batch))
        loss_sum += F.cross_entropy(logits, targets, reduction="sum")
        correct += (logits.argmax(dim=1) == targets).sum()
    return loss_sum.item() / len(split), correct.item() / len(split)
