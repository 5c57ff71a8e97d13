"""What the course asks: the exercises and quiz questions of a notebook, each with an id."""

import ast
import functools
import re
import symtable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from fmnist_lib.course.execute import read_notebook
from fmnist_lib.course.solutions import without_solution
from fmnist_lib.course.student import ASKING, ID, NO_PYTHON
from fmnist_lib.errors import CourseError

IPYTHON = re.compile(r"^([ \t]*)([%!].*|[\w.]+\?+|\?+[\w.]+)[ \t]*$", re.M)  # a line of its own
SHORT = 30  # letters of a cell that a student may have written as well
OUTCOMES = "outcomes"  # in the metadata of a notebook: what became of its predictions
LABEL = r"\*\*((?:Exercise|Quiz) \d+)\b[^*\n]*\*\*"  # how the text of one begins


@dataclass(frozen=True)
class Call:
    """A call that checks an answer: `checks.mirror(mirror)` or `quiz.check("relu", answer)`."""

    name: str  # "mirror", "relu"
    is_quiz: bool
    answer: str  # the code of what is checked: "mirror", "answer"
    code: str  # of the whole call


@dataclass(frozen=True)
class Exercise:
    """An exercise or a question of the quiz, as the course has it."""

    id: str  # in the metadata of its cell, in points.yaml, in marks.csv: "explore_data.mirror"
    notebook: str  # "01_explore_data"
    place: int  # of its cell in the notebook, from 0 on
    call: Call
    label: str  # "Exercise 1", "Quiz 3"
    text: str  # Markdown, from the label on
    stub: str  # the cell as students get it


