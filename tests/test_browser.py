"""The notebooks as a student meets them: JupyterLab in a real browser, used by mouse and keys.

`make test-browser`. The notebooks are the quick copies of conftest.py. Screenshots, and how long
each widget takes to answer (latency.json, medians in milliseconds), stay in `tests/screenshots/`.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

import nbformat
import numpy as np
import pytest
from conftest import COPIES, ROOT, open_browser
from papermill.parameterize import parameterize_notebook
from photos import UPRIGHT, garment, saved
from PIL import Image

from fmnist_lib import checkpoints
from fmnist_lib.course import execute, printing
from fmnist_lib.lessons import quiz

SCREENSHOTS = ROOT / "tests" / "screenshots"
NAMES = [path.stem for path in execute.notebooks()]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not printing.find_browser(), reason="no Chromium, Chrome or Edge"),
]
ALL_RAN = """() => {
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  return prompts.length > 5 && prompts.every(prompt => /\\[\\d+\\]/.test(prompt.textContent));
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab that shows the copies, with its token."""
    home = tmp_path_factory.mktemp("jupyter")
    settings = {
        "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    }
    for name, values in settings.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", str(COPIES), "--no-browser", "--port=0"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    with open(home / "log.txt", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(120):
            found = list((home / "runtime").glob("jpserver-*.json"))
            if found:
                break
            time.sleep(0.5)
        said = json.loads(found[0].read_text())
        yield f"{said['url']}lab/tree/{{}}?token={said['token']}&reset"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    yield from open_browser()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    yield page
    page.close()


def run_all(page, address):
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.wait_for_selector("[data-status='idle'], .jp-NotebookPanel .jp-Toolbar-kernelStatus")
    page.wait_for_timeout(2000)  # the kernel connects
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def finished(page):
    page.wait_for_function(ALL_RAN, timeout=240_000)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.all_inner_texts() == []
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def cell_with(page, text):
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).first


@pytest.mark.parametrize("name", NAMES)
def test_run_all_and_play(lab, page, name):
    run_all(page, lab.format(f"{name}.ipynb"))
    finished(page)
    SCREENSHOTS.mkdir(exist_ok=True)
    for width in (1280, 768):
        page.set_viewport_size({"width": width, "height": 1000})
        for number, heading in enumerate(page.locator(".jp-MarkdownCell h2").all()[:4]):
            heading.scroll_into_view_if_needed()
            page.screenshot(path=SCREENSHOTS / f"{name}_{width}_{number}.png")
    page.set_viewport_size({"width": 1280, "height": 1000})
    PLAY.get(name, lambda page: None)(page)
    page.screenshot(path=SCREENSHOTS / f"{name}_played.png")


ANSWER = """([source, target, event, key]) => new Promise(done => {
  const start = performance.now();
  setTimeout(() => done(null), 1000);  // an input may change nothing
  new MutationObserver((_, observer) => {
    if (event == "pointerup" && !target.querySelector("img")) return;  // only the question so far
    observer.disconnect();
    done(performance.now() - start);
  }).observe(target, { childList: true, subtree: true, characterData: true, attributes: true });
  if (event == "change") source.selectedIndex = (source.selectedIndex + 1) % 5;
  if (event == "pointerup") {  // the end of a stroke: another dot
    const pen = source.getContext("2d");
    pen.fillStyle = "black";
    pen.fillRect(60 + 80 * Math.random(), 60 + 80 * Math.random(), 9, 9);
  }
  const kind = event == "keydown" ? KeyboardEvent : Event;
  source.dispatchEvent(new kind(event, { bubbles: true, key }));
})"""


def note_latency(page, name, source, target, event, key=None):
    """Note the milliseconds from an input to a change in the page, the median of 20."""
    handles = source.element_handle(), target.element_handle()
    times = [page.evaluate(ANSWER, [*handles, event, key]) for _ in range(20)]
    times = [milliseconds for milliseconds in times if milliseconds]
    assert times, f"{name} never answered"
    path = SCREENSHOTS / "latency.json"
    noted = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(noted | {name: round(statistics.median(times))}, indent=1))


def play_with_kernels(page):
    cell = cell_with(page, "play.convolution_playground")
    cell.scroll_into_view_if_needed()
    before = cell.locator("img").last.get_attribute("src")
    number = cell.locator("input[type=number]").nth(4)
    number.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    cell.locator("img[alt='feature map of your own']").wait_for(timeout=5000)
    assert cell.locator("img").last.get_attribute("src") != before
    cell.locator("select").select_option("blur")
    cell.locator("img[alt='feature map of blur']").wait_for(timeout=5000)
    assert number.input_value() == "0.12"
    html = cell.locator(".widget-html-content").last
    note_latency(page, "kernel", cell.locator("select"), html, "change")
    handle = cell.locator(".noUi-handle").first
    box = handle.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 5, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "readout => Number(readout.textContent) > 5",
        arg=cell.locator(".widget-readout").first.element_handle(),
    )


def play_with_confusions(page):
    cell = cell_with(page, "play.confusion_explorer")
    cell.scroll_into_view_if_needed()
    button = cell.get_by_title("Bag called Bag")
    count = int(button.inner_text())
    button.click()
    found = cell.get_by_text(f"Bag called Bag: {count} images")
    found.wait_for(timeout=5000)
    assert cell.locator("img[alt^='Bag called Bag']").count() == min(count, 12)
    cell.get_by_title("Shirt called Shirt").focus()
    page.keyboard.press("Enter")  # works without a mouse
    cell.get_by_text(re.compile("^Shirt called Shirt: ")).wait_for(timeout=5000)
    cell.locator(".noUi-handle").focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    answered = cell.get_by_text(re.compile("^answered: "))
    page.wait_for_function(
        "element => parseFloat(element.textContent.slice(10)) < 100", arg=answered.element_handle()
    )
    html = cell.locator(".widget-html-content")
    slider = cell.locator(".noUi-handle")
    note_latency(page, "threshold", slider, html.nth(-2), "keydown", "ArrowLeft")
    html = html.last
    note_latency(page, "confusion", cell.locator("select").first, html, "change")
    try_your_own(page)


def try_your_own(page):
    cell = cell_with(page, "play.try_your_own")
    cell.scroll_into_view_if_needed()
    answer = cell.locator(".fmnist-answer")
    upload(page, cell, "trousers.jpg", UPRIGHT["turned, with EXIF"])
    answer.get_by_text("28 × 28", exact=True).wait_for(timeout=5000)
    for name, content, said in (
        ("text.png", b"this is text", "text.png is no image that can be read"),
        ("empty.png", b"", "empty.png is no image that can be read"),
        ("large.tif", bytes(12_000_000), "large.tif can't be read: it has 12.0 MB, and this"),
    ):
        upload(page, cell, name, content)
        answer.get_by_text(said).wait_for(timeout=5000)
        assert answer.locator("img").count() == 0  # of the answer before
    upload(page, cell, "large.jpg", large_photo())
    answer.get_by_text("28 × 28", exact=True).wait_for(timeout=20_000)
    assert re.search("Trouser [0-9.]+%,", answer.inner_text())
    cell.get_by_role("button", name="clear").click()
    assert answer.inner_text() == ""
    canvas = cell.locator("canvas")
    draw(page, canvas, (160, 40), (160, 200), (60, 200), (60, 40))
    answer.get_by_text("28 × 28", exact=True).wait_for(timeout=5000)
    assert answer.locator("img").count() == 6
    note_latency(page, "drawing", canvas, answer, "pointerup")
    cell.get_by_role("button", name="clear").click()
    draw(page, canvas, (60, 140), cancel=True)
    answer.get_by_text("28 × 28", exact=True).wait_for(timeout=5000)
    page.mouse.move(canvas.bounding_box()["x"] + 200, canvas.bounding_box()["y"] + 140, steps=5)
    ink = "(canvas, x) => canvas.getContext('2d').getImageData(x, 140, 1, 1).data[0]"
    assert [canvas.evaluate(ink, x) for x in (60, 180)] == [0, 255]  # the end of the stroke, behind


def large_photo():
    """Trousers in a JPEG that is too large for one message."""
    noise = np.random.default_rng(0).integers(-35, 35, (4000, 3000, 3))
    pixels = np.asarray(garment(size=(3000, 4000))).astype(int) + noise
    photo = saved(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "JPEG", quality=99)
    assert len(photo) > 10 * 2**20
    return photo


def draw(page, canvas, *corners, cancel=False):
    """A stroke from the upper left corner through others; cancel: as the system may end it."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=5)
    canvas.dispatch_event("pointercancel") if cancel else page.mouse.up()


def upload(page, cell, name, content):
    with page.expect_file_chooser() as chooser:
        cell.get_by_role("button", name=re.compile("photo")).click()
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    chooser.value.set_files(file)


PLAY = {
    "02_build_cnn": play_with_kernels,
    "04_confusion_matrix": play_with_confusions,
}


def test_a_figure_is_there_when_a_notebook_is_opened_anew(lab, page):
    """Saved, its kernel shut down: the widget is gone, and its figure is not."""
    notebook = nbformat.read(COPIES / "02_build_cnn.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    needed = ("play.convolution_playground", "parameters.check", "# Parameters", "image_number: ")
    notebook.cells = [c for c in code if any(text in c.source for text in needed)]
    for number in range(5):  # as many as `finished` waits for
        notebook.cells.append(nbformat.v4.new_code_cell(f"{number}"))
    path = COPIES / "reopened.ipynb"
    nbformat.write(notebook, path)
    try:
        run_all(page, lab.format(path.name))
        finished(page)
        cell = cell_with(page, "play.convolution_playground")
        cell.locator("select").wait_for(timeout=20_000)  # the widget lives
        figure = cell.locator(".jp-RenderedImage img")
        assert figure.is_visible()
        page.keyboard.press("Control+s")
        page.wait_for_timeout(1000)
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_text("Shut Down Kernel", exact=True).click()
        page.wait_for_timeout(1000)
        assert "widget-view" in path.read_text()
        page.goto(lab.format(path.name))
        figure.wait_for(timeout=60_000)
        cell.get_by_text("Error displaying widget").wait_for(timeout=60_000)  # so it is tried
        assert figure.is_visible()
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "reopened.png")
    finally:
        path.unlink()


def test_a_question_is_answered_by_a_click(lab, page):
    sources = ["from fmnist_lib.lessons import quiz", 'quiz.check("balance", ...)', *"12345"]
    path = COPIES / "clicked.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": execute.KERNEL, "display_name": "Python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    try:
        run_all(page, lab.format(path.name))
        finished(page)
        cell = cell_with(page, "quiz.check")
        cell.get_by_text("Not answered yet.").wait_for(timeout=20_000)
        for letter in "abc":
            cell.get_by_role("button", name=letter, exact=True).click()
            said = quiz.judge("balance", letter)
            cell.get_by_text(said.reason).wait_for(timeout=5000)
            text = cell.locator(".jp-OutputArea").inner_text()
            assert "Not answered yet." not in text
            assert ("Right." in text, "Not yet." in text) == (letter == "b", letter != "b")
        cell.get_by_role("button", name="b", exact=True).focus()
        page.keyboard.press("Enter")  # works without a mouse
        cell.get_by_text("Right.").wait_for(timeout=5000)
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "clicked.png")
    finally:
        path.unlink()


def test_stopping_a_training(lab, page, tmp_path):
    """Interrupted in epoch 2 of 25: control is back at once, and what was learned is kept."""
    source = nbformat.read(COPIES / "03_train_sgd.ipynb", as_version=4)
    given = {"epochs": 25, "train_images": 20_000, "subset_images": 100,
             "run_folder": str(tmp_path)}  # fmt: skip
    path = COPIES / "stopped.ipynb"
    nbformat.write(parameterize_notebook(source, given), path)
    try:
        run_all(page, lab.format(path.name))
        cell = cell_with(page, "for epoch in play.watch")
        cell.get_by_text(re.compile(r"epoch +1/25")).wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_text("Interrupt Kernel", exact=True).click()
        asked = time.monotonic()
        stopped = cell.get_by_text(
            re.compile(r"Stopped\. What was learned up to epoch \d+ is kept")
        )
        stopped.wait_for(timeout=10_000)
        assert time.monotonic() - asked < 2
        done = int(re.search(r"epoch (\d+)", stopped.inner_text())[1])
        assert done < 25
        finished(page)  # the cells after it run
        history = checkpoints.read(tmp_path / "checkpoint.pt")["history"]
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert len(history) == len(metrics["history"]) == done
    finally:
        path.unlink()
