"""Slides of a notebook, made for showing: one idea each, what comes of it on the next step.

A section of the notebook is a slide, and so is each exercise. Its text is cut to the first sentence
of each paragraph and to those that define a term; its question stands first, and each figure, table
or result takes the question's place when the teacher goes on. All rules are in this module, so a
changed notebook needs no work on its slides. What is cut stays readable in the speaker notes.
"""

import ast
import base64
import html
import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from nbformat import NotebookNode

from fmnist_lib.course import printing

STYLE = Path(__file__).with_name("slides.css")
WIDTH, HEIGHT = 1280, 720  # of a slide in pixels; the browser scales them to its window
# For the estimate of what fits; slides.css sets the sizes that go with it.
BODY = 570  # height below the title
TEXT_LINE, TEXT_WIDTH, GAP = 38, 78, 14  # pixels, characters, pixels between blocks
CODE_LINE, CODE_WIDTH = 28, 96
FORMULA = 56  # a row of a formula
MOST_SLIDES, MOST_STEPS = 25, 4
MOST_CODE, MOST_OUTPUT, MOST_ROWS = 14, 6, 11  # lines; lines below code; rows of a table
CAPTION = 190  # characters below a figure: two lines
NOT_OF_THE_LESSON = {"guesses", "checks", "quiz", "parameters", "plots", "play", "game", "print",
                     "display"}  # fmt: skip
OF_THE_LESSON = {"torch", "F", "nn", "optim"}
LEFT_OUT = ("Your predictions",)  # a table that is empty until a student has run the notebook
EXERCISE, QUIZ, TITLE = "exercise", "quiz", "title"


@dataclass
class Idea:
    """What one slide is about, as it stands in the notebook: blocks of Markdown, and cells."""

    title: str
    kind: str = ""
    text: list[str] = field(default_factory=list)
    question: list[str] = field(default_factory=list)
    cells: list[NotebookNode] = field(default_factory=list)
    read: list[str] = field(default_factory=list)


# --------------------------------------------------------------------------- from the notebook


def ideas(notebook: NotebookNode) -> list[Idea]:
    """The ideas of a notebook, in its order; those of a quiz are one for each question."""
    found, section, part = [], None, ""
    current = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if current is not None:
                current.cells.append(cell)
            continue
        if current is not None and current.kind in (EXERCISE, QUIZ):
            current, part = section, "read"  # behind an exercise its section goes on
        for block in blocks(cell.source):
            heading = re.match(r"#{1,3} (.+)", block)
            label = re.match(r"\*\*(Predict|Read|Exercise|Quiz)\b[^*]*\*\*\s*", block)
            kind = label[1] if label else ""
            if heading:
                current = section = Idea(heading[1], "" if found else TITLE)
                part = "text"
            elif kind in ("Exercise", "Quiz"):
                title = label[0].strip(" *.\n")
                current = Idea(title, EXERCISE if kind == "Exercise" else QUIZ)
                current.text.append(block[label.end() :])
                part = "text"
            elif kind == "Predict":
                if section.question or section.cells:
                    section = Idea(section.title)
                    found.append(section)
                current, part = section, "question"
                current.question.append(block)
                continue
            else:
                if kind == "Read":
                    part = "read"
                elif part == "text" and current is section and current.cells:
                    part = "read"
                getattr(current, part).append(block[label.end() :] if label else block)
                continue
            found.append(current)
    return found


def blocks(source: str) -> Iterator[str]:
    """The blocks of Markdown: paragraphs, lists, fenced code, and formulas between `$$`."""
    block, inside = [], None
    for line in [*source.splitlines(), ""]:
        fence = "```" if line.startswith("```") else "$$" if line.count("$$") == 1 else None
        if inside is None and block and (not line.strip() or line.startswith("#")):
            yield "\n".join(block)
            block = []
        if line.strip() or inside:
            block.append(line)
        if fence and inside in (None, fence):
            inside = None if inside else fence
        if inside is None and line.startswith("#"):
            yield line
            block = []


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; code, formulas and links are never cut."""
    kept = []

    def hide(match):
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    hidden = re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)", hide, " ".join(text.split()))
    parts = re.split(r"(?<=[.?!])\*{0,2}\s+(?=[\0A-Z*(\[])", hidden)
    return [re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], part) for part in parts]


def is_text(block: str) -> bool:
    """Whether a block is a paragraph, so that it can be cut at a sentence."""
    return not re.match(r"\s*([-*] |\d+\. |```|\$\$|\||#|<)", block)


def brief(block: str) -> str:
    """A paragraph's first sentence, and those that define a term; other blocks as they are."""
    if not is_text(block):
        return block
    first, *others = sentences(block)
    return " ".join([first, *(each for each in others if re.search(r"\*\*[^*]+\*\*", each))])


