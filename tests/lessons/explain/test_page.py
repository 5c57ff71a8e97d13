"""The page of a network: computed in Node and compared with PyTorch, and used in a real browser."""

import json
import os
import re
import subprocess

import numpy as np
import pytest
import torch
from conftest import ROOT, findings, open_browser
from photos import TEN, saved
from PIL import Image
from test_javascript import HERE, NODE, can_import
from test_operations import NETWORKS, compute, seeded

from fmnist_lib import checkpoints, synthetic
from fmnist_lib.course import printing
from fmnist_lib.data import CLASS_NAMES, Split, as_input
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import photo
from fmnist_lib.lessons.explain import page as pages
from fmnist_lib.lessons.explain.operations import operations
from fmnist_lib.model import build

# On how many images answers are compared. All of them take minutes: IMAGES=10000 pytest …
IMAGES = int(os.environ.get("IMAGES", 100))
SCREENSHOTS = ROOT / "tests" / "screenshots"
needs_node = pytest.mark.skipif(not can_import(), reason="no Node.js 20.19 or newer")
needs_browser = pytest.mark.skipif(
    not printing.find_browser(), reason="no Chromium, Chrome or Edge"
)
SCREENS = ((390, "dark"), (1024, "light"), (1920, "dark"))


@pytest.fixture(scope="module")
def images():
    return Split(*synthetic.generate(40, max(IMAGES, 300), seed=3)[1], "synthetic")


@pytest.fixture(scope="module")
def net():
    return checkpoints.load_model(checkpoints.shipped("Net"))[0]


# ------------------------------------------------------------------------- what Python writes


@needs_node
@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_computes_what_pytorch_computes(name, images, tmp_path):
    if name in ("Net", "ResidualNet"):
        network = checkpoints.load_model(checkpoints.shipped(name))[0]
    else:
        network = seeded(NETWORKS[name])
    file, pixels = pages.write(tmp_path / "see.html", network, images), tmp_path / "images"
    pixels.write_bytes(images.images[:IMAGES].numpy().tobytes())
    done = subprocess.run(
        [NODE, HERE / "answers.js", file, pixels], capture_output=True, encoding="utf-8", check=True
    )
    found = torch.tensor([[float(x) for x in line.split()] for line in done.stdout.splitlines()])
    with torch.no_grad():
        x = as_input(images.images[:IMAGES])
        wanted = compute(operations(network), x, rounded=True)
    print(name, "largest difference of a logit", (found - wanted).abs().max().item())
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-3)
    highest = wanted.topk(2).values
    clear = highest[:, 0] - highest[:, 1] > 1e-2
    assert (
        torch.equal(found.argmax(1)[clear], wanted.argmax(1)[clear]) and clear.float().mean() > 0.5
    )


def test_what_is_in_the_page(net, images):
    text = pages.as_html(net, images)
    assert len(text.encode()) < 1.6e6
    assert not re.search(r"\s(?:src|href)=|url\(|@import|fetch\(|import\(|XMLHttp|WebSocket", text)
    assert re.findall(r"https?:[^\"'\s]*", text) == []
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "*" not in policy
    (data,) = re.findall(r'id="network">(.*)</script>', text)
    written = json.loads(data)
    labels = [each["label"] for each in written["images"]]
    assert sorted(labels) == [label for label in range(10) for _ in range(3)]
    assert sum(each["parameters"] for each in written["operations"]) == 431_080


def test_one_image_of_a_class_is_wrong_where_there_is_one(net, images):
    shown = pages.examples(net, images)
    with torch.no_grad():
        said = net(as_input(shown.images)).argmax(1)
        everywhere = net(as_input(images.images)).argmax(1) != images.labels
    wrong = said != shown.labels
    for label in range(10):
        of_class = images.labels == label
        mistaken = (everywhere & of_class).sum()
        assert wrong[shown.labels == label].sum() >= min(1, mistaken)


def test_few_classes_and_few_images(net):
    few = Split(torch.zeros(2, 28, 28, dtype=torch.uint8), torch.tensor([1, 1]), "csv")
    assert len(pages.examples(net, few)) == 2
    assert pages.as_data(net, few)["names"][:10] == list(CLASS_NAMES)


@pytest.mark.parametrize(
    "weight, message", [(1e6, "above 65,504"), (float("nan"), "fc2 of Net has weights that are no")]
)
def test_weights_that_sixteen_bits_do_not_hold(images, weight, message):
    network = build("Net")
    network.fc2.bias.data[3] = weight
    with pytest.raises(CourseError, match=message):
        pages.as_html(network, images)


