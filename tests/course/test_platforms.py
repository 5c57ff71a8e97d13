"""The files for learning platforms, read back by other readers and compared with the course.

GIFT is read by gift-pegjs, in Node; QTI by a reader of its own here, and held against what QTI 1.2
allows. Both go through every question, every option and every hint.
"""

import html
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fmnist_lib.course import cli, handouts, platforms
from fmnist_lib.course.execute import notebooks
from fmnist_lib.course.grading.exercises import exercises_of
from fmnist_lib.lessons import quiz
from fmnist_lib.lessons.checks import (
    build_cnn,
    compare_runs,
    explore_data,
    many_processes,
    train_better,
    train_sgd,
)
from fmnist_lib.lessons.quiz import Option, Question

JAVASCRIPT = Path(__file__).parent.parent / "javascript"
STEMS = [path.stem for path in notebooks()]
NUMBERS = {
    "explore_data.balanced_accuracy": explore_data.balanced_accuracy,
    "explore_data.mlp_parameters": explore_data.mlp_parameters,
    "build_cnn.smaller_kernel_parameters": build_cnn.smaller_kernel_parameters,
    "train_sgd.momentum_way": train_sgd.momentum_way,
    "compare_runs.standard_error": compare_runs.standard_error,
    "train_better.block_parameters": train_better.block_parameters,
    "many_processes.efficiency": many_processes.efficiency,
    "many_processes.amdahl": many_processes.amdahl,
}
ODD = Question(  # all that has a meaning in GIFT, in Markdown or in text2qti
    "Is `{a: b} ~ c = d#e` 5 % of *$x_1 + \\nabla y$*?\n\n- „one“ 1. a)\n- *two* \\n = 3: ok",
    {
        "a": Option("100 % of `x_1 -> y`: #1 = ~2", "A * b * c, d_e_f, <b> & &amp; [x](y) $1 $2."),
        "b": Option("`\\n` {no}\nmore\n% less", "... `print(*x)` \\frac = #### 1:2 ~ {x}"),
    },
    "b",
)


def asked(stem: str) -> dict:
    """What a file for this notebook should ask, by id."""
    (path,) = [path for path in notebooks() if path.stem == stem]
    found = {each.id: platforms.question_of(each) for each in exercises_of(path)}
    return {name: question for name, question in found.items() if question}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("handouts")
    for form in platforms.ENDINGS:
        assert cli.main(["handouts", "--format", form, "--out", str(out)]) == 0
    return out / "instructor"


# ------------------------------------------------------------------------------ what is asked


def test_all_of_the_quiz_and_every_number_is_asked():
    found = {name: each for stem in STEMS for name, each in asked(stem).items()}
    questions = [each for each in found.values() if isinstance(each, Question)]
    assert questions == list(quiz.questions().values())
    assert [name for name in found if not isinstance(found[name], Question)] == list(NUMBERS)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_judged_as_its_check_does(name):
    (number,) = [asked(stem)[name] for stem in STEMS if name in asked(stem)]
    check, ranges = NUMBERS[name], list(number.ranges())
    values = {each + part * within for each, within, *_ in ranges for part in (-0.99, 0, 0.99)}
    for value in values | {-1.0}:
        fits = [(is_right, hint) for each, within, is_right, hint in ranges
                if abs(value - each) <= within]  # fmt: skip
        is_right, hint = fits[0] if fits else (False, number.otherwise)
        verdict = check(value)
        assert (verdict.kind == "right", verdict.reason) == (is_right, hint), value
    assert number.more == check.more and number.question[0] != "*"
    for each, within, is_right, _ in ranges:
        assert not is_right or check(each + 1.01 * within).kind == "not yet"


# ----------------------------------------------------------------------------------- commands


def test_how_many_are_left_out_is_said(tmp_path, capsys):
    for form, ending in platforms.ENDINGS.items():
        arguments = ["--notebook", "01", "--format", form, "--out", str(tmp_path)]
        assert cli.main(["handouts", *arguments]) == 0
        made = tmp_path / "instructor" / f"01_explore_data.{ending}"
        said = capsys.readouterr().out.splitlines()
        assert made.is_file() and said[0].split() == [form, str(made)]
        assert said[1].endswith("that only the notebook can check: 3")


def test_nothing_of_it_comes_to_students(tmp_path):
    assert not set(platforms.ENDINGS) & set(handouts.FORMATS)  # what plain `handouts` makes
    form = ["--notebook", "08", "--format"]
    for each in ("gift", "qti", "ipynb"):
        assert cli.main(["handouts", *form, each, "--out", str(tmp_path)]) == 0
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    with_key = {name for name in files if re.search("gift|qti", name)}
    assert with_key == {f"instructor/08_many_processes.{e}" for e in platforms.ENDINGS.values()}
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        assert sorted(archive.namelist()) == ["08_many_processes.ipynb", "index.html"]


