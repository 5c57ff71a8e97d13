"""The training itself. What it keeps on disk: test_checkpoints.py."""

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from conftest import ON_CPU, equal, new_net
from forked import RECIPES
from torch import nn, optim

from fmnist_lib import checkpoints, evaluate, train
from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.model import BatchNormNet
from fmnist_lib.recipe import Recipe


def test_one_epoch_is_the_plain_loop(drawn):
    """The published recipe written out with nothing but PyTorch gives the same weights."""
    images, labels = drawn[0].images, drawn[0].labels
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    plain = new_net()
    optimizer = optim.SGD(plain.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for start in range(0, len(labels), 75):
        batch = order[start : start + 75]
        loss = nn.CrossEntropyLoss()(plain(as_input(images[batch])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    ours = new_net()
    (epoch,) = train.fit(ours, drawn[0], drawn[1], Recipe(epochs=1), **ON_CPU)
    assert epoch.train_loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    for name, weight in plain.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], weight, atol=1e-5), name


def test_fit_learns_and_records_each_epoch(drawn):
    recipe = Recipe(epochs=4, learning_rate=0.05)
    history = pd.DataFrame(train.fit(new_net(), *drawn, recipe, test=drawn[1], **ON_CPU))
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert history["validation_accuracy"].iloc[-1] > 0.3
    assert history["test_accuracy"].equals(history["validation_accuracy"])  # the same images
    assert (history["seconds"] > 0).all()


def test_bfloat16_learns_as_well(drawn):
    recipe = Recipe(epochs=3, learning_rate=0.05)
    history = list(train.fit(new_net(), *drawn, recipe, device="cpu", dtype="bfloat16"))
    assert history[-1].train_loss < history[0].train_loss


def test_same_seed_same_weights(drawn):
    def trained(seed):
        net = new_net()
        list(train.fit(net, *drawn, Recipe(epochs=2, seed=seed), **ON_CPU))
        return net.state_dict()

    assert equal(trained(3), trained(3))
    assert not equal(trained(3), trained(4))


def test_one_cycle_rises_and_falls_over_all_batches(drawn, monkeypatch):
    rates = []

    class Watched(optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(optim, "SGD", Watched)
    recipe = Recipe(epochs=2, learning_rate=0.1, schedule="one-cycle")
    list(train.fit(new_net(), *drawn, recipe, **ON_CPU))
    assert len(rates) == 2 * 600 / 75
    highest = rates.index(max(rates))
    assert rates[highest] == pytest.approx(0.1, rel=0.05) and 3 <= highest <= 5
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("option", sorted(RECIPES["every option"].keys() - {"average"}))
def test_each_option_reaches_the_training(drawn, option):  # but for the average, which watches
    def trained(**options):
        net = new_net()
        list(train.fit(net, *drawn, Recipe(epochs=1, **options), **ON_CPU))
        return net.state_dict()

    assert not equal(trained(), trained(**{option: RECIPES["every option"][option]}))


def test_label_smoothing_is_no_part_of_the_validation_loss(drawn):
    net = new_net()
    (epoch,) = train.fit(net, *drawn, Recipe(epochs=1, label_smoothing=0.5), **ON_CPU)
    assert epoch.validation_loss == pytest.approx(train.measure(net, drawn[1])[0], rel=1e-5)


def test_average_is_a_moving_mean_of_the_weights(drawn, monkeypatch, tmp_path):
    seen = []

    class Watched(optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            seen.append(self.param_groups[0]["params"][-1].detach().clone())  # the bias of fc2

    monkeypatch.setattr(optim, "SGD", Watched)
    path = tmp_path / "checkpoint.pt"
    recipe = Recipe(epochs=1, average=0.9)
    (epoch,) = train.fit(new_net(), *drawn, recipe, checkpoint=path, **ON_CPU)
    expected = seen[0]
    for weights in seen[1:]:
        expected = 0.9 * expected + 0.1 * weights
    averaged, _ = checkpoints.load_model(path)
    assert torch.allclose(averaged.fc2.bias, expected, atol=1e-6)
    assert not torch.allclose(averaged.fc2.bias, seen[-1], atol=1e-6)
    assert epoch.validation_accuracy == train.measure(averaged, drawn[1])[1]


def test_measure(drawn):
    net = new_net()
    logits = net(as_input(drawn[1].images))
    loss, accuracy = train.measure(net, drawn[1], batch_size=33)
    assert loss == pytest.approx(F.cross_entropy(logits, drawn[1].labels).item(), rel=1e-5)
    assert accuracy == (logits.argmax(1) == drawn[1].labels).sum().item() / 200


def test_divergence_ends_the_training_in_its_epoch(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    recipe = Recipe(epochs=5, learning_rate=1e6)
    net = new_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    (epoch,) = train.fit(net, *drawn, recipe, checkpoint=path, **ON_CPU)
    assert epoch.diverged and "DIVERGED" in str(epoch) and "smaller learning rate" in str(epoch)
    kept, state = checkpoints.load_model(path)
    assert state["best"]["epoch"] == 0 and equal(kept.state_dict(), before)
    again = list(train.fit(new_net(), *drawn, recipe, checkpoint=path, resume=True, **ON_CPU))
    assert len(again) == 1 and again[0].diverged  # there is nothing to go on from


def test_what_was_learned_before_it_diverged_is_kept(drawn, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    recipe = Recipe(epochs=5, learning_rate=0.05)
    run = train.fit(new_net(), *drawn, recipe, checkpoint=path, **ON_CPU)
    good = next(run)
    monkeypatch.setattr(train, "augment", lambda images, *_: images.float() * float("inf"))
    (last,) = run
    assert last.epoch == 2 and last.diverged and not good.diverged
    assert checkpoints.load_model(path)[1]["best"]["epoch"] == 1


def test_a_batch_larger_than_the_training_set(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(CourseError, match="batch_size=601 is more than the 600 training images"):
        next(train.fit(new_net(), *drawn, Recipe(batch_size=601), checkpoint=path))
    assert not path.exists()
    next(train.fit(new_net(), *drawn, Recipe(batch_size=600), **ON_CPU))


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipe": Recipe(batch_size=601)},
        {"device": "gpu"},
        {"dtype": "float16"},
        {"checkpoint": "torn", "resume": True},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_when_it_is_called(drawn, tmp_path, wrong):
    if "checkpoint" in wrong:
        (tmp_path / "torn").write_bytes(b"torn")
        wrong = wrong | {"checkpoint": tmp_path / "torn"}
    with pytest.raises(CourseError):
        train.fit(new_net(), *drawn, **ON_CPU | wrong)  # nobody iterates over it


@pytest.mark.parametrize(("batch_size", "fine"), [(1, False), (599, False), (598, True)])
def test_a_batch_of_one_image_for_a_network_that_takes_means(drawn, batch_size, fine):
    recipe = Recipe(epochs=1, batch_size=batch_size)
    list(train.fit(new_net(), *drawn, recipe, **ON_CPU))  # one that takes none bears it
    if fine:
        list(train.fit(BatchNormNet(), *drawn, recipe, **ON_CPU))
        return
    with pytest.raises(CourseError, match="a batch of one image, from which the batch norm"):
        train.fit(BatchNormNet(), *drawn, recipe, **ON_CPU)


def test_what_is_measured_does_not_depend_on_the_format_of_the_training(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    bfloat16 = {"device": "cpu", "dtype": "bfloat16", "checkpoint": path}
    history = list(train.fit(new_net(), *drawn, Recipe(epochs=3), test=drawn[1], **bfloat16))
    best, state = checkpoints.load_model(path)
    reported = history[state["best"]["epoch"] - 1].test_accuracy
    predicted = evaluate.predict(best, drawn[1].images).argmax(dim=1)
    assert evaluate.accuracy(predicted, drawn[1].labels) == reported


def test_a_training_does_nothing_before_it_is_asked(drawn, tmp_path):
    net = new_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    run = train.fit(net, *drawn, checkpoint=tmp_path / "checkpoint.pt", **ON_CPU)
    assert equal(net.state_dict(), before) and list(tmp_path.iterdir()) == []
    run.close()


def test_one_epoch_tells_of_every_update(drawn):
    net, seen = new_net(), []
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def after_step():
        seen.append(net.fc2.bias.detach().clone())

    loss, accuracy = train.train_one_epoch(
        net, drawn[1].images, drawn[1].labels, optimizer, 75, after_step=after_step
    )
    assert len(seen) == 3  # 200 images: 75, 75 and 50
    assert not torch.equal(seen[0], seen[1]) and torch.equal(seen[2], net.fc2.bias)
    assert 2 < loss < 2.5 and 0 <= accuracy < 0.6


def test_without_validation_images_or_a_recipe(drawn):
    with pytest.raises(CourseError, match="There are no validation images to measure on. Set some"):
        train.fit(new_net(), drawn[0], drawn[1][:0])
    for recipe in ({"epochs": 3}, 3):
        with pytest.raises(CourseError, match="is none. Write, for example, Recipe"):
            train.fit(new_net(), *drawn, recipe)
