import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn, optim

from fmnist_lib import train
from fmnist_lib.data import as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.model import Net

SLOW = {"device": "cpu", "dtype": "float32"}


def new_net(seed=0):
    torch.manual_seed(seed)
    return Net()


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.values(), other.values(), strict=True))


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
    (epoch,) = train.fit(ours, drawn[0], drawn[1], epochs=1, **SLOW)
    assert epoch.train_loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    for name, weight in plain.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], weight, atol=1e-5), name


def test_fit_learns_and_records_each_epoch(drawn):
    history = pd.DataFrame(
        train.fit(new_net(), *drawn, test=drawn[1], epochs=4, learning_rate=0.05, **SLOW)
    )
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert history["validation_accuracy"].iloc[-1] > 0.3
    assert history["test_accuracy"].equals(history["validation_accuracy"])  # the same images
    assert (history["seconds"] > 0).all()


def test_defaults_are_the_published_recipe():
    import inspect

    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(train.fit).parameters.items()
    }
    expected = {"epochs": 25, "batch_size": 75, "learning_rate": 0.01, "momentum": 0.9}
    assert {name: defaults[name] for name in expected} == expected


def test_bfloat16_learns_as_well(drawn):
    history = list(train.fit(new_net(), *drawn, epochs=3, learning_rate=0.05, device="cpu",
                             dtype="bfloat16"))  # fmt: skip
    assert history[-1].train_loss < history[0].train_loss


def test_same_seed_same_weights(drawn):
    def trained(seed):
        net = new_net()
        list(train.fit(net, *drawn, epochs=2, seed=seed, **SLOW))
        return net.state_dict()

    assert equal(trained(3), trained(3))
    assert not equal(trained(3), trained(4))


ALL = {
    "nesterov": True,
    "weight_decay": 1e-3,
    "schedule": "one-cycle",
    "label_smoothing": 0.1,
    "flip": True,
    "shift": 2,
    "erase": 5,
    "average": 0.9,
}  # every option of `fit` that the published recipe leaves off


