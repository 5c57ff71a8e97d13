"""What grading finds in submissions of every kind, and what it makes of it."""

import csv
import html
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from conftest import findings_of, open_browser
from handed_in import BLANK, CODE, DAMAGES, EXERCISES, SOURCES, cells_of, make

from fmnist_lib.course import printing
from fmnist_lib.course.grading import judge, report, sandbox
from fmnist_lib.course.grading.answers import Taken, is_answered, take
from fmnist_lib.course.grading.exercises import lesson_of
from fmnist_lib.course.grading.grade import grade, read_points
from fmnist_lib.course.grading.results import Graded
from fmnist_lib.course.grading.submissions import Student
from fmnist_lib.errors import CourseError

KINDS = {
    "right": {"right"},
    "wrong": {"not yet", "stopped", "open"},
    "open": {"open"},
    "missing": {"missing"},
}
STEM = "02_build_cnn"  # its exercises need no data
LESSONS = {stem: lesson_of(path) for stem, path in SOURCES.items()}
IDS = [each.id for each in EXERCISES[STEM]]


def rows(file):
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def results(out):
    return {(row["student"], row["exercise"]): row for row in rows(out / "results.csv")}


def hand_in(folder, student, answers, stem=STEM):
    """A notebook with these answers: the code by the id, or by the name of a check."""
    notebook = nbformat.from_dict(json.loads(nbformat.writes(BLANK[stem])))
    for id, place in cells_of(notebook).items():
        if id in answers:
            call = next(each.call for each in EXERCISES[stem] if each.id == id)
            notebook.cells[place].source = f"{answers[id]}\n{call.code}"
    file = folder / student / f"{stem}.ipynb"
    file.parent.mkdir(parents=True)
    nbformat.write(notebook, file)
    return file


def all_right():
    return {id: CODE[id][0][0] for id in IDS}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_survived_and_judged_rightly(damage):
    """Without a sandbox, for speed; `handed_in.py 300` makes a class to be graded in one."""
    for seed, stem in enumerate((STEM, "06_compare_runs", "08_many_processes")):
        text, truth = make(stem, damage, seed)
        student = Student("Jane", files={f"{stem}.ipynb": text.encode()})
        taken, names = (
            take(student, EXERCISES[stem], {stem: LESSONS[stem]}),
            {"get_ipython": judge.NoShell},
        )
        exec(LESSONS[stem].cells[1][1].partition("parameters.check")[0], names)  # its imports
        for exercise in EXERCISES[stem]:
            answer = taken.answers.get(exercise.id)
            if answer is None or not is_answered(answer.code, exercise.call.answer):
                kind = "open" if answer else "missing"
            else:
                kind = judged_here(exercise, answer.code, names)
            assert kind in KINDS[truth[exercise.id]], (exercise.id, answer and answer.code)


