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
from contextlib import contextmanager

import nbformat
import numpy as np
import pytest
from conftest import COPIES, ROOT, answering, findings, open_browser
from garments import BAG, COAT, DRESS, SHIRT, T_SHIRT, TOPS, TROUSER
from papermill.parameterize import parameterize_notebook
from photos import UPRIGHT, garment, saved
from PIL import Image

from fmnist_lib import checkpoints
from fmnist_lib.course import execute, printing
from fmnist_lib.lessons import quiz

SCREENSHOTS = ROOT / "tests" / "screenshots"
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
        said = answering(home / "runtime")
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
    base, path, query = re.split(r"lab/tree/|\?", address)
    for _ in range(600):  # until its kernel is connected
        sessions = page.request.get(f"{base}api/sessions?{query}").json()
        if any(one["path"] == path and one["kernel"]["connections"] for one in sessions):
            break
        page.wait_for_timeout(200)
    page.wait_for_timeout(2000)  # this page's, not one that was just closed
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()


def finished(page):
    page.wait_for_function(ALL_RAN, timeout=240_000)
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.all_inner_texts() == []
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


@contextmanager
def opened(lab, page, name, *sources):
    """A notebook of these cells, run in JupyterLab: the last of them, until the end."""
    path = COPIES / f"{name}.ipynb"
    kernel = {"kernelspec": {"name": execute.KERNEL, "display_name": "Python"}}
    # Five more: as many as `finished` waits for.
    cells = [nbformat.v4.new_code_cell(source) for source in (*sources, *"12345")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    try:
        run_all(page, lab.format(path.name))
        finished(page)
        yield cell_with(page, sources[-1].splitlines()[-1])
    finally:
        path.unlink()


def choose_theme(page, theme):
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text(f"JupyterLab {theme}", exact=True).click()
    page.locator(f"body[data-jp-theme-name='JupyterLab {theme}']").wait_for(state="attached")
    page.locator(".lm-Menu").first.wait_for(state="detached")
    page.wait_for_timeout(300)  # the focus goes back to where it was before the menu


def cell_with(page, text):
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).first


@pytest.mark.parametrize("name", ["02_build_cnn", "04_confusion_matrix"])
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
    PLAY[name](page)
    page.screenshot(path=SCREENSHOTS / f"{name}_played.png")


ANSWER = """([source, target, event]) => new Promise(done => {
  const start = performance.now();
  setTimeout(() => done(null), 1000);  // an input may change nothing
  new MutationObserver((_, observer) => {
    if (event == "stroke" && !target.querySelector("img")) return;  // only the question so far
    observer.disconnect();
    done(performance.now() - start);
  }).observe(target, { childList: true, subtree: true, characterData: true, attributes: true });
  if (event == "change") source.selectedIndex = (source.selectedIndex + 1) % 5;
  if (event == "click") source = source.querySelectorAll("td")[1 + Math.floor(100 * Math.random())];
  if (event == "input") source.value = 40 + (+source.value + 7) % 50;  // low ones refuse none
  if (event == "stroke") {  // a dot: the pen goes down and up
    for (const _ of "12") source.dispatchEvent(new KeyboardEvent("keydown", { key: " " }));
  } else source.dispatchEvent(new Event(event, { bubbles: true }));
})"""


def note_latency(page, name, source, target, event, last=None):
    """Note the milliseconds from an input to a change in the page, the median of 20.

    last: what comes behind an answer and is waited for before the next input.
    """
    handles, times = (source.element_handle(), target.element_handle()), []
    for _ in range(20):
        if last:
            last.wait_for(timeout=5000)
        times.append(page.evaluate(ANSWER, [*handles, event]))
    times = [milliseconds for milliseconds in times if milliseconds]
    assert times, f"{name} never answered"
    path = SCREENSHOTS / "latency.json"
    noted = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(noted | {name: round(statistics.median(times))}, indent=1))


