"""Which code of a student answers which exercise, whatever became of the notebook's cells.

The cell of an answer is known by its id, else by the check that it calls, else by the function it
defines, else by the text above it. Of what the student wrote elsewhere comes along what defines the
names that the answer needs. Nothing else is taken: no output, and no cell of the lesson.
"""

import ast
import builtins
import codecs
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import nbformat

from fmnist_lib.course.grading.exercises import (
    Call,
    Exercise,
    Lesson,
    bound_by,
    bound_in,
    needed_by,
    parsed,
    parts,
    statements,
)
from fmnist_lib.course.grading.submissions import Student
from fmnist_lib.course.student import ID, NO_PYTHON

REMEDY = "Save it in Jupyter, and hand it in again."
LIKE = 0.8  # how alike two texts are, from 0 to 1, that are taken for the same
WELL_KNOWN = {*dir(builtins), "__name__", "get_ipython", "display"}


@dataclass(frozen=True)
class Piece:
    """The code of a cell up to a check, or behind the last one."""

    code: str
    call: Call | None
    id: str  # of the cell: what its metadata says
    above: str  # the text above the cell
    file: str
    alone: bool  # no check is in its cell
    is_lesson: bool  # as the course has it


@dataclass(frozen=True)
class Answer:
    """What a student answers to one exercise, and the file that it stands in."""

    code: str
    file: str


@dataclass
class Taken:
    """All that counts of a student's notebooks."""

    answers: dict[str, Answer] = field(default_factory=dict)  # id of an exercise → answer
    guesses: dict[str, object] = field(default_factory=dict)  # name of a prediction → what was said
    remarks: list[str] = field(default_factory=list)


def take(student: Student, exercises: Iterable[Exercise], lessons: dict[str, Lesson]) -> Taken:
    """The answers of a student to these exercises.

    lessons: by notebook; an answer finds there what they define.
    """
    exercises, pieces, taken = list(exercises), [], Taken(remarks=[*student.remarks])
    for file, content in student.files.items():
        cells, problem = read_cells(content)
        if problem:
            taken.remarks.append(f"{_name(file)}: {problem}")
        pieces += _pieces(cells, file, lessons.values())
    owners = [_owner(piece, exercises) for piece in pieces]
    for exercise in exercises:
        candidates = [n for n, owner in enumerate(owners) if owner == exercise.id]
        found = [
            Answer(
                _completed(n, pieces, owners, exercise, lessons[exercise.notebook].names),
                pieces[n].file,
            )
            for n in candidates
        ]
        answered = [each for each in found if is_answered(each.code, exercise.call.answer)]
        whole = [each for each in answered if parsed(each.code)[1]]
        if found:
            taken.answers[exercise.id] = (whole or answered or found)[-1]
        if len(files := dict.fromkeys(_name(each.file) for each in found)) > 1:
            taken.remarks.append(
                f"Several files have an answer to {exercise.label} ({exercise.call.name}): "
                f"{', '.join(files)}. The last one counts that is answered, in this order."
            )
    for piece, owner in zip(pieces, owners):
        if piece.call and owner is None:
            taken.remarks.append(
                f"There is an answer to {piece.call.name!r}, which is not asked here: it is of "
                "another version of the course, or of a notebook that is not graded."
            )
        taken.guesses |= _guesses(piece.code)
    for file in student.files:
        if not any(owner and piece.file == file for piece, owner in zip(pieces, owners)):
            taken.remarks.append(f"{_name(file)}: no cell of it answers an exercise.")
    taken.remarks = list(dict.fromkeys(taken.remarks))
    return taken


def _name(file: str) -> str:
    return file.rpartition("/")[2]


# ------------------------------------------------------------------------------------- reading


def read_cells(content: bytes) -> tuple[list[dict], str]:
    """The cells of a notebook; of one that does not open those that are left, and a sentence."""
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig", errors="replace")
    try:
        notebook = nbformat.reads(text, as_version=4)
        return [_cell(cell) for cell in notebook.cells], ""
    except Exception:  # nbformat raises many kinds
        cells = list(_rescued(text))
    if cells:
        return cells, f"It does not open as a notebook; {len(cells)} cells could be read. {REMEDY}"
    return [], f"It does not open as a notebook, and no cell of it could be read. {REMEDY}"


def _cell(cell: dict) -> dict:
    metadata, source = cell.get("metadata"), cell.get("source", "")
    source = "".join(map(str, source)) if isinstance(source, list) else str(source)
    kept = metadata.get(ID, "") if isinstance(metadata, dict) else ""
    return {"type": cell.get("cell_type", ""), "source": source, "id": str(kept)}


def _rescued(text: str) -> Iterator[dict]:
    """The cells of what was a notebook once: half a file, or one with the marks of a merge."""
    text = re.sub(r"^(<{7}|={7}|>{7}|\|{7}).*\n?", "", text, flags=re.M)
    decoder, kept, kind = json.JSONDecoder(strict=False), {}, "code"
    for match in re.finditer(r'"(cell_type|metadata|source)"\s*:\s*', text):
        with suppress(ValueError):
            value = decoder.raw_decode(text, match.end())[0]
            if match[1] == "cell_type":
                kind = value
            elif match[1] == "metadata":
                kept = value
            elif isinstance(value, (str, list)):
                yield _cell({"cell_type": kind, "metadata": kept, "source": value})


