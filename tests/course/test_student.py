"""Solutions don't get out: the gate that whatever is written for students has to pass."""

import base64
import copy
import json
import shutil

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from fmnist_lib.course import cli, execute, handouts, publish, student
from fmnist_lib.errors import CourseError

(PATH,) = [path for path in execute.notebooks() if path.stem == "02_build_cnn"]
SOURCE = nbformat.read(PATH, as_version=4)
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
ANSWER = "answer = torch.tensor([[-1, -1, -1], [0, 0, 0], [1, 1, 1]]).float()"  # of the first


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A course of one notebook, which a test may alter, with its own README files."""
    folder = tmp_path / "course" / "notebooks"
    folder.mkdir(parents=True)
    shutil.copy(PATH.parent.parent / "README.md", folder.parent)
    shutil.copy(PATH.with_name("README.md"), folder)
    shutil.copy(PATH, folder)
    for module in (student, handouts, publish):
        monkeypatch.setattr(module, "notebooks", lambda: [folder / PATH.name])
    monkeypatch.setattr(publish, "course", lambda: folder.parent)
    return folder.parent


def alter(project, change):
    notebook = copy.deepcopy(SOURCE)
    change(notebook)
    nbformat.write(notebook, project / "notebooks" / PATH.name)


def exercise(notebook):
    return next(cell for cell in notebook.cells if "exercise" in cell.metadata.get("tags", []))


def in_exercise(old, new):
    """A change of the text of the first exercise."""

    def change(notebook):
        cell = exercise(notebook)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return change


def added(source, kind=new_code_cell, tags=(), text=None):
    """A cell more, perhaps with outputs."""

    def change(notebook):
        cell = kind(source, metadata={"tags": list(tags)} if tags else {})
        if text:
            cell.outputs = text if isinstance(text, list) else [text]
            cell.execution_count = 99
        notebook.cells.insert(5, cell)

    return change


def markers(begin, end):
    """Another spelling of both markers."""

    def change(notebook):
        in_exercise(BEGIN, begin)(notebook)
        in_exercise(END, end)(notebook)

    return change


def without_markers(notebook):
    cell = exercise(notebook)
    cell.source = "\n".join(x for x in cell.source.splitlines() if "SOLUTION" not in x)


def in_attachment(notebook):
    encoded = base64.b64encode(ANSWER.encode()).decode()
    notebook.cells[0].attachments = {"notes.txt": {"text/plain": encoded}}


def second_pair(begin, end):
    """A good pair of markers, and behind it another one that is none."""
    return in_exercise(END, f"{END}\n{begin}\nanswer = 11\n{end}")


FROM = "from fmnist_lib.lessons.checks.build_cnn"
OWN_CHECK = "answer = 11\nassert answer == 11"  # without the checks of the course
LABELS = {
    "a bold word": "**Solution:** eleven",
    "a bold word, otherwise": "__Solution__: eleven",
    "a bold word in a list": "1. **Solution** eleven",
    "a bold word in a quotation": "> **Solutions.** eleven",
    "a bold word with a picture": "**\U0001f4a1 Solution:** eleven",
    "a bold word in full-width letters": "**Ｓolution:** eleven",
    "a bold word of HTML": "<b>Solution:</b> eleven",
    "a bold italic word": "***Solution:*** eleven",
    "a folded part": "<details><summary>Solution</summary>eleven</details>",
    "a folded part, bold": "<details>\n<summary><b>Solution</b> of the first</summary>\n\neleven",
    "a folded part behind a text": "Think! <details><summary> Solution of it</summary>",
    "a folded part with another word": "<summary>Show</summary> <b>Solution</b>: eleven",
    "a bold word later in the line": "Exercise 1. **Solution:** eleven",
    "an HTML comment on a solution": "Why?\n<!-- Solution: eleven -->",
    "an HTML comment of lines": "Why?\n<!--\nSolution: eleven\n-->",
    "a heading with more": "## Solutions to the exercises\neleven",
    "a heading in capitals": "####SOLUTION 1\neleven",
    "a heading of HTML": "<h3>Solution 1</h3>\neleven",
    "a heading that is underlined": "Solution of the first\n---\neleven",
    "a heading above markers": f"## Solution of the first\n{BEGIN}\neleven\n{END}\n12",
}
RIGHT = new_output("stream", text="Right.\n")
RIGHT_IN_HTML = new_output("display_data", {"text/html": "<p>Right. It is 11.</p>"})


def shown(kind, *texts):
    return [new_output("display_data", {kind: text, "text/plain": "<object>"}) for text in texts]


RIGHT_IN_PARTS = [new_output("stream", text="Rig"), new_output("stream", text="ht.\n")]
RIGHT_IN_STREAMS = [
    new_output("stream", text="Rig"),
    new_output("stream", name="stderr", text="ht."),
]
RIGHT_IN_COLOUR = new_output("stream", text="\x1b[1;32mRight\x1b[0m.\n")
RIGHT_BESIDE_A_LINK = new_output("stream", text="Rig\x1b]8;;http://x\x07ht.\n")
RIGHT_BEHIND_AN_ORDER = new_output("stream", text="Rig\x1b[Kht.\n")
RIGHT_URI = "data:image/svg+xml;base64," + base64.b64encode(b"<b>Right</b>. 11").decode()
RIGHT_IN_JSON = new_output("display_data", {"application/json": {"a": ["Right."]}})
RIGHT_IN_BASE64 = shown("text/x", base64.b64encode(b"So: Right. It is 11.").decode())
RIGHT_AS_ERROR = new_output("error", ename="Verdict", evalue="Right. 11", traceback=[])
RIGHT_AS_RESULT = new_output("execute_result", {"text/plain": "'Right.'"}, execution_count=99)
BAD = {
    "no markers": without_markers,
    "Begin solution": markers("### Begin solution", "### End solution"),
    "one hash": markers("# BEGIN SOLUTION", "# END SOLUTION"),
    "no space": markers("###BEGIN SOLUTION", "###END SOLUTION"),
    "four hashes": markers("#### BEGIN SOLUTION", "#### END SOLUTION"),
    "plural": markers("### BEGIN SOLUTIONS", "### END SOLUTIONS"),
    "misspelt": markers("### BEGINN SOLUTON", "### END SOLUTON"),
    "underscore": markers("### BEGIN_SOLUTION", "### END_SOLUTION"),
    "two spaces": markers("### BEGIN  SOLUTION", "### END  SOLUTION"),
    "a word more": markers("### BEGIN SOLUTION (hidden)", "### END SOLUTION (hidden)"),
    "another word": markers("### START SOLUTION", "### STOP SOLUTION"),
    "words exchanged": markers("### SOLUTION BEGIN", "### SOLUTION END"),
    "a Cyrillic letter": markers("### BEGIN SOLUTI\u041eN", "### END SOLUTI\u041eN"),
    "a byte order mark": markers(f"\ufeff{BEGIN}", f"\ufeff{END}"),
    "only the first misspelt": in_exercise(BEGIN, "## BEGIN SOLUTION"),
    "only the last misspelt": in_exercise(END, "## END SOLUTION"),
    "nbgrader's answer": second_pair("### BEGIN ANSWER", "### END ANSWER"),
    "nbgrader's hidden tests": second_pair("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"),
    "shortened": second_pair("### BEGIN SOL", "### END SOL"),
    "in German": second_pair("### BEGINN LÖSUNG", "### ENDE LÖSUNG"),
    "a word between": second_pair("### BEGIN MODEL SOLUTION", "### END MODEL SOLUTION"),
    "full-width letters": second_pair("### ＢＥＧＩＮ ＳＯＬ", "### ＥＮＤ ＳＯＬ"),
    "full-width hashes": second_pair("＃＃＃ BEGIN SOL", "＃＃＃ END SOL"),
    "one hash, another word": second_pair("# BEGIN ANSWER", "# END ANSWER"),
    "start, another word": second_pair("#%% START ANSWER", "#%% STOP ANSWER"),
    "a Cyrillic letter in the first word": second_pair("### \u0412EGIN ANSWER", "### END ANSWER"),
    "another pair behind code": second_pair("x = 1  ### BEGIN ANSWER", "y = 1  ### END ANSWER"),
    "nbgrader's mark scheme": added(
        "Why?\n=== BEGIN MARK SCHEME ===\nx\n=== END MARK SCHEME ===", new_markdown_cell
    ),
    "in brackets": added("Why?\n[BEGIN ANSWER]\nx\n[END ANSWER]", new_markdown_cell),
    "an HTML comment": added("<!-- BEGIN ANSWER -->\n11\n<!-- END ANSWER -->", new_markdown_cell),
    "no end": in_exercise(END, ""),
    "no begin": in_exercise(BEGIN, ""),
    "begin twice": in_exercise(END, BEGIN),
    "exchanged": markers(END, BEGIN),
    "nothing between": added(f"x = ...\n{BEGIN}\n\n{END}\nx = 11", tags=["exercise"]),
    "the answer before the markers": in_exercise("answer = ...", "answer = 11"),
    "dots in a comment only": in_exercise("answer = ...", "answer = 11  # think ..."),
    "dots in a text only": in_exercise("answer = ...", 'answer, hint = 11, "..."'),
    "the answer behind the dots": in_exercise("answer = ...", "answer = ...\nanswer = 11"),
    "the answer below the dots": in_exercise(
        "answer = ...", "answer = ...\nif answer is ...:\n    answer = 11"
    ),
    "dots as an index": in_exercise("answer = ...", "answer = torch.tensor([11])[..., 0]"),
    "only a comment between": added(f"answer = 11, ...\n{BEGIN}\n# hm\n{END}", tags=["exercise"]),
    "only a text between": added(f"answer = 11, ...\n{BEGIN}\n'hm'\npass\n{END}", tags=["quiz"]),
    "only dots between": added(f"answer = 11, ...\n{BEGIN}\nanswer = ...\n{END}", tags=["quiz"]),
    "only a comment, without a tag": added(f"answer = 11\n{BEGIN}\n# the first of two\n{END}"),
    "behind code": added(f"area = 11  {BEGIN}\narea = 121\n{END}"),
    "misspelt, without a tag": added("area = ...\n# BEGIN SOLUTION\narea = 121\n# END SOLUTION"),
    "a check without a tag": added("answer = 11\nchecks.side_after_pooling(answer)"),
    "a check with a blank": added("answer = 11\nchecks.edge_kernel (answer)"),
    "a check with many": added("answer = 11\nchecks . edge_kernel\\\n   (answer)"),
    "a check by its name": added(f"{FROM} import edge_kernel\nedge_kernel(11)"),
    "a check by another": added(f"{FROM} import edge_kernel as size\nsize(11)"),
    "a check by a variable": added("size = checks.edge_kernel\nanswer = 11"),
    "a check by getattr": added('getattr(checks, "edge_kernel")(11)'),
    "a check by its whole name": added("import fmnist_lib\nfmnist_lib.lessons.checks.core.x(11)"),
    "a check by a part": added("from fmnist_lib import lessons as les\nles.checks.core.x(11)"),
    "a check by a module": added("import fmnist_lib.lessons.quiz as q\nq.check('relu', 'c')"),
    "a check by a star": added(f"{FROM} import *\nedge_kernel(11)"),
    "a check by importlib": added("import importlib as i\nm = i.import_module('fmnist_lib.lessons."
                                  "checks.build_cnn')\nm.edge_kernel(11)"),
    "a check with a magic": added("%time checks.edge_kernel(11)"),
    "a check in a timed cell": added("%%time\nchecks.edge_kernel (11)"),
    "a check in a text": added("exec('checks.edge_kernel(11)')"),
    "a check beside what is no Python": added("answer = = 11\nchecks.edge_kernel(11)"),
    "a check imported beside it": added(f"x = = 1\n{FROM} import edge_kernel as size\nsize(11)"),
    "a quiz without a tag": added('answer = "b"\nquiz.check("sharing", answer)'),
    "an open question": added("Because it is local.", new_markdown_cell, ["exercise"]),
    "a tag with a blank": added(OWN_CHECK, tags=["exercise "]),
    "a tag in the plural": added(OWN_CHECK, tags=["Exercises"]),
    "a tag with a letter less": added(OWN_CHECK, tags=["lesson", "excercise"]),
    "a tag with a number": added(OWN_CHECK, tags=["exercise-3"]),
    "a tag in full-width letters": added(OWN_CHECK, tags=["ｅｘｅｒｃｉｓｅ"]),
    "another tag misspelt": added(OWN_CHECK, tags=["quizz"]),
    "a tag of two words": added(OWN_CHECK, tags=["exercise_solution"]),
    "a tag in two parts": added(OWN_CHECK, tags=["exer-cise"]),
    "a tag of a solution": added(OWN_CHECK, tags=["solutions"]),
    "a tag in capitals": added("answer = 11", tags=["Exercise"]),
    "Markdown, misspelt": added("<!-- BEGIN SOLUTION -->\n11\n<!-- END SOLUTION -->",
                                new_markdown_cell),  # fmt: skip
    "a heading of Markdown": added("### Solution\nIt is 11.", new_markdown_cell),
    **{name: added(text, new_markdown_cell) for name, text in LABELS.items()},
    "Right.": added("print(verdict)", text=RIGHT),
    "Right. in HTML": added("verdict", text=RIGHT_IN_HTML),
    "Right. in two outputs": added("f()", text=RIGHT_IN_PARTS),
    "Right. in two streams": added("f()", text=RIGHT_IN_STREAMS),
    "Right. in two displays": added("f()", text=shown("text/html", "<p>Rig", "ht.</p>")),
    "Right. in bold": added("f()", text=shown("text/html", "<b>Right</b>. It is 11.")),
    "Right. in bold Markdown": added("f()", text=shown("text/markdown", "**Right**.")),
    "Right. in LaTeX": added("f()", text=shown("text/latex", r"$\textbf{Right}.$")),
    "Right. in SVG": added("f()", text=shown("image/svg+xml", "<svg><text>Rig</text>ht.</svg>")),
    "Right. as an entity": added("f()", text=shown("text/html", "Right&#46;")),
    "Right. with no width": added("f()", text=shown("text/html", "Rig&#8203;ht.")),
    "Right. in colour": added("f()", text=RIGHT_IN_COLOUR),
    "Right. beside a link": added("f()", text=RIGHT_BESIDE_A_LINK),
    "Right. behind an order": added("f()", text=RIGHT_BEHIND_AN_ORDER),
    "Right. in a picture's text": added("f()", text=shown("text/html", f"<img src='{RIGHT_URI}'>")),
    "Right. in JSON": added("f()", text=RIGHT_IN_JSON),
    "Right. in base64": added("f()", text=RIGHT_IN_BASE64),
    "Right. as an error": added("f()", text=RIGHT_AS_ERROR),
    "a line in Markdown": added(f"One could write `{ANSWER}`.", new_markdown_cell),
    "a line in a raw cell": added(ANSWER, nbformat.v4.new_raw_cell),
    "a line in a later cell": lambda notebook: notebook.cells.append(new_code_cell(ANSWER)),
    "a line in two outputs": added("f()", text=shown("text/html", ANSWER[:9], ANSWER[9:])),
    "a line in bold": added(
        "f()", text=shown("text/html", ANSWER.replace("float", "<b>float</b>"))
    ),
    "a line in full-width letters": added(ANSWER.replace("answer", "ａｎｓｗｅｒ"),
                                          new_markdown_cell),
    "a line with HTML": added(ANSWER.replace("float", "<i>float</i>"), new_markdown_cell),
    "Right. as a result": added("verdict", text=RIGHT_AS_RESULT),
    "a line in an output": added("inspect()", text=new_output("stream", text=f"  {ANSWER}\n")),
    "a line in an attachment": in_attachment,
}  # fmt: skip


COMMANDS = {
    "student": ["student", "--out", "{out}"],
    "handouts": ["handouts", "--for", "student", "--format", "ipynb", "--out", "{out}"],
    "publish": ["publish", "somebody/course"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", BAD)
def test_what_could_show_a_solution_stops_everything(project, tmp_path, capsys, name, command):
    alter(project, BAD[name])
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    assert cli.main([part.format(out=out) for part in COMMANDS[command]]) == 1
    said = capsys.readouterr().err
    assert "02_build_cnn.ipynb" in said and said.strip().count("\n") == 0
    assert not out.exists()
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_handouts_keep_what_a_build_before_has_made(project, tmp_path):
    command = [part.format(out=tmp_path / "out") for part in COMMANDS["handouts"]]
    assert cli.main(command) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    alter(project, without_markers)
    assert cli.main(command) == 1
    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert after == before and any(path.name == "student.zip" for path in after)


def test_nothing_is_written_when_only_the_last_notebook_is_bad(project, tmp_path, monkeypatch):
    alter(project, without_markers)
    both = [PATH.with_name("01_explore_data.ipynb"), project / "notebooks" / PATH.name]
    monkeypatch.setattr(student, "notebooks", lambda: both)
    assert cli.main(["student", "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


GOOD = {
    "as it is": lambda notebook: None,
    "Windows' line ends": in_exercise("\n", "\r\n"),
    "indented markers": markers(f"    {BEGIN}", f"    {END}  "),
    "resolution": added(
        "## Resolution\nThe resolution, in the end, is the solution of a sum.", new_markdown_cell
    ),  # fmt: skip
    "convolution": added("# Begin with a convolution; the end is another.\nx = 1"),
    "comments that begin and end": added(
        "# Begin with a step.\n### End of the training\n# ENDIANNESS\n# STATE = 1, BEGINNERS\nx = 1"
    ),
    "headings that begin and end": added(
        "## Begin here\n### End of the lesson\n## Ending\n### Test", new_markdown_cell
    ),
    "words about solutions": added(
        "The **solution** of it. **Note**. Solutions, **which** solutions?\n\nSolutions of all\n"
        "are rare.\n- solution\u00e4r\n\n## Resolution and solution\n**The solution**\n"
        "## Solutionism\n# The solution\n**A** solution, <i>a</i> solution\n\n"
        "<p>Solutions are rare</p>\n\n| solution | x |\n|---|---|",
        new_markdown_cell,
    ),
    "a label in a solution": added(
        f"Why?\n{BEGIN}\n**Solution:** it is local.\n{END}", new_markdown_cell
    ),
    "a label where students answer": added(
        f"**Solution** of yours: ...\n{BEGIN}\nIt is local.\n{END}", new_markdown_cell, ["exercise"]
    ),
    "a solution that is a part": added(
        f"if x:\n    y = ...\n    {BEGIN}\n    y = 2 if x else 3\nelse:\n    y = 3\n    {END}",
        tags=["exercise"],
    ),
    "dots beside a magic": added(
        f"%matplotlib inline\ny = ...\n{BEGIN}\n!ls\n{END}", tags=["exercise"]
    ),
    "right, but no verdict": added(
        "x = 1", text=shown("text/html", "<p>The upright. All are right. Right</p>", "Right, then.")
    ),
    "checks of another kind": added(
        "import pandas\nfrom fmnist_lib.lessons import parameters\nparameters.check(globals())\n"
        "print('All checks (of the quiz) are done.')  # quiz.check('relu', 'c')\n%matplotlib inline"
    ),
    "signs and words in capitals": added(
        "**START HERE**\n\n**STOP** and think.\n\nTHE END\n\nEND OF PART 1", new_markdown_cell
    ),
    "a stub of two names": added(
        f"y = 1\nx = ...\nz = [y, 2]\n{BEGIN}\nx = y + 1\n{END}", tags=["exercise"]
    ),
    "other tags": added(
        "x = 1", tags=["lesson", "nbval-check-output", "parameters", "convolution", "resolution"]
    ),
    "a line end at the end": added("x = 1\n", text=new_output("stream", text="1\n")),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_hides_its_solutions_passes(project, tmp_path, name):
    alter(project, GOOD[name])
    assert cli.main(["student", "--with-outputs", "--out", str(tmp_path)]) == 0
    written = nbformat.read(tmp_path / PATH.name, as_version=4)
    assert ANSWER not in str(written) and "SOLUTION" not in str(written)
    if name == "a line end at the end":
        assert written.cells[5].outputs[0].text == "1\n"  # only solutions cost a cell its output


MARKDOWN = (
    f"**Why?**\n\n...\n\n{BEGIN}\nBecause weights are shared. ![](attachment:proof.png)\n{END}"
)


def test_a_line_that_the_lesson_shows_before_is_no_secret(project, tmp_path):
    alter(project, added(f"{ANSWER}\nprint(answer)"))
    assert cli.main(["student", "--out", str(tmp_path)]) == 0


@pytest.mark.parametrize("tags", [[], ["exercise"]])
def test_solutions_in_markdown_are_taken_out_too(project, tmp_path, tags):
    def change(notebook):
        added(MARKDOWN, new_markdown_cell, tags)(notebook)
        notebook.cells[5].attachments = {"proof.png": {"image/png": "aGVsbG8gd29ybGQh"}}

    alter(project, change)
    assert cli.main(["student", "--out", str(tmp_path)]) == 0
    cell = nbformat.read(tmp_path / PATH.name, as_version=4).cells[5]
    assert cell.source.rstrip() == "**Why?**\n\n..." and cell.attachments == {}


@pytest.mark.parametrize(
    "stub, kept",
    [
        ("![](fig1.png)", []),
        ("See 1.png and attachment:11.png above, attachment:1.png.jpg", []),
        ("![](attachment:a b.png)", ["a b.png"]),
        ("![](attachment:a%20b.png) 1.png", ["a b.png"]),
        ("![](attachment:1.png)", ["1.png"]),
        ("![](attachment:c%20(1).png)", ["c (1).png"]),
        ('<img src="attachment:1.png">', ["1.png"]),
    ],
)
def test_only_pictures_that_the_stub_shows_stay(stub, kept):
    source = f"{stub}\n{BEGIN}\n![](attachment:1.png) ![](attachment:a%20b.png)\n{END}"
    cell = new_markdown_cell(source)
    cell.attachments = {
        name: {"image/png": "aGVsbG8="} for name in ("1.png", "a b.png", "c (1).png")
    }
    version = student.student_version(nbformat.v4.new_notebook(cells=[cell]))
    assert [*version.cells[0].attachments] == kept


RIGHT_IN_A_WIDGET = {"state": {"1": {"state": {"value": "Right. The answer is 11."}}}}
METADATA = {
    "a line": {"note": {"deep": [ANSWER]}},
    "a solution": {"solution": "k = 7", "solution2": {"hash": "11"}},
    "a widget": {"widgets": {"application/vnd.jupyter.widget-state+json": RIGHT_IN_A_WIDGET}},
    "a line in a widget": {"widgets": {"state": {"value": f"<b>{ANSWER}</b>"}}},
    "a key": {ANSWER: True},
}


@pytest.mark.parametrize("where", ["cell", "notebook"])
@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_nobody_needs_are_left_out(project, tmp_path, name, where):
    def change(notebook):
        (notebook if where == "notebook" else notebook.cells[3]).metadata |= METADATA[name]

    alter(project, change)
    assert cli.main(["student", "--with-outputs", "--out", str(tmp_path)]) == 0
    version = nbformat.read(tmp_path / PATH.name, as_version=4)
    assert version == student.student_version(SOURCE)


def test_metadata_of_an_output_keep_what_describes_it():
    alt = {"alt": "A curve"}
    output = new_output("display_data", {"image/png": "aGVsbG8="}, metadata={"image/png": alt})
    cell = new_code_cell("plot()", outputs=[output])
    output.metadata["solution"] = "k = 7"
    version = student.student_version(nbformat.v4.new_notebook(cells=[cell]))
    assert version.cells[0].outputs[0].metadata == {"image/png": alt}


def test_metadata_that_jupyter_needs_stay():
    cell = new_code_cell("x = 1")
    cell.metadata = {"tags": ["lesson"], "slideshow": {"slide_type": "slide"}, "editable": False,
                     "jupyter": {"source_hidden": True}, "deletable": False}  # fmt: skip
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=SOURCE.metadata)
    del notebook.metadata["outcomes"]  # what students predict
    assert student.student_version(notebook) == notebook


def test_a_solution_in_a_raw_cell_is_taken_out_too():
    raw = nbformat.v4.new_raw_cell(f"Text\n{BEGIN}\nThe secret of it\n{END}")
    version = student.student_version(nbformat.v4.new_notebook(cells=[raw]))
    assert version.cells[0].source == "Text"


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n{}\n=======", "[]", '{"cells": 3}'])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_notebook_that_is_none(project, tmp_path, capsys, text, command):
    (project / "notebooks" / PATH.name).write_text(text)
    out = tmp_path / "out"
    assert cli.main([part.format(out=out) for part in COMMANDS[command]]) == 1
    assert "can't be read as a notebook" in capsys.readouterr().err and not out.exists()


DAMAGED = {
    "tags that are none": lambda cell: cell["metadata"].update(tags=None),
    "a tag that is a number": lambda cell: cell["metadata"].update(tags=[1]),
    "tags as a text": lambda cell: cell["metadata"].update(tags="exercise"),
    "no source": lambda cell: cell.pop("source"),
    "no metadata": lambda cell: cell.pop("metadata"),
    "no outputs": lambda cell: cell.pop("outputs"),
    "a source that is a number": lambda cell: cell.update(source=1),
    "a kind that there is not": lambda cell: cell.update(cell_type="heading"),
    "an output without a kind": lambda cell: cell.update(outputs=[{}]),
    "no cells": None,
}
PAGES = {
    **COMMANDS,
    "html": ["handouts", "--format", "html", "--out", "{out}"],
    "instructor": ["handouts", "--for", "instructor", "--format", "ipynb", "--out", "{out}"],
}


@pytest.mark.parametrize("command", PAGES)
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_notebook(project, tmp_path, capsys, name, command):
    path = project / "notebooks" / PATH.name
    damaged = json.loads(path.read_text(encoding="utf-8"))
    if DAMAGED[name]:
        DAMAGED[name](damaged["cells"][2])
    else:
        damaged["cells"] = []
    path.write_text(json.dumps(damaged), encoding="utf-8")
    out = tmp_path / "out"
    assert cli.main([part.format(out=out) for part in PAGES[command]]) == 1
    said = capsys.readouterr().err
    assert "02_build_cnn.ipynb can't be read as a notebook" in said
    assert said.strip().count("\n") == 0 and not out.exists()


def test_the_message_about_a_damaged_notebook_says_where(tmp_path):
    damaged = copy.deepcopy(SOURCE)
    damaged.cells[2].metadata["tags"] = None
    (tmp_path / "a.ipynb").write_text(json.dumps(damaged), encoding="utf-8")
    with pytest.raises(CourseError, match="cell 3: None is not of type 'array'"):
        execute.read_notebook(tmp_path / "a.ipynb")


def test_the_message_says_where_and_what_to_do():
    notebook = copy.deepcopy(SOURCE)
    without_markers(notebook)
    number = notebook.cells.index(exercise(notebook)) + 1
    with pytest.raises(CourseError, match=f"02.ipynb, cell {number}: It asks .* Put it there"):
        student.student_version(notebook, name="02.ipynb")