@pytest.mark.parametrize("form", platforms.ENDINGS)
@pytest.mark.parametrize("options", [["--for", "student"], ["--blank"]])
def test_students_get_none(tmp_path, capsys, form, options):
    out = tmp_path / "out"
    assert cli.main(["handouts", "--format", form, *options, "--out", str(out)]) == 1
    assert f"{form} holds the key" in capsys.readouterr().err and not out.exists()


def test_a_notebook_that_is_not_there(tmp_path, capsys):
    arguments = ["--format", "gift", "--notebook", "11", "--out", str(tmp_path / "out")]
    assert cli.main(["handouts", *arguments]) == 1
    assert "No notebook has '11'" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_without_text2qti(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "text2qti.config", None)
    arguments = ["handouts", "--notebook", "08", "--out", str(tmp_path), "--format"]
    assert cli.main([*arguments, "qti"]) == 1
    assert 'pip install -e ".[handouts]"' in capsys.readouterr().err
    assert cli.main([*arguments, "gift"]) == 0


def test_what_text2qti_refuses(tmp_path):
    twice = Question("Which?", dict.fromkeys("ab", Option("This.", "Why.")), "a")
    with pytest.raises(platforms.CourseError, match="a question of 01_x: .*Duplicate choice"):
        platforms._write_qti(tmp_path / "x.zip", "01_x", {"x.twice": twice})
    assert not list(tmp_path.iterdir())


