"""What is said of an answer: as text, in colour, and how many are right by now."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import IPython
import pytest

from fmnist_lib.lessons import verdict
from fmnist_lib.lessons.verdict import KINDS, Verdict, give, show


@pytest.fixture(autouse=True)
def none_answered(monkeypatch):
    """A notebook, "book", that asks nine things; no answer to one counts yet, nor afterwards."""
    monkeypatch.setattr(verdict, "_last", type(verdict._last)(dict))
    monkeypatch.setattr(verdict, "ASKED", type(verdict.ASKED)(set))
    verdict.ASKED["book"].update("abcdefghi")


class Page(HTMLParser):
    """The text of HTML, its tags, and whether each of these is closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.text, self.tags, self.open = "", [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


# ---------------------------------------------------------------------------------- plain text


@pytest.mark.parametrize(
    "kind, begin",
    [("right", "✓ Right."), ("not yet", "✗ Not yet."), ("open", "○ Not answered yet.")],
)
def test_as_text(kind, begin):
    count = "1 of 9" if kind == "right" else "0 of 9"
    assert str(give("book", "a", kind)) == f"{begin} ({count} right in this notebook)"
    said = give("book", "a", kind, "Because.", "In other words.")
    assert str(said) == f"{begin} Because. ({count} right in this notebook)"
    assert (said.notebook, said.name, said.kind) == ("book", "a", kind)


def test_symbols_words_and_colours_are_all_different():
    assert all(len(set(column)) == len(KINDS) for column in zip(*KINDS.values()))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("page", ["#ffffff", "#111111", "#1e1e1e", "#383838"])
def test_symbol_and_bar_can_be_seen_on_any_page(kind, page):
    """JupyterLab, light and dark, VS Code and Colab; WCAG asks for 3 of what is no text."""
    low, high = sorted([luminance(KINDS[kind][2]), luminance(page)])
    assert (high + 0.05) / (low + 0.05) >= 3


# ---------------------------------------------------------------------------------------- HTML


def test_as_html():
    said = give("book", "a", "not yet", "Look at `x.sum()` again.", "One step more.")
    html = said.as_html()
    page = Page(html)
    assert re.sub(r"\s+", " ", page.text) == (
        "✗ Not yet. Look at x.sum() again."
        "A stronger hintOne step more.(0 of 9 right in this notebook)"
    )
    assert "<code>x.sum()</code>" in html and KINDS["not yet"][2] in html
    assert "color:" not in html.replace(f"color:{KINDS['not yet'][2]}", "")  # text: as the page's


def test_the_count_stands_apart_from_the_hint():
    html = give("book", "a", "not yet", "Hint", "More").as_html()
    count = "<small>(0 of 9 right in this notebook)</small>"
    assert html.endswith(f'</details><div style="margin-top:4px">{count}</div></div>')


HOSTILE = ["a < b & c > d", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>',
           "`<b>`", "</div></details>", "&lt;", "<!-- ", "`a` < `b`", "`", "``"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hint_is_text_and_nothing_else(text):
    """A hint may quote the student's code and the messages of Python."""
    said = give("book", "a", "not yet", text, text)
    page, plain = Page(said.as_html()), Page(give("book", "a", "not yet", "", "x").as_html())
    assert [tag for tag in page.tags if tag != "code"] == plain.tags
    assert page.text.count(re.sub("`([^`]+)`", r"\1", text)) == 2
    assert text in str(said)


@pytest.mark.parametrize("kind, shown", [("not yet", True), ("right", False), ("open", False)])
def test_a_stronger_hint_opens_on_request_and_only_where_it_helps(kind, shown):
    html = give("book", "a", kind, "Hint.", "Stronger.").as_html()
    opened = r"<details><summary>A stronger hint</summary><div[^>]*>Stronger\.</div></details>"
    assert bool(re.search(opened, html)) is shown and ("Stronger." in html) is shown
    assert "details" not in give("book", "a", kind, "Hint.").as_html()
    assert "Stronger." not in str(give("book", "a", kind, "Hint.", "Stronger."))


# --------------------------------------------------------------------------------------- count


def right(name, kind="right", book="book"):
    return give(book, name, kind).progress


def test_right_answers_are_counted():
    assert right("a") == "(1 of 9 right in this notebook)"
    assert right("b", "not yet") == "(1 of 9 right in this notebook)"
    assert right("c", "open") == "(1 of 9 right in this notebook)"
    assert [right(name)[1] for name in "bdef"] == ["2", "3", "4", "5"]


def test_a_second_right_answer_to_one_question_counts_once():
    assert right("a") == right("a") == "(1 of 9 right in this notebook)"


@pytest.mark.parametrize("kind", ["not yet", "open"])
def test_what_was_right_and_is_so_no_more_does_not_count(kind):
    right("a")
    assert right("b") == "(2 of 9 right in this notebook)"
    assert right("a", kind) == "(1 of 9 right in this notebook)"
    assert right("a") == "(2 of 9 right in this notebook)"


def test_a_verdict_keeps_the_count_of_its_time():
    first = give("book", "a", "right")
    right("b")
    assert "(1 of 9" in str(first) and "(1 of 9" in first.as_html()


def test_notebooks_are_counted_apart():
    verdict.ASKED["other"].update("ab")
    right("a")
    right("b")
    assert right("a", book="other") == "(1 of 2 right in this notebook)"
    assert right("c") == "(3 of 9 right in this notebook)"


def test_what_nobody_announced_counts_too():
    assert right("own", book="my own") == "(1 of 1 right in this notebook)"
    assert right("another") == "(1 of 10 right in this notebook)"


def test_what_is_announced_later():
    right("a")
    verdict.ASKED["book"].add("j")
    assert right("b") == "(2 of 10 right in this notebook)"


# ------------------------------------------------------------------------------------- showing


def test_outside_a_notebook_it_is_printed(capsys):
    said = give("book", "a", "not yet", "Hint with `code`.", "More.")
    assert show(said) is said
    assert capsys.readouterr().out == f"{said}\n" and not verdict.in_kernel()


def test_in_a_notebook_it_is_displayed_in_colour(displayed, capsys):
    said = give("book", "a", "not yet", "Hint.", "More.")
    assert show(said) is said and verdict.in_kernel()
    assert displayed == [{"text/plain": str(said), "text/html": said.as_html()}]
    assert capsys.readouterr().out == ""


def test_a_terminal_of_ipython_shows_the_text(displayed, monkeypatch):
    monkeypatch.setattr(IPython, "get_ipython", SimpleNamespace)  # a shell without a kernel
    show(give("book", "a", "right"))
    assert len(displayed) == 1 and not verdict.in_kernel()


def test_where_ipython_was_never_imported(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython")
    show(give("book", "a", "right"))
    assert capsys.readouterr().out.startswith("✓ Right.") and not verdict.in_kernel()


def test_at_the_end_of_a_cell_it_is_not_shown_again():
    from IPython.core.formatters import DisplayFormatter

    assert DisplayFormatter().format(Verdict("book", "a", "right", "")) == ({}, {})


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_pipe_that_is_not_utf_8_gets_the_words(encoding):
    code = (
        "from fmnist_lib.lessons.verdict import give, show\n"
        "show(give('book', 'a', 'not yet', 'A map of 10 × 10.'))"
    )
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert re.search(rb" Not yet\. A map of 10 \S+ 10\. \(0 of 1 right", done.stdout)
