"""Networks on disk: kept, loaded, gone on with. Broken and hostile files: test_hostile.py."""

import dataclasses
import math

import pytest
import torch
from conftest import ON_CPU, equal, new_net, own_network
from forked import RECIPES
from torch import nn

from fmnist_lib import checkpoints, evaluate, train
from fmnist_lib.data import Split
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch, best_epoch
from fmnist_lib.model import NETWORKS, Net, RawNet, ResidualNet
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import paths


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "checkpoint.pt"


def fit(model, drawn, path=None, resume=False, **recipe):
    return train.fit(model, *drawn, Recipe(**recipe), checkpoint=path, resume=resume, **ON_CPU)


def weights_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_checkpoint_holds_the_best_epoch(drawn, path):
    seen = []
    net = new_net()
    for epoch in fit(net, drawn, path, epochs=5, learning_rate=0.1):
        seen.append((epoch.validation_accuracy, weights_of(net)))
    best = max(range(5), key=lambda i: seen[i][0])
    loaded, state = checkpoints.load_model(path)
    assert state["best"]["epoch"] == best + 1
    assert equal(loaded.state_dict(), seen[best][1]) and not loaded.training
    assert state["source"] == "synthetic" and len(state["history"]) == 5
    assert state["recipe"]["learning_rate"] == 0.1 and state["train_images"] == 600
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("options", RECIPES.values(), ids=RECIPES)
def test_a_resumed_run_equals_an_uninterrupted_one(drawn, path, options):
    recipe = {"epochs": 4, **options}
    whole = new_net()
    expected = list(fit(whole, drawn, **recipe))

    run = fit(new_net(), drawn, path, **recipe)
    next(run), next(run)
    run.close()  # as if interrupted after two epochs
    resumed = new_net(seed=99)
    history = list(fit(resumed, drawn, path, resume=True, **recipe))
    assert equal(whole.state_dict(), resumed.state_dict())
    assert [e.train_loss for e in history] == [e.train_loss for e in expected]
    assert [e.epoch for e in history] == [1, 2, 3, 4]


def test_the_best_epoch_may_lie_before_the_interruption(drawn, path, monkeypatch):
    accuracies = iter([0.7, 0.9, 0.8, 0.9])  # the second stays the best
    monkeypatch.setattr(train, "measure", lambda *_: (0.5, next(accuracies)))
    run, net = fit(new_net(), drawn, path, epochs=4), new_net()
    next(run), next(run)
    run.close()
    best = checkpoints.read(path)["best"]
    history = list(fit(net, drawn, path, resume=True, epochs=4))
    assert [row.validation_accuracy for row in history] == [0.7, 0.9, 0.8, 0.9]
    loaded, state = checkpoints.load_model(path)
    assert state["best"]["epoch"] == best["epoch"] == 2
    assert equal(loaded.state_dict(), best["model"])
    assert not equal(loaded.state_dict(), net.state_dict())


def test_without_resuming_the_training_begins_anew(drawn, path):
    list(fit(new_net(), drawn, path, epochs=2))
    (only,) = fit(new_net(), drawn, path, epochs=1)
    assert only.epoch == 1 and len(checkpoints.read(path)["history"]) == 1


def test_resume_with_another_recipe(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1))
    with pytest.raises(CourseError, match=r"made from something else \(learning_rate\)"):
        list(fit(new_net(), drawn, path, resume=True, epochs=2, learning_rate=0.5))
    with pytest.raises(CourseError, match=r"made from something else \(learning_rate, seed\)"):
        list(fit(new_net(), drawn, path, resume=True, epochs=2, learning_rate=0.5, seed=1))


def test_resume_with_other_data_or_another_network(drawn, path):
    (images, labels), test = (drawn[0].images, drawn[0].labels), drawn[1]
    list(fit(ResidualNet(width=4), drawn, path, epochs=1))
    for model, split, changed in (
        (ResidualNet(width=4), Split(images, labels, "zalando"), "source"),
        (ResidualNet(width=4), drawn[0][:500], "train_images, images"),
        (ResidualNet(width=4), Split(images.flip(2), labels, "synthetic"), "images"),
        (ResidualNet(width=4), Split(images, labels.roll(1), "synthetic"), "images"),
        (ResidualNet(width=8), drawn[0], "arguments"),
        (RawNet(), drawn[0], "network, arguments"),
    ):
        with pytest.raises(CourseError, match=rf"made from something else \({changed}\)"):
            list(fit(model, (split, test), path, resume=True, epochs=2))
    options = {"checkpoint": path, "resume": True, "device": "cpu", "dtype": "bfloat16"}
    with pytest.raises(CourseError, match=r"made from something else \(dtype\)"):
        train.fit(ResidualNet(width=4), *drawn, **options)


