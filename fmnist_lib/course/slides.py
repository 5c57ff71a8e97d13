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
FORMULA, ROW = 56, 42  # a row of a formula, and of a table
MOST_SLIDES, MOST_STEPS = 25, 4
MOST_CODE, MOST_OUTPUT = 14, 6  # lines, and lines of output below code
LARGE, LARGE_WIDTH = 260, 80  # what is less high, with shorter lines of code, is shown larger
CAPTION = 190  # characters below a figure: two lines
NOT_OF_THE_LESSON = {"guesses", "checks", "quiz", "parameters", "plots", "play", "game", "display"}
OF_THE_LESSON = {"torch", "F", "nn", "optim"}
# Sentences about working in a notebook are for those who sit at one.
OF_NOTEBOOK = re.compile(r"run (the|a) cell|place of the dots|never marked|s often as you|"
                         r"next (two )?cells?\b|cells? (below|above)|Shift\+Enter|[Cc]lick|"
                         r"running notebook|that says? `guess", re.ASCII)  # fmt: skip
# Where a sentence ends: behind its sign, or behind what closes after this.
ENDS = r"(?:(?<=[.?!])|(?<=[.?!]\*\*)|(?<=[.?!][)\"]))\s+(?=[\0A-Z*(\[])"
# A sentence that can't stand without the one before it.
POINTS_BACK = re.compile(r"^\W*(This|These|They|Their|It|Its|That|Such)\b|\bthis(:| is )")
OF_FIGURE = re.compile(r"\b(line|bars?|curves?|colou?rs?|figure|picture)\b")  # seen in no number
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
    read: dict[int, list[str]] = field(default_factory=dict)  # what stands below which cell

    def add(self, block: str, part: str) -> None:
        """Take in a block that belongs to the text, to the question, or below the last cell."""
        if part == "read" or self.cells:
            self.read.setdefault(len(self.cells) - 1, []).append(block)
        else:
            getattr(self, part).append(block)

    def paragraphs(self) -> list[str]:
        """What the notebook says of it, without lists, formulas and code."""
        below = [block for place in sorted(self.read) for block in self.read[place]]
        return [_without_links(block) for block in [*self.text, *below] if is_text(block)]


# --------------------------------------------------------------------------- from the notebook


def ideas(notebook: NotebookNode) -> list[Idea]:
    """The ideas of a notebook, in its order; those of a quiz are one for each question."""
    found, section, part = [], None, ""
    current = None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if current is not None:
                current.cells.append(cell)
            if {EXERCISE, QUIZ} & set(cell.metadata.get("tags", [])):
                current, part = section, "read"  # behind an exercise its section goes on
            continue
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
                    section = Idea(section.title, text=section.paragraphs()[-1:])
                    found.append(section)
                current, part = section, "question"
                current.question.append(block)
                continue
            else:
                part = "read" if kind == "Read" else part
                current.add(block[label.end() :] if label else block, part)
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

    hidden = re.sub(r"`[^`]*`|\$[^$]*\$|\[[^\]]*\]\([^)]*\)", hide, " ".join(text.split()))
    parts = re.split(ENDS, hidden)
    return [re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], part) for part in parts]


def is_text(block: str) -> bool:
    """Whether a block is a paragraph, so that it can be cut at a sentence."""
    return not re.match(r"\s*([-*] |\d+\. |```|\$\$|\||#|<)", block)


def for_a_class(text: list[str]) -> list[str]:
    """Blocks without links inside the course and without what is said to who runs a notebook."""
    kept = []
    for block in map(_without_links, text):
        if block.startswith("```"):  # a command for a terminal
            continue
        if is_text(block):
            block = " ".join(each for each in sentences(block) if not OF_NOTEBOOK.search(each))
        if plain(block).strip():
            kept.append(block)
    return kept


def _without_links(block: str) -> str:
    """A block whose links to other files of the course are text: no slides link these."""
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", block)


def brief(block: str) -> str:
    """A paragraph's first sentence, and those that define a term; other blocks as they are."""
    if not is_text(block):
        return block
    each = sentences(block)
    kept = {0, *(n for n, text in enumerate(each) if re.search(r"\*\*[^*]+\*\*", text))}
    for place in range(len(each) - 1, 0, -1):  # what such a sentence points back to stays, too
        if place in kept and POINTS_BACK.search(each[place]):
            kept.add(place - 1)
    return " ".join(each[place] for place in sorted(kept))