def _pieces(cells: list[dict], file: str, lessons: Iterable[Lesson]) -> list[Piece]:
    found, above = [], ""
    for cell in cells:
        if cell["type"] == "markdown":
            above = cell["source"]
        elif cell["type"] == "code":
            source, all_of_it = cell["source"], statements(cell["source"])
            own = all_of_it
            for lesson in lessons:
                own = lesson.without(own)
            for lesson in lessons if own != all_of_it else ():
                own = lesson.without(own, also_short=True)
            if own != all_of_it and own:  # cells of the lesson are merged with others
                source = "\n".join(own)
            cut, is_lesson = parts(source), bool(all_of_it) and not own
            alone = not any(call for _, call in cut)
            found += [
                Piece(code, call, cell["id"], above, file, alone, is_lesson) for code, call in cut
            ]
    return found


# ------------------------------------------------------------------------------------ choosing


def _owner(piece: Piece, exercises: list[Exercise]) -> str | None:
    """The id of the exercise that a piece of code is about."""
    if piece.call:
        asked = piece.call.name, piece.call.is_quiz
        return next((e.id for e in exercises if (e.call.name, e.call.is_quiz) == asked), None)
    if not piece.alone or piece.is_lesson:
        return None
    if any(piece.id == exercise.id for exercise in exercises):
        return piece.id
    names = bound_by(piece.code)
    for exercise in exercises:
        if exercise.call.answer in names and _is_alike(piece, exercise):
            return exercise.id
    return None


def _is_alike(piece: Piece, exercise: Exercise) -> bool:
    """Whether it defines the function that is asked for, or stands below the text that asks."""
    if re.search(rf"^(def|class) {re.escape(exercise.call.answer)}\b", exercise.stub, re.M):
        return True
    label = piece.above.find(f"**{exercise.label}")
    text = piece.above[max(label, 0) :][: 2 * len(exercise.text)]
    return SequenceMatcher(None, text, exercise.text, autojunk=False).ratio() > LIKE


def is_answered(code: str, name: str) -> bool:
    """Whether code gives a name something else than dots."""
    _, tree = parsed(code)
    if tree is None:
        return True  # what it is, its error will say
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            if name in bound_in(node) and not _is_dots(node.value):
                return True
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == name and not all(_is_empty(each) for each in node.body):
                return True
        elif isinstance(node, (ast.For, ast.With, ast.NamedExpr, ast.AugAssign,
                               ast.Import, ast.ImportFrom)):  # fmt: skip
            if name in bound_in(node):
                return True
    return False


def _is_dots(value: ast.expr | None) -> bool:
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        return any(map(_is_dots, value.elts))
    if isinstance(value, ast.Dict):
        return any(map(_is_dots, value.values))
    return value is None or isinstance(value, ast.Constant) and value.value in (..., None)


def _is_empty(statement: ast.stmt) -> bool:
    """Whether a statement of a body is dots, a text or `pass`, or a function of nothing else."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return all(map(_is_empty, statement.body))
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


# ------------------------------------------------------------------- what an answer needs besides


def _completed(
    number: int, pieces: list[Piece], owners: list[str | None], exercise: Exercise, lesson: set[str]
) -> str:
    """The code of an answer, with the student's own definitions of names that it needs before it.

    As in the notebook the nearest one above counts, and where that is the lesson's, the lesson has
    it. number: of the piece. owners: of each piece, as `_owner` has it. lesson: the names that it
    defines.
    """
    piece, name = pieces[number], exercise.call.answer
    code = piece.code
    if piece.call and piece.call.answer not in (name, "..."):  # checks.mirror(my_mirror)
        code = f"{code}\n{name} = {piece.call.answer}"
    above, below = range(number - 1, -1, -1), range(number + 1, len(pieces))
    # Nearest above first, then below; in the student's other notebooks last.
    near = sorted([*above, *below], key=lambda n: pieces[n].file != piece.file)

    def is_own(n: int) -> bool:
        return owners[n] in (None, exercise.id) and pieces[n].file == piece.file

    # The name `answer` is that of many: only between the exercises before and behind this one.
    own = [*itertools.takewhile(is_own, above), *itertools.takewhile(is_own, below)]
    helpers, wanted, seen = [], needed_by(code) - WELL_KNOWN, set()
    if name not in bound_by(code) and parsed(code)[1]:
        wanted.add(name)
    while wanted:
        one = wanted.pop()
        seen.add(one)
        for n in own if one == name else near:
            if n > number and one in lesson:
                break
            if one in bound_by(pieces[n].code):
                if pieces[n].is_lesson:
                    break
                helper = _about(pieces[n].code, one)
                if one == name and not is_answered(helper, name):
                    continue
                helpers.insert(0, helper)
                wanted |= needed_by(helper) - WELL_KNOWN - seen
                break
    return "\n".join([*dict.fromkeys(helpers), code])


def _about(code: str, name: str) -> str:
    """The statements of a piece of code that name something, at its outermost level."""
    _, tree = parsed(code)
    kept = []
    for statement in tree.body if tree else ():
        named = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
        if name in named | bound_in(statement):
            kept.append(ast.unparse(statement))
    return "\n".join(kept)


# ---------------------------------------------------------------------------------- predictions


def _guesses(code: str) -> dict[str, object]:
    """What a cell predicts, where it is written down as a value: `guess = 60`."""
    _, tree = parsed(code)
    values, found = {}, {}
    for statement in tree.body if tree else ():
        match statement:
            case ast.Assign([ast.Name(name)], value):
                with suppress(ValueError, TypeError, *NO_PYTHON):
                    values[name] = ast.literal_eval(value)
            case ast.Assign([ast.Tuple(names)], ast.Tuple(parts_)):
                for target, value in zip(names, parts_):
                    with suppress(ValueError, TypeError, *NO_PYTHON):
                        values[ast.unparse(target)] = ast.literal_eval(value)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name("guesses"), "keep"),
                                   [ast.Constant(str(name)), ast.Name(variable), *_])):  # fmt: skip
                value = values.get(variable, ...)
                if value is not ... and value is not None:
                    found[name] = value
    return found