def test_more_epochs_are_the_same_training(drawn, path):
    whole = new_net()
    list(fit(whole, drawn, epochs=3))
    list(fit(new_net(), drawn, path, epochs=1))
    resumed = new_net(seed=99)
    history = list(fit(resumed, drawn, path, resume=True, epochs=3))
    assert [row.epoch for row in history] == [1, 2, 3]
    assert equal(resumed.state_dict(), whole.state_dict())


def test_fewer_epochs_than_it_has_are_refused(drawn, path):
    list(fit(new_net(), drawn, path, epochs=3))
    before = path.read_bytes()
    with pytest.raises(CourseError, match="has 3 epochs behind it, more than epochs=2. Ask for mo"):
        list(fit(new_net(), drawn, path, resume=True, epochs=2))
    assert path.read_bytes() == before
    assert len(list(fit(new_net(), drawn, path, resume=True, epochs=3))) == 3  # as many: only shown


def test_one_cycle_cannot_be_resumed_over_more_epochs(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1, schedule="one-cycle"))
    with pytest.raises(CourseError, match=r"made from something else \(epochs\)"):
        list(fit(new_net(), drawn, path, resume=True, epochs=2, schedule="one-cycle"))


def test_a_finished_network_cannot_be_gone_on_with(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1))
    state = checkpoints.read(path)
    for name in ("model", "averaged", "optimizer", "scheduler", "random"):
        del state[name]
    checkpoints.write(path, state)
    assert checkpoints.load_model(path)[1]["best"]["epoch"] == 1  # as those that are shipped
    with pytest.raises(CourseError, match="holds only the finished network"):
        list(fit(new_net(), drawn, path, resume=True, epochs=2))


def test_checkpoint_of_another_network(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1))
    state = torch.load(path, weights_only=True)

    torch.save(state | {"network": "LeNet5"}, path)
    with pytest.raises(CourseError, match="network 'LeNet5'; known are Net, RawNet, BatchNormNet"):
        checkpoints.load_model(path)

    torch.save(state | {"arguments": {"width": 8, "shortcut": False}}, path)
    with pytest.raises(CourseError, match="Net can't be built with the arguments in .*'width'"):
        checkpoints.load_model(path)

    del state["best"]["model"]["fc2.bias"]
    torch.save(state, path)
    with pytest.raises(CourseError, match="do not fit Net. The file belongs to another network"):
        checkpoints.load_model(path)


class Evil:
    def __reduce__(self):
        return print, ("code from a checkpoint ran",)


def test_bad_checkpoints(tmp_path, capsys):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(CourseError, match="no checkpoint .*Train first: notebook 03 writes one"):
        checkpoints.load_model(path)
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(CourseError, match="is torn or is no checkpoint"):
        checkpoints.load_model(path)
    torch.save({"network": "Net", "arguments": {}, "best": {"model": Evil()}}, path)
    with pytest.raises(CourseError, match="is torn or is no checkpoint"):
        checkpoints.load_model(path)
    assert capsys.readouterr().out == ""


# -------------------------------------------------------------------------- shipped networks


def test_the_published_network_is_shipped():
    net, state = checkpoints.load_model(checkpoints.shipped())
    assert type(net) is Net and state["source"] == "zalando"
    assert state["recipe"]["batch_size"] == 75 and len(state["history"]) == 25


def test_shipped_checkpoints_are_small_and_have_a_card():
    cards = (checkpoints.WEIGHTS / "README.md").read_text(encoding="utf-8")
    files = list(checkpoints.WEIGHTS.glob("*.pt"))
    assert {file.stem for file in files} == {"Net", "ResidualNet"}
    assert sum(file.stat().st_size for file in files) < 4_000_000
    for file in files:
        net, state = checkpoints.load_model(file)
        assert type(net).__name__ == file.stem and file.name in cards
        best = best_epoch([Epoch(**row) for row in state["history"]])
        assert best.epoch == state["best"]["epoch"] and f"epoch {best.epoch}, " in cards
        assert f"{best.validation_accuracy:.2%}".replace("%", " %") in cards


