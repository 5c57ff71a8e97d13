"""The game's answers: typed in many forms, kept whole, and refused when they are another's."""

import re

import numpy as np
import pytest
import torch
from garments import COAT, PULLOVER, SANDAL, SHIRT, T_SHIRT, TOPS

from fmnist_lib.data import CLASS_NAMES, Split
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import game

GIVEN = [0, 2, 4, 6] * 5
LETTERS = "".join(CLASS_NAMES[label][0] for label in GIVEN)  # "TPCSTPCS…"


@pytest.fixture
def split(drawn):
    return drawn[1]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "own_labels.csv"


def test_twenty_tops_each_once_and_the_same_every_time(split):
    positions = game.choose(split)
    assert positions.shape == (20,) and len(set(positions.tolist())) == 20
    assert {*split.labels[positions].tolist()} <= {*game.TOPS}
    assert torch.equal(positions, game.choose(split))
    assert not torch.equal(positions, game.choose(split, seed=4))


def test_a_split_with_too_few_tops(split):
    few = split[torch.isin(split.labels, torch.tensor(game.TOPS)).nonzero()[:19, 0]]
    with pytest.raises(CourseError, match="needs 20 tops, and the split has 19"):
        game.choose(few)


@pytest.mark.parametrize(
    "typed",
    [
        GIVEN,
        tuple(GIVEN),
        np.array(GIVEN),
        [str(label) for label in GIVEN],
        [CLASS_NAMES[label] for label in GIVEN],
        [T_SHIRT.lower(), PULLOVER[:4], f"{COAT} ", SHIRT.upper()] * 5,
        pytest.param(["tshirt/top", "p", "c", "s"] * 5, marks=pytest.mark.published_names),
        list(LETTERS),
        LETTERS,
        LETTERS.lower(),
        f"{LETTERS[:10]} {LETTERS[10:]}",
        ", ".join(LETTERS),
        f"{', '.join(TOPS)}, " * 5,
    ],
)
def test_what_is_typed_is_kept(typed, split, path, capsys):
    game.keep(path, split, typed)
    assert capsys.readouterr().out == f"Kept in {path}.\n"
    table = game.read(path, split)
    assert table["yours"].tolist() == GIVEN
    assert table["position"].tolist() == game.choose(split).tolist()
    assert split.labels[table["position"].tolist()].tolist() == table["label"].tolist()


@pytest.mark.parametrize("dots", [..., None])
def test_of_dots_nothing_is_said_and_what_was_kept_stays(dots, split, path, capsys):
    game.keep(path, split, dots)
    assert game.read(path, split) is None and not path.exists()
    game.write(path, split, GIVEN)
    game.keep(path, split, dots)
    assert len(game.read(path, split)) == 20 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "typed, message",
    [
        (LETTERS[:-1], "my_labels has 19 labels for 20 images. Give one for each"),
        ([*GIVEN, 0], "my_labels has 21 labels"),
        ("", "my_labels has 0 labels"),
        (
            [*GIVEN[:6], SANDAL, *GIVEN[7:]],
            re.escape(f"says {SANDAL!r} of image 7. Choose one of {T_SHIRT}"),
        ),
        ([*GIVEN[:6], 5, *GIVEN[7:]], "says 5 of image 7"),
        ([*GIVEN[:6], "", *GIVEN[7:]], "says '' of image 7"),
        ([*GIVEN[:6], 2.5, *GIVEN[7:]], "says 2.5 of image 7"),
        ([*GIVEN[:6], ..., *GIVEN[7:]], "says Ellipsis of image 7"),
        (LETTERS.replace(SHIRT[0], "X"), "says 'X' of image 4"),
    ],
)
def test_what_can_not_be_meant_is_refused_and_nothing_is_written(typed, message, split, path):
    with pytest.raises(CourseError, match=message):
        game.keep(path, split, typed)
    assert not path.exists()


def test_a_game_that_goes_on(split, path):
    for count in (1, 7, 20, 19):
        game.write(path, split, GIVEN[:count])
        assert game.read(path, split)["yours"].tolist() == GIVEN[:count]
    game.write(path, split, [])
    assert not path.exists()


GOOD = "position,label,yours\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"text",
        GOOD.encode(),
        b"a,b,c\n1,2,3\n",
        (GOOD + "1,0,T\n").encode(),
        (GOOD + "1,0\n").encode(),  # torn
        (GOOD + "1.5,0,0\n").encode(),
        (GOOD + "1,0,0\n" * 21).encode(),
    ],
)
def test_a_file_that_is_no_table_of_labels(content, split, path):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CourseError, match="own_labels.csv is no table of labels.*Name another"):
        game.read(path, split)
    with pytest.raises(CourseError, match="is no table of labels"):
        game.keep(path, split, LETTERS)
    assert path.read_bytes() == content


def test_a_folder_is_no_file_of_labels(split, path):
    path.mkdir(parents=True)
    with pytest.raises(CourseError, match="is a folder. Name a file in own_labels"):
        game.read(path, split)


@pytest.mark.parametrize("typed", [5, True, len, [10**400] * 20])
def test_what_is_no_list_of_labels(typed, split, path):
    with pytest.raises(CourseError, match="my_labels"):
        game.keep(path, split, typed)
    assert not path.exists()


def test_a_table_about_other_images(drawn, split, path):
    game.write(path, drawn[0], GIVEN)
    with pytest.raises(CourseError, match="is about other images than these. Name another"):
        game.read(path, split)
    with pytest.raises(CourseError, match="other images"):
        game.write(path, split, GIVEN)
    path.unlink()
    game.write(path, split, GIVEN)
    other = Split(split.images, (split.labels + 2) % 8, "synthetic")
    with pytest.raises(CourseError, match="other images"):
        game.read(path, other)


def test_a_label_that_is_no_top(split, path):
    game.write(path, split, [*GIVEN[:-1], 9])
    with pytest.raises(CourseError, match="has the label 9, which is no top"):
        game.read(path, split)


def test_a_file_that_can_not_be_written(split, tmp_path):
    (tmp_path / "own").write_text("a file, not a folder")
    with pytest.raises(CourseError, match="can't be written"):
        game.write(tmp_path / "own" / "labels.csv", split, GIVEN)


def test_the_matrix_counts_the_four_tops(split, path):
    labels = split.labels[game.choose(split)].tolist()
    game.write(path, split, labels)
    matrix = game.confusion_matrix(game.read(path, split))
    assert list(matrix.index) == list(matrix.columns) == TOPS
    assert matrix.to_numpy().trace() == matrix.to_numpy().sum() == 20
    game.write(path, split, [0] * 20)
    assert game.confusion_matrix(game.read(path, split))[T_SHIRT].sum() == 20
