"""Slides: measured in a real browser, and the rules that make them."""

import re

import nbformat
import pytest
from conftest import findings, open_browser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fmnist_lib.course import execute, handouts, printing, slides, solutions, student

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in execute.notebooks()}
needs_browser = pytest.mark.skipif(
    not printing.find_browser(), reason="no Chromium, Chrome or Edge"
)
# Each slide and each of its steps, with how far what is in it reaches to the right and down.
LOOK = """() => [...document.querySelectorAll('.reveal .slides > section')].map(section => {
  const shown = section.style.display;
  section.style.display = 'block';
  const scale = Reveal.getScale(), box = section.getBoundingClientRect();
  const steps = [...section.querySelectorAll('.step')].map(step => {
    const all = [step, ...step.querySelectorAll('*')].map(e => e.getBoundingClientRect());
    return {
      right: Math.max(...all.map(r => r.right - box.left)) / scale,
      bottom: Math.max(...all.map(r => r.bottom - box.top)) / scale,
      text: step.innerText || step.textContent,
      parts: [...step.querySelectorAll('img, table, pre, li, math[display]')].map(e => e.tagName),
      picture: Math.max(0, ...[...step.querySelectorAll('img')].map(
        e => e.getBoundingClientRect().height / scale)),
      question: !!step.innerText.match(/^Predict:/m) || step.textContent.includes('Predict:'),
    };
  });
  section.style.display = shown;
  const title = section.querySelector('h2').textContent;
  return { title, steps, notes: section.querySelector('aside.notes')?.textContent || '' };
})"""


@pytest.fixture(scope="module")
def browser():
    yield from open_browser()