def test_a_network_that_is_not_shipped():
    with pytest.raises(CourseError, match="no trained 'LeNet5', only with: Net, ResidualNet"):
        checkpoints.shipped("LeNet5")


# ----------------------------------------------------------------------- networks of one's own


def test_a_network_that_is_not_registered_is_refused_before_it_is_trained(drawn, path):
    net = own_network()()
    before = weights_of(net)
    with pytest.raises(CourseError, match="^Own is not registered.* Write @register .*class, and"):
        next(fit(net, drawn, path))
    assert equal(net.state_dict(), before) and not path.parent.exists()
    (epoch,) = fit(net, drawn, epochs=1)  # without a checkpoint it is trained
    assert epoch.validation_accuracy > 0 and not equal(net.state_dict(), before)


def test_a_class_that_only_has_the_name_of_a_registered_one_is_refused(drawn, path):
    other = own_network()
    other.__name__ = "Net"
    with pytest.raises(CourseError, match="^Net is not registered"):
        next(fit(other(), drawn, path))


def test_a_network_of_ones_own_is_saved_loaded_and_resumed(drawn, path, registered):
    Own = registered(own_network())

    def new(seed=0):
        torch.manual_seed(seed)
        return Own(20, dropout=0.5)

    recipe = {"epochs": 4, "learning_rate": 0.05, "average": 0.5}
    whole = new()
    expected = list(fit(whole, drawn, **recipe))
    run = fit(new(), drawn, path, **recipe)
    next(run), next(run)
    run.close()
    resumed = new(seed=99)
    history = list(fit(resumed, drawn, path, resume=True, **recipe))
    assert equal(resumed.state_dict(), whole.state_dict())
    assert [row.validation_loss for row in history] == [row.validation_loss for row in expected]

    loaded, state = checkpoints.load_model(path)
    assert state["network"] == "Own" and state["arguments"] == {"hidden": 20, "dropout": 0.5}
    assert type(loaded) is Own and loaded.hidden == 20
    right = evaluate.predict(loaded, drawn[1].images).argmax(1) == drawn[1].labels
    assert right.double().mean().item() == best_epoch(history).validation_accuracy


def test_a_cell_that_is_run_twice(drawn, path, registered):
    first, second = registered(own_network()), own_network()
    list(fit(first(), drawn, path, epochs=1))
    registered(second)
    assert type(checkpoints.load_model(path)[0]) is second
    history = list(fit(second(), drawn, path, resume=True, epochs=2))
    assert [row.epoch for row in history] == [1, 2]


def test_a_class_that_was_changed_since(drawn, path, registered):
    list(fit(registered(own_network())(), drawn, path, epochs=1))

    class Own(own_network()):
        def __init__(self, hidden=12, dropout=0.0):
            super().__init__(hidden + 1, dropout)

    registered(Own)
    with pytest.raises(CourseError, match="do not fit Own.*or the class has changed since"):
        checkpoints.load_model(path)

    class Own(own_network()):
        def __init__(self, width=12):
            super().__init__(width)

    registered(Own)
    with pytest.raises(
        CourseError, match="Own can't be built with the arguments.*class has changed since"
    ):
        checkpoints.load_model(path)


@pytest.mark.parametrize("outputs, problem", [(11, "do not fit Net"), (None, "can't be built")])
def test_a_shipped_network_whose_class_was_changed(registered, outputs, problem):
    """Whoever changes `Net` itself is told so, and not to delete a file of the course."""

    class Changed(Net):
        def __init__(self):
            super().__init__()
            self.fc2 = nn.Linear(500, outputs)

    Changed.__name__ = "Net"
    registered(Changed)
    with pytest.raises(CourseError, match=f"{problem}.*comes with the course") as caught:
        checkpoints.load_model(checkpoints.shipped("Net"))
    assert "a name of its own, under @register" in str(caught.value)
    assert "elete" not in str(caught.value)


def test_a_shipped_network_that_is_torn(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "Net.pt").write_bytes(b"torn")
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    with pytest.raises(CourseError, match="is torn .* restore it with git, or install") as caught:
        checkpoints.load_model(tmp_path / "weights" / "Net.pt")
    assert "elete" not in str(caught.value)