def code_of_lesson(source: str) -> list[str]:
    """The lines of a cell that a lesson is about; none where it has no line that PyTorch works in.

    Without imports, drawing, keeping a prediction and checking an answer. What prints stays, as
    it says what the numbers are that stand below the code.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a magic of IPython is no lesson
        return []
    lines, kept, works = source.splitlines(), [], False
    for statement in tree.body:
        names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        draws = isinstance(statement, (ast.Expr, ast.Assign)) and names & NOT_OF_THE_LESSON
        value = getattr(statement, "value", None)
        asks = isinstance(value, ast.Constant) and value.value is ...
        if draws or asks or isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        start = statement.lineno - 1
        kept += [""] if kept and not lines[start - 1].strip() else []
        kept += lines[start : statement.end_lineno]
        works |= bool(names & OF_THE_LESSON)
    return kept if works else []


# ------------------------------------------------------------------------------- what is shown


def plain(text: str) -> str:
    """Markdown as it is read, for counting characters."""
    return re.sub(r"\]\([^)]*\)|[*`\[]|\\[a-z]+", "", text)


def height(block: str) -> int:
    """About how many pixels high a block of Markdown is on a slide."""
    if block.startswith("<"):
        rows = block.count("<tr")
        return ROW * rows + GAP if rows else BODY
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
    while question and text and too_high():
        formulas = [block for block in text if block.startswith("$$")]
        text.remove(next((b for b in reversed(text) if b not in formulas), text[-1]))
    for place, block in enumerate(question):
        if too_high() and is_text(block):
            question[place] = _asked([block])[0]
    kept = []
    for block in [*text, *question]:
        left = room - sum(map(height, kept))
        kept += [trimmed(block, left)] if left > TEXT_LINE else []
    return kept


def trimmed(block: str, room: int) -> str:
    """A list or a paragraph without those of its last items or sentences that have no room."""
    if height(block) <= room or block[0] in "`$<|":
        return block
    if is_text(block):
        parts, join = sentences(block), " "
    else:
        items = re.findall(r"^([-*]|\d+\.) +(.+(?:\n(?![-*] |\d+\. ).*)*)", block, flags=re.M)
        parts, join = [f"{mark} {sentences(item)[0]}" for mark, item in items], "\n"
    while len(parts) > 1 and height(join.join(parts)) > room:
        parts.pop()
    return join.join(parts)


def is_shown(step: list[str]) -> bool:
    """Whether a step holds a figure or a table."""
    return any(block.startswith("<") for block in step)


def says_enough(step: list[str]) -> bool:
    """Whether a step is more than a single sentence."""
    return (
        any(not is_text(block) for block in step)
        or sum(len(sentences(block)) for block in step) > 1
    )


def cut(text: str, most: int) -> str:
    """Printed text, cut to so many lines, and each line to the width of a slide."""
    lines = [line if len(line) <= CODE_WIDTH else f"{line[: CODE_WIDTH - 2]} …"
             for line in text.rstrip().splitlines()]  # fmt: skip
    return "\n".join(lines if len(lines) <= most else [*lines[: most - 1], "…"])


def cut_table(table: str, room: int) -> str:
    """An HTML table with no more rows than there is room for."""
    rows = re.findall(r"<tr[\s\S]*?</tr>", table)
    most = room // ROW
    if len(rows) > most:
        for row in rows[most - 1 : -1]:
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
        said = re.sub(r".*: True\n", "", printed)  # what code has checked, which is not shown here
        above = [f"```\n{cut(said, 3)}\n```"] if said else []
        room = BODY - 2 * TEXT_LINE - sum(map(height, above))  # with a caption below
        steps.append([*above, cut_table("".join(output.data["text/html"]), room)])
    steps += [[picture(output, folder)] for output in figures]
    if steps:
        return steps
    code = "\n".join(code_of_lesson(cell.source))
    said = printed + "".join("".join(output.data.get("text/plain", "")) for output in shown)
    if code.count("\n") >= MOST_CODE:
        code = ""
    most = MOST_OUTPUT if code else MOST_CODE
    step = [f"```python\n{cut(code, MOST_CODE)}\n```"] if code else []
    return [[*step, f"```\n{cut(said, most)}\n```"]] if said.strip() else []


# ------------------------------------------------------------------------------------- slides


def _steps(idea: Idea, folder: Path) -> list[list[str]]:
    """What a slide shows, one after the other."""
    text, question = for_a_class(idea.text), for_a_class(idea.question)
    if idea.kind == TITLE:
        place = next((n for n, block in enumerate(text) if not is_text(block)), len(text))
        needs = [block for block in text[place + 1 :] if block.startswith("**You need")]
        return [fitted([*text[: place + 1], *needs], [])]
    if idea.kind == EXERCISE:
        stub = "\n".join(line for cell in idea.cells for line in _stub(cell.source))
        says_little = all(re.match(r"\w+ = \.\.\.", line) for line in stub.splitlines())
        code = [f"```python\n{cut(stub, MOST_CODE)}\n```"]
        if stub.count("\n") >= MOST_CODE or says_little and says_enough(text):
            code = []
        return [[*fitted([], text, BODY - sum(map(height, code))), *code]]
    if idea.kind == QUIZ:
        return [fitted([], [f"**{idea.title}.** {text[0]}", *text[1:]])]
    shown = _answers(idea, text, question, folder)
    first = fitted([*text, *for_a_class(idea.read.get(-1, []))], question)
    if shown and first and not question:
        if sum(map(height, [*first, *shown[0]])) <= BODY:  # so not above a figure
            first, shown[0] = [], [*first, *shown[0]]
        elif not says_enough(first):
            first = []
    return [step for step in [first, *shown] if step]


def _answers(idea: Idea, text: list[str], question: list[str], folder: Path) -> list[list[str]]:
    """What the cells of an idea show, a step for each; below it, what the notebook says of it.

    Where something is printed and no more, the question is repeated above it, as one line alone
    says little. It is left out where nothing was asked and there is something better to show.
    """
    steps, weak = [], []
    for place, cell in enumerate(idea.cells):
        found = results(cell, folder)
        below = for_a_class(idea.read.get(place, []))
        caption = ""
        for sentence in sentences(below[0]) if below and is_text(below[0]) else ():
            if len(plain(f"{caption} {sentence}")) > CAPTION:
                break
            caption = f"{caption} {sentence}".strip()
        if found and caption:
            of_figure = steps and not is_shown(found[-1]) and OF_FIGURE.search(caption)
            described = steps[-1] if of_figure else found[-1]
            described.append(f"::: caption\n{caption[0].upper()}{caption[1:]}\n:::")
        for step in found:
            if not is_shown(step) and step[0].startswith("```\n"):
                if "guesses.compare" not in cell.source:
                    weak.append(step)
                step[:0] = fitted([], _asked(question), BODY - sum(map(height, step)))
            steps.append(step)
    for step in weak:
        if len(steps) > 1:
            steps.remove(step)
    while len(steps) > MOST_STEPS:  # figures and tables stay longest
        lines = [step for step in steps if not is_shown(step)]
        steps.remove((lines or steps)[-1])
    return steps


def _asked(question: list[str]) -> list[str]:
    """What is asked in a question with several sentences, without what leads up to it."""
    return [
        " ".join(each for each in sentences(block) if "?" in each or "**" in each) or block
        if is_text(block)
        else block
        for block in question
    ]


def _stub(source: str) -> list[str]:
    """What an exercise gives: its cell without the check of the answer."""
    lines = [line for line in source.splitlines() if not re.match(r"(checks|quiz)\.", line)]
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _slide(title: str, steps: list[list[str]], notes: list[str]) -> str:
    """A slide as Markdown: each step takes the place of the one before."""
    parts = [f"## {title}\n", ":::::: {.steps}\n"]
    for number, step in enumerate(steps):
        code = [line for block in step if block[0] == "`" for line in block.splitlines()]
        large = sum(map(height, step)) <= LARGE and max(map(len, ["", *code])) <= LARGE_WIDTH
        kinds = ".large" if large else ""
        if len(steps) > 1:
            kinds += " .fragment " + (".fade-out" if not number else
                      ".current-visible" if number < len(steps) - 1 else "")  # fmt: skip
            kinds += f" fragment-index={max(0, number - 1)}"
        parts.append(f"::::: {{.step {kinds}}}\n")
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
            prepared.append((idea.title, steps, idea.paragraphs(), idea))
        elif prepared:
            prepared[-1][2].extend(idea.paragraphs())
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
        shown = [block for step in steps for block in step]
        spoken = [block for block in spoken if block not in shown and idea.kind != TITLE]
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
            "--from=commonmark_x-smart-implicit_figures-fancy_lists",
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
            "--variable=controls:false",  # they lie upon the number of the slide
            "--variable=slideNumber:'c/t'",
            folder=Path(scratch),
        )
    page = target.read_text(encoding="utf-8")  # who sees little zooms, who has no mouse scrolls
    page = re.sub(r',[^"]*user-scalable=no[^"]*', "", page, count=1)
    target.write_text(page.replace("<body>", '<body tabindex="0">', 1), encoding="utf-8")