def look(browser, path):
    page = browser.new_page(viewport={"width": slides.WIDTH, "height": slides.HEIGHT})
    page.goto(path.as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    return page, page.evaluate(LOOK)


@pytest.fixture(scope="module", params=sorted(NOTEBOOKS))
def deck(request, browser, tmp_path_factory):
    """The slides of one notebook, open in a browser: its name, the page, what is on each slide."""
    target = tmp_path_factory.mktemp("slides") / f"{request.param}.html"
    version = student.student_version(NOTEBOOKS[request.param])
    slides.make(version, handouts.teachers_notes(int(request.param[:2])), target)
    page, seen = look(browser, target)
    yield request.param, page, seen
    page.close()


def too_large(seen):
    return [
        (slide["title"], round(step["right"]), round(step["bottom"]))
        for slide in seen
        for step in slide["steps"]
        if step["right"] > slides.WIDTH or step["bottom"] > slides.HEIGHT
    ]


def sentence_count(step):
    return len(re.findall(r"[.?!:](?=\s|$|\))", step["text"].replace("Predict:", "")))


@needs_browser
def test_every_slide_can_be_shown(deck):
    _, _, seen = deck
    assert 12 <= len(seen) <= 25
    assert too_large(seen) == []
    for slide in seen:
        assert slide["steps"], slide["title"]
        for step in slide["steps"]:
            assert step["parts"] or sentence_count(step) > 1, (slide["title"], step["text"])
            assert not step["picture"] or step["picture"] > 0.7 * slides.HEIGHT
    assert seen[-1]["title"] == "Recap"


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_nobody_is_kept_from_the_slides(deck, browser, width):
    """All slides below each other, as they stand on a phone."""
    page = browser.new_page(viewport={"width": width, "height": 720}, color_scheme="dark")
    page.goto(f"{deck[1].url}?view=scroll")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert findings(page) == []
    assert "user-scalable" not in page.locator("meta[name=viewport]").get_attribute("content")
    page.close()


@needs_browser
def test_a_question_comes_before_its_answer(deck):
    name, page, seen = deck
    asked = [number for number, slide in enumerate(seen) if slide["steps"][0]["question"]]
    in_notebook = sum(
        cell.source.count("**Predict:**")
        for cell in NOTEBOOKS[name].cells
        if cell.cell_type == "markdown"
    )
    assert len(asked) == in_notebook
    visible = """all => all.filter(e => getComputedStyle(e).visibility == 'visible'
                                        && getComputedStyle(e).opacity == 1).length"""
    for number in asked:
        slide = seen[number]
        assert len(slide["steps"]) > 1, slide["title"]
        page.evaluate(f"Reveal.slide({number}, 0, -1)")
        steps = page.locator("section.present .step")
        for place in range(len(slide["steps"])):  # one at a time, each in the place of another
            assert steps.evaluate_all(visible) == 1, (slide["title"], place)
            assert steps.nth(place).evaluate(f"e => ({visible})([e])") == 1
            page.keyboard.press("Space")
    page.evaluate("Reveal.slide(0)")
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getIndices().h") == 1
    assert page.locator(".slide-number").inner_text().split() == ["2", "/", str(len(seen))]


@needs_browser
def test_only_the_lesson_is_shown(deck):
    name, _, seen = deck
    source = NOTEBOOKS[name]
    shown = "\n".join(step["text"] for slide in seen for step in slide["steps"])
    assert solutions.leaks(source, shown + "".join(slide["notes"] for slide in seen)) == []
    for code in ("guesses.", "parameters.check", "import ", "checks.", "fmnist sweep", "Not answ"):
        assert not re.search(rf"^{re.escape(code)}", shown, flags=re.M), code
    for number in range(1, 4):
        assert f"Quiz {number}." in shown
    titles = [slide["title"] for slide in seen]
    exercises = re.findall(r"^\*\*(Exercise \d)", "\n".join(c.source for c in source.cells), re.M)
    assert [title[:10] for title in titles if title.startswith("Exercise")] == exercises


@needs_browser
def test_the_notes_for_teachers_are_spoken(deck):
    name, _, seen = deck
    spoken = [slide["notes"] for slide in seen]
    for kind, note in handouts.teachers_notes(int(name[:2])).items():
        if kind in handouts.NOTES:
            start = " ".join(re.sub(r"[*`$]", "", note).split())[:20]
            assert any(kind in text and start in " ".join(text.split()) for text in spoken), kind


@needs_browser
def test_a_notebook_with_too_much_of_everything(browser, tmp_path):
    long = "This sentence says **something** about a term that nobody knows yet. " * 40
    rows = "".join(f"<tr><td>{n}</td><td>{n * n}</td></tr>" for n in range(200))
    table = new_output("display_data", {"text/html": f"<table>{rows}</table>", "text/plain": ""})
    log = new_output("stream", text="\n".join(f"epoch {n}: " + "loss " * 60 for n in range(90)))
    code = "\n".join(f"x{n} = torch.zeros({n})  # {'long ' * 30}" for n in range(12))
    questions = "\n".join(f"{n}. Which of the many results has number {n}?" for n in range(1, 40))
    cells = [
        new_markdown_cell(f"# 9 · Much\n\nYou will\n\n- {long}\n\n{long}"),
        new_markdown_cell(f"## Long\n\n{long}\n\n$$x$$\n\n{long}\n\n**Predict:** {long}what?"),
        new_code_cell(code, outputs=[log]),
        new_code_cell("frame", outputs=[log, table]),
        new_markdown_cell(f"## Asks\n\n**Predict:** for all,\n\n{questions}"),
        new_code_cell("guesses.compare('much', 1)", outputs=[log]),
        new_markdown_cell(f"**Exercise 1.** {long}\n\n- {long}"),
        new_code_cell(f"def f():\n    ...\n{code}", metadata={"tags": ["exercise"]}),
        new_markdown_cell("## Recap\n\n- one;\n- two."),
    ]
    target = tmp_path / "much.html"
    slides.make(new_notebook(cells=cells), {}, target)
    page, seen = look(browser, target)
    page.close()
    assert [slide["title"] for slide in seen] == ["9 · Much", "Long", "Asks", "Exercise 1", "Recap"]
    assert too_large(seen) == []
    assert seen[1]["steps"][0]["question"] and "epoch 0" in seen[1]["steps"][1]["text"]


# -------------------------------------------------------------------------------------- rules


def test_sentences_are_not_cut_inside_code_formulas_and_links():
    text = "`a. B` is one. **Bold.** Is $x. Y$ two? [A. B](c. D) is three. Four, e.g. five"
    assert slides.sentences(text) == [
        "`a. B` is one.", "**Bold.**", "Is $x. Y$ two?", "[A. B](c. D) is three.",
        "Four, e.g. five",
    ]  # fmt: skip


def test_blocks_of_markdown():
    text = "## Head\nText\non\n\n- a\n- b\n\n```\nc\n\nd\n```\n\n$$x\n\ny$$\n\nend"
    assert list(slides.blocks(text)) == [
        "## Head", "Text\non", "- a\n- b", "```\nc\n\nd\n```", "$$x\n\ny$$", "end",
    ]  # fmt: skip


def test_code_of_a_lesson():
    source = (
        "import torch\nguess = ...\nguesses.keep('a', guess)\n\nx = torch.ones(3)\n"
        "# why\ny = x.sum()\ntitle = f'{plots.name}'\nplots.show(y)\nprint(y)"
    )
    # What prints stays, as its output is shown below the code.
    assert slides.code_of_lesson(source) == ["x = torch.ones(3)", "y = x.sum()", "print(y)"]
    assert slides.code_of_lesson("table = pd.DataFrame(rows)\ntable") == []
    assert slides.code_of_lesson("%magic torch") == []


def test_a_definition_keeps_the_sentence_that_it_points_back_to():
    assert slides.brief(
        "First. Left out. Neighbours are alike. Their **correlation** says it."
    ) == ("First. Neighbours are alike. Their **correlation** says it.")
    assert (
        slides.brief("First. Left out. A **kernel** is a table.")
        == "First. A **kernel** is a table."
    )


def test_what_is_said_of_a_figure_stands_below_it(tmp_path):
    image = new_output("display_data", {"image/png": "aGk=", "text/plain": "bars"})
    printed = new_output("stream", text="ln 10 = 2.303\n")
    checked = new_output("stream", text="by code the same: True\n")
    table = new_output("display_data", {"text/html": "<table><tr><td>1</td></tr></table>"})

    def steps_with(below):
        cells = [
            new_markdown_cell("# 1 · Much\n\nYou will see."),
            new_markdown_cell("## Answer\n\n**Predict:** which loss?"),
            new_code_cell("plots.bars()", outputs=[image]),
            new_code_cell("guesses.compare('loss', 2.3)", outputs=[printed]),
            new_markdown_cell(f"**Read:** {below}"),
            new_code_cell("frame", outputs=[checked, table]),
        ]
        text = slides.markdown(new_notebook(cells=cells), {}, tmp_path)
        return text.split("::::: {.step")[1:]

    _, _, figure, numbers, of_code = steps_with("the dashed line is an equal share.")
    assert "dashed" in figure and "dashed" not in numbers
    assert "<table>" in of_code and "True" not in of_code
    _, _, figure, numbers, _ = steps_with("both are nearly equal. The loss is high.")
    assert "equal" not in figure and "nearly equal" in numbers
