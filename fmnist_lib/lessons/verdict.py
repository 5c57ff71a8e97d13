"""What a check or the quiz says of an answer, seen at a glance, and how many are right by now.

Symbol, word and colour say the same, so that none of them is needed: a notebook shows all three,
a terminal, papermill and print the first two.
"""

import html
import sys
from collections import defaultdict
from dataclasses import dataclass

KINDS = {  # kind → symbol, words, a colour that can be told from white and from black
    "right": ("✓", "Right.", "#1a8754"),
    "not yet": ("✗", "Not yet.", "#c2570c"),
    "open": ("○", "Not answered yet.", "#5b7a99"),
}
ASKED: dict[str, set[str]] = defaultdict(set)  # notebook, without its number → what it asks
_last: dict[str, dict[str, str]] = defaultdict(dict)  # notebook → name → kind of the last answer


@dataclass(frozen=True)
class Verdict:
    """What was said of one answer: to which question of which notebook, kind and reason."""

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
        symbol, words, colour = KINDS[self.kind]
        more = ""
        if self.more and self.kind == "not yet":
            more = f"<details><summary>A stronger hint</summary>{html.escape(self.more)}</details>"
        return (
            f'<div style="border-left:5px solid {colour};padding:2px 10px">'
            f'<b><span style="color:{colour}">{symbol}</span> {words}</b> '
            f"{html.escape(self.reason)} <small>{html.escape(self.progress)}</small>{more}</div>"
        )

    def _ipython_display_(self) -> None:
        """Nothing, as the last value of a cell: it was said already."""


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
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from IPython.display import display

        display({"text/plain": str(verdict), "text/html": verdict.as_html()}, raw=True)
    else:
        print(verdict)
    return verdict