def play_with_kernels(page):
    cell = cell_with(page, "play.convolution_playground")
    cell.scroll_into_view_if_needed()
    before = cell.locator("img").last.get_attribute("src")
    number = cell.locator("input[type=text]").nth(4)
    number.click()
    page.keyboard.press("Control+A")
    page.keyboard.type("0,5")
    page.keyboard.press("Enter")
    # Each key is an input: the map of "0" and of "0," come before that of "0,5".
    page.wait_for_function(
        "([cell, before]) => [...cell.querySelectorAll('img')].at(-1).src != before",
        arg=[cell.element_handle(), before],
    )
    assert cell.locator("img[alt='feature map of your own']").is_visible()
    cell.locator("select").select_option("blur")
    cell.locator("img[alt='feature map of blur']").wait_for(timeout=5000)
    assert number.input_value() == "0.12"
    maps = cell.locator(".fmnist", has=page.locator("img[alt^='feature map']"))
    note_latency(page, "kernel", cell.locator("select"), maps, "change")
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
    bags = cell.get_by_role("gridcell", name=f"{BAG} called {BAG}: ")
    count = int(bags.inner_text())
    bags.click()
    cell.get_by_text(f"{BAG} called {BAG}: {count:,} image").wait_for(timeout=5000)
    assert cell.locator(f"img[alt^='{BAG}, no. ']").count() == min(count, 12)
    cell.get_by_role("gridcell", name=f"{SHIRT} called {SHIRT}: ").click()
    cell.get_by_text(re.compile(f"^{SHIRT} called {SHIRT}: ")).wait_for(timeout=5000)
    answered, images = cell.locator(".answered"), cell.locator(".images")
    note_latency(page, "threshold", cell.locator("input[type=range]"), answered, "input")
    note_latency(page, "confusion", cell.get_by_role("grid"), images, "click")
    try_your_own(page)


def try_your_own(page):
    cell = cell_with(page, "play.try_your_own")
    cell.scroll_into_view_if_needed()
    answer = cell.locator(".fmnist-answer")
    upload(page, cell, "trousers.jpg", UPRIGHT["turned, with EXIF"])
    answer.get_by_text("28 × 28, what").wait_for(timeout=5000)
    for name, content, said in (
        ("text.png", b"this is text", "text.png is no image that can be read"),
        ("empty.png", b"", "empty.png is no image that can be read"),
        ("large.tif", bytes(12_000_000), "large.tif can't be read: it has 12.0 MB, and this"),
    ):
        upload(page, cell, name, content)
        answer.get_by_text(said).wait_for(timeout=5000)
        assert answer.locator("img").count() == 0  # of the answer before
    upload(page, cell, "large.jpg", large_photo())
    answer.get_by_text("28 × 28, what").wait_for(timeout=20_000)
    assert re.search(f"{TROUSER} [0-9.]+%,", answer.inner_text())
    cell.get_by_role("button", name="clear").click()
    assert answer.inner_text().strip() == ""
    canvas = cell.locator("canvas")
    draw(page, canvas, (160, 40), (160, 200), (60, 200), (60, 40))
    answer.get_by_text("28 × 28, what").wait_for(timeout=5000)
    answer.locator(".map img").wait_for(timeout=5000)
    assert answer.locator(".steps img").count() == 5
    note_latency(page, "drawing", canvas, answer, "stroke", last=answer.locator(".map img"))
    cell.get_by_role("button", name="clear").click()
    draw(page, canvas, (60, 140), cancel=True)
    answer.get_by_text("28 × 28, what").wait_for(timeout=5000)
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


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_twenty_tops_by_mouse_and_keys(lab, page, theme, tmp_path):
    """The game of notebook 1, on a narrow screen in the end."""
    sources = [
        "from fmnist_lib import synthetic\nfrom fmnist_lib.data import Split",
        "from fmnist_lib.lessons import game, play\n"
        'split = Split(*synthetic.generate(600, 0)[0], "synthetic")',
        f"play.label_tops(split, {str(tmp_path / 'own.csv')!r})",
    ]
    with opened(lab, page, "tops", *sources) as cell:
        choose_theme(page, theme)
        cell.get_by_text("1 of 20", exact=True).wait_for(timeout=20_000)
        cell.get_by_role("button", name=COAT).click()
        cell.get_by_text("2 of 20", exact=True).wait_for(timeout=5000)
        page.keyboard.press("Tab")  # the focus is where it was: on Coat; behind it stands Shirt
        for number in range(3, 6):
            page.keyboard.press("Space")
            cell.get_by_text(f"{number} of 20", exact=True).wait_for(timeout=5000)
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"tops_{theme}_1280.png")
        page.keyboard.press("Control+b")  # without the list of files
        page.set_viewport_size({"width": 375, "height": 800})
        cell.get_by_role("button", name="undo").click()
        cell.get_by_text("4 of 20", exact=True).wait_for(timeout=5000)
        for name in (*TOPS, "undo", "start again"):
            box = cell.get_by_role("button", name=name, exact=True).bounding_box()
            assert 0 <= box["x"] and box["x"] + box["width"] <= 375, name
        page.screenshot(path=SCREENSHOTS / f"tops_{theme}_375.png")
        lines = (tmp_path / "own.csv").read_text().splitlines()
        assert [line.rpartition(",")[2] for line in lines] == ["yours", "4", "6", "6"]


