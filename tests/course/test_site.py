"""The site: built once, opened from its folder in a real browser, and searched for solutions."""

import ast
import html
import importlib
import inspect
import re
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT, findings, findings_of, open_browser

from fmnist_lib.course import cli, execute, handouts, printing, site
from fmnist_lib.errors import CourseError

needs_browser = pytest.mark.skipif(
    not printing.find_browser(), reason="no Chromium, Chrome or Edge"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the site, made by a process of its own: Sphinx changes docutils for good."""
    out = tmp_path_factory.mktemp("site") / "my site"
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_lib.course.cli", "site", "--out", out],
        cwd=ROOT, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"site   {out / 'index.html'}"
    return out


@pytest.fixture(scope="module")
def browser():
    yield from open_browser()


@pytest.fixture
def page(browser):
    """A page without a network; what it asks for lies in the folder."""
    context, asked = browser.new_context(viewport={"width": 1280, "height": 900}), []
    context.set_offline(True)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    yield page
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def pages(built):
    """All pages but the slides, which have a test of their own."""
    return [path for path in sorted(built.rglob("*.html"))
            if "_static" not in path.parts and "downloads" not in path.parts]  # fmt: skip


# ---------------------------------------------------------------------------------- what is in it


def test_every_page_of_the_course_is_there(built):
    names = {path.relative_to(built).as_posix() for path in pages(built)}
    assert names >= {f"notebooks/{path.stem}.html" for path in execute.notebooks()}
    assert names >= {
        "index.html", "see.html", "explain.html", "docs/glossary.html", "reference.html",
        "docs/adapt.html", "docs/class_of_thirty.html", "notebooks/numpy_to_torch.html",
        "benchmarks/README.html", "CONTRIBUTING.html", "downloads.html", "teachers.html",
        "developers.html",
    }  # fmt: skip
    assert (built / "downloads" / "student.zip").exists()
    for path in execute.notebooks():  # slides are for all, what they hold for teachers is not
        text = (built / "downloads" / "slides" / f"{path.stem}.html").read_text(encoding="utf-8")
        shown = " ".join(html.unescape(re.sub("<[^>]+>", "", text)).split())
        notes = handouts.teachers_notes(int(path.stem[:2])).values()
        assert not [note for note in notes if " ".join(note.split())[:40] in shown]
    for path in pages(built):
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r'(?:href|src)="([^"#]+)[^"]*"', text):
            if not re.match(r"https?:|mailto:|data:", link):
                assert (path.parent / link.partition("?")[0]).exists(), f"{path}: {link}"


def test_formulas_are_mathml(built):
    text = (built / "notebooks" / "03_train_sgd.html").read_text(encoding="utf-8")
    assert "<math" in text and "MathJax" not in text and "\\frac" not in text
    text = (built / "notebooks" / "02_build_cnn.html").read_text(encoding="utf-8")
    matrices = re.findall(r'<div class="math".*?</div>', text, flags=re.S)
    assert any("<mtable" in each for each in matrices)
    assert not any('stretchy="false"' in each for each in matrices)  # fences as high as those


def test_the_reference_has_every_function_of_the_modules_that_students_read(built):
    text = (built / "reference.html").read_text(encoding="utf-8")
    for name in (
        "load",
        "as_input",
        "Net",
        "Recipe",
        "fit",
        "Epoch",
        "predict",
        "confusion_matrix",
    ):
        assert re.search(rf"<h3><code[^>]*><span class=\"pre\">{name}</span>", text), name
    assert "lessons.checks" not in text


def test_signatures_are_python_with_the_defaults_that_they_have(built):
    text = re.sub(r"<[^>]+>", "", (built / "reference.html").read_text(encoding="utf-8"))
    assert "learning_rate: float = 0.01,\n" in html.unescape(text)
    for name in site._modules():
        for _, value in site._members(importlib.import_module(f"fmnist_lib.{name}")):
            if not (inspect.isclass(value) and issubclass(value, Exception)):
                ast.parse(f"def f{site._shown(inspect.signature(value))}: ...")


def test_figures_are_described(built):
    for path in sorted(built.glob("notebooks/0*.html")):
        text = path.read_text(encoding="utf-8")
        described = re.findall(r'<img alt="([^"]*)"', text)
        assert described and all(len(each) > 40 for each in described), path.name
        assert not any("_images/" in each for each in described), path.name


def of_notebook(path):
    """What stands in bold in its text, where a term is explained."""
    texts = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"]
    return [
        " ".join(bold.split()) for text in texts for bold in re.findall(r"\*\*([^*]+)\*\*", text)
    ]


NO_TERMS = (
    r"(Predict|Read|Exercise|Quiz|You need|Where to go)|look at images beside|let it learn ten|"
    r"the runs of the course"
)


def test_every_term_is_in_the_glossary_with_the_notebook_that_explains_it_first():
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    entries, in_order = {}, []
    for line in re.split(r"\n(?=- )", glossary)[1:]:
        head, number = re.match(r"- (.+?) \((\d)\): ", line).groups()
        names = re.findall(r"\*\*(.+?)\*\*", head)
        entries |= {name.casefold(): number for name in names}
        in_order.append(names[0])
    first = {}
    for path in execute.notebooks():
        for bold in of_notebook(path):
            if not re.match(NO_TERMS, bold):
                first.setdefault(bold.casefold().rstrip(":"), path.stem[1])
    assert entries == first
    assert in_order == sorted(in_order, key=str.lower)


def test_the_first_use_of_each_term_leads_to_the_glossary(built):
    linked = set()
    for path in sorted(built.glob("notebooks/0*.html")):
        text = path.read_text(encoding="utf-8")
        linked |= set(re.findall(r'href="\.\./docs/glossary\.html#term-([\w-]+)"', text))
    text = (built / "docs" / "glossary.html").read_text(encoding="utf-8")
    assert linked == set(re.findall(r'<dt id="term-([\w-]+)"', text))


def test_each_heading_of_the_glossary_is_there_once(built):
    text = (built / "docs" / "glossary.html").read_text(encoding="utf-8")
    letters = re.findall(r"<h2>(\w.*?)<", text)
    assert letters == sorted({*letters}) and letters[:2] == ["0 to 9", "A"]


# ------------------------------------------------------------------------------------- the gate


@pytest.fixture
def run_sphinx(tmp_path):
    """Makes a site of these pages, in a process of its own, and returns what went wrong."""

    def run(**pages):
        for folder in ("source/_static", "extra"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        files = {f"{name.replace('_', '/')}.md": text.encode() for name, text in pages.items()}
        site._write_all(tmp_path / "source", files)
        code = "import sys; from pathlib import Path; from fmnist_lib.course import site; "
        code += "site._run_sphinx(Path(sys.argv[1]))"
        done = subprocess.run([sys.executable, "-c", code, tmp_path], stderr=subprocess.PIPE)
        return done.stderr.decode()

    return run


def test_a_page_that_is_not_right_stops_each_build(run_sphinx):
    for _ in range(2):
        wrong = run_sphinx(index="# A page\n\n[to a page](gone.md)\n")
        assert "The site is not right" in wrong and "gone.md" in wrong


def test_the_search_finds_the_terms_after_another_build(run_sphinx, tmp_path):
    terms = "# Terms\n\n```{glossary}\nstride\n  how far a window moves\n```\n"
    index = "# All\n\n```{toctree}\ndocs/glossary\npage\n```\n"
    for text in ("first", "second"):
        page = f"# A page\n\n{text}\n"
        assert run_sphinx(index=index, docs_glossary=terms, page=page) == ""
        found = (tmp_path / "html" / "searchindex.js").read_text()
        assert re.search(r'"indexentries":\{"stride":\[\[\d+,"term-stride"', found)


def test_a_planted_solution_stops_the_site(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.html").write_text("<p>nothing</p>")
    site.require_no_solution(tmp_path)
    line = "counts = torch.tensor(matrix.to_numpy()).double()"  # of notebook 4
    (tmp_path / "docs" / "page.html").write_text(f"<pre><span>{line}</span></pre>")
    with pytest.raises(CourseError, match="would show a line of a solution"):
        site.require_no_solution(tmp_path)


def test_a_folder_with_something_else_is_refused_and_kept(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert cli.main(["site", "--out", str(tmp_path)]) == 1
    assert "holds files that are not of a site" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_of_an_old_site_only_its_own_files_go(tmp_path):
    made, out = tmp_path / "made", tmp_path / "out"
    for name in ("a.html", "b/c.html"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    site._put(made, out)
    (out / "mine.txt").write_text("mine")
    (made / "b" / "c.html").unlink()
    (made / "a.html").write_text("new")
    site._put(made, out)
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {"a.html", "mine.txt", site.LISTED} and not (out / "b").exists()
    assert (out / "a.html").read_text() == "new"


def test_links():
    text = "[a](../README.md#install) [b](gone.md) [c](adapt.md#x) [d](https://x.y) [e](#here)"
    assert site._links(text, "docs/grading.md") == (
        "[a](../index.md#install) b [c](adapt.md#x) [d](https://x.y) [e](#here)"
    )
    text = "[a](#where-runs-go) [b](#install) [c](CITATION.cff) [d](notebooks/README.md)"
    assert site._links(text, "README.md") == (
        "[a](teachers.md#where-runs-go) [b](index.md#install) c d"
    )
    assert "[d](notebooks/README.md)" in site._links(text, "README.md", "instructor")


# --------------------------------------------------------------------------------- in a browser


@needs_browser
@pytest.mark.parametrize(
    "word, leads_to",
    [("stride", "02_build_cnn"), ("label smoothing", "07_train_better"), ("Shirt", "04_confusion")],
)
def test_search(built, page, word, leads_to):
    from playwright.sync_api import expect

    page.goto((built / "search.html").as_uri() + f"?q={word}")
    results = page.locator("#search-results li a")
    results.first.wait_for(timeout=20_000)
    page.wait_for_function(
        "!document.querySelector('#search-results .search-summary').textContent.match(/Searching/)"
    )
    found = results.evaluate_all("all => all.map(each => each.href)")
    assert any(leads_to in each for each in found[:5]), found
    results.and_(page.locator(f'[href*="{leads_to}"]')).first.click()
    first = page.locator("article .highlighted:visible").first
    expect(first).to_have_text(re.compile(f"^({word.replace(' ', '|')})$", re.IGNORECASE))
    expect(first).to_be_in_viewport()  # a word that was searched for is marked where it stands
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert findings(page) == []


@needs_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_read_without_javascript(built, browser, theme):
    context = browser.new_context(java_script_enabled=False, color_scheme=theme)
    page = context.new_page()
    page.goto((built / "notebooks" / "02_build_cnn.html").as_uri())
    assert "lays a small table of weights" in page.locator("article").inner_text()
    assert page.locator("article img").count() > 5
    ground = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert min(page.locator("div.cell_input").first.evaluate(ground)) > 230
    (ROOT / "tests" / "screenshots").mkdir(exist_ok=True)
    page.screenshot(path=ROOT / "tests" / "screenshots" / f"site_no_javascript_{theme}.png")
    context.close()


@needs_browser
def test_no_page_has_a_finding(built, browser):
    assert findings_of(browser, pages(built)) == {}


FOCUS = """() => {
  const element = document.activeElement, box = element.getBoundingClientRect();
  const style = getComputedStyle(element);
  const name = (element.ariaLabel || element.innerText).trim();
  const shadow = style.boxShadow.match(/^rgb\\([^)]+\\).*[1-9]px/);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const visible = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return { name, seen: visible && (outlined || !!shadow), element: element.outerHTML,
           in_page: element.closest("#main-content") !== null };
}"""


def tab_to(page, name, most=60):
    """Press Tab until what has this name has the focus; each on the way shows that it has it."""
    for _ in range(most):
        page.keyboard.press("Tab")
        for _ in range(20):  # some move to where they are seen
            at = page.evaluate(FOCUS)
            if at["seen"]:
                break
            page.wait_for_timeout(50)
        assert at["seen"] and at["name"], at
        if at["name"] == name:
            return
    raise AssertionError(f"No {name!r} within {most} steps")


@needs_browser
def test_the_site_by_keys_alone(built, page):
    page.goto((built / "notebooks" / "02_build_cnn.html").as_uri())
    tab_to(page, "Color mode")
    page.keyboard.press("Enter")
    tab_to(page, "Dark", most=3)
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    tab_to(page, "Show code cell output")
    page.keyboard.press("Enter")
    assert page.locator("details[open]").count() == 1
    page.goto((built / "index.html").as_uri())
    tab_to(page, "Skip to main content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["in_page"]
    page.keyboard.press("Control+k")
    page.keyboard.type("stride")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=stride*")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    tab_to(page, page.locator("#search-results li a").first.inner_text())
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "search" not in url.partition("?")[0])


@needs_browser
def test_the_site_by_keys_alone_on_a_narrow_screen(built, page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((built / "notebooks" / "02_build_cnn.html").as_uri())
    tab_to(page, "Toggle primary sidebar")
    page.keyboard.press("Enter")
    tab_to(page, "Glossary")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Glossary").first.wait_for(state="hidden", timeout=5000)


@needs_browser
def test_a_planted_finding_fails(browser):
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><img src=x><p style='color:#ccc'>pale")
    assert {rule for rule, *_ in findings(page)} == {"image-alt", "color-contrast"}
    page.close()
