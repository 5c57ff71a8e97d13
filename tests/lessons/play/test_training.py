"""A training as it goes, on a pretended screen."""

import re
from unittest.mock import Mock

import pytest

from fmnist_lib import checkpoints, train
from fmnist_lib.errors import CourseError
from fmnist_lib.history import Epoch
from fmnist_lib.lessons import play
from fmnist_lib.lessons.play import training
from fmnist_lib.model import Net
from fmnist_lib.recipe import Recipe


def test_training_is_shown_as_it_goes(screen, drawn, capsys):
    epochs = play.watch(train.fit(Net(), *drawn, Recipe(epochs=3), device="cpu"))
    first = next(epochs)
    bar, figure = screen.shown
    assert bar["text/plain"] == "█" * 10 + "░" * 20
    assert capsys.readouterr().out == f"{first}\n" and "min left" in str(first)
    assert "From epoch 1 to 1" in figure.alt
    assert len(list(epochs)) == 2 and len(screen.shown) == 2
    assert "From epoch 1 to 3" in screen.shown[1].alt and "░" not in screen.shown[0]["text/plain"]


def within(screen):
    """What the bar said within epochs: the epoch, and how much of it was done."""
    texts = [each.get("text/plain", "") for each in screen.updates if isinstance(each, dict)]
    found = [re.fullmatch("([█░]{30})  epoch (.): (.+)%", text) for text in texts]
    return [(one[1].count("█"), int(one[2]), int(one[3])) for one in found if one]


def test_the_bar_moves_within_an_epoch(screen, drawn, monkeypatch):
    monkeypatch.setattr(training, "PAUSE", 0)
    recipe = Recipe(epochs=2, batch_size=150)  # 600 images: 4 steps
    given = train.fit(Net(), *drawn, recipe, device="cpu")
    assert len(list(play.watch(given, drawn[0], recipe))) == 2
    assert within(screen) == [
        (4, 1, 25), (8, 1, 50), (11, 1, 75), (15, 1, 100),
        (19, 2, 25), (22, 2, 50), (26, 2, 75), (30, 2, 100),
    ]  # fmt: skip
    assert screen.shown[0]["text/plain"] == "█" * 30


def test_without_a_recipe_the_first_epoch_counts(screen, drawn, monkeypatch):
    monkeypatch.setattr(training, "PAUSE", 0)
    recipe = Recipe(epochs=2, batch_size=150)
    epochs = play.watch(train.fit(Net(), *drawn, recipe, device="cpu"))
    next(epochs)
    said = [each["text/plain"] for each in screen.updates[:4]]
    assert said == [f"the first epoch is running, step {n}" for n in (1, 2, 3, 4)]
    list(train.fit(Net(), *drawn, Recipe(epochs=1), device="cpu"))  # of another training
    next(epochs)
    assert within(screen)[-4:] == [(19, 2, 25), (22, 2, 50), (26, 2, 75), (30, 2, 100)]


@pytest.mark.parametrize("end", ["all", "left", "stopped"])
def test_nothing_counts_after_the_loop(screen, drawn, end, monkeypatch):
    counting = Mock()
    monkeypatch.setattr(training, "register_optimizer_step_post_hook", lambda hook: counting)

    def epochs():
        yield from train.fit(Net(), *drawn, Recipe(epochs=2), device="cpu")
        if end == "stopped":
            raise KeyboardInterrupt

    watched = play.watch(epochs())
    next(watched)
    watched.close() if end == "left" else list(watched)
    counting.remove.assert_called_once_with()


def test_the_curves_of_one_epoch_stand_in_all_that_are_to_come(screen, drawn):
    next(play.watch(train.fit(Net(), *drawn, Recipe(epochs=9), device="cpu")))
    for ax in screen.shown[1].axes:
        assert ax.get_xlim() == (0.5, 9.5)


def epoch(number, epochs, loss=0.5):
    return Epoch(number, epochs, loss, 0.5, loss, 0.5, None, 1.0, 0.1)


@pytest.mark.parametrize(
    "history, epochs, stopped",
    [
        ([epoch(1, 3), epoch(2, 3)], 3, True),
        ([epoch(1, 2), epoch(2, 2)], 2, False),
        ([epoch(1, 3), epoch(2, 3, float("nan"))], 3, False),  # it can't go on
        ([epoch(1, 3), epoch(2, 3)], 2, False),  # stopped, and this was to be all
    ],
)
def test_a_training_that_was_stopped_is_known(history, epochs, stopped):
    assert play.was_stopped(history, Recipe(epochs=epochs)) == stopped


def test_stopping_keeps_what_was_learned(screen, drawn, tmp_path, capsys):
    checkpoint = tmp_path / "checkpoint.pt"

    def interrupted():
        fit = train.fit(Net(), *drawn, Recipe(), device="cpu", checkpoint=checkpoint)
        yield next(fit)
        yield next(fit)
        raise KeyboardInterrupt

    history = list(play.watch(interrupted()))
    assert [epoch.epoch for epoch in history] == [1, 2]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[-1] == "Stopped. What was learned up to epoch 2 is kept."
    assert len(checkpoints.read(checkpoint)["history"]) == 2
    assert "From epoch 1 to 2" in screen.shown[1].alt


def lines_marked_as_best(figure):
    return [line for line in figure.axes[0].lines if line.get_label() == "best on validation"]


@pytest.mark.parametrize("good", [0, 2])
def test_a_training_that_diverges_is_shown_so(screen, good):
    nan = float("nan")
    epochs = [Epoch(n, 9, 1 / n, 0.5, 1 / n, n / 10, None, 1.0, 0.1) for n in range(1, good + 1)]
    epochs.append(Epoch(good + 1, 9, nan, 0.1, nan, 0.9, None, 1.0, 0.1))
    assert list(play.watch(epochs)) == epochs
    figure = screen.shown[1]
    assert figure.get_suptitle().startswith(f"Diverged in epoch {good + 1}: ")
    # The best is one before it, and none when there is none, whatever its accuracy is.
    assert [line.get_xdata()[0] for line in lines_marked_as_best(figure)] == (
        [good] if good else []
    )


def test_stopping_too_early(screen):
    def interrupted():
        raise KeyboardInterrupt
        yield

    with pytest.raises(CourseError, match="before the first epoch was complete"):
        list(play.watch(interrupted()))


def test_other_errors_are_not_hidden(screen):
    def broken():
        raise RuntimeError("broken")
        yield

    with pytest.raises(RuntimeError, match="broken"):
        list(play.watch(broken()))
