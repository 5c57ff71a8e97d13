"""The notebooks as students get them: without solutions, and the gate that makes sure of it."""

import ast
import base64
import copy
import html
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from fmnist_lib.course.execute import notebooks
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_project, is_file

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"  # nbgrader's markers
# What a line that was meant to be one of them can look like, without all but its letters.
NEAR = ("beginsolution", "endsolution", "startsolution", "stopsolution", "solutionbegin",
        "solutionstart", "solutionend")  # fmt: skip
# Metadata that students get: what Jupyter and papermill need. Of the others, the state of widgets
# shows outputs, for one.
OF_NOTEBOOK = {"kernelspec", "language_info", "papermill"}
OF_CELL = {"tags", "slideshow", "jupyter", "editable", "deletable", "collapsed", "scrolled",
           "format", "papermill"}  # fmt: skip
# What checks an answer stands below these.
CHECKING = ("fmnist_lib.lessons.checks", "fmnist_lib.lessons.quiz")
OPENING = ("BEGIN", "END", "START", "STOP")  # in capitals, the first word of any marker
NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)  # what the parser raises
ASKING = {"exercise", "quiz"}  # tags of the cells that students answer in


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook; CourseError when it is none, as after a merge that was not finished.

    One that is damaged, or has no cells, is none either: whoever reads through here can rely on
    what the format of notebooks promises.
    """
    broken = {}
    try:
        notebook = nbformat.read(path, as_version=4, capture_validation_error=broken)
        reason = "" if notebook.cells else "it has no cells"
    except Exception as error:  # nbformat raises many kinds
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
    if error := broken.get("ValidationError"):
        where = [*error.relative_path]
        cell = f"cell {where[1] + 1}: " if where[:1] == ["cells"] and len(where) > 1 else ""
        reason = cell + str(error).splitlines()[0]
    if reason:
        raise CourseError(
            f"{path} can't be read as a notebook ({reason[:200]}). Take it from the repository "
            "again."
        )
    return notebook


def without_solution(source: str) -> str:
    """The source of a cell without what stands between the solution markers, and without these.

    Raises CourseError when the markers are not in pairs, and when a line only resembles one.
    """
    return "\n".join(_parted(source)[0])


def _parted(source: str) -> tuple[list[str], list[str]]:
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


def student_version(
    notebook: NotebookNode, blank: bool = False, name: str = "The notebook"
) -> NotebookNode:
    """The notebook without solutions, and without the outputs of the cells that had them.

    Whatever is written for students comes from here. blank: without any output. name: of the
    notebook, in messages. Metadata that nothing here needs are left out. Raises CourseError when
    a solution could stay: markers that are not in pairs or misspelt, a cell that asks and hides
    nothing, an output that says "Right.", and a line of a solution anywhere in the result.

    Against mistakes, not malice. It can't know an answer that no marker and no tag points to: in a
    comment of the stub or an assertion, in other words, in a picture, in what a later cell prints;
    nor one of less than 8 characters, such as `k = 7`, that is repeated in a text.
    """
    student = copy.deepcopy(notebook)
    checks = _names_of_checks(notebook)
    student.metadata = _only(student.metadata, OF_NOTEBOOK)
    for number, cell in enumerate(student.cells, start=1):
        cell.metadata = _only(cell.metadata, OF_CELL)
        try:
            _strip(cell, blank, checks)
        except CourseError as error:
            raise CourseError(f"{name}, cell {number}: {error}") from error
    if found := leaks(notebook, student):
        raise CourseError(f"{name} would hold a line of a solution for students: {found[0]!r}.")
    return student


def _strip(cell: NotebookNode, blank: bool, checks: set[str]) -> None:
    """Take the solution out of a cell, in place, with all that could show it.

    checks: see `_names_of_checks`.
    """
    kept, hidden = _parted(cell.source)
    stub, solution = "\n".join(kept), "\n".join(hidden)
    is_code, asks = cell.cell_type == "code", _asks(cell, checks)
    marked = len(kept) < len(cell.source.splitlines())
    if (asks or marked) and not (_does_something(solution) if is_code else solution.strip()):
        raise CourseError(
            f"It asks for an answer, and no solution stands between {BEGIN!r} and {END!r}: "
            "students would get it. Put it there."
        )
    if asks and is_code and (not _has_dots(_tree(stub)) or _is_answered(stub)):
        raise CourseError(
            "It asks for an answer, and no dots (...) stand outside the solution, where students "
            "put theirs, or something beside them: is the answer there? Put dots in its place."
        )
    if not is_code and not asks and (label := _label(stub)):
        raise CourseError(
            f"{label!r} announces a solution, which students would get. Put all of it "
            f"between {BEGIN!r} and {END!r}, or use other words."
        )
    if marked:
        cell.source = stub
        if "attachments" in cell:  # pictures of the solution
            named = cell.attachments.items()
            cell.attachments = {name: each for name, each in named if _shows(stub, name)}
    if is_code:
        if blank or marked:
            cell.outputs, cell.execution_count = [], None
        for output in cell.outputs:
            if "metadata" in output:  # as of a picture: the text for those who can't see it
                output.metadata = _only(output.metadata, {*output.data})
        texts = [*_texts(cell.outputs), *_shown(cell.outputs)]
        if any("Right." in re.sub(r"[\s*_`{}\"']", "", text) for text in texts):
            raise CourseError(
                'An output that students would see says "Right.": tag the cell `exercise` or '
                f"`quiz`, and put its answer between {BEGIN!r} and {END!r}."
            )


def _label(text: str) -> str | None:
    """The first heading, bold text or summary in Markdown that begins with "solution"."""
    text = re.sub(r"<!--\s*", "<!-- ", unicodedata.normalize("NFKC", text))
    bold = r"(?:\*\*|__|<b>|<strong>)[^\w\s]*solutions?(?:[^\w\n<]|_|</\w+>)*:"  # in a line
    lines = re.split(rf"\n|(?=<summary)|(?={bold})", text, flags=re.IGNORECASE)
    for line, below in pairwise([*lines, ""]):
        signs = r"(?:[^\w<]|_|<!--|<(?!!--)[^<>]*>|\d+[.)])*"  # before the first word
        first = re.match(rf"({signs})solutions?(?![^\W_])", line, re.IGNORECASE)
        if first and (
            re.search(r"#|\*\*|__|<!--|<(b|strong|h\d|summary)\b", first[1], re.IGNORECASE)
            or re.fullmatch(r"[ >]*(==+|--+)\s*", below)
        ):
            return line.strip()[:60]
    return None


def _only(metadata: NotebookNode, names: set[str]) -> NotebookNode:
    return NotebookNode({name: value for name, value in metadata.items() if name in names})


def _shows(text: str, name: str) -> bool:
    """Whether a text shows the attachment of this name."""
    shown = rf"attachment:{re.escape(name)}(?![\w.%-])"
    return any(re.search(shown, each) for each in (text, unquote(text)))


def _asks(cell: NotebookNode, checks: set[str]) -> bool:
    """Whether a cell is tagged as one that asks, or has to do with a check of an answer.

    Raises CourseError when it has a tag that only resembles one of those.
    """
    tags = cell.metadata.get("tags", [])
    for tag in tags:
        words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", tag).lower())
        near = [get_close_matches(word, ASKING, cutoff=0.75) for word in ("".join(words), *words)]
        if tag not in ASKING and (any(near) or {"solution", "solutions"} & {*words}):
            raise CourseError(
                f"Its tag {tag!r} looks like one of a cell that asks, and is none. Write "
                "`exercise` or `quiz` exactly so, or take another word."
            )
    return bool(ASKING & {*tags}) or cell.cell_type == "code" and _uses(cell.source, checks)


def _tree(code: str) -> ast.Module | None:
    """The syntax of a cell, or of a part of one; None when it is no Python, nor IPython."""
    code = textwrap.dedent(re.sub(r"\A\s*%%.*", "", code))  # a cell magic's first line
    for change in (str, TransformerManager().transform_cell):
        with suppress(*NO_PYTHON), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a back-slash that means nothing
            return ast.parse(change(code))
    return None


def _has_dots(tree: ast.AST | None) -> bool:
    """Whether dots stand in code for something, and not in a comment or as an index."""
    nodes = list(ast.walk(tree)) if tree else []
    indices = {id(n) for node in nodes if isinstance(node, ast.Subscript)
               for n in ast.walk(node.slice)}  # fmt: skip
    dots = [n for n in nodes if isinstance(n, ast.Constant) and n.value is ...]
    return any(id(node) not in indices for node in dots)


def _is_answered(stub: str) -> bool:
    """Whether a stub sets a name to dots, and to something else, too."""
    dots, others = set(), set()
    for node in ast.walk(_tree(stub)):
        if isinstance(node, ast.Assign):
            names = {ast.unparse(target) for target in node.targets}
            (dots if _has_dots(node.value) else others).update(names)
    return bool(dots & others)


def _does_something(code: str) -> bool:
    """Whether there is a statement in code that could be an answer."""
    tree = _tree(code)
    if tree is None:  # a part, as of an `if`
        return any(line.strip() and line.strip()[0] != "#" for line in code.splitlines())
    return not all(isinstance(each, ast.Pass) or _is_constant(each) for each in tree.body)


def _is_constant(statement: ast.stmt) -> bool:
    """Whether a statement is a text or the like and no more, or sets something to dots."""
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Constant) and (
        isinstance(statement, ast.Expr) or value.value is ...
    )


def _names_of_checks(notebook: NotebookNode) -> set[str]:
    """How a notebook can call what checks answers, as "checks" and "fmnist_lib.lessons.quiz"."""
    imported = []  # pairs: a name, and what it stands for
    for code in (cell.source for cell in notebook.cells if cell.cell_type == "code"):
        tree = _tree(code)
        trees = [tree] if tree else [_tree(line) for line in code.splitlines()]
        for node in (node for tree in trees if tree for node in ast.walk(tree)):
            for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                imported.append((alias.asname or alias.name, module + alias.name))
    names = set(CHECKING)
    for name, what in imported:
        for checking in CHECKING:
            if f"{what}.".startswith(f"{checking}."):
                names.add(name)
            elif checking.startswith(f"{what}."):
                names.add(name + checking.removeprefix(what))
    return names


def _uses(code: str, names: set[str]) -> bool:
    """Whether code uses one of these names other than in an import; in texts a call counts, too."""
    tree = _tree(code)
    if tree is None:  # a line that is no Python hides nothing
        return any(re.search(rf"\b{re.escape(name)}\b", code) for name in names)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and ast.unparse(node) in names:
            return True
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            if f"{node.module}.".startswith(tuple(f"{name}." for name in CHECKING)):
                return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str):  # exec, a line magic
            text = node.value
            if text.startswith(CHECKING) or "(" in text and _tree(text) and _uses(text, names):
                return True
    return False


def write_student_notebooks(folder: str | Path) -> Path:
    """Write every notebook as students get it; one that is there already is kept as it is.

    folder: counted from the project when it is relative. Returns it. Raises CourseError, before
    anything is written, when one of them would hold a solution.
    """
    folder = in_project(folder)
    versions = {path.name: student_version(read_notebook(path), name=path.name)
                for path in notebooks()}  # fmt: skip
    for name, version in versions.items():
        there = is_file(folder / name)
        if not there:
            atomic.write_text(folder / name, nbformat.writes(version))
        print(f"{'kept   ' if there else 'written'}  {folder / name}")
    return folder


# -------------------------------------------------------------------------------- the leak gate


def leaks(source: NotebookNode, handout: str | NotebookNode) -> list[str]:
    """The lines of solutions of `source` that a student's handout holds, however spaced.

    handout: a notebook, of which every text is searched (sources, outputs, metadata, attachments),
    or the text of an HTML or PDF file.
    """
    if isinstance(handout, str):
        texts = [handout]
    else:
        outputs = [text for cell in handout.cells for text in _shown(cell.get("outputs", []))]
        texts = [*_texts(handout), *outputs]
    searched = [_squeezed(text) for text in texts]
    markers = [marker for marker in (BEGIN, END) if any(_squeezed(marker) in t for t in searched)]
    public, secret = "", {}  # secret: line -> without white space
    for cell in source.cells:
        kept, hidden = _parted(cell.source)
        if cell.cell_type == "code":  # what the lesson has shown before is no secret
            public += _squeezed("\n".join(kept))
        for line in hidden:
            line = line.strip().partition("  #")[0]  # the comment may stand alone somewhere
            short = _squeezed(line)
            if len(short) >= 8 and short not in public:  # less is no answer: "else:", "x = 0"
                secret[line] = short
    return markers + [
        line for line, short in secret.items() if any(short in text for text in searched)
    ]


def _squeezed(text: str) -> str:
    """Without white space, and with one kind of quotation marks (typographers change them)."""
    text = unicodedata.normalize("NFKC", text)  # full-width letters, ligatures
    return re.sub(r"\s+", "", re.sub("[\"'“”‘’]", '"', text))


def _plain(text: str) -> str:
    """What a reader sees of a text: without HTML's tags, colours and characters of no width."""
    orders = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)"  # to a terminal
    text = re.sub(rf"{orders}|<!--|-->|</?[A-Za-z][^<>]*>", "", text)
    return re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]", "", html.unescape(text))


def _shown(outputs: list[NotebookNode]) -> list[str]:
    """What the outputs of a cell show together, once for each type of what they display."""
    types = {"text/plain"} | {kind for output in outputs for kind in output.get("data", {})}
    return [
        _plain("".join(
            output.text if "text" in output else "".join(_texts(output.get("data", {}).get(kind)))
            for output in outputs
        ))
        for kind in types
    ]  # fmt: skip


def _texts(value) -> Iterator[str]:
    """Every text in a notebook, as it is, as a reader sees it, and decoded where it is base64."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            yield "".join(value)
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
        yield _plain(value)
        whole = len(value) >= 8 and re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", value)
        for code in [value] if whole else re.findall(r";base64,([A-Za-z0-9+/]+={0,2})", value):
            with suppress(ValueError):
                decoded = base64.b64decode(code).decode("utf-8", errors="ignore")
                yield decoded
                yield _plain(decoded)
