"""The notebooks as students get them: without solutions, and the gate that makes sure of it."""

import ast
import copy
import re
import textwrap
import unicodedata
import warnings
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain, count, pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from fmnist_lib.course.execute import linked_pages, named, notebooks, read_notebook
from fmnist_lib.course.solutions import BEGIN, END, leaks, parted, shown_by, texts_of
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import atomic
from fmnist_lib.storage.paths import in_work_folder, is_file

# Metadata that students get: what Jupyter and papermill need. Of the others, the state of widgets
# shows outputs, for one.
OF_NOTEBOOK = {"kernelspec", "language_info", "papermill"}
ID = "exercise"  # what an exercise is called for ever, in the metadata of its cell
OF_CELL = {"tags", "slideshow", "jupyter", "editable", "deletable", "collapsed", "scrolled",
           "format", "papermill", ID}  # fmt: skip
# What checks an answer stands below these.
CHECKING = ("fmnist_lib.lessons.checks", "fmnist_lib.lessons.quiz")
NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)  # what the parser raises
ASKING = {"exercise", "quiz"}  # tags of the cells that students answer in


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
            _strip(cell, checks)
        except CourseError as error:
            raise CourseError(f"{name}, cell {number}: {error}") from error
    if found := leaks(notebook, student):
        raise CourseError(f"{name} would hold a line of a solution for students: {found[0]!r}.")
    for cell in student.cells if blank else ():  # only now: the outputs have to pass as well
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return student


def _strip(cell: NotebookNode, checks: set[str]) -> None:
    """Take the solution out of a cell, in place, with all that could show it.

    checks: see `_names_of_checks`.
    """
    kept, hidden = parted(cell.source)
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
        if marked:
            cell.outputs, cell.execution_count = [], None
        for output in cell.outputs:
            if "metadata" in output:  # as of a picture: the text for those who can't see it
                output.metadata = _only(output.metadata, {*output.data})
        texts = [*texts_of(cell.outputs), *shown_by(cell.outputs)]
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


def student_files(with_outputs: bool, only: str | None = None) -> dict[str, str]:
    """The text of each notebook as students get it, and of the pages that it links, by its name.

    only: part of a notebook's name; this one alone. Raises CourseError when one would hold a
    solution, or `only` is in the name of none or of several.
    """
    sources = notebooks() if only is None else [_only_one(named(notebooks(), only), only)]
    texts = {}
    for path in sources:
        notebook = read_notebook(path)
        version = student_version(notebook, blank=not with_outputs, name=path.name)
        texts[path.name] = nbformat.writes(version)
        for page in linked_pages(path, notebook):
            texts[page.name] = page.read_text(encoding="utf-8")
    return texts


def write_student_notebooks(
    folder: str | Path, with_outputs: bool = False, fresh: str | None = None
) -> Path:
    """Write every notebook as students get it, with the pages that it links.

    What is there already is kept as it is. The notebooks have no outputs, which would answer each
    "Predict" before its cell is run.

    folder: counted from the work folder when it is relative. with_outputs: keep the outputs that
    hide no solution. fresh: part of a notebook's name; of this one alone another copy is written
    beside those that are there, under the next free name. Returns the folder. Raises CourseError,
    before anything is written, when one of the notebooks would hold a solution, or `fresh` is in
    the name of none or of several.
    """
    folder = in_work_folder(folder)
    texts = student_files(with_outputs, fresh)
    if fresh is not None:
        (name, text), *pages = texts.items()
        texts = {_free_name(folder, Path(name)): text, **dict(pages)}
    kept = [name for name in texts if is_file(folder / name)]
    for name, text in texts.items():
        if name not in kept:
            atomic.write_text(folder / name, text)
        print(f"{'kept   ' if name in kept else 'written'}  {folder / name}")
    if kept and fresh is None:
        print("For a fresh copy of one beside it, such as of 03: fmnist student --fresh 03")
    return folder


def _only_one(paths: list[Path], part: str) -> Path:
    if len(paths) > 1:
        names = ", ".join(path.stem for path in paths)
        raise CourseError(f"{part!r} is in several names: {names}. Give more of one of them.")
    return paths[0]


def _free_name(folder: Path, path: Path) -> str:
    """The name of a notebook, or with the first number behind it that is not taken: "…_2.ipynb"."""
    names = (f"{path.stem}_{number}{path.suffix}" for number in count(2))
    return next(name for name in chain([path.name], names) if not (folder / name).exists())
