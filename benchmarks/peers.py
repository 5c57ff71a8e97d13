"""The same training, written for each of the programs that are compared.

Each function trains the course's network on the same images with the published recipe (SGD, rate
0.01, momentum 0.9, batch 75), in the way that its own documentation shows. It yields the seconds of
an epoch's training and the test accuracy after it; loading and measuring are not timed.

    python benchmarks/peers.py plain --epochs 3 --seed 0      # prints a line of JSON for each epoch
"""

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F

from fmnist_lib.data import PIXEL_MEAN, PIXEL_STD, Split, as_input, load
from fmnist_lib.device import choose_device
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage.paths import data_root, raw_folder
from fmnist_lib.train import fit, measure

BATCH, RATE, MOMENTUM = 75, 0.01, 0.9
Results = Iterator[tuple[float, float]]


def plain(train: Split, test: Split, epochs: int) -> Results:
    """As PyTorch's own tutorial trains on this data set, with this course's network and recipe.

    https://docs.pytorch.org/tutorials/beginner/introyt/trainingyt.html
    """
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    device = choose_device()
    transform = Compose([ToTensor(), Normalize(PIXEL_MEAN / 255, PIXEL_STD / 255)])
    with TemporaryDirectory() as folder:  # torchvision wants the files unpacked beside the archives
        shutil.copytree(raw_folder(data_root()), raw_folder(Path(folder)))
        images = FashionMNIST(folder, train=True, transform=transform, download=True)
    loader = torch.utils.data.DataLoader(images, batch_size=BATCH, shuffle=True)
    net = Net().to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)
    loss_fn = torch.nn.CrossEntropyLoss()
    for _ in range(epochs):
        start = time.perf_counter()
        net.train()
        running_loss = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = loss_fn(net(inputs.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            running_loss += loss.item()
        yield time.perf_counter() - start, measure(net, test)[1]


def lightning(train: Split, test: Split, epochs: int) -> Results:
    """Lightning, over a TensorDataset that holds the images as the network takes them."""
    import lightning as L

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def training_step(self, batch):
            images, labels = batch
            return F.cross_entropy(self.net(images), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=RATE, momentum=MOMENTUM)

        def on_train_epoch_start(self):
            self.start = time.perf_counter()

        def on_train_epoch_end(self):
            seconds = time.perf_counter() - self.start
            rows.append((seconds, measure(self.net, test)[1]))
            self.net.train()

    rows: list[tuple[float, float]] = []
    dataset = torch.utils.data.TensorDataset(as_input(train.images), train.labels)
    trainer = L.Trainer(
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True))
    yield from rows


def keras(train: Split, test: Split, epochs: int) -> Results:
    """Keras 3 on the backend that KERAS_BACKEND names; weights drawn as PyTorch draws them."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(torch.initial_seed())

    def drawn(layer, units, inputs, *shape, **options):
        weights = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        bias = keras.initializers.RandomUniform(-(inputs**-0.5), inputs**-0.5)
        return layer(units, *shape, kernel_initializer=weights, bias_initializer=bias, **options)

    net = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            drawn(layers.Conv2D, 20, 25, 5, activation="relu"),
            layers.MaxPooling2D(2),
            drawn(layers.Conv2D, 50, 500, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            drawn(layers.Dense, 500, 800, activation="relu"),
            drawn(layers.Dense, 10, 500),
        ]
    )
    net.compile(
        optimizer=keras.optimizers.SGD(RATE, MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            seconds = time.perf_counter() - self.start
            logits = net.predict(test_images, batch_size=500, verbose=0)
            rows.append((seconds, float((logits.argmax(1) == test.labels.numpy()).mean())))

    def channels_last(split: Split) -> np.ndarray:
        return as_input(split.images).permute(0, 2, 3, 1).numpy()

    rows: list[tuple[float, float]] = []
    test_images = channels_last(test)
    net.fit(
        channels_last(train),
        train.labels.numpy(),
        batch_size=BATCH,
        epochs=epochs,
        callbacks=[Clock()],
        verbose=0,
    )
    yield from rows


def course(train: Split, test: Split, epochs: int, dtype: str) -> Results:
    """This project. The test split stands where `fit` wants validation: nothing is chosen here."""
    recipe = Recipe(epochs=epochs, seed=torch.initial_seed())
    for epoch in fit(Net(), train, test, recipe, dtype=dtype):
        yield epoch.seconds, epoch.validation_accuracy


PEERS = {
    "plain": plain,
    "lightning": lightning,
    "keras-jax": keras,
    "keras-tensorflow": keras,
    "course-float32": partial(course, dtype="float32"),
    "course-bfloat16": partial(course, dtype="bfloat16"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    if wanted.peer.startswith("keras-"):
        os.environ["KERAS_BACKEND"] = wanted.peer.removeprefix("keras-")
    data = load(source="zalando", validation=0)  # as published, all 60,000 images are trained on
    torch.manual_seed(wanted.seed)
    for seconds, accuracy in PEERS[wanted.peer](data.train, data.test, wanted.epochs):
        print(json.dumps({"seconds": seconds, "accuracy": accuracy}), flush=True)


if __name__ == "__main__":
    main()
