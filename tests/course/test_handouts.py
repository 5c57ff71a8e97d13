"""Handouts: built from a real notebook, gated against leaks, opened in a real browser."""

import base64
import html
import re
import shutil
import zipfile
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import QUICK, findings_of, open_browser, traces_of_this_machine
from pypdf import PdfReader

from fmnist_lib import checkpoints
from fmnist_lib.course import cli, execute, handouts, printing, solutions, student
from fmnist_lib.errors import CourseError

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in execute.notebooks()}
SOURCE = NOTEBOOKS["02_build_cnn"]
needs_browser = pytest.mark.skipif(
    not printing.find_browser(), reason="no Chromium, Chrome or Edge"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("handouts")
    assert cli.main(["handouts", "--notebook", "02", "--out", str(out)]) == 0
    return out


# ---------------------------------------------------------------------------------- versions


@pytest.mark.parametrize(
    "source",
    ["### BEGIN SOLUTION\n1", "### END SOLUTION\n1", "### BEGIN SOLUTION\n### BEGIN SOLUTION\n"],
)
def test_markers_that_are_not_in_pairs(source):
    with pytest.raises(CourseError, match="SOLUTION|not in pairs"):
        solutions.without_solution(source)


def test_the_stub_is_what_stands_around_the_solution():
    source = "def f(x):\n    ...\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\nf(2)"
    assert solutions.without_solution(source) == "def f(x):\n    ...\nf(2)"


def test_the_students_version_has_no_solution():
    for source in NOTEBOOKS.values():
        version = student.student_version(source)
        nbformat.validate(version)
        assert len(version.cells) == len(source.cells)
        for before, after in zip(source.cells, version.cells):
            if solutions.BEGIN in before.source:
                assert after.source == solutions.without_solution(before.source)
                assert after.outputs == [] and after.execution_count is None
            else:
                assert after == before
        assert solutions.leaks(source, version) == []


def test_blank_leaves_no_output():
    version = student.student_version(SOURCE, blank=True)
    assert all(cell.outputs == [] for cell in version.cells if cell.cell_type == "code")


def test_a_students_own_copy_is_never_overwritten(tmp_path, capsys):
    assert cli.main(["student", "--out", str(tmp_path)]) == 0
    path = tmp_path / "02_build_cnn.ipynb"
    assert nbformat.read(path, as_version=4) == student.student_version(SOURCE, blank=True)
    assert "--fresh" not in capsys.readouterr().out
    page = tmp_path / "numpy_to_torch.md"
    assert page.read_bytes() == execute.notebooks()[1].with_name(page.name).read_bytes()
    path.write_text("my answers")
    assert cli.main(["student", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert path.read_text() == "my answers" and f"kept     {path}" in said
    assert said.endswith("such as of 03: fmnist student --fresh 03\n")


def test_a_fresh_copy_stands_beside_the_old_one(tmp_path, capsys):
    blank = nbformat.writes(student.student_version(SOURCE, blank=True))
    for name in ("02_build_cnn.ipynb", "02_build_cnn_2.ipynb", "02_build_cnn_3.ipynb"):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert cli.main(["student", "--out", str(tmp_path), "--fresh", "build"]) == 0
        assert f"written  {tmp_path / name}\n" in capsys.readouterr().out
        assert (tmp_path / name).read_text(encoding="utf-8") == blank
        assert all((tmp_path / old).read_bytes() == text for old, text in before.items())
        (tmp_path / name).write_text("my answers")
    assert not list(tmp_path.glob("01*"))


@pytest.mark.parametrize("part, said", [("0", "is in several names"), ("11", "No notebook has")])
def test_a_fresh_copy_is_of_one_notebook(tmp_path, capsys, part, said):
    assert cli.main(["student", "--out", str(tmp_path / "new"), "--fresh", part]) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_outputs_can_be_kept(tmp_path):
    assert cli.main(["student", "--out", str(tmp_path), "--with-outputs", "--fresh", "02"]) == 0
    written = nbformat.read(tmp_path / "02_build_cnn.ipynb", as_version=4)
    assert written == student.student_version(SOURCE) and any(
        cell.outputs for cell in written.cells if cell.cell_type == "code"
    )


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_the_instructors_version_has_solutions_and_notes(name):
    source = NOTEBOOKS[name]
    instructor = handouts.instructor_version(source, int(name[:2]))
    mark = "> **For the teacher. "
    assert [c for c in instructor.cells if not c.source.startswith(mark)] == source.cells
    notes = {
        cell.source.removeprefix(mark).partition(":")[0]: after.source
        for cell, after in zip(instructor.cells, instructor.cells[1:])
        if cell.source.startswith(mark)
    }
    assert list(notes) == list(handouts.NOTES) and instructor.cells[1].source.startswith(mark)
    for kind, line in handouts.NOTES.items():
        assert line is None or f"\n{line}" in f"\n{notes[kind]}"


def test_a_notebook_without_notes():
    with pytest.raises(CourseError, match="Notebook 9 has no note 'Aim'"):
        handouts.instructor_version(SOURCE, 9)


@pytest.mark.parametrize("name", sorted(NOTEBOOKS))
def test_an_untouched_students_notebook_runs_to_its_end(name, csv_root, tmp_path, monkeypatch):
    """The checks say "not answered yet", and no cell stops. (nbval runs those with solutions.)"""
    monkeypatch.setenv("FMNIST_DATA", str(csv_root))
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(student.student_version(NOTEBOOKS[name]), path)
    small = {"data_source": "csv", "run_folder": str(tmp_path / "run"), "train_images": 500}
    known = execute.declared(path)
    parameters = QUICK[name] | {key: value for key, value in small.items() if key in known}
    if name == "04_confusion_matrix":  # which looks at what notebook 3 has trained
        (tmp_path / "run").mkdir()
        shutil.copy(checkpoints.shipped(), tmp_path / "run" / "checkpoint.pt")
    executed = papermill.execute_notebook(
        path, path, parameters, kernel_name=execute.KERNEL, progress_bar=False, cwd=tmp_path
    )
    asked = [
        cell for cell in executed.cells if {"exercise", "quiz"} & set(cell.metadata.get("tags", []))
    ]
    assert len(asked) >= 6
    for cell in asked:
        (output,) = cell.outputs
        assert output.data["text/plain"].startswith("○ Not answered yet."), cell.source


# --------------------------------------------------------------------------------- leak gate

SECRET = "answer = torch.tensor([[-1, -1, -1], [0, 0, 0], [1, 1, 1]]).float()"


def planted(place):
    """The student's version with a line of a solution in it."""
    return plant(student.student_version(SOURCE), place)


def plant(version, place):
    code, text = version.cells[6:8]  # which the slides show, too
    if place == "cell":
        code.source += f"\n{SECRET}"
    elif place == "output":
        code.outputs = [nbformat.v4.new_output("stream", text=f"{SECRET}\n")]
    elif place == "metadata":
        code.metadata["note"] = {"deep": [SECRET]}
    elif place == "attachment":
        encoded = base64.b64encode(SECRET.encode()).decode()
        text.attachments = {"notes.txt": {"text/plain": encoded}}
    elif place == "comment":
        text.source += f"\n<!-- {SECRET} -->"
    elif place == "white space":
        code.source += "\n" + SECRET.replace(" ", "  ").replace("(", "(\n    ")
    return version


PLACES = ("cell", "output", "metadata", "attachment", "comment", "white space")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["ipynb", "html", "slides"])
def test_the_leak_gate(place, form, tmp_path, monkeypatch):
    if form != "ipynb" and place in ("metadata", "attachment"):
        pytest.skip("pandoc takes neither into a page")
    if form == "ipynb":  # what stripping leaves behind, the gate finds
        monkeypatch.setattr(student, "leaks", planting(solutions.leaks, place))
    else:  # past that gate, so that the one behind pandoc is tried
        version = planted(place)
        monkeypatch.setattr(handouts, "student_version", lambda *given: version)
    out = tmp_path / "out"
    arguments = ["handouts", "--notebook", "02", "--for", "student", "--format", form]
    assert cli.main([*arguments, "--out", str(out)]) == 1
    assert not list(out.rglob("02*"))


def planting(leaks, place):
    return lambda source, handout: leaks(source, plant(handout, place))


def test_a_marker_left_alone_is_a_leak():
    version = student.student_version(SOURCE)
    version.cells[3].source += "\n###  END SOLUTION"
    assert solutions.leaks(SOURCE, version) == [solutions.END]


# ------------------------------------------------------------------------------------- files


def test_all_files_are_made(built):
    made = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    name = "02_build_cnn"
    files = {f"{audience}/{name}.{form}" for audience in handouts.AUDIENCES
             for form in ("ipynb", "html", "pdf")}  # fmt: skip
    # The page that it links: beside the notebook as it is, beside the other forms as HTML.
    files |= {f"{audience}/numpy_to_torch.{form}" for audience in handouts.AUDIENCES
              for form in ("md", "html")} | {"student/index.html"}  # fmt: skip
    assert made == files | {f"slides/{name}.html", "index.html", "student.zip", handouts.BUILT}
    for index in (built / "index.html", built / "student" / "index.html"):
        text = index.read_text(encoding="utf-8")
        assert "count parameters and multiply-adds" in text and "Running all cells took" in text
        assert links(text) and all((index.parent / link).exists() for link in links(text))


def links(text):
    return re.findall(r'href="([^"#]+)"', text)


def test_the_students_index_has_nothing_of_the_instructors(built):
    text = (built / "student" / "index.html").read_text(encoding="utf-8")
    assert links(text) == [f"02_build_cnn.{form}" for form in ("ipynb", "html", "pdf")] + [
        "numpy_to_torch.md", "numpy_to_torch.html"]  # fmt: skip
    assert not re.search("instructor|teacher|solution|slides", text)
    with zipfile.ZipFile(built / "student.zip") as archive:
        assert archive.read("index.html") == text.encode()


def test_links_lead_to_what_is_there_or_are_text(built):
    for audience in handouts.AUDIENCES:
        folder = built / audience
        text = (folder / "02_build_cnn.html").read_text(encoding="utf-8")
        inside = [link for link in links(text) if not link.startswith("http")]
        assert inside == ["numpy_to_torch.html"]
        assert "notebook 1 · Explore the data and matrices" in " ".join(
            re.sub("<[^>]+>", "", text).split()
        )
        annotations = [
            note.get_object().get("/A", {}).get("/URI", "")
            for page in PdfReader(folder / "02_build_cnn.pdf").pages
            for note in page.get("/Annots", [])
        ]
        assert all(uri.startswith("http") for uri in annotations)
    two = [path for path in execute.notebooks() if path.stem[:2] in ("01", "02")]
    wanted = [handouts.Handout(path, "student", "html", False) for path in two]
    assert handouts._beside(wanted[1], wanted) == ("01_explore_data", "02_build_cnn")
    text = handouts._linked("[1 · Data](01_explore_data.ipynb), [3](03_train_sgd.ipynb)",
                            handouts._beside(wanted[1], wanted))  # fmt: skip
    assert text == "[1 · Data](01_explore_data.html), 3"


def test_tasks_and_lines_of_a_paper(built):
    text = (built / "student" / "02_build_cnn.html").read_text(encoding="utf-8")
    parts = text.split('class="task"')[1:]  # what follows each of them up to the next
    asked = [cell.source for cell in SOURCE.cells if cell.cell_type == "markdown"]
    questions = re.findall(r"^\*\*(Predict|Exercise|Quiz)\b", "\n".join(asked), flags=re.M)
    starts = [re.search(r"<strong>(Predict|Exercise|Quiz)", part)[1] for part in parts]
    assert starts == questions and len(questions) == 15
    for part, kind in zip(parts, questions):
        task = part[: part.rindex("answer-line")]  # up to its last line
        assert (kind == "Predict") == ("cell code" not in task), task
    lines = [part.count('class="answer-line"') for part in parts]
    numbered = {"padding": 3, "after conv2": 4, "untrained accuracy": 2}  # one for each question
    assert sum(lines) == 8 - len(numbered) + sum(numbered.values()) + 4 * 3 + 3
    assert text.count('class="name-field"') == 1
    instructor = (built / "instructor" / "02_build_cnn.html").read_text(encoding="utf-8")
    assert instructor.count('class="task"') == 15
    assert 'class="answer-line"' not in instructor and 'class="name-field"' not in instructor


def test_nothing_of_this_machine_is_in_a_handout(built):
    for path in built.rglob("02*"):
        if path.suffix == ".pdf":
            text = " ".join(page.extract_text() for page in PdfReader(path).pages)
        else:
            text = path.read_text(encoding="utf-8")
        assert len(text) > 1000 and traces_of_this_machine(text) == [], path


def test_a_second_run_makes_only_what_changed(built, capsys):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("02*")}
    (built / "student" / "02_build_cnn.html").unlink()
    assert cli.main(["handouts", "--notebook", "02", "--out", str(built)]) == 0
    after = {path: path.stat().st_mtime_ns for path in built.rglob("02*")}
    assert [path.suffix for path in after if after[path] != before[path]] == [".html"]


# ------------------------------------------------------------------------ index and archive


def build(out, *arguments):
    assert cli.main(["handouts", "--for", "student", *arguments, "--out", str(out)]) == 0
    with zipfile.ZipFile(out / "student.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert links(held.pop("index.html").decode()) == list(held)
    whole = links((out / "index.html").read_text(encoding="utf-8"))
    assert whole == ["student.zip", "student/index.html", *(f"student/{name}" for name in held)]
    return held


def test_a_students_version_is_made_once(tmp_path, monkeypatch):
    made = []

    def counted(notebook, blank, name):
        made.append(name)
        return student.student_version(notebook, blank, name)

    monkeypatch.setattr(handouts, "student_version", counted)
    arguments = ["--notebook", "08", "--out", str(tmp_path)]
    for form in ("ipynb", "html"):
        assert cli.main(["handouts", "--format", form, *arguments]) == 0
    assert made == 2 * ["08_many_processes.ipynb"]  # one for each build


def test_the_archive_holds_no_leftovers_of_other_options(tmp_path):
    held = build(tmp_path, "--notebook", "08", "--format", "ipynb")
    assert list(held) == ["08_many_processes.ipynb"]
    held = build(tmp_path, "--notebook", "08", "--blank", "--format", "html")
    assert list(held) == ["08_many_processes.html"] and b"Not answered" not in held.popitem()[1]
    held = build(tmp_path, "--notebook", "08", "--blank", "--format", "ipynb")
    version = nbformat.reads(held["08_many_processes.ipynb"].decode(), as_version=4)
    assert all(cell.get("outputs", []) == [] for cell in version.cells)


def test_the_archive_holds_no_files_of_somebody_else(tmp_path):
    own = {"grades.csv": "Ann,1", "98_old.ipynb": "{}", "08_many_processes_solved.ipynb": "{}",
           ".08_many_processes.ipynb.99.part": "{"}  # fmt: skip
    (tmp_path / "student").mkdir()
    for name, text in own.items():
        (tmp_path / "student" / name).write_text(text)
    assert list(build(tmp_path, "--notebook", "08", "--format", "ipynb")) == [
        "08_many_processes.ipynb"
    ]
    for name, text in own.items():
        assert (tmp_path / "student" / name).read_text() == text  # none of them is touched


def test_the_archive_holds_no_notebook_of_an_earlier_build(tmp_path):
    build(tmp_path, "--notebook", "08", "--format", "ipynb")
    held = build(tmp_path, "--notebook", "02", "--format", "ipynb")
    assert list(held) == ["02_build_cnn.ipynb", "numpy_to_torch.md"]
    both = build(tmp_path, "--notebook", "0", "--format", "ipynb")
    assert len(both) == len(NOTEBOOKS) + 1  # what is kept, as it has not changed, is of the build


def test_a_page_that_a_notebook_links_comes_along(built):
    page = execute.notebooks()[1].with_name("numpy_to_torch.md")
    for audience in handouts.AUDIENCES:
        folder = built / audience
        assert (folder / page.name).read_bytes() == page.read_bytes()
        assert f"]({page.name})" in (folder / "02_build_cnn.ipynb").read_text(encoding="utf-8")
        text = (folder / "numpy_to_torch.html").read_text(encoding="utf-8")
        assert "From NumPy to PyTorch" in text and "<table" in text
        assert "torch.from_numpy(a)" in re.sub("<[^>]+>", "", text)
    for folder in handouts.AUDIENCES:
        linked = (built / folder / "02_build_cnn.html").read_text(encoding="utf-8")
        assert 'href="numpy_to_torch.html"' in linked and "numpy_to_torch.md" not in linked
    with zipfile.ZipFile(built / "student.zip") as archive:
        assert {"numpy_to_torch.md", "numpy_to_torch.html"} <= set(archive.namelist())


@pytest.mark.parametrize("change", ["{}", "", None])
def test_a_handout_that_somebody_has_changed_is_made_again(tmp_path, change):
    made = build(tmp_path, "--notebook", "08", "--format", "ipynb")
    path = tmp_path / "student" / "08_many_processes.ipynb"
    path.write_text(nbformat.writes(NOTEBOOKS["08_many_processes"]) if change is None else change)
    assert build(tmp_path, "--notebook", "08", "--format", "ipynb") == made


def test_the_page_of_the_network_is_there_where_all_notebooks_are(tmp_path, monkeypatch):
    last = execute.notebooks()[-1:]
    monkeypatch.setattr(handouts, "notebooks", lambda: last)
    held = build(tmp_path, "--format", "html")
    assert sorted(held) == ["08_many_processes.html", "Net.html"]
    assert b"<title>See Net think</title>" in held["Net.html"]
    text = (tmp_path / "student" / "index.html").read_text(encoding="utf-8")
    assert "every number that it computes" in text
    monkeypatch.setattr(handouts.explain, "of_shipped", lambda: "made again")
    assert build(tmp_path, "--format", "html") == held


def test_handouts_for_teachers_leave_the_archive_alone(tmp_path):
    made = build(tmp_path, "--notebook", "08", "--format", "ipynb")
    arguments = ["--notebook", "08", "--for", "instructor", "--format", "ipynb"]
    assert cli.main(["handouts", *arguments, "--out", str(tmp_path)]) == 0
    assert "student.zip" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held.pop("index.html") and held == made


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"student/08_many_processes.ipynb": 3}'])
def test_a_note_of_what_was_built_that_is_none(tmp_path, text):
    tmp_path.joinpath(handouts.BUILT).write_text(text)
    assert len(build(tmp_path, "--notebook", "08", "--format", "ipynb")) == 1


# ---------------------------------------------------------------------------------------- PDF


@pytest.mark.parametrize("audience", handouts.AUDIENCES)
def test_the_pdf_can_be_read_and_searched(built, audience):
    check_pdf(built / audience / "02_build_cnn.pdf", audience)


def test_without_a_browser_typst_makes_the_pdf(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    arguments = ["handouts", "--notebook", "02", "--for", "student", "--format", "pdf"]
    assert cli.main([*arguments, "--out", str(tmp_path)]) == 0
    assert "PDF through typst" in capsys.readouterr().out
    check_pdf(tmp_path / "student" / "02_build_cnn.pdf", "student")


def check_pdf(path, audience):
    pages = PdfReader(path).pages
    texts = [page.extract_text() for page in pages]
    assert len(pages) > 5 and all(len(text.split()) > 10 for text in texts)  # no blank page
    whole = " ".join(" ".join(texts).split())
    assert "Convolution by hand" in whole and "receptive field" in whole
    if audience == "student":
        assert solutions.leaks(SOURCE, whole) == []
    else:
        assert "so fc1 gets 1250 inputs" in whole
    if printing.find_browser() and "typst" not in str(pages[0].get("/Producer", "")):
        width, height = (float(length) for length in pages[0].mediabox[2:])
        assert abs(width - 595) < 3 and abs(height - 842) < 3  # A4


def test_handouts_that_cannot_be_made(tmp_path, capsys):
    assert cli.main(["handouts", "--notebook", "99", "--out", str(tmp_path)]) == 1
    (tmp_path / "file").touch()
    assert cli.main(["handouts", "--notebook", "02", "--out", str(tmp_path / "file")]) == 1
    said = capsys.readouterr().err
    assert "No notebook has '99' in its name" in said and "can't be written" in said


# ----------------------------------------------------------------------------------- browser


@pytest.fixture(scope="module")
def browser():
    yield from open_browser()


@needs_browser
@pytest.mark.parametrize("file", ["student/02_build_cnn.html", "instructor/02_build_cnn.html",
                                  "index.html", "slides/02_build_cnn.html"])  # fmt: skip
def test_a_page_asks_for_nothing_and_everybody_can_read_it(built, browser, file):
    requests = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("request", lambda request: requests.append(request.url))
    page.goto((built / file).as_uri())
    page.wait_for_load_state("networkidle")
    assert [url for url in requests if not url.startswith("data:")] == [(built / file).as_uri()]
    assert page.evaluate("document.documentElement.lang") == "en"
    if "02" in file:
        formula = page.locator("math").last
        if file.startswith("slides"):  # go to the slide of the formula
            formula.evaluate(
                "e => { const { h, v } = Reveal.getIndices(e.closest('section'));"
                " Reveal.slide(h, v) }"
            )
        assert formula.evaluate("e => e.getBoundingClientRect().width") > 10
        assert "$" not in page.locator("p").all_inner_texts()[0]
    if not file.startswith("slides"):
        levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(e => +e.tagName[1])")
        assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
        assert page.locator("img:not([alt])").count() == 0
    page.close()


@needs_browser
def test_no_page_has_a_finding_and_all_fit_on_a_phone(built, browser, tmp_path):
    handouts.build(tmp_path, formats=("html",), audiences=("student",))
    pages = sorted([*tmp_path.rglob("*.html"), *built.glob("instructor/*.html")])
    assert len(pages) > len(NOTEBOOKS)
    assert findings_of(browser, pages) == {}


@needs_browser
def test_a_page_stands_in_the_middle_of_a_screen(built, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto((built / "student" / "02_build_cnn.html").as_uri())
    left, right = page.evaluate(
        "(() => { const b = document.querySelector('h1').getBoundingClientRect();"
        " return [b.left, innerWidth - b.right] })()"
    )
    assert left > 100 and abs(left - right) < 20
    shades = "all => all.map(e => getComputedStyle(e).backgroundColor)"
    assert set(page.locator(".output pre, .output pre code").evaluate_all(shades)) == {
        "rgba(0, 0, 0, 0)"
    }
    page.close()


@needs_browser
@pytest.mark.parametrize("audience", handouts.AUDIENCES)
def test_no_task_is_split_and_no_heading_alone(built, audience):
    """What follows a heading, and the last line of a task, are on the page of its first."""
    pages = [
        " ".join(page.extract_text().split())
        for page in PdfReader(built / audience / "02_build_cnn.pdf").pages
    ]
    for number in range(1, 5):
        (start,) = [page for page in pages if f"Exercise {number}." in page]
        check = ("edge_kernel(", "max_pool(", "smaller_kernel_parameters(", "own_net(")[number - 1]
        assert f"checks.{check}" in start.partition(f"Exercise {number}.")[2]
    headings = re.findall(r"^## (.+)", "\n".join(c.source for c in SOURCE.cells), flags=re.M)
    for heading in headings:
        (page,) = [page for page in pages if f" {heading} " in f" {page} "][-1:]
        assert len(page.rpartition(heading)[2].split()) > 8, heading  # more than "3 / 18"
    assert len(pages[-1].split()) > 30


@pytest.mark.parametrize("audiences", [("student",), handouts.AUDIENCES])
def test_slides_have_notes_unless_all_is_for_students(tmp_path, audiences):
    index = handouts.build(tmp_path, "02", audiences, formats=("slides",))
    note = " ".join(handouts.teachers_notes(2)["Ask"].split())[:30]
    slides = (tmp_path / "slides" / "02_build_cnn.html").read_text(encoding="utf-8")
    of_teachers = audiences == handouts.AUDIENCES
    assert (note in " ".join(html.unescape(slides).split())) is of_teachers
    text = index.read_text(encoding="utf-8")
    assert ("This page is for teachers: it links slides with notes." in text) is of_teachers
