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


def test_measure(drawn):
    net = new_net()
    logits = net(as_input(drawn[1].images))
    loss, accuracy = train.measure(net, drawn[1], batch_size=33)
    assert loss == pytest.approx(F.cross_entropy(logits, drawn[1].labels).item(), rel=1e-5)
    assert accuracy == (logits.argmax(1) == drawn[1].labels).sum().item() / 200


def test_epoch_prints_progress():
    epoch = train.Epoch(3, 25, 0.5, 0.8, 0.4, 0.85, None, 7.0, 1.0)
    assert str(epoch).startswith("epoch  3/25") and "2:56 min left" in str(epoch)


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


def test_a_resumed_run_equals_an_uninterrupted_one(drawn, tmp_path):
    whole = new_net()
    expected = list(train.fit(whole, *drawn, epochs=4, **SLOW))

    path = tmp_path / "checkpoint.pt"
    run = train.fit(new_net(), *drawn, epochs=4, checkpoint=path, resume=True, **SLOW)
    next(run), next(run)
    run.close()  # as if interrupted after two epochs
    resumed = new_net(seed=99)
    history = list(
        train.fit(resumed, *drawn, epochs=4, checkpoint=path, resume=True, **SLOW)
    )  # fmt: skip
    assert equal(whole.state_dict(), resumed.state_dict())
    assert [e.train_loss for e in history] == [e.train_loss for e in expected]
    assert [e.epoch for e in history] == [1, 2, 3, 4]


def test_resume_with_another_recipe(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    list(train.fit(new_net(), *drawn, epochs=1, checkpoint=path, **SLOW))
    with pytest.raises(CourseError, match=r"another recipe \(learning_rate\)"):
        list(train.fit(new_net(), *drawn, epochs=2, learning_rate=0.5, checkpoint=path,
                       resume=True, **SLOW))  # fmt: skip


def test_checkpoint_of_another_architecture(drawn, tmp_path):
    path = tmp_path / "checkpoint.pt"
    list(train.fit(new_net(), *drawn, epochs=1, checkpoint=path, **SLOW))
    state = torch.load(path, weights_only=True)

    torch.save(state | {"architecture": "LeNet5"}, path)
    with pytest.raises(CourseError, match="architecture 'LeNet5'; known are Net"):
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


def test_shipped_checkpoint_is_the_published_network():
    net, state = train.load_model(train.SHIPPED_CHECKPOINT)
    assert type(net) is Net and state["source"] == "zalando"
    assert state["recipe"]["batch_size"] == 75 and len(state["history"]) == 25
    assert train.SHIPPED_CHECKPOINT.stat().st_size < 2_000_000


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
    ],
)
def test_impossible_recipe(drawn, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(CourseError, match=f"{name}={value} is not"):
        next(train.fit(new_net(), *drawn, **wrong))