def test_text2qti_starts_no_program_and_needs_no_network(tmp_path, monkeypatch):
    def refuse(*given, **named):
        raise AssertionError(given)

    for module, name in ((subprocess, "Popen"), (os, "system"), (socket, "socket")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    for stem in STEMS:
        platforms._write_qti(tmp_path / "out" / f"{stem}.zip", stem, asked(stem))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nor is anything left here


# --------------------------------------------------------------------------------------- GIFT


def reads_gift() -> bool:
    """Whether there is a Node.js with gift-pegjs."""
    node, asks = shutil.which("node"), ["-e", "require.resolve('gift-pegjs')"]
    return bool(node) and not subprocess.run(
        [node, *asks], cwd=JAVASCRIPT, capture_output=True
    ).returncode  # fmt: skip


needs_reader = pytest.mark.skipif(
    not reads_gift(), reason="no Node.js, or no gift-pegjs in it: make lint installs the tools"
)


def read_gift(path: Path) -> list[dict]:
    ended = subprocess.run(
        ["node", JAVASCRIPT / "read_gift.js"],
        input=path.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(ended.stdout)


def shown(part: dict | None) -> str:
    """A text without its format, which is Markdown; entities as what they stand for."""
    assert part is None or part["format"] == "markdown"
    return html.unescape(part["text"]) if part else ""


def with_mathjax(text: str) -> str:
    return re.sub(r"\$([^$`]+)\$", r"\\\\(\1\\\\)", text)


@needs_reader
@pytest.mark.parametrize("stem", STEMS)
def test_gift_is_read_as_it_was_meant(built, stem):
    category, *read = read_gift(built / f"{stem}.gift.txt")
    assert category == {"type": "Category", "title": f"Fashion-MNIST/{stem}"}
    compare_gift(read, asked(stem))


@needs_reader
def test_all_that_means_something_in_gift(tmp_path):
    questions = {"odd: #1 = {a}~b": ODD, "odd.2": ODD}
    platforms._write_gift(tmp_path / "odd.txt", "01_odd", questions)
    compare_gift(read_gift(tmp_path / "odd.txt")[1:], questions)


def compare_gift(read: list[dict], questions: dict) -> None:
    assert [each["title"] for each in read] == list(questions)
    for found, meant in zip(read, questions.values(), strict=True):
        assert shown(found["stem"]) == with_mathjax(meant.question)
        assert not found["hasEmbeddedAnswers"]
        answers = found["choices"]
        if isinstance(meant, Question):
            assert found["type"] == "MC" and not found["globalFeedback"]
            assert [
                (each["isCorrect"], each["weight"], shown(each["text"]), shown(each["feedback"]))
                for each in answers
            ] == [
                (letter == meant.right, None, option.text, option.reason)
                for letter, option in meant.options.items()
            ]
            continue
        assert found["type"] == "Numerical" and shown(found["globalFeedback"]) == meant.more
        *ranges, others = answers
        assert not others["isCorrect"] and others["text"]["text"] == "*"
        assert shown(others["feedback"]) == meant.otherwise
        for each, (number, within, is_right, hint) in zip(ranges, meant.ranges(), strict=True):
            assert each["text"]["type"] == "range"
            assert each["text"]["number"] == pytest.approx(number, abs=5e-8)
            assert each["text"]["range"] == pytest.approx(within, abs=5e-8)
            assert each["weight"] == (100 if is_right else 0) and shown(each["feedback"]) == hint


# ---------------------------------------------------------------------------------------- QTI

SPACE = "{http://www.imsglobal.org/xsd/ims_qtiasiv1p2}"
# What QTI 1.2 allows in each element that text2qti writes, as the specification describes it.
CONTENT = {
    "questestinterop": "(qticomment )?(objectbank |assessment |((section |item ))+)",
    "assessment": "(qticomment )?(duration )?(qtimetadata )*(objectives )*(rubric )*"
    "(assessmentcontrol )*(presentation_material )?(assessfeedback )*(section )+",
    "section": "(qticomment )?(duration )?(qtimetadata )*(objectives )*(item |section )*",
    "item": "(qticomment )?(duration )?(itemmetadata )?(objectives )*(itemcontrol )*"
    "(presentation )?(resprocessing )*(itemfeedback )*",
    "itemmetadata": "(qtimetadata )*",
    "qtimetadata": "(vocabulary )?(qtimetadatafield )+",
    "qtimetadatafield": "fieldlabel fieldentry ",
    "presentation": "(qticomment )?(flow |(material |response_lid |response_str )+)",
    "material": "(qticomment )?(mattext )+(altmaterial )*",
    "response_lid": "(material )?(render_choice |render_fib )(material )?",
    "response_str": "(material )?(render_choice |render_fib )(material )?",
    "render_choice": "(material |response_label |flow_label )*",
    "render_fib": "(material |response_label |flow_label )*",
    "response_label": "(qticomment |material |flow_mat )*",
    "resprocessing": "(qticomment )?outcomes (respcondition )+",
    "outcomes": "(qticomment )?(decvar )+",
    "respcondition": "(qticomment )?conditionvar (setvar )*(displayfeedback )*",
    "conditionvar": "(not |and |or |varequal |vargte |varlte |other )+",
    "or": "(not |and |or |varequal |vargte |varlte )+",
    "and": "(not |and |or |varequal |vargte |varlte )+",
    "itemfeedback": "(flow_mat |material )+",
    "flow_mat": "(qticomment )?(flow_mat |material )+",
} | dict.fromkeys(
    ("fieldlabel", "fieldentry", "mattext", "decvar", "varequal", "vargte", "varlte", "other",
     "setvar", "displayfeedback"), "",
)  # fmt: skip
NEEDED = {  # attributes
    "assessment": {"ident"}, "section": {"ident"}, "item": {"ident"}, "response_lid": {"ident"},
    "response_str": {"ident"}, "response_label": {"ident"}, "itemfeedback": {"ident"},
    "varequal": {"respident"}, "vargte": {"respident"}, "varlte": {"respident"},
    "displayfeedback": {"linkrefid"},
}  # fmt: skip


def read_zip(path: Path) -> tuple[zipfile.ZipFile, ET.Element]:
    """The archive, and the questions that its manifest names."""
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    manifest = ET.fromstring(archive.read("imsmanifest.xml"))
    named = {each.get("href") for each in manifest.iter() if each.tag.endswith("}file")}
    assert named | {"imsmanifest.xml"} == {
        name for name in archive.namelist() if not name.endswith("/")
    }
    (resource,) = [each for each in manifest.iter() if each.get("type") == "imsqti_xmlv1p2"]
    return archive, ET.fromstring(archive.read(resource[0].get("href")))


@pytest.mark.parametrize("stem", STEMS)
def test_qti_has_the_structure_that_the_specification_describes(built, stem):
    archive, root = read_zip(built / f"{stem}.qti.zip")
    for name in archive.namelist():
        assert not name.endswith(".xml") or ET.fromstring(archive.read(name)) is not None
    for element in root.iter():
        tag = element.tag.removeprefix(SPACE)
        inside = "".join(f"{child.tag.removeprefix(SPACE)} " for child in element)
        assert re.fullmatch(CONTENT[tag], inside), (tag, inside)
        assert NEEDED.get(tag, set()) <= set(element.attrib), tag
    idents = [each.get("ident") for each in root.iter(f"{SPACE}item")]
    assert len(idents) == len(set(idents)) == len(asked(stem))
    for item in root.iter(f"{SPACE}item"):
        linked = {each.get("linkrefid") for each in item.iter(f"{SPACE}displayfeedback")}
        assert linked == {each.get("ident") for each in item.findall(f"{SPACE}itemfeedback")}


def test_qti_keeps_to_the_dtd(built):
    """Its authors' own description; it is in no package that is installed here."""
    if not (dtd := os.environ.get("QTI_DTD")):
        pytest.skip("QTI_DTD names no ims_qtiasiv1p2p1.dtd, such as the one in pyslet's sources")
    etree = pytest.importorskip("lxml.etree")
    rules = etree.DTD(dtd)
    for stem in STEMS:
        _, root = read_zip(built / f"{stem}.qti.zip")
        root.attrib.clear()
        for element in root.iter():  # a DTD knows no namespaces
            element.tag = element.tag.removeprefix(SPACE)
        assert rules.validate(etree.fromstring(ET.tostring(root))), rules.error_log


@pytest.mark.parametrize("stem", STEMS)
def test_qti_is_read_as_it_was_meant(built, stem):
    _, root = read_zip(built / f"{stem}.qti.zip")
    assert root[0].get("title") == f"Fashion-MNIST, {stem}"
    compare_qti(root, asked(stem))


def test_all_that_means_something_in_text2qti(tmp_path):
    platforms._write_qti(tmp_path / "odd.zip", "01_odd", {"odd: 1.": ODD})
    _, root = read_zip(tmp_path / "odd.zip")
    compare_qti(root, {"odd: 1.": ODD})
    (item,) = root.iter(f"{SPACE}item")
    page = Page(item.find(f".//{SPACE}mattext").text)
    assert page.tags.count("li") == 2 and page.tags.count("em") == 2


@dataclass
class Page(HTMLParser):
    """The text of HTML, its code, and its formulas between dollars."""

    source: str
    text: str = ""
    code: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.source)
        self.text = plain(self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.text += f"${dict(attrs)['data-equation-content']}$"
        if tag == "code":
            self.code.append("")

    def handle_data(self, data):
        self.text += data
        if self.tags and self.tags[-1] == "code" and not self.code[-1]:
            self.code[-1] = data


def plain(text: str) -> str:
    """Text with straight quotes and single blanks."""
    for curly, straight in zip("“”„‘’…", ('"', '"', '"', "'", "'", "...")):
        text = text.replace(curly, straight)
    return " ".join(text.split())


def same(source: str, meant: str, is_markdown: bool) -> bool:
    """Whether HTML shows a text: Markdown of quiz.yaml, or plain text with code in backticks."""
    page, code = Page(source), re.findall("`([^`]*)`", meant)
    if is_markdown:
        meant = re.sub(r"^- |[*`](?!x)", "", meant, flags=re.M)
    return (page.text, page.code) == (plain(meant.replace("`", "")), code)


def compare_qti(root: ET.Element, questions: dict) -> None:
    items = list(root.iter(f"{SPACE}item"))
    assert [each.get("title") for each in items] == list(questions)
    for item, meant in zip(items, questions.values(), strict=True):
        kind = [each.text for each in item.iter(f"{SPACE}fieldentry")][0]
        text = item.find(f"{SPACE}presentation/{SPACE}material/{SPACE}mattext").text
        feedback = {
            each.get("ident"): each.find(f".//{SPACE}mattext").text
            for each in item.findall(f"{SPACE}itemfeedback")
        }
        conditions = list(item.iter(f"{SPACE}respcondition"))
        (scores,) = [each for each in conditions if each.find(f"{SPACE}setvar") is not None]
        assert scores.find(f"{SPACE}setvar").text == "100"
        if isinstance(meant, Question):
            assert kind == "multiple_choice_question" and same(text, meant.question, True)
            labels = list(item.iter(f"{SPACE}response_label"))
            said = {
                each.find(f".//{SPACE}varequal").text: each.find(f"{SPACE}displayfeedback")
                for each in conditions
                if each is not scores
            }
            right = scores.find(f".//{SPACE}varequal").text
            for label, (letter, option) in zip(labels, meant.options.items(), strict=True):
                name = label.get("ident")
                assert (name == right) == (letter == meant.right)
                assert same(label.find(f".//{SPACE}mattext").text, option.text, True)
                assert same(feedback[said[name].get("linkrefid")], option.reason, False)
            continue
        share = f"\n\n{platforms.SHARE}" if meant.is_share else ""
        assert kind == "numerical_question" and same(text, meant.question + share, True)
        assert same(*feedback.values(), f"{meant.otherwise}\n\n{meant.more}", False)
        low, number, high = [
            float(scores.find(f".//{SPACE}{name}").text)
            for name in ("vargte", "varequal", "varlte")
        ]
        _, within, *_ = next(meant.ranges())
        assert number == meant.right
        for reached in (number - low, high - number):  # text2qti knows 4 digits
            assert within - 1e-4 < reached <= within