def code_of_lesson(source: str) -> list[str]:
    """The lines of a cell that a lesson is about; none where it has no line that PyTorch works in.

    Without imports, drawing, printing, keeping a prediction and checking an answer.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic of IPython is no lesson
        return []
    lines, kept, works = source.splitlines(), [], False
    for statement in tree.body:
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        draws = isinstance(statement, (ast.Expr, ast.Assign)) and names & NOT_OF_THE_LESSON
        if draws or isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        kept += lines[statement.lineno - 1 : statement.end_lineno]
        works |= bool(names & OF_THE_LESSON)
    return kept if works else []


# ------------------------------------------------------------------------------- what is shown


def plain(text: str) -> str:
    """Markdown as it is read, for counting characters."""
    return re.sub(r"\]\([^)]*\)|[*`\[]|\\[a-z]+", "", text)


def height(block: str) -> int:
    """About how many pixels high a block of Markdown is on a slide."""
    if block.startswith("```"):
        return CODE_LINE * (block.count("\n") - 1) + 2 * GAP
    if block.startswith("$$"):
        return FORMULA * max(1, len(re.findall(r"\\begin", block)) and block.count(r"\\") // 2) + 30
    if is_text(block):
        return TEXT_LINE * math.ceil(len(plain(" ".join(block.split()))) / TEXT_WIDTH) + GAP
    items = re.split(r"\n(?=\s*(?:[-*] |\d+\. ))", block)
    lines = [math.ceil(len(plain(" ".join(item.split()))) / (TEXT_WIDTH - 4)) for item in items]
    return sum(lines) * TEXT_LINE + 6 * len(items) + GAP


def fitted(text: list[str], question: list[str], room: int = BODY) -> list[str]:
    """Text and question, cut until they fit on a slide: the question is what stays longest."""
    text, question = [brief(block) for block in text], list(question)

    def too_high():
        return sum(map(height, [*text, *question])) > room

    for place in range(len(text) - 1, -1, -1):  # to first sentences, from the end
        if too_high() and is_text(text[place]):
            text[place] = sentences(text[place])[0]
    while too_high() and len(text) > (not question):
        formulas = [block for block in text if block.startswith("$$")]
        text.remove(next((b for b in reversed(text) if b not in formulas), text[-1]))
    for place, block in enumerate(question):
        if too_high() and is_text(block):
            asked = [each for each in sentences(block) if "?" in each or "**" in each]
            question[place] = " ".join(asked or sentences(block)[:2])
    while too_high() and len(text) + len(question) > 1:
        (question or text).pop()
    return [*text, *question]


def says_enough(step: list[str]) -> bool:
    """Whether a step is more than a single sentence."""
    return any(not is_text(block) for block in step) or sum(
        len(sentences(block)) for block in step
    ) > 1


def cut(text: str, most: int) -> str:
    """Printed text, cut to so many lines, and each line to the width of a slide."""
    lines = [line if len(line) <= CODE_WIDTH else f"{line[: CODE_WIDTH - 2]} …"
             for line in text.rstrip().splitlines()]  # fmt: skip
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], "…"])


def cut_table(table: str) -> str:
    """An HTML table with no more rows than a slide holds."""
    rows = re.findall(r"<tr[\s\S]*?</tr>", table)
    if len(rows) > MOST_ROWS + 1:
        for row in rows[MOST_ROWS:-1]:
            table = table.replace(row, "", 1)
        cells = len(re.findall("<t[hd]", rows[-1]))
        table = table.replace(rows[-1], f"<tr>{'<td>…</td>' * cells}</tr>", 1)
    table = re.sub(r"<style[\s\S]*?</style>", "", table)
    return re.sub(r"\n\s*", "\n", table).strip()


def picture(output: NotebookNode, folder: Path) -> str:
    """A figure as HTML, with its description; its file is written into a folder."""
    name = f"figure-{len(list(folder.glob('figure-*')))}.png"
    (folder / name).write_bytes(base64.b64decode(output.data["image/png"]))
    description = html.escape("".join(output.data.get("text/plain", "")), quote=True)
    return f'<img src="{name}" alt="{description}">'


def results(cell: NotebookNode, folder: Path) -> list[list[str]]:
    """What a cell shows, a step for each: its figures, or its table, or its code and what it says.

    A cell that asks for an answer, or shows nothing, has none.
    """
    if {EXERCISE, QUIZ} & set(cell.metadata.get("tags", [])) or not cell.outputs:
        return []
    shown = [output for output in cell.outputs if "data" in output]
    printed = "".join(output.text for output in cell.outputs
                      if output.output_type == "stream" and output.name == "stdout")  # fmt: skip
    figures = [output for output in shown if "image/png" in output.data]
    tables = [output for output in shown if "text/html" in output.data and output not in figures]
    steps = []
    for output in tables:
        above = [f"```\n{cut(printed, 3)}\n```"] if printed else []
        steps.append([*above, cut_table("".join(output.data["text/html"]))])
    steps += [[picture(output, folder)] for output in figures]
    if steps:
        return steps
    code = code_of_lesson(cell.source)
    said = printed + "".join("".join(output.data.get("text/plain", "")) for output in shown)
    if len(code) > MOST_CODE:
        code = []
    most = MOST_OUTPUT if code else MOST_CODE
    step = ["```python\n" + "\n".join(code) + "\n```"] if code else []
    return [[*step, f"```\n{cut(said, most)}\n```"]] if said.strip() else []


# ------------------------------------------------------------------------------------- slides


def _steps(idea: Idea, folder: Path) -> list[list[str]]:
    """What a slide shows, one after the other."""
    if idea.kind == TITLE:
        place = next((n for n, b in enumerate(idea.text) if not is_text(b)), len(idea.text))
        needs = [block for block in idea.text[place + 1 :] if block.startswith("**You need")]
        return [fitted([*idea.text[: place + 1], *needs], [])]
    if idea.kind == EXERCISE:
        stub = [line for cell in idea.cells for line in _stub(cell.source)]
        code = ["```python\n" + "\n".join(stub) + "\n```"] if 1 < len(stub) <= MOST_CODE else []
        return [[*fitted([], idea.text, BODY - sum(map(height, code))), *code]]
    if idea.kind == QUIZ:
        return [fitted([], [f"**{idea.title}.** {idea.text[0]}", *idea.text[1:]])]
    shown = [step for cell in idea.cells for step in results(cell, folder)]
    while len(shown) > MOST_STEPS:  # what takes least room says least
        shown.remove(min(shown, key=lambda step: (step[-1][0] == "`", -shown.index(step))[0:2]))
    first = fitted(idea.text, idea.question)
    captions = [each for block in idea.read[:1] if is_text(block) for each in sentences(block)[:1]]
    if first and not idea.question and not says_enough(first):
        first, captions = [], first if shown else captions
    if shown and captions and len(plain(captions[0])) <= CAPTION:
        caption = captions[0][0].upper() + captions[0][1:]
        shown[-1] = [*shown[-1], f"::: caption\n{caption}\n:::"]
    return [step for step in [first, *shown] if step]


def _stub(source: str) -> list[str]:
    """What an exercise gives: its cell without the check and without what only holds dots."""
    lines = [line for line in source.splitlines() if not re.match(r"(checks|quiz)\.", line)]
    while lines and not lines[-1].strip():
        lines.pop()
    return [] if all(re.match(r"\w+ = \.\.\.", line) for line in lines) else lines


def _spoken(idea: Idea) -> list[str]:
    """What the notebook says and the slide only in part."""
    return [block for block in [*idea.text, *idea.read] if is_text(block)]


def _slide(title: str, steps: list[list[str]], notes: list[str]) -> str:
    """A slide as Markdown: each step takes the place of the one before."""
    parts = [f"## {title}\n"]
    if len(steps) == 1:
        parts.append("::: {.step}\n\n" + "\n\n".join(steps[0]) + "\n\n:::\n")
    else:
        parts.append(":::::: {.steps}\n")
        for number, step in enumerate(steps):
            kinds = (".fade-out" if not number else
                     ".current-visible" if number < len(steps) - 1 else "")  # fmt: skip
            index = max(0, number - 1)
            parts.append(f"::::: {{.step .fragment {kinds} fragment-index={index}}}\n")
            parts.append("\n\n".join(step) + "\n\n:::::\n")
        parts.append("::::::\n")
    if notes:
        parts.append("::: notes\n\n" + "\n\n".join(notes) + "\n\n:::\n")
    return "\n".join(parts)


def markdown(notebook: NotebookNode, notes: dict[str, str], folder: Path) -> str:
    """The slides of a notebook as pandoc's Markdown; their figures are written into a folder.

    notebook: as students get it, with its outputs. notes: those for teachers, by their kind.
    """
    found = [idea for idea in ideas(notebook) if idea.title not in LEFT_OUT]
    prepared = []  # title, steps, notes
    for idea in found:
        if idea.kind == QUIZ and prepared and prepared[-1][0] == "Quiz":
            prepared[-1][1].extend(_steps(idea, folder))
            continue
        steps = _steps(idea, folder)
        if idea.kind == QUIZ:
            prepared.append(("Quiz", steps, [], idea))
        elif idea.title == "Quiz":
            continue  # how to answer in the notebook
        elif steps and (len(steps) > 1 or says_enough(steps[0]) or steps[0][0][0] in "<"):
            prepared.append((idea.title, steps, _spoken(idea), idea))
        elif prepared:
            prepared[-1][2].extend(_spoken(idea))
    while len(prepared) > MOST_SLIDES:  # first goes what has nothing to show, from the end
        plainest = [one for one in prepared[1:-1] if len(one[1]) == 1 and not one[3].kind]
        prepared.remove((plainest or prepared[1:-1])[-1])
    spare = dict(notes)
    slides = []
    for place, (title, steps, spoken, idea) in enumerate(prepared):
        last = place == len(prepared) - 1
        kinds = {TITLE: "Aim", EXERCISE: "Where students get stuck", QUIZ: "Usual misconceptions"}
        kind = "Ask" if last else kinds.get(idea.kind)
        said = [f"**{kind}:** {spare.pop(kind)}"] if kind in spare else []
        slides.append(_slide(title, steps, said + spoken))
    return "\n".join(slides)


def make(notebook: NotebookNode, notes: dict[str, str], target: Path) -> None:
    """Write the slides of a notebook as one HTML file, with reveal.js in it.

    Raises CourseError when pandoc can't. For the arguments see `markdown`.
    """
    reveal = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs"
    title = re.search(r"^# (.+)", notebook.cells[0].source, flags=re.M)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "slides.md")
        source.write_text(markdown(notebook, notes, Path(scratch)), encoding="utf-8")
        printing.pandoc(
            source,
            target.resolve(),
            "--from=commonmark_x-smart-implicit_figures",
            "--to=revealjs",
            "--standalone",
            "--embed-resources",
            "--mathml",
            "--slide-level=2",
            "--syntax-highlighting=monochrome",
            f"--css={STYLE}",
            "--metadata=lang:en",
            f"--metadata=pagetitle:{title[1] if title else target.stem}",
            f"--variable=revealjs-url:{reveal}",
            "--variable=theme:white-contrast",
            f"--variable=width:{WIDTH}",
            f"--variable=height:{HEIGHT}",
            "--variable=margin:0",
            "--variable=transition:none",
            "--variable=center:false",
            "--variable=slideNumber:'c/t'",
            folder=Path(scratch),
        )