EXPLORER = (
    "from fmnist_lib import checkpoints, evaluate, synthetic\nfrom fmnist_lib.data import Split",
    "from fmnist_lib.lessons import play\nimages, labels = synthetic.generate(600, 0)[0]\n"
    "# Counts of up to 4 digits, as many as there can be.\n"
    'split = Split(images.repeat(20, 1, 1), labels.repeat(20), "synthetic")',
    "net, _ = checkpoints.load_model(checkpoints.shipped())\n"
    "probabilities = evaluate.predict(net, images).repeat(20, 1)",
    "play.confusion_explorer(split, probabilities)",
)
# Of what has to be scrolled sideways, the classes.
TOO_WIDE = """cell => [...cell.querySelectorAll(".jp-OutputArea-output, .fmnist-board, .fmnist")]
  .filter(each => each.scrollWidth > each.clientWidth + 1 || each.getBoundingClientRect().left < 0)
  .map(each => `${each.className}: ${each.scrollWidth} > ${each.clientWidth}`)"""
CUT = """table => [...table.querySelectorAll("th, [role=gridcell]")].filter(each => {
  const [inner, outer] = [each, table.parentNode].map(part => part.getBoundingClientRect());
  const within = inner.left >= outer.left - 1 && inner.right <= outer.right + 1
    && inner.right <= innerWidth;
  return !within || each.scrollWidth > each.clientWidth + 1;
}).map(each => each.textContent)"""


def screens(page, cell, top, name):
    """The page in three sizes, from `top` on; in none is the cell too wide. Keeps a picture each.

    Yields width and height, for what else is to be seen there.
    """
    SCREENSHOTS.mkdir(exist_ok=True)
    for width, height in ((1280, 800), (1024, 700), (390, 800)):
        if width == 390:
            page.keyboard.press("Control+b")  # without the list of files
        page.set_viewport_size({"width": width, "height": height})
        top.evaluate("top => top.scrollIntoView()")
        assert cell.evaluate(TOO_WIDE) == []
        yield width, height
        page.screenshot(path=SCREENSHOTS / f"{name}_{width}.png")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_confusion_explorer_by_keys_alone(lab, page, theme):
    """Read, walked through and used without a mouse, on screens of three sizes."""
    SCREENSHOTS.mkdir(exist_ok=True)
    with opened(lab, page, "explorer", *EXPLORER) as cell:
        choose_theme(page, theme)
        grid = cell.get_by_role("grid")
        grid.wait_for(timeout=20_000)
        board = cell.locator(".board")
        for width, height in screens(page, cell, board, f"explorer_{theme}"):
            assert grid.evaluate(CUT) == []
            table, image = grid.bounding_box(), cell.locator(".images img").first.bounding_box()
            if width > 390:  # beside it, and in sight
                assert image["x"] > table["x"] + table["width"]
                assert image["y"] + image["height"] < height
            else:
                assert image["y"] > table["y"] + table["height"]
        assert findings(page, ".fmnist-confusions") == []
        walk_through_the_matrix(page, cell)


