"""The page of `fmnist explain`: how soon it opens and answers a stroke, in a headless browser.

    python benchmarks/explain.py

From a stroke until all maps of it are on the screen; the median of 20. The page is opened as a
file, five times.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright
from readme import write_into_readme

from fmnist_lib import checkpoints, data
from fmnist_lib.course.printing import find_browser
from fmnist_lib.device import device_name
from fmnist_lib.lessons.explain import page as pages

# The pen is down, and one more line is drawn: the page computes in the next frame, and the frame
# after that begins when all is painted.
STROKE = """() => new Promise(done => {
  const field = document.querySelector("#drawing");
  const press = key => field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press(" ");
  setTimeout(() => {
    const start = performance.now();
    press(["ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft"][Math.floor(4 * Math.random())]);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const took = performance.now() - start;
      press(" ");
      done(took);
    }));
  }, 500);
})"""


def main() -> None:
    """Measure both networks that come with the course, and write the result into README.md."""
    images = data.load().validation
    lines = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=["--no-sandbox"] if sys.platform == "linux" else []
        )
        for name in ("Net", "ResidualNet"):
            network, _ = checkpoints.load_model(checkpoints.shipped(name))
            file = pages.write(Path(folder, f"{name}.html"), network, images)
            opened = []
            for _ in range(5):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                start = time.perf_counter()
                page.goto(file.as_uri())
                page.wait_for_selector("#said:not(:empty)")
                opened.append(time.perf_counter() - start)
            page.wait_for_timeout(2000)
            strokes = [page.evaluate(STROKE) for _ in range(20)]
            lines.append(
                f"{name}: {file.stat().st_size / 1e6:.2f} MB, opens in "
                f"{statistics.median(opened):.2f} s, a stroke takes "
                f"{statistics.median(strokes):.0f} ms"
            )
        lines += ["", f"{device_name(torch.device('cpu'))}; Chromium {browser.version}"]
        browser.close()
    text = "\n".join(["```text", *lines, "```"])
    write_into_readme("explain", text)
    print(text)


if __name__ == "__main__":
    main()