def judged_here(exercise, code, names):
    one = {
        "code": code,
        "answer": exercise.call.answer,
        "check": exercise.call.code,
        "is_quiz": False,
    }

    def check(note):
        return judge._checked(one, names, judge._value(one, dict(names)))

    return judge._outcome(check, print)["kind"]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of three, with what comes out: all right, some wrong, an empty folder."""
    folder = tmp_path_factory.mktemp("class")
    hand_in(folder, "Doe_12_assignsubmission_file_", all_right())
    wrong = {id: CODE[id][1][0] for id in IDS[:3]} | {IDS[4]: 'answer = "a"'}
    hand_in(folder, "=cmd()<img src=x onerror=alert(1)>", wrong)
    (folder / "Roe").mkdir()
    (folder / "Roe" / "notes.txt").write_text("no notebook")
    points = folder.parent / f"{folder.name}.yaml"
    points.write_text(f"build_cnn: 0.5\n{IDS[3]}: 3\n")
    out = folder.parent / f"{folder.name}-out"
    page = grade(folder, out, workers=2, points=points)
    assert page == out / "class.html"
    return folder, out


def test_the_marks(graded):
    hostile, doe, roe = rows(graded[1] / "marks.csv")
    assert (doe["student"], doe["id"], doe["total"], doe["of"]) == ("Doe", "12", "6", "6")
    assert [doe[id] for id in IDS] == ["0.5", "0.5", "0.5", "3", "0.5", "0.5", "0.5"]
    assert (hostile["student"][:2], hostile["total"]) == ("'=", "0")  # no formula
    assert (roe["student"], roe["total"]) == ("Roe", "0")


def test_the_files_for_learning_platforms(graded):
    """Their columns as mod/assign/feedback/offline and the guide to Canvas want them."""
    by_name = {row["Full name"]: row for row in rows(graded[1] / "moodle.csv")}
    assert by_name["Doe"]["Identifier"] == "Participant 12"
    assert (by_name["Doe"]["Grade"], by_name["Doe"]["Maximum Grade"]) == ("6", "6")
    assert {"Identifier", "Grade", "Last modified (grade)"} <= {*by_name["Doe"]}
    assert by_name["Roe"]["Identifier"] == ""  # of no Moodle's folder
    assert not (graded[1] / "canvas.csv").exists()  # nobody's comes from there


def test_the_file_for_canvas(graded, tmp_path):
    students = [
        Graded(Student(name, number, "canvas"), Taken())
        for name, number in (("a", "7"), ("b", "8"))
    ]
    (tmp_path / "canvas.csv").write_bytes(report.canvas(students, [0, 2.5], 6).encode())
    possible, *students = rows(tmp_path / "canvas.csv")
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Fashion-MNIST course"]
    assert list(possible) == header
    assert possible["Student"].strip() == "Points Possible" and possible[header[-1]] == "6"
    assert [(row["ID"], row[header[-1]]) for row in students] == [("7", "0"), ("8", "2.5")]


def test_the_pages_hold_no_solution_and_no_code_of_a_student(graded):
    pages = sorted((graded[1] / "feedback").iterdir())
    assert [page.name for page in pages] == [
        "Doe.html", "Roe.html", "cmd_img_src_x_onerror_alert_1.html"
    ]  # fmt: skip
    for page in (*pages, graded[1] / "class.html"):
        text = page.read_text(encoding="utf-8")
        assert "<img" not in text and "<script" not in text
        assert not re.search(r"(src|href)=\"(?!#|feedback/)", text)  # nothing from elsewhere
    feedback = pages[2].read_text(encoding="utf-8")
    for id in IDS[:3]:
        for right in CODE[id][0][:1]:
            assert html.escape(right.splitlines()[-1]) not in feedback
    assert "A stronger hint" in feedback and "0 of 6 points" in feedback


def test_the_class_at_a_glance(graded):
    text = (graded[1] / "class.html").read_text(encoding="utf-8")
    assert "3 students, 7 exercises and questions" in text
    assert text.count('class="mark right"') == 7 and text.count('class="mark missing"') == 7
    assert "No notebook was handed in: notes.txt." in text
    assert "Commonest wrong answers" in text


@pytest.mark.skipif(not printing.find_browser(), reason="no Chromium, Chrome or Edge")
def test_everybody_can_read_the_pages(graded, monkeypatch):
    monkeypatch.setenv("SCREENS", "all")
    pages = [graded[1] / "class.html", *graded[1].glob("feedback/*.html")]
    assert len(pages) == 4
    for browser in open_browser():
        assert findings_of(browser, pages) == {}


def test_a_page_that_names_nobody(graded, tmp_path):
    folder, out = graded
    again = tmp_path / "out"
    again.mkdir()
    (again / ".graded").symlink_to(out / ".graded")
    text = grade(folder, again, anonymous=True).read_text(encoding="utf-8")
    assert not re.search(r"Doe|Roe|cmd|feedback/", text)
    assert "Student 1" in text and "Student 3" in text


def test_what_is_graded_stays(graded, tmp_path, monkeypatch, capsys):
    folder, out = graded
    monkeypatch.setattr(sandbox, "judged", lambda job: pytest.fail("It is graded again."))
    before = (out / "results.csv").read_bytes()
    grade(folder, out)
    assert "notebooks with answers: 2, of them graded already: 2" in capsys.readouterr().out
    assert (out / "results.csv").read_bytes() == before


def test_a_submission_that_changed_is_graded_again(tmp_path):
    file = hand_in(tmp_path / "class", "Jane", {IDS[6]: 'answer = "a"'})
    grade(tmp_path / "class", tmp_path / "out")
    assert results(tmp_path / "out")["Jane", IDS[6]]["result"] == "not yet"
    file.unlink()
    file.parent.rmdir()
    hand_in(tmp_path / "class", "Jane", {IDS[6]: 'answer = "c"'})
    grade(tmp_path / "class", tmp_path / "out")
    assert results(tmp_path / "out")["Jane", IDS[6]]["result"] == "right"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_killed_in_the_middle_it_goes_on(tmp_path):
    for n in range(3):
        hand_in(tmp_path / "class", f"Student {n}", all_right() | {IDS[n]: CODE[IDS[n]][1][0]})
    command = [sys.executable, "-m", "fmnist_lib.course.cli", "grade", str(tmp_path / "class")]
    command += ["--out", str(tmp_path / "out"), "--workers", "2"]
    chance = random.Random(0)
    for _ in range(int(os.environ.get("KILLS", "1"))):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(2, 12))
        process.send_signal(signal.SIGKILL)
        process.wait()
    grade(tmp_path / "class", tmp_path / "out", workers=2)
    found = results(tmp_path / "out")
    for n in range(3):
        kinds = [found[f"Student {n}", id]["result"] for id in IDS]
        assert kinds == ["not yet" if id == IDS[n] else "right" for id in IDS]


def test_the_workers_of_a_cluster_grade_alike(graded, tmp_path):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None
    )
    with cluster:
        grade(graded[0], tmp_path / "out", scheduler=cluster.scheduler_address)
    assert (tmp_path / "out" / "results.csv").read_bytes() == (
        graded[1] / "results.csv"
    ).read_bytes()


def test_where_there_is_no_fork_each_answer_has_a_judge(tmp_path, monkeypatch):
    """As on Windows and macOS, without bubblewrap."""
    monkeypatch.setattr(sandbox.judge, "FORKS", False)
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: None)
    start = sandbox.START.replace("; main()", "; main.__globals__['FORKS'] = False; main()")
    assert start != sandbox.START
    monkeypatch.setattr(sandbox, "START", start)
    answers = {IDS[0]: CODE[IDS[0]][0][0], IDS[1]: "import os\nos._exit(0)\nmax_pool = 1",
               IDS[4]: 'answer = "c"'}  # fmt: skip
    hand_in(tmp_path / "class", "Jane", answers)
    page = grade(tmp_path / "class", tmp_path / "out")
    found = [results(tmp_path / "out")["Jane", id]["result"] for id in IDS[:5]]
    assert found == ["right", "stopped", "open", "open", "right"]
    assert "<b>Not: a process for each answer, memory" in page.read_text(encoding="utf-8")


def test_an_answer_that_uses_what_the_lesson_has_trained(tmp_path):
    """It was trained with few images; what the lesson can't give, only its user lacks."""
    choose, zero = (
        each.id for each in EXERCISES["03_train_sgd"] if each.call.name in ("choose_epoch", "zero")
    )
    answers = {
        choose: f"{CODE[choose][0][0]}\nprint(history[-1].train_loss)",
        zero: "no_such_name\nanswer = 'a'",
    }
    hand_in(tmp_path / "class", "Jane", answers, stem="03_train_sgd")
    grade(tmp_path / "class", tmp_path / "out")
    found = results(tmp_path / "out")
    assert found["Jane", choose]["result"] == "right"
    stopped = found["Jane", zero]
    assert stopped["result"] == "stopped" and "no_such_name" in stopped["reason"]