def test_a_checkpoint_of_a_network_that_is_not_registered_now(drawn, path, registered, monkeypatch):
    list(fit(registered(own_network())(), drawn, path, epochs=1))
    monkeypatch.delitem(NETWORKS, "Own")
    with pytest.raises(CourseError, match="holds the network 'Own'; known are Net, .*@register"):
        checkpoints.load_model(path)


def test_a_mask_may_be_infinite(drawn, path, registered):
    class Masked(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, -math.inf]))

    list(fit(registered(Masked)(), drawn, path, epochs=1))
    net, _ = checkpoints.load_model(path)
    assert net.mask.tolist() == [0, -math.inf]


def test_options_that_came_later_have_their_defaults(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1))
    state = checkpoints.read(path)
    del state["recipe"]["erase"]
    checkpoints.write(path, state)
    assert len(list(fit(new_net(), drawn, path, resume=True, epochs=2))) == 2


def test_a_checkpoint_of_another_version(drawn, path):
    list(fit(new_net(), drawn, path, epochs=1))
    state = checkpoints.read(path)
    checkpoints.write(path, state | {"recipe": state["recipe"] | {"cutmix": 0.5}})
    with pytest.raises(CourseError, match="no checkpoint of this version .*'cutmix'"):
        checkpoints.load_model(path)
    checkpoints.write(path, {"architecture": "Net", "best_model": state["best"]["model"]})
    with pytest.raises(
        CourseError, match="no checkpoint of this version .*'network'.* Train again"
    ):
        checkpoints.load_model(path)


def test_a_recipe_of_another_class(drawn, path):
    @dataclasses.dataclass(frozen=True)
    class Mine(Recipe):
        pass

    with pytest.raises(
        CourseError, match="Mine is another class than Recipe.* Add your options to"
    ):
        train.fit(Net(), *drawn, Mine(epochs=1), checkpoint=path, **ON_CPU)
    assert not path.parent.exists()
    assert len(list(train.fit(Net(), *drawn, Mine(epochs=1), **ON_CPU))) == 1


def test_a_relative_path_counts_from_the_project(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "work_folder", lambda: tmp_path / "project")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    list(fit(new_net(), drawn, "runs/checkpoint.pt", epochs=1))
    assert (tmp_path / "project" / "runs" / "checkpoint.pt").is_file()
    assert checkpoints.load_model("runs/checkpoint.pt")[1]["best"]["epoch"] == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["", "."])
def test_a_folder_is_no_checkpoint(drawn, tmp_path, monkeypatch, name):
    monkeypatch.setattr(paths, "work_folder", lambda: tmp_path)
    with pytest.raises(CourseError, match="is a folder. Name a file in it, such as checkpoint.pt"):
        fit(new_net(), drawn, name, epochs=1)


def test_a_checkpoint_from_before_an_argument_was_added_goes_on(drawn, path):
    list(fit(ResidualNet(width=4), drawn, path, epochs=1))
    state = torch.load(path)
    del state["arguments"]["shortcut"]  # which is True where nothing is said
    torch.save(state, path)
    assert len(list(fit(ResidualNet(width=4), drawn, path, epochs=2, resume=True))) == 2
    torch.save(state, path)
    for names in ({1: 2}, {"depth": 3}):  # that nobody has asked for
        torch.save(state | {"arguments": state["arguments"] | names}, path)
        with pytest.raises(CourseError, match=r"made from something else \(arguments\)"):
            list(fit(ResidualNet(width=4), drawn, path, epochs=2, resume=True))
    torch.save(state, path)
    other = ResidualNet(width=4, shortcut=False)
    with pytest.raises(CourseError, match="made from something else"):
        list(fit(other, drawn, path, epochs=2, resume=True))


def test_a_residual_net_of_another_width(drawn, path):
    (epoch,) = fit(ResidualNet(width=8), drawn, path, epochs=1)
    net, state = checkpoints.load_model(path)
    assert net.width == 8 and state["arguments"]["width"] == 8
    assert train.measure(net, drawn[1])[1] == epoch.validation_accuracy


def test_a_file_cannot_ask_for_a_network_of_any_size(drawn, path):
    list(fit(ResidualNet(width=4), drawn, path, epochs=1))
    state = checkpoints.read(path) | {"arguments": {"width": 100_000}}
    checkpoints.write(path, state)
    with pytest.raises(CourseError, match="can't be built.*its weights would have 11,200,"):
        checkpoints.load_model(path)