def test_one_cycle_rises_and_falls_over_all_batches(drawn, monkeypatch):
    rates = []

    class Watched(optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(optim, "SGD", Watched)
    list(train.fit(new_net(), *drawn, epochs=2, learning_rate=0.1, schedule="one-cycle", **SLOW))
    assert len(rates) == 2 * 600 / 75
    highest = rates.index(max(rates))
    assert rates[highest] == pytest.approx(0.1, rel=0.05) and 3 <= highest <= 5
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("option", sorted(set(ALL) - {"average"}))  # it only watches
def test_each_option_reaches_the_training(drawn, option):
    def trained(**options):
        net = new_net()
        list(train.fit(net, *drawn, epochs=1, **options, **SLOW))
        return net.state_dict()

    assert not equal(trained(), trained(**{option: ALL[option]}))


def test_label_smoothing_is_no_part_of_the_validation_loss(drawn):
    (epoch,) = train.fit(new_net(), *drawn, epochs=1, label_smoothing=0.5, **SLOW)
    net = new_net()
    list(train.fit(net, *drawn, epochs=1, label_smoothing=0.5, **SLOW))
    assert epoch.validation_loss == pytest.approx(train.measure(net, drawn[1])[0], rel=1e-5)


def test_flip_mirrors_about_half_of_the_images(drawn):
    images = drawn[0].images
    made = train.augment(images, torch.Generator().manual_seed(0), flip=True)
    same = (made == images).flatten(1).all(1)
    mirrored = (made == images.flip(2)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6


def test_shift_moves_an_image_and_fills_with_background():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[10, 20] = 255
    images = image.repeat(2000, 1, 1)
    made = train.augment(images, torch.Generator().manual_seed(0), shift=2)
    assert made.dtype == torch.uint8 and (made.flatten(1).sum(1) == 255).all()
    _, rows, columns = made.nonzero().T
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    assert set(columns.tolist()) == {18, 19, 20, 21, 22}
    corner = torch.full((500, 28, 28), 9, dtype=torch.uint8)
    moved = train.augment(corner, torch.Generator().manual_seed(0), shift=1)
    assert set(moved[:, 0, 0].tolist()) == {0, 9}


def test_erase_sets_a_square_to_background():
    images = torch.full((5000, 28, 28), 9, dtype=torch.uint8)
    made = train.augment(images, torch.Generator().manual_seed(0), erase=8)
    missing = made == 0
    assert (missing.flatten(1).sum(1) == 64).all()
    assert (missing.any(1).sum(1) == 8).all() and (missing.any(2).sum(1) == 8).all()
    assert missing.any(0).all()  # it can be anywhere
    assert images.min() == 9  # the originals are as they were


def test_average_is_a_moving_mean_of_the_weights(drawn, monkeypatch, tmp_path):
    seen = []

    class Watched(optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            seen.append(self.param_groups[0]["params"][-1].detach().clone())  # the bias of fc2

    monkeypatch.setattr(optim, "SGD", Watched)
    path = tmp_path / "checkpoint.pt"
    (epoch,) = train.fit(new_net(), *drawn, epochs=1, average=0.9, checkpoint=path, **SLOW)
    expected = seen[0]
    for weights in seen[1:]:
        expected = 0.9 * expected + 0.1 * weights
    averaged, _ = train.load_model(path)
    assert torch.allclose(averaged.fc2.bias, expected, atol=1e-6)
    assert not torch.allclose(averaged.fc2.bias, seen[-1], atol=1e-6)
    assert epoch.validation_accuracy == train.measure(averaged, drawn[1])[1]


def test_no_augmentation_is_no_change(drawn):
    images = drawn[0].images
    assert train.augment(images, torch.Generator()) is images


def test_measure(drawn):
    net = new_net()
    logits = net(as_input(drawn[1].images))
    loss, accuracy = train.measure(net, drawn[1], batch_size=33)
    assert loss == pytest.approx(F.cross_entropy(logits, drawn[1].labels).item(), rel=1e-5)
    assert accuracy == (logits.argmax(1) == drawn[1].labels).sum().item() / 200


def test_epoch_prints_progress():
    epoch = train.Epoch(3, 25, 0.5, 0.8, 0.4, 0.85, None, 7.0, 1.0)
    assert str(epoch).startswith("epoch  3/25") and "2:56 min left" in str(epoch)


def test_divergence_ends_the_training_in_its_epoch(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    recipe = {"epochs": 5, "checkpoint": path, **SLOW}
    net = new_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    (epoch,) = train.fit(net, *drawn, learning_rate=1e6, **recipe)
    assert epoch.diverged and "DIVERGED" in str(epoch) and "smaller learning rate" in str(epoch)
    kept, state = train.load_model(path)
    assert state["best"]["epoch"] == 0 and equal(kept.state_dict(), before)
    again = list(train.fit(new_net(), *drawn, learning_rate=1e6, resume=True, **recipe))
    assert len(again) == 1 and again[0].diverged  # there is nothing to go on from


def test_what_was_learned_before_it_diverged_is_kept(drawn, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    run = train.fit(new_net(), *drawn, epochs=5, learning_rate=0.05, checkpoint=path, **SLOW)
    good = next(run)
    monkeypatch.setattr(train, "augment", lambda images, *_: images.float() * float("inf"))
    (last,) = run
    assert last.epoch == 2 and last.diverged and not good.diverged
    assert train.load_model(path)[1]["best"]["epoch"] == 1


# ------------------------------------------------------------------------------ checkpoints


def test_checkpoint_holds_the_best_epoch(drawn, tmp_path):
    path = tmp_path / "new" / "checkpoint.pt"
    seen = []
    net = new_net()
    for epoch in train.fit(net, *drawn, epochs=5, learning_rate=0.1, checkpoint=path, **SLOW):
        weights = {name: value.clone() for name, value in net.state_dict().items()}
        seen.append((epoch.validation_accuracy, weights))
    best = max(range(5), key=lambda i: seen[i][0])
    loaded, state = train.load_model(path)
    assert state["best"]["epoch"] == best + 1
    assert equal(loaded.state_dict(), seen[best][1])
    assert state["source"] == "synthetic" and len(state["history"]) == 5
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("options", [{}, ALL], ids=["published", "every option"])
def test_a_resumed_run_equals_an_uninterrupted_one(drawn, tmp_path, options):
    recipe = {"epochs": 4, **options, **SLOW}
    whole = new_net()
    expected = list(train.fit(whole, *drawn, **recipe))

    recipe |= {"checkpoint": tmp_path / "checkpoint.pt", "resume": True}
    run = train.fit(new_net(), *drawn, **recipe)
    next(run), next(run)
    run.close()  # as if interrupted after two epochs
    resumed = new_net(seed=99)
    history = list(train.fit(resumed, *drawn, **recipe))
    assert equal(whole.state_dict(), resumed.state_dict())
    assert [e.train_loss for e in history] == [e.train_loss for e in expected]
    assert [e.epoch for e in history] == [1, 2, 3, 4]


def test_resume_with_another_recipe(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    list(train.fit(new_net(), *drawn, epochs=1, checkpoint=path, **SLOW))
    with pytest.raises(CourseError, match=r"another recipe \(learning_rate\)"):
        list(train.fit(new_net(), *drawn, epochs=2, learning_rate=0.5, checkpoint=path,
                       resume=True, **SLOW))  # fmt: skip


def test_one_cycle_cannot_be_resumed_over_more_epochs(drawn, tmp_path):
    recipe = {"schedule": "one-cycle", "checkpoint": tmp_path / "checkpoint.pt", **SLOW}
    list(train.fit(new_net(), *drawn, epochs=1, **recipe))
    with pytest.raises(CourseError, match=r"another recipe \(schedule_epochs\)"):
        list(train.fit(new_net(), *drawn, epochs=2, resume=True, **recipe))


def test_checkpoint_of_another_architecture(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    list(train.fit(new_net(), *drawn, epochs=1, checkpoint=path, **SLOW))
    state = torch.load(path, weights_only=True)

    torch.save(state | {"architecture": "LeNet5"}, path)
    with pytest.raises(
        CourseError, match="architecture 'LeNet5'; known are Net, RawNet, BatchNormNet"
    ):
        train.load_model(path)

    del state["best"]["model"]["fc2.bias"]
    torch.save(state, path)
    with pytest.raises(CourseError, match="do not fit Net: they belong to another architecture"):
        train.load_model(path)


class Evil:
    def __reduce__(self):
        return print, ("code from a checkpoint ran",)


def test_bad_checkpoints(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(CourseError, match="no checkpoint .*Run notebook 03"):
        train.load_model(path)
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(CourseError, match="is torn or is no checkpoint"):
        train.load_model(path)
    torch.save({"architecture": "Net", "best": {"model": Evil()}}, path)
    with pytest.raises(CourseError, match="is torn or is no checkpoint"):
        train.load_model(path)
    assert capsys.readouterr().out == ""


def test_the_published_network_is_shipped():
    net, state = train.load_model(train.shipped_checkpoint())
    assert type(net) is Net and state["source"] == "zalando"
    assert state["recipe"]["batch_size"] == 75 and len(state["history"]) == 25


def test_shipped_checkpoints_are_small_and_have_a_card():
    cards = (train.SHIPPED / "README.md").read_text(encoding="utf-8")
    files = list(train.SHIPPED.glob("*.pt"))
    assert sum(file.stat().st_size for file in files) < 4_000_000
    for file in files:
        net, state = train.load_model(file)
        assert type(net).__name__ == file.stem and file.name in cards
        assert f"{state['best']['validation_accuracy']:.2%}".replace("%", " %") in cards


def test_a_network_that_is_not_shipped():
    with pytest.raises(CourseError, match="no trained 'LeNet5', only with: Net"):
        train.shipped_checkpoint("LeNet5")


# ------------------------------------------------------------------------- device and dtype


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_cuda():
    with pytest.raises(CourseError, match='device="cuda" is not available.*device="auto"'):
        train.choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_unknown_device(name):
    with pytest.raises(CourseError, match="is unknown. Choose auto, cpu"):
        train.choose_device(name)


def test_auto_device_is_one_that_works():
    device = train.choose_device("auto")
    assert torch.ones(2, device=device).sum().item() == 2


def test_dtype():
    assert train.choose_dtype("float32") == torch.float32
    assert train.choose_dtype("auto") in (torch.float32, torch.bfloat16)
    with pytest.raises(CourseError, match="dtype='float16' is unknown"):
        train.choose_dtype("float16")


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"batch_size": 0},
        {"batch_size": 601},
        {"learning_rate": -1},
        {"learning_rate": "1e-3"},
        {"momentum": 1.0},
        {"weight_decay": -0.1},
        {"schedule": "cosine"},
        {"label_smoothing": 1.0},
        {"shift": 28},
    ],
)
def test_impossible_recipe(drawn, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(CourseError, match=f"{name}={value!r} is not"):
        next(train.fit(new_net(), *drawn, **wrong))


def test_nesterov_needs_momentum(drawn):
    with pytest.raises(CourseError, match="nesterov=True is not"):
        next(train.fit(new_net(), *drawn, momentum=0.0, nesterov=True))