POINTS = {
    "build_cnn.own_net: -1": "Give a number of 0 or more",
    "build_cnn.own_net: yes": "has True points",
    "build_cnn.own_net: .inf": "has inf points",
    "build_cnn.own_nte: 1": "Did you mean build_cnn.own_net?",
    "- 1": "should have lines such as",
    "a: [": "line 1, is no YAML",
    "1: 1": "there is no exercise 1",
}


@pytest.mark.parametrize("text", POINTS)
def test_points_that_are_none(text, tmp_path):
    (tmp_path / "points.yaml").write_text(text)
    with pytest.raises(CourseError, match=re.escape(POINTS[text])):
        read_points(tmp_path / "points.yaml", EXERCISES[STEM])


@pytest.mark.parametrize("option", ({"workers": 0}, {"seconds": 0}, {"memory": float("nan")}))
def test_options_that_are_none(option, tmp_path):
    with pytest.raises(CourseError, match=f"--{[*option][0]} .* is not "):
        grade(tmp_path, tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_the_marks_don_t_go_into_the_submissions(tmp_path):
    hand_in(tmp_path / "class", "Jane", {})
    with pytest.raises(CourseError, match="is in the folder of the submissions"):
        grade(tmp_path / "class", tmp_path / "class" / "out")
    assert [path.name for path in (tmp_path / "class").iterdir()] == ["Jane"]


def test_a_folder_of_other_notebooks(tmp_path):
    (tmp_path / "class" / "Jane").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "class" / "Jane" / "a.ipynb")
    with pytest.raises(CourseError, match="Is it the right folder"):
        grade(tmp_path / "class", tmp_path / "out")