def walk_through_the_matrix(page, cell):
    focused, chosen = cell.locator(":focus"), cell.locator("[aria-selected=true]")
    cell.locator("[role=gridcell][tabindex='0']").focus()
    page.keyboard.press("Tab")
    assert focused.get_attribute("type") == "range"  # the matrix is one stop
    page.keyboard.press("Shift+Tab")
    assert focused.get_attribute("role") == "gridcell"
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")  # there is nothing: it stays
    assert focused.get_attribute("aria-label").startswith(f"{T_SHIRT} called {T_SHIRT}: ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    label = focused.get_attribute("aria-label")
    assert label.startswith(f"{TROUSER} called {BAG}: ")
    assert cell.locator("[role=gridcell][tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    cell.get_by_text(re.compile(f"^{TROUSER} called {BAG}: ")).wait_for(timeout=5000)
    announced = cell.locator("[aria-live=polite]").all_inner_texts()
    assert announced[-1].startswith(f"{TROUSER} called {BAG}: ")
    assert chosen.count() == 1 and chosen.get_attribute("aria-label") == label
    page.keyboard.press("ArrowLeft")  # walks on, and chooses nothing
    assert page.locator(".jp-Cell.jp-mod-selected").count() == 1  # JupyterLab stays where it is
    assert cell.evaluate("cell => cell.contains(document.activeElement)")
    assert chosen.get_attribute("aria-label") == label
    page.keyboard.press("Tab")
    counts = cell.locator("[role=gridcell]")
    assert sum(map(int, counts.all_inner_texts())) == 12_000
    page.keyboard.press("End")
    cell.get_by_text(re.compile("^The confidence is 99% or more for |^No confidence is")).wait_for()
    answered = cell.locator(".answered").inner_text()
    said = re.search(r"for ([0-9,]+) of 12,000", answered)
    assert (
        sum(map(int, counts.all_inner_texts()))
        == (int(said[1].replace(",", "")) if said else 0)
        < 12_000
    )


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_your_own_by_keys_alone(lab, page, theme, tmp_path):
    sources = [
        "from fmnist_lib import checkpoints, synthetic\nfrom fmnist_lib.lessons import play",
        "net, _ = checkpoints.load_model(checkpoints.shipped())\n"
        "images, _ = synthetic.generate(10, 0)[0]",
        f"play.try_your_own(net, images[0], {str(tmp_path / 'mine')!r})",
    ]
    with opened(lab, page, "own", *sources) as cell:
        choose_theme(page, theme)
        draw_and_keep(page, cell, tmp_path / "mine")
        lay_a_photo(page, cell)
        list(screens(page, cell, cell.locator(".board"), f"own_{theme}"))
        assert findings(page, ".fmnist-own") == []
        press(page, cell, "clear")
        assert cell.locator(".said").inner_text() == cell.locator(".steps").inner_text() == ""
        assert cell.locator(".hint").is_visible() and cell.locator(".gallery img").count() == 1
        press(page, cell, "take back the last")
        cell.locator(".gallery img").wait_for(state="detached")


def press(page, cell, name):
    cell.get_by_role("button", name=name, exact=True).focus()
    page.keyboard.press("Enter")


def keys(page, *counts):
    """Press keys, each so often: ("ArrowUp", 3)."""
    for key, count in counts:
        for _ in range(count):
            page.keyboard.press(key)


def draw_and_keep(page, cell, folder):
    """A stroke is drawn, taken back, drawn anew with another pen, and kept."""
    steps, said = cell.locator(".steps"), cell.locator(".said")
    stroke = ("ArrowUp", 8), (" ", 1), ("ArrowDown", 14), (" ", 1)
    canvas = cell.locator("canvas")
    canvas.focus()
    keys(page, *stroke)
    steps.get_by_text("28 × 28, what").wait_for(timeout=5000)
    thin = said.inner_text()
    press(page, cell, "undo")
    assert said.inner_text() == steps.inner_text() == "" and cell.locator(".hint").is_visible()
    cell.get_by_role("slider", name="pen").focus()
    page.keyboard.press("End")
    canvas.focus()
    keys(page, ("ArrowUp", 6), (" ", 1), ("ArrowDown", 14), (" ", 1))
    steps.get_by_text("28 × 28, what").wait_for(timeout=5000)
    assert said.inner_text() != thin
    assert cell.get_by_role("button", name="keep it").is_disabled()  # as what?
    cell.get_by_label("It is:").focus()
    keys(page, ("ArrowDown", 4))
    press(page, cell, "keep it")
    cell.get_by_text("of your images were recognised").wait_for(timeout=5000)
    assert not cell.get_by_role("button", name="keep it").is_visible()
    kept = sorted(path.name for path in folder.glob("[!.]*"))  # without its lock
    assert kept == ["001.png", "images.csv"]
    assert f"001.png,{DRESS}," in (folder / "images.csv").read_text()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_other_widgets_can_be_read(lab, page, theme, tmp_path):
    """Tops, steps and bowl in one notebook, on a wide and on a narrow screen, one of them used."""
    sources = [
        "import torch\nfrom fmnist_lib import synthetic\nfrom fmnist_lib.data import Split",
        "from fmnist_lib.lessons import play\n"
        'split = Split(*synthetic.generate(600, 0)[0], "synthetic")',
        f"play.label_tops(split, {str(tmp_path / 'own.csv')!r})",
        "play.convolution_steps(torch.eye(5) * 9, torch.tensor([[-1.0, 0, 1]] * 3))",
        "def walk(rate, momentum):\n"
        "    steps = torch.arange(40.0)[:, None]\n"
        "    return torch.tensor([-9.0, 1]) * (1 - rate * torch.tensor([1.0, 10])) ** steps\n"
        "play.bowl(walk)",
    ]
    with opened(lab, page, "others", *sources) as bowl:
        choose_theme(page, theme)
        for width in (1280, 390):
            if width == 390:
                page.keyboard.press("Control+b")  # without the list of files
            page.set_viewport_size({"width": width, "height": 800})
            for number, source in enumerate(sources[2:]):
                cell = cell_with(page, source.splitlines()[-1])
                cell.scroll_into_view_if_needed()
                cell.locator(".fmnist").first.evaluate("shown => shown.scrollIntoView()")
                page.screenshot(path=SCREENSHOTS / f"other_{number}_{theme}_{width}.png")
                assert cell.evaluate(TOO_WIDE) == []
        assert findings(page, ".fmnist") == []
        bowl.locator(".noUi-handle").first.focus()
        keys(page, ("ArrowRight", 6))
        bowl.get_by_text("it leaves the bowl").wait_for(timeout=5000)


CHANGED = "before => (document.querySelector('.steps [alt=photo]')?.src ?? before) != before"


def lay_a_photo(page, cell):
    """A photo takes the place of the drawing, and is cut out, turned and inverted."""
    steps = cell.locator(".steps")
    with page.expect_file_chooser() as chooser:
        press(page, cell, "photo …")
    content = saved(garment(background="#96785a"))
    chooser.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": content})
    steps.get_by_text("inverted: the garment is brighter").wait_for(timeout=5000)
    assert (
        not cell.get_by_role("slider", name="pen").is_visible()
        and not cell.locator(".hint").is_visible()
    )
    first = steps.locator("img").first
    whole = first.get_attribute("src")
    undo = cell.get_by_role("button", name="undo")
    assert undo.is_disabled()
    cell.locator("canvas").focus()
    keys(page, ("ArrowUp", 28), ("ArrowLeft", 28), (" ", 1), ("ArrowDown", 28), ("ArrowRight", 21))
    page.keyboard.press(" ")
    page.wait_for_function(CHANGED, arg=whole)
    press(page, cell, "turn by 90°")
    press(page, cell, "invert")
    steps.get_by_text("not inverted: the garment").wait_for(timeout=5000)
    invert = cell.get_by_role("button", name="invert")
    assert invert.get_attribute("aria-pressed") == "true"
    for _ in range(3):
        press(page, cell, "undo")
    steps.get_by_text("28 × 28, what").wait_for(timeout=5000)
    assert undo.is_disabled() and first.get_attribute("src") == whole


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_kernels_by_keys_alone(lab, page, theme):
    sources = [
        "from fmnist_lib import synthetic\nfrom fmnist_lib.data import Split",
        "from fmnist_lib.lessons import play\n"
        'split = Split(*synthetic.generate(600, 0)[0], "synthetic")',
        "import torch\nlearned = torch.linspace(-1.25, 1.25, 25).reshape(1, 5, 5)",
        "play.convolution_playground(split, learned)",
    ]
    with opened(lab, page, "kernels", *sources) as cell:
        choose_theme(page, theme)
        cell.locator("input[type=text][title='row 2, column 2']").focus()
        page.keyboard.press("Control+A")
        page.keyboard.type("0,5")
        cell.get_by_text("kernel, sum 0.50").wait_for(timeout=5000)
        cell.get_by_label("step by step").focus()
        page.keyboard.press("Space")
        cell.get_by_text("= products, their sum:").wait_for(timeout=5000)
        press(page, cell, "step ▶")
        framed = cell.locator("img[alt='feature map of your own']").get_attribute("src")
        cell.locator(".noUi-handle").last.focus()
        keys(page, ("ArrowRight", 3))
        page.wait_for_function(
            "before => document.querySelector(`[alt='feature map of your own']`).src != before",
            arg=framed,
        )
        list(screens(page, cell, cell.locator("select"), f"kernels_{theme}"))
        cell.locator("select").select_option("learned, no. 0")
        cell.locator("input[title='row 5, column 5']").wait_for(timeout=5000)
        assert cell.evaluate(TOO_WIDE) == []
        page.screenshot(path=SCREENSHOTS / f"kernels_{theme}_learned.png")
        assert findings(page, ".fmnist") == []


def test_a_question_is_answered_by_a_click(lab, page):
    sources = ["from fmnist_lib.lessons import quiz", 'quiz.check("balance", ...)']
    with opened(lab, page, "clicked", *sources) as cell:
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


def test_stopping_a_training(lab, page, tmp_path):
    """Interrupted in epoch 2 of 25: control is back at once, and what was learned is kept."""
    source = nbformat.read(COPIES / "03_train_sgd.ipynb", as_version=4)
    given = {"epochs": 25, "train_images": 8_000, "subset_images": 100,
             "run_folder": str(tmp_path)}  # fmt: skip
    path = COPIES / "stopped.ipynb"
    nbformat.write(parameterize_notebook(source, given), path)
    try:
        run_all(page, lab.format(path.name))
        cell = cell_with(page, "for epoch in play.watch")
        cell.get_by_text(re.compile(r"epoch +1/25")).wait_for(timeout=240_000)
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_text("Interrupt Kernel", exact=True).click()
        stopped = cell.get_by_text(
            re.compile(r"Stopped\. What was learned up to epoch \d+ is kept")
        )
        stopped.wait_for(timeout=10_000)
        done = int(re.search(r"epoch (\d+)", stopped.inner_text())[1])
        assert done < 25
        finished(page)  # the cells after it run
        history = checkpoints.read(tmp_path / "checkpoint.pt")["history"]
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert len(history) == len(metrics["history"]) == done
        assert metrics["test_accuracy"] is None  # as the training can go on
        said = f"Stopped after epoch {done} of 25, so the test set stays closed"
        assert cell_with(page, "play.was_stopped").get_by_text(said).is_visible()
    finally:
        path.unlink()
