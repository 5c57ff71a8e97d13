"""Solutions in notebooks: where they stand, and whether something shows a line of them."""

import base64
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches

from nbformat import NotebookNode

from fmnist_lib.errors import CourseError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's markers
# What a line that was meant to be one of them can look like, without all but its letters.
NEAR = ("beginsolution", "endsolution", "startsolution", "stopsolution", "solutionbegin",
        "solutionstart", "solutionend")  # fmt: skip
OPENING = ("BEGIN", "END", "START", "STOP")  # in capitals, the first word of any marker


def without_solution(source: str) -> str:
    """The source of a cell without what stands between the solution markers, and without these.

    Raises CourseError when the markers are not in pairs, and when a line only resembles one.
    """
    return "\n".join(parted(source)[0])


def parted(source: str) -> tuple[list[str], list[str]]:
    """The lines of a cell that everybody gets, and those of its solutions."""
    kept, hidden, inside = [], [], False
    for line in source.splitlines():
        if line.strip() in (BEGIN, END):
            if (line.strip() == BEGIN) == inside:
                raise CourseError(f"The markers {BEGIN!r} and {END!r} are not in pairs.")
            inside = not inside
        elif _resembles_marker(line):
            raise CourseError(
                f"{line.strip()!r} looks like a solution marker and is none. Write {BEGIN!r} and "
                f"{END!r} exactly so, each alone on its line, or use other words."
            )
        else:
            (hidden if inside else kept).append(line)
    if inside:
        raise CourseError(f"The marker {BEGIN!r} is without its {END!r}.")
    return kept, hidden


def _resembles_marker(line: str) -> bool:
    """Whether a line could be meant as a marker, of this course or of another tool."""
    line = unicodedata.normalize("NFKC", line)  # full-width letters are letters
    letters = re.sub(r"[\W\d_]+", "", line).lower()
    comments = re.findall(r"(?:#|^\s*//|<!--)[\W_]*([^\W\d_]+)", line)
    first = [re.sub("[^A-Z]", "", word) for word in comments if word.isupper()]
    return bool(
        letters in ("solution", "solutions")
        or get_close_matches(letters, NEAR, cutoff=0.87)  # "resolution" is farther away
        or re.search(r"#\W*(begin|end)[\W_]*solution", line, re.IGNORECASE)
        or any(get_close_matches(word, OPENING, cutoff=0.85) for word in first)
        or re.match(r"[\W_]*(BEGIN|END)[\W_]+[A-Z]{3}", line)  # "=== BEGIN MARK SCHEME ==="
    )


def leaks(source: NotebookNode, handout: str | NotebookNode) -> list[str]:
    """The lines of solutions of `source` that a student's handout holds, however spaced.

    handout: a notebook, of which every text is searched (sources, outputs, metadata, attachments),
    or the text of an HTML or PDF file.
    """
    texts = [handout] if isinstance(handout, str) else texts_in(handout)
    return shows(texts, MARKERS | secrets(source))


def texts_in(notebook: NotebookNode) -> list[str]:
    """Every text in a notebook, and what the outputs of each cell show together."""
    outputs = [text for cell in notebook.cells for text in shown_by(cell.get("outputs", []))]
    return [*texts_of(notebook), *outputs]


def shows(texts: Iterable[str], secret: dict[str, str]) -> list[str]:
    """The lines that texts hold. secret: line -> what to look for, as `secrets` has them."""
    searched = [_squeezed(text) for text in texts]
    return [line for line, short in secret.items() if any(short in text for text in searched)]


def secrets(source: NotebookNode, public: Iterable[str] = ()) -> dict[str, str]:
    """Each line of the solutions in a notebook -> the same without white space.

    Without what is no secret: a line of less than 8 characters, one that the notebook shows
    elsewhere, too, or one of these other texts.
    """
    public, secret = "".join(map(_squeezed, public)), {}
    for cell in source.cells:
        kept, hidden = parted(cell.source)
        if cell.cell_type == "code":  # what the lesson has shown before is no secret
            public += _squeezed("\n".join(kept))
        for line in hidden:
            line = line.strip().partition("  #")[0]  # the comment may stand alone somewhere
            short = _squeezed(line)
            if len(short) >= 8 and short not in public:  # less is no answer: "else:", "x = 0"
                secret[line] = short
    return secret


def _squeezed(text: str) -> str:
    """Without white space, and with one kind of quotation marks (typographers change them)."""
    text = unicodedata.normalize("NFKC", text)  # full-width letters, ligatures
    return re.sub(r"\s+", "", re.sub("[\"'“”‘’]", '"', text))


MARKERS = {marker: _squeezed(marker) for marker in (BEGIN, END)}  # as of `secrets`


def _plain(text: str) -> str:
    """What a reader sees of a text: without HTML's tags, colours and characters of no width."""
    orders = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)"  # to a terminal
    text = re.sub(rf"{orders}|<!--|-->|</?[A-Za-z][^<>]*>", "", text)
    return re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]", "", html.unescape(text))


def shown_by(outputs: list[NotebookNode]) -> list[str]:
    """What the outputs of a cell show together, once for each type of what they display."""
    types = {"text/plain"} | {kind for output in outputs for kind in output.get("data", {})}
    return [
        _plain("".join(
            output.text if "text" in output else "".join(texts_of(output.get("data", {}).get(kind)))
            for output in outputs
        ))
        for kind in types
    ]  # fmt: skip


def texts_of(value) -> Iterator[str]:
    """Every text in a notebook, as it is, as a reader sees it, and decoded where it is base64."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_of(item)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value
        yield _plain(value)
        whole = len(value) >= 8 and re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", value)
        for code in [value] if whole else re.findall(r";base64,([A-Za-z0-9+/]+={0,2})", value):
            with suppress(ValueError):
                decoded = base64.b64decode(code).decode("utf-8", errors="ignore")
                yield decoded
                yield _plain(decoded)