def exercises_of(path: Path) -> list[Exercise]:
    """All that a notebook of the course asks, in order; CourseError when one has no id or check."""
    notebook, found = read_notebook(path), []
    for place, cell in enumerate(notebook.cells):
        if not ASKING & {*cell.metadata.get("tags", [])}:
            continue
        where = f"{path.name}, cell {place + 1}"
        calls = [call for _, call in parts(cell.source) if call]
        if len(calls) != 1 or ID not in cell.metadata:
            raise CourseError(
                f"{where} asks for an answer, and has no id or not one check. Call one, and run "
                f"`fmnist notebooks {path.stem[:2]}`, which writes the id."
            )
        above = "\n\n".join(
            each.source for each in notebook.cells[:place] if each.cell_type == "markdown"
        )
        label = [*re.finditer(LABEL, above)][-1:]
        if not label:
            raise CourseError(f'{where}: no text above it begins with "**Exercise 1.**" or so.')
        found.append(
            Exercise(
                cell.metadata[ID], path.stem, place, calls[0], label[0][1],
                above[label[0].start() :], without_solution(cell.source),
            )
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Lesson:
    """The code of a notebook that asks for nothing."""

    cells: list[tuple[int, str]]  # place and source of each cell
    names: set[str]  # that it defines, at its outermost level
    outcomes: dict[str, str]  # of its predictions, by name

    def without(self, lines: list[str], also_short: bool = False) -> list[str]:
        """The statements of a student's cell without whole cells of the lesson among them.

        also_short: those, too, that a student may have written as well.
        """
        kept = [*lines]
        for _, source in self.cells:
            run = statements(source)
            is_long = also_short or sum(map(len, run)) > SHORT
            for start in range(len(kept) - len(run), -1, -1) if run else ():
                if kept[start : start + len(run)] == run and (is_long or run == lines):
                    del kept[start : start + len(run)]
        return kept


def lesson_of(path: Path) -> Lesson:
    """What a notebook of the course has besides that which it asks."""
    notebook = read_notebook(path)
    cells = [
        (place, cell.source)
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and not ASKING & {*cell.metadata.get("tags", [])}
    ]
    names = {name for _, source in cells for name in bound_by(source)}
    return Lesson(cells, names, notebook.metadata.get(OUTCOMES, {}))


def write_ids(notebook: NotebookNode, stem: str) -> None:
    """Give an id to each cell that asks and has none: by it `fmnist grade` knows the answer again.

    One that is there stays as it is, whatever becomes of the exercise.
    """
    for cell in notebook.cells:
        if ASKING & {*cell.metadata.get("tags", [])}:
            for call in (call for _, call in parts(cell.source) if call):
                cell.metadata.setdefault(ID, f"{stem[3:]}.{call.name}")


# ---------------------------------------------------------------------------- code in a cell


@functools.lru_cache(10_000)
def parsed(source: str) -> tuple[bytes, ast.Module | None]:
    """The code of a cell, without IPython's own forms, and its syntax tree.

    The tree is None when it is no Python, or too deep to be written again. What a cell magic is
    about, as `%%time`, is plain code; a line such as `%matplotlib` or `!pip` is a call of
    `get_ipython`, and no more.
    """
    source = re.sub(r"\A\s*%%\w+.*", "", source)
    for change in (str, functools.partial(re.sub, IPYTHON, r"\1get_ipython()  # \2")):
        with suppress(*NO_PYTHON):
            text = change(source)
            tree = ast.parse(text)
            ast.unparse(tree)
            return text.encode(), tree
    return source.encode(errors="replace"), None


@functools.lru_cache(10_000)
def statements(source: str) -> list[str]:
    """The statements of a cell, each in the one form that it can have without its comments."""
    _, tree = parsed(source)
    return [ast.unparse(each) for each in tree.body] if tree else []


def parts(source: str) -> list[tuple[str, Call | None]]:
    """The code of a cell, cut behind each check: (code before it, the check), and the rest."""
    text, tree = parsed(source)
    if tree is None:
        return _parts_of_lines(source)
    lines = [0]  # where each begins, in bytes, as the tree counts
    for line in text.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found, start = [], 0
    for statement in tree.body:
        if call := _call_in(statement):
            before = text[start : lines[statement.lineno - 1] + statement.col_offset]
            found.append((_without_end(before), call))
            start = lines[statement.end_lineno - 1] + statement.end_col_offset
    rest = _without_end(text[start:].lstrip(b"; \t"))
    return [*found, (rest, None)] if rest else found


def _without_end(code: bytes) -> str:
    return code.decode().rstrip("; \t\n").lstrip("\n")


def _call_in(statement: ast.stmt) -> Call | None:
    """The check in a statement: called as it is, printed, or its verdict kept."""
    if not isinstance(statement, (ast.Expr, ast.Assign)):
        return None
    for node in ast.walk(statement):
        match node:
            case ast.Call(ast.Attribute(ast.Name("checks"), name), args=[answer, *_]):
                return Call(name, False, ast.unparse(answer), ast.unparse(node))
            case ast.Call(
                ast.Attribute(ast.Name("quiz"), "check"), [ast.Constant(str(name)), *more]
            ):
                values = [*more, *(each.value for each in node.keywords)]
                answer = ast.unparse(values[0]) if values else "..."
                return Call(name, True, answer, ast.unparse(node))
    return None


def _parts_of_lines(source: str) -> list[tuple[str, Call | None]]:
    """The same of what is no Python: a check is a line that begins with its call."""
    found, before = [], []
    for line in source.splitlines():
        if match := re.match(
            r"""checks\.(\w+)\((\w*)|quiz\.check\(\s*["'](.+?)["'],?\s*(\w*)""", line
        ):
            name, answer = match[1] or match[3], match[2] or match[4] or "answer"
            found.append(("\n".join(before), Call(name, bool(match[3]), answer, line)))
            before = []
        else:
            before.append(line)
    rest = "\n".join(before)
    return [*found, (rest, None)] if rest.strip() else found


# -------------------------------------------------------------------------------------- names


def needed_by(code: str) -> set[str]:
    """The global names that code reads and does not set itself."""
    text, tree = parsed(code)
    if tree is None:
        return set()
    try:
        table = symtable.symtable(text.decode(), "answer", "exec")
    except NO_PYTHON:
        return set()
    found, own = set(), bound_by(code)
    tables = [table]
    for each in tables:
        tables += each.get_children()
        for symbol in each.get_symbols():
            is_global = each is table or symbol.is_global()
            if symbol.is_referenced() and is_global:
                found.add(symbol.get_name())
    return found - own


@functools.lru_cache(10_000)
def bound_by(code: str) -> frozenset[str]:
    """The names that code sets at its outermost level."""
    _, tree = parsed(code)
    return frozenset().union(*map(bound_in, tree.body if tree else ()))


def bound_in(statement: ast.AST) -> set[str]:
    """The names that a statement sets, but for those within functions and classes."""
    names, nodes = set(), [statement]
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
                                   ast.GeneratorExp)):  # fmt: skip
            nodes += ast.iter_child_nodes(node)
    return names
