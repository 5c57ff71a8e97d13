"""What a check or the quiz says of an answer, seen at a glance, and how many are right by now.

Symbol, word and colour say the same, so that none of them is needed: a notebook shows all three,
a terminal, papermill and print the first two.
"""

import html
import re
import sys
from collections import defaultdict
from dataclasses import dataclass

KINDS = {  # kind → symbol, words, a colour with a contrast over 3 on light pages and dark ones
    "right": ("✓", "Right.", "#1e9a60"),
    "not yet": ("✗", "Not yet.", "#da640f"),
    "open": ("○", "Not answered yet.", "#688bae"),
}
ASKED: dict[str, set[str]] = defaultdict(set)  # notebook, without its number → what it asks
_last: dict[str, dict[str, str]] = defaultdict(dict)  # notebook → name → kind of the last answer


@dataclass(frozen=True)
class Verdict:
    """What is said of one answer: to which question of which notebook, kind and reason."""

    notebook: str
    name: str
    kind: str  # a key of KINDS
    reason: str
    more: str = ""  # a stronger hint
    progress: str = ""

    def __str__(self) -> str:
        symbol, words, _ = KINDS[self.kind]
        return " ".join(part for part in (symbol, words, self.reason, self.progress) if part)

    def as_html(self) -> str:
        """The same with colour, and a stronger hint to open; its text has the page's own colour."""
        symbol, words, colour = KINDS[self.kind]
        more = ""
        if self.more and self.kind == "not yet":
            more = (
                "<details><summary>A stronger hint</summary>"
                f'<div style="padding-left:15px">{reason_as_html(self.more)}</div></details>'
            )
        return (
            f'<div style="border-left:5px solid {colour};padding:2px 10px;line-height:1.5">'
            f'<b><span style="color:{colour}">{symbol}</span> {words}</b> '
            f"{reason_as_html(self.reason)}"
            f'{more}<div style="margin-top:4px"><small>{self.progress}</small></div></div>'
        )

    def _ipython_display_(self) -> None:
        """Nothing, as the last value of a cell: it was said already."""


def reason_as_html(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def give(notebook: str, name: str, kind: str, reason: str = "", more: str = "") -> Verdict:
    """A verdict, which counts from now on as that of the last answer.

    notebook: without its number, "explore_data". name: of the check or the question.
    more: a stronger hint, which a notebook opens on request.
    """
    _last[notebook][name] = kind
    right = sum(kind == "right" for kind in _last[notebook].values())
    progress = f"({right} of {len(ASKED[notebook] | {name})} right in this notebook)"
    return Verdict(notebook, name, kind, reason, more, progress)


def show(verdict: Verdict) -> Verdict:
    """Print it, in a notebook with colour; returns it."""
    if _shell():
        from IPython.display import display

        display({"text/plain": str(verdict), "text/html": verdict.as_html()}, raw=True)
        return verdict
    try:
        print(verdict)
    except UnicodeEncodeError:  # a pipe that is not UTF-8: the words say it without the symbol
        print(str(verdict).encode("ascii", "replace").decode())
    return verdict


def in_kernel() -> bool:
    """Whether a front end may be there that shows widgets."""
    return hasattr(_shell(), "kernel")


def _shell():
    """IPython's shell, of a kernel or a terminal; None in plain Python."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
