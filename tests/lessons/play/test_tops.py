"""The game of the twenty tops, without a browser."""

import pytest
from garments import SHIRT, TOPS
from playing import assert_figure_stays, widgets_of

from fmnist_lib.lessons import game, play
from fmnist_lib.lessons.play.parts import picture


@pytest.fixture
def tops(drawn, tmp_path):
    return play.label_tops(drawn[1], tmp_path / "own.csv")


def test_every_click_labels_a_top_and_is_kept(tops, drawn, tmp_path):
    *answers, undo, again = widgets_of(tops.widget, "Button")
    progress, shown = widgets_of(tops.widget, "Shown")
    path, positions = tmp_path / "own.csv", game.choose(drawn[1])
    assert [button.description for button in answers] == TOPS
    assert "1 of 20" in progress.value and undo.disabled and again.disabled
    for number in range(20):
        assert picture(drawn[1].images[positions[number]], "").split("src=")[1].split()[0] in (
            shown.value
        )
        answers[number % 4].click()
        assert game.read(path, drawn[1])["yours"].tolist() == ([0, 2, 4, 6] * 5)[: number + 1]
    assert "All 20 are labelled" in progress.value and shown.value == ""
    assert all(button.disabled for button in answers) and not undo.disabled
    undo.click()
    assert "20 of 20" in progress.value and len(game.read(path, drawn[1])) == 19
    later = play.label_tops(drawn[1], path)  # the cell is run again
    assert "20 of 20" in widgets_of(later.widget, "Shown")[0].value
    again.click()
    assert "1 of 20" in progress.value and not path.exists()


def test_a_click_does_not_overwrite_what_was_typed_meanwhile(tops, drawn, tmp_path):
    first, *_ = widgets_of(tops.widget, "Button")
    first.click()
    game.keep(tmp_path / "own.csv", drawn[1], SHIRT[0] * 20)
    first.click()
    assert game.read(tmp_path / "own.csv", drawn[1])["yours"].tolist() == [6] * 20
    assert "All 20 are labelled" in widgets_of(tops.widget, "Shown")[0].value


def test_an_answer_that_can_not_be_kept_says_so(drawn, tmp_path):
    (tmp_path / "a").write_text("a file, not a folder")
    tops = play.label_tops(drawn[1], tmp_path / "a" / "own.csv")
    widgets_of(tops.widget, "Button")[0].click()
    assert "own.csv can&#x27;t be written: " in widgets_of(tops.widget, "Shown")[0].value


def test_a_figure_stays_beside_it(tops, screen):
    assert_figure_stays(tops, screen)