def test_a_network_that_is_too_large(images):
    network = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 7000), torch.nn.Linear(7000, 10)
    )
    with pytest.raises(CourseError, match="5,565,010 parameters, too many"):
        pages.as_data(network, images)


# -------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser():
    yield from open_browser()


@pytest.fixture(scope="module")
def file(tmp_path_factory, net, images):
    return pages.write(tmp_path_factory.mktemp("page") / "see.html", net, images)


@pytest.fixture
def opened(browser):
    """Opens a page without a network; in the end there was no request and no error."""
    contexts, said = [], []

    def open_page(file, **options):
        context = browser.new_context(**{"viewport": {"width": 1024, "height": 768}} | options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.on("request", lambda request: said.append(request.url))
        page.on("console", lambda each: said.append(each.text) if each.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        page.wait_for_selector("#said:not(:empty)")
        assert said == [file.as_uri()]
        return page

    yield open_page
    assert len(said) == len(contexts), said
    for context in contexts:
        context.close()


def pixels_of(page):
    """The image that the network gets, uint8 [28, 28]."""
    data = page.evaluate(
        "[...document.querySelector('#pixels').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    return 255 - np.array(data, np.uint8).reshape(28, 28, 4)[..., 0]


def shares_of(page):
    """The probabilities in the table, in percent."""
    cells = page.locator("#answer tbody tr td:nth-child(2)").all_inner_texts()
    return np.array([float(text.replace("%", "")) for text in cells])


def without_label(page):
    """The answer, of an image that has no label: a drawing or a photo."""
    return page.locator("#said").filter(has_not_text="The label is")


def expected(net, pixels):
    with torch.no_grad():
        return 100 * net(as_input(torch.tensor(pixels)[None])).softmax(1)[0].numpy()


@needs_browser
def test_an_image_is_answered_as_by_pytorch(opened, file, net):
    page = opened(file)
    for number in (0, 7, 29):
        page.locator("#examples button").nth(number).click()
        np.testing.assert_allclose(shares_of(page), expected(net, pixels_of(page)), atol=0.3)
        label = page.locator("#examples button").nth(number).get_attribute("aria-label")
        assert f"The label is {label.split(',')[0]}." in page.locator("#said").inner_text()
        assert page.locator("#examples [aria-pressed=true]").count() == 1


@needs_browser
@pytest.mark.parametrize("name", TEN)
def test_a_photo_takes_the_same_steps_as_in_python(opened, file, name):
    content, _ = TEN[name]
    page = opened(file)
    page.set_input_files("[type=file]", {"name": "a.png", "mimeType": "", "buffer": content})
    without_label(page).wait_for()
    wanted = photo.prepare(photo.open_photo(content))["28 × 28"]
    difference = np.abs(pixels_of(page).astype(int) - wanted)
    # Where nothing is reduced beforehand and no format is read in its own way, to the grey level;
    # another version of Pillow may take rows and columns in the other order.
    same = name in ("dark on light", "light on dark", "dark on wood", "light on wood", "lying")
    assert (difference > 1).mean() < (0.02 if same else 1) and difference.mean() <= 3


@needs_browser
def test_a_file_that_is_no_image_and_an_empty_photo(opened, file):
    page = opened(file)
    page.set_input_files("[type=file]", {"name": "a<b>.txt", "mimeType": "", "buffer": b"hello"})
    page.get_by_text("a<b>.txt can't be read as an image.").wait_for()
    white = saved(Image.new("RGB", (50, 50), "white"))
    page.set_input_files("[type=file]", {"name": "white.png", "mimeType": "", "buffer": white})
    page.get_by_text("In white.png nothing stands out from the background.").wait_for()


@needs_browser
def test_drawing_with_the_mouse_and_with_keys(opened, file, net):
    page = opened(file)
    page.locator("#drawing").scroll_into_view_if_needed()
    box = page.locator("#drawing").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    for x, y in ((160, 60), (160, 170), (60, 170), (60, 60)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
    page.mouse.up()
    without_label(page).wait_for()
    drawn = pixels_of(page)
    assert drawn[0].max() > 200 and drawn[14, 14] == 0  # a frame, as large as the image
    np.testing.assert_allclose(shares_of(page), expected(net, drawn), atol=0.3)
    page.get_by_role("button", name="clear").click()
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.locator(".hint").wait_for(state="hidden")
    page.wait_for_timeout(200)
    assert not np.array_equal(pixels_of(page), drawn)


@needs_browser
def test_a_number_says_where_it_comes_from_by_keys_alone(opened, file):
    """From a number of conv2 down to a pixel, and up again."""
    page = opened(file)
    page.locator(".maps").nth(4).focus()
    for key in ("PageDown", "PageDown", "ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    panel, spoken = page.locator("#number"), page.locator("#spoken")
    assert spoken.inner_text().startswith("conv2, map 3, row 3, column 2: ")
    value = float(re.search(r"[−\d.]+$", spoken.inner_text())[0].replace("−", "-"))
    whole = re.search(r"([−\d.]+) and the bias, ([−\d.]+), are", panel.inner_text()).groups()
    assert abs(sum(float(part.replace("−", "-")) for part in whole) - value) < 0.02
    tables = panel.locator("table").all()
    before, kernel, products = (
        np.array([float(text.replace("−", "-")) for text in table.locator("td").all_inner_texts()])
        for table in tables
    )
    np.testing.assert_allclose(before * kernel, products, atol=0.05)
    panel.locator("select").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    for wanted in ("ReLU, map", "max-pooling, map", "conv1, map", "input, map 1, row"):
        panel.locator(".numbers button").first.focus()
        page.keyboard.press("Enter")
        assert spoken.inner_text().startswith(wanted), spoken.inner_text()
        assert page.evaluate("document.activeElement.className") == "maps"
    assert "It depends on 1 × 1 pixels" in panel.inner_text()
    for wanted in ("conv1", "max-pooling", "ReLU", "conv2", "max-pooling", "ReLU", "flatten", "fc1",
                   "ReLU", "fc2"):  # fmt: skip
        page.get_by_role("button", name="up: where it is used").focus()
        page.keyboard.press("Enter")
        assert spoken.inner_text().startswith(f"{wanted}, "), spoken.inner_text()
    assert page.get_by_role("button", name="up: where it is used").count() == 0
    assert "It depends on 28 × 28 pixels" in panel.inner_text()


@needs_browser
def test_keys_go_to_the_corners_of_a_layer_and_not_beyond(opened, file):
    page = opened(file)
    spoken = page.locator("#spoken")

    def press(**times):
        for key, count in times.items():
            for _ in range(count):
                page.keyboard.press(key)
        return spoken.inner_text().split(":")[0]

    page.locator(".maps").nth(2).focus()  # 20 maps of 12 × 12
    first = spoken.inner_text().split(":")[0]
    assert first == "max-pooling, map 1, row 1, column 1"
    assert press(ArrowLeft=1, ArrowUp=1, PageUp=1) == first
    last = press(PageDown=25, ArrowDown=15, ArrowRight=15)
    assert last == "max-pooling, map 20, row 12, column 12"
    assert press(PageUp=25, ArrowUp=15, ArrowLeft=15) == first
    page.locator(".maps").nth(10).focus()
    page.keyboard.press("PageUp")
    heard = [press(ArrowRight=number > 0) for number in range(12)]
    assert heard == [f"fc2, {CLASS_NAMES[min(number, 9)]}" for number in range(12)]


@needs_browser
def test_a_click_names_the_number_that_lies_there(opened, file):
    page = opened(file)
    canvas = page.locator(".maps canvas").nth(1)  # conv1: maps of 24 × 24, 2 pixels a number
    canvas.scroll_into_view_if_needed()
    page.locator(".maps").nth(1).click(position={"x": 2 * (25 + 7) + 1, "y": 2 * 9 + 1})
    assert page.locator("#number h2").inner_text().startswith("conv1, map 2, row 10, column 8:")
    box = page.locator(".rectangle").evaluate("e => [e.style.left, e.style.top, e.style.width]")
    assert box == ["57px", "73px", "40px"]  # pixels 8 to 12 and 10 to 14, at 8 pixels each


@needs_browser
def test_a_map_switched_off_and_the_untrained_network(opened, file, net):
    page = opened(file)
    before, image = shares_of(page), pixels_of(page)
    page.locator(".maps").nth(2).focus()
    page.keyboard.press("PageDown")
    page.get_by_role("button", name="switch map 2 off").click()
    with torch.no_grad():
        maps = net.conv1(as_input(torch.tensor(image)[None]))
        maps = torch.max_pool2d(maps, 2)
        maps[:, 1] = 0
        maps = torch.relu(maps)
        x = torch.relu(torch.max_pool2d(net.conv2(maps), 2)).flatten(1)
        wanted = 100 * net.fc2(torch.relu(net.fc1(x))).softmax(1)[0].numpy()
    np.testing.assert_allclose(shares_of(page), wanted, atol=0.3)
    full = page.locator("#answer .before").all_inner_texts()[1:]
    np.testing.assert_allclose([float(text[:-1]) for text in full], before)
    assert page.locator("#spoken").inner_text().endswith(": 0.00")
    assert page.get_by_role("button", name="switch map 2 on").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#number").is_visible()
    page.get_by_role("button", name="map 2 of max-pooling is off: switch it on again").click()
    np.testing.assert_allclose(shares_of(page), before)
    page.get_by_label("show the maps of the untrained network").check()
    assert page.locator("#said").inner_text().startswith("The untrained network says ")
    blank = shares_of(page)
    drawn = page.locator("#answer tbody td:nth-child(5)").all_inner_texts()
    np.testing.assert_allclose([float(text[:-1]) for text in drawn], blank)
    assert blank.max() < 40


@needs_browser
def test_occlusion_is_that_of_the_course(opened, file, net):
    page = opened(file)
    page.locator("#examples button").nth(4).click()
    image = pixels_of(page)
    page.get_by_role("button", name="What does it look at?").click()
    page.get_by_text("Red places spoke for").wait_for(timeout=60_000)
    seen = page.evaluate(
        "[...document.querySelector('#looked').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    red, _, blue, _ = np.moveaxis(np.array(seen).reshape(28, 28, 4), 2, 0)
    tensor = torch.tensor(image)[None]
    with torch.no_grad():
        label = net(as_input(tensor)).argmax().item()
    fall = photo.occlusion(net, tensor, label).numpy()
    assert np.corrcoef((red - blue).ravel(), fall.ravel())[0, 1] > 0.95
    said = float(re.search(r"up to ([\d.]+) %", page.locator("#said").inner_text())[1])
    assert abs(said - 100 * fall.max()) < 0.3
    page.get_by_role("button", name="back to the image").click()
    assert not page.locator("#looked").is_visible()
    page.get_by_role("button", name="What does it look at?").click()  # of a network that is gone
    page.get_by_label("show the maps of the untrained network").check()
    page.get_by_role("button", name="What does it look at?").wait_for(timeout=60_000)
    page.wait_for_timeout(300)
    assert not page.locator("#looked").is_visible()


@needs_browser
@pytest.mark.parametrize("width, theme", SCREENS)
def test_each_tour_by_keys_alone(opened, file, width, theme):
    """Every step is readable where it stands, and axe finds nothing."""
    page = opened(file, viewport={"width": width, "height": 800}, color_scheme=theme)
    page.wait_for_timeout(300)
    SCREENSHOTS.mkdir(exist_ok=True)
    tours = page.locator("#tours button")
    names = tours.all_inner_texts()
    assert names[:2] == ["What does a convolution do?", "Why pooling?"]
    for number, steps in enumerate((5, 3, 3)[: len(names)]):
        tours.nth(number).focus()
        page.keyboard.press("Enter")
        for step in range(1, steps + 1):
            text = page.locator("#tour p")
            assert text.inner_text().startswith(f"{step} of {steps}: ")
            box = text.bounding_box()
            assert 0 <= box["y"] and box["y"] + box["height"] <= 800
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            if step < steps:
                page.get_by_role("button", name="next").focus()
                page.keyboard.press("Enter")
        page.screenshot(path=SCREENSHOTS / f"explain_{width}_{theme}_{number}.png")
        assert findings(page) == []
        page.get_by_role("button", name="end the tour").focus()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.textContent") == names[number]


@needs_browser
def test_hostile_names_are_text(opened, net, images, tmp_path, monkeypatch):
    hostile = [
        "</script><script>document.title='got you'</script>", '"><img src=x onerror=alert(1)>',
        "\u2028\u2029", "<!--", "$title ${policy}", "'; alert(1); '", "\\u003cb>", "&lt;", "{{x}}",
        "é𝄞",
    ]  # fmt: skip
    monkeypatch.setattr(pages, "CLASS_NAMES", hostile)
    page = opened(pages.write(tmp_path / "see.html", net, images))
    assert page.title() == "See Net think"
    shown = page.locator("#answer tbody th").evaluate_all("all => all.map(e => e.textContent)")
    assert shown == hostile
    assert page.locator("img").count() == 0


@needs_browser
def test_a_network_of_your_own_has_a_page(opened, images, tmp_path):
    network = seeded(NETWORKS["Own"])
    page = opened(pages.write(tmp_path / "see.html", network, images))
    titles = page.locator("h3").all_inner_texts()
    assert any(
        "first.0: convolution 3 × 3, padding 1, batch normalisation" in each for each in titles
    )
    for layer in range(len(titles)):
        page.locator(".maps").nth(layer).focus()
        assert page.locator("#number h2").inner_text()


@needs_browser
def test_without_javascript_it_says_so(browser, file):
    page = browser.new_page(java_script_enabled=False)
    page.goto(file.as_uri())
    assert "Allow JavaScript" in page.locator("body").inner_text()
    page.close()
