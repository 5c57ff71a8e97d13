"""Predictions: read in every form, compared in words, counted, silent where none was made."""

import numpy as np
import pytest
import torch

from fmnist_lib.lessons import guesses

GARMENTS = ("T-shirt/top", "Trouser", "Sandal", "Shirt")


@pytest.fixture(autouse=True)
def none_made(monkeypatch):
    monkeypatch.setattr(guesses, "_kept", {})
    monkeypatch.setattr(guesses, "_results", {})


def said(capsys, guess, result, among=(), **options):
    guesses.keep("it", guess, among)
    capsys.readouterr()
    guesses.compare("it", result, **options)
    return capsys.readouterr().out.strip()


@pytest.mark.parametrize("guess", [60, "60", "60 %", "60%", 0.6, "about 60 %", "0,6", [60]])
def test_a_share_in_many_forms(guess, capsys):
    assert said(capsys, guess, 0.6891, percent=True) == "You said 60 %, it is 69 %."


@pytest.mark.parametrize(
    "guess, result, options, sentence",
    [
        (69, 0.6891, {"percent": True}, "You said 69 %, and so it is."),
        (1, 0.1, {"percent": True}, "You said 1 %, it is 10 %."),
        (0, 0.1, {"percent": True}, "You said 0 %, it is 10 %."),
        (100, 0.1, {"percent": True}, "You said 100 %, it is 10 %."),
        (68.5, 0.6891, {"percent": True, "digits": 1}, "You said 68.5 %, it is 68.9 %."),
        ("5,500", 5500, {}, "You said 5,500, and so it is."),
        (5000, torch.tensor(5500).item(), {}, "You said 5,000, it is 5,500."),
        (2, 2.3026, {"digits": 1}, "You said 2.0, it is 2.3."),
        (np.float64(1.5), 2.25, {}, "You said 1.5, it is 2.25."),
        ((1, 20, 24, 24), (1, 20, 24, 24), {}, "You said 1 × 20 × 24 × 24, and so it is."),
        ([1, 20, 28, 28], torch.Size([1, 20, 24, 24]), {},
         "You said 1 × 20 × 28 × 28, it is 1 × 20 × 24 × 24."),
        ("Lower ", "lower", {}, "You said lower, and so it is."),
        ("higher", "lower", {}, "You said higher, it is lower."),
        ("5 %", 5.1, {"digits": 1}, "You said 5.0, it is 5.1."),
        ("% 60", 0.69, {"percent": True}, "You said 60 %, it is 69 %."),
        ("0.5 %", 0.1, {"percent": True, "digits": 1}, "You said 0.5 %, it is 10.0 %."),
        ("5 × 28 × 28", (5, 28, 28), {}, "You said 5 × 28 × 28, and so it is."),
        ("(5, 28, 28)", (5, 1, 28, 28), {}, "You said 5 × 28 × 28, it is 5 × 1 × 28 × 28."),
        (-0.0, 0, {}, "You said 0, and so it is."),
        (float("nan"), 0.5, {"percent": True},
         "Your prediction can't be compared. Give a number. The result is 50 %."),
        ((), (1, 2), {}, "Your prediction can't be compared. Give its numbers, such as (5, 28, 28)."
         " The result is 1 × 2."),
        ("x", 0.5, {"percent": True},
         "Your prediction can't be compared. Give one number, not the text 'x'. The result is 50 %."
        ),
    ],
)  # fmt: skip
def test_what_is_said(guess, result, options, sentence, capsys):
    assert said(capsys, guess, result, **options) == sentence


@pytest.mark.parametrize("dots", [..., None, "", " ... ", (5, ..., 28)])
def test_without_a_prediction_nothing_is_said(dots, capsys):
    guesses.keep("it", dots)
    guesses.compare("it", 0.5)
    guesses.compare("never asked", 0.5)
    assert guesses.table() is None and capsys.readouterr().out == ""


def test_a_word_that_is_none_of_those(capsys):
    guesses.keep("it", "up", among=("lower", "higher"))
    assert capsys.readouterr().out == "Choose one of: lower, higher.\n"
    guesses.compare("it", "lower")
    assert capsys.readouterr().out == ""


def test_they_are_counted(capsys):
    guesses.keep("one", ...)
    guesses.keep("two", 5)
    assert capsys.readouterr().out == "Kept. Predictions so far: 1 of 2.\n"
    guesses.keep("one", 3)
    assert capsys.readouterr().out == "Kept. Predictions so far: 2 of 2.\n"


def test_cells_run_again_in_any_order(capsys):
    guesses.keep("one", 5)
    guesses.keep("two", 7)
    capsys.readouterr()
    for name, result in (("two", 8), ("one", 5), ("two", 8)):
        guesses.compare(name, result)
    assert capsys.readouterr().out.splitlines() == [
        "You said 7, it is 8.", "You said 5, and so it is.", "You said 7, it is 8."
    ]  # fmt: skip


def test_a_prediction_taken_back(capsys):
    guesses.keep("it", 5)
    guesses.compare("it", 6)
    guesses.keep("it", ...)
    guesses.compare("it", 6)
    assert guesses.table() is None


def test_the_table():
    for name, guess, result in (("a", 5, 6), ("b", "up", "down")):
        guesses.keep(name, guess)
        guesses.compare(name, result)
    assert guesses.table().to_dict("index") == {
        "a": {"you said": "5", "it is": "6"},
        "b": {"you said": "up", "it is": "down"},
    }


@pytest.mark.parametrize("guess", ["T-shirt/top", "t-shirt", "tshirt", " T-Shirt/Top. "])
def test_a_class_by_the_beginning_of_its_name(guess, capsys):
    assert said(capsys, guess, "Shirt", GARMENTS) == "You said T-shirt/top, it is Shirt."


def test_a_beginning_of_two_words(capsys):
    guesses.keep("it", "S", among=np.array(GARMENTS))
    assert capsys.readouterr().out.startswith("Choose one of: T-shirt/top, Trouser, ")
