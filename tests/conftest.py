"""What the tests share: quick copies of the notebooks, a small data set on disk, a small network.

The notebooks are run by nbval on copies with quick parameters, in `tests/quick_notebooks/`; their
cells are collected and reported like any other test. The copies are the students' versions with the
solutions pasted in, so every check has to pass there.
"""

import gzip
import hashlib
import http.server
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

if "PYTEST_XDIST_WORKER" in os.environ:  # beside other workers a process gets one thread
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch reads it when it is imported

import IPython
import nbformat
import pytest
import torch
from forked import DIGITS
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from torch import nn

from fmnist_lib import checkpoints, evaluate, runs, synthetic
from fmnist_lib.course import printing, student
from fmnist_lib.course.solutions import BEGIN, END
from fmnist_lib.data import FashionMNIST, Split
from fmnist_lib.history import Epoch
from fmnist_lib.model import NETWORKS, Net, register
from fmnist_lib.recipe import Recipe
from fmnist_lib.storage import csv, download, labels, paths

ROOT = Path(__file__).parent.parent
COPIES = ROOT / "tests" / "quick_notebooks"
QUICK = {
    "01_explore_data": {
        "own_labels": str(COPIES / "own_labels.csv"),
        "permuted_images": 150,
        "test_queries": 500,
    },
    "02_build_cnn": {},
    "03_train_sgd": {
        "epochs": 1,
        "train_images": 1000,
        "subset_images": 75,
        "run_folder": str(COPIES / "run"),
    },
    "04_confusion_matrix": {
        "run_folder": str(COPIES / "trained"),
        "neighbour_images": 2000,
        "occluded_images": 2,
    },
    "05_debug_lab": {},
    "07_train_better": {
        "train": True,
        "epochs": 1,
        "train_images": 600,
        "disturbed_images": 300,
        "run_folder": str(COPIES / "better"),
    },
    "06_compare_runs": {},
    "08_many_processes": {"train_images": 600, "batch_sizes": "75", "rounds": 2},
}

PUBLISHED_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
# Then the tests about these are skipped, and with them the comparison of what notebooks print.
OTHER_NAMES = (paths.data_root() / labels.CLASSES).is_file()
PUBLISHED_NETWORKS = ("Net", "RawNet", "BatchNormNet", "ResidualNet")  # others may be added


ON_CPU = {"device": "cpu", "dtype": "float32"}  # of `fit`: the same bits every time


def pytest_configure(config):
    # A job in the background of a shell ignores Ctrl-C, and so would the processes of the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput") or "SIMULATED_WINDOWS" in os.environ:
        return  # a worker of pytest-xdist, or tests in a test: they are made already
    shutil.rmtree(COPIES, ignore_errors=True)
    COPIES.mkdir(exist_ok=True)
    # What notebook 4 looks at: a worker may come to it before another one is through with 3.
    (COPIES / "trained").mkdir()
    shutil.copy(checkpoints.shipped(), COPIES / "trained" / "checkpoint.pt")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = load_notebook_node(str(path))
        notebook = parameterize_notebook(with_solutions_pasted(notebook), QUICK[path.stem])
        if OTHER_NAMES:
            compare_nothing_with_names(notebook)
        nbformat.write(notebook, COPIES / path.name)


def compare_nothing_with_names(notebook):
    """Leave the outputs aside that say a published name: the data folder has other ones."""
    for cell in notebook.cells:
        text = str(cell.get("outputs"))
        if any(name in text for name in PUBLISHED_NAMES):
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = [tag for tag in tags if tag != "nbval-check-output"]


def pytest_collection_modifyitems(items):
    if OTHER_NAMES:
        for item in items:
            if item.get_closest_marker("published_names"):
                item.add_marker(pytest.mark.skip(reason="the data folder has other class names"))
    # Two workers share the files: the longest are begun first.
    items.sort(key=lambda item: item.path.name not in ("test_run.py", "test_sweep.py"))


def with_solutions_pasted(notebook):
    """The student's version, with each solution pasted where the dots are, and its output."""
    pasted = student.student_version(notebook)
    for source, cell in zip(notebook.cells, pasted.cells):
        lines = source.source.splitlines()
        without_marks = [line for line in lines if line.strip() not in (BEGIN, END)]
        if len(without_marks) < len(lines):
            cell.source = "\n".join(without_marks)
            cell.outputs, cell.execution_count = source.outputs, source.execution_count
    return pasted


def pytest_collectstart(collector):
    # A warning of a library is no difference in what the cell computed.
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("stderr", "text/html")


def answering(runtime: Path, seconds: float = 120) -> dict:
    """What a Jupyter server writes about itself into this folder, once it is whole and answers.

    It writes before it listens.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for file in runtime.glob("jpserver-*.json"):
            with suppress(ValueError, OSError):  # half of it is there; nobody answers
                said = json.loads(file.read_text())
                socket.create_connection(("127.0.0.1", said["port"]), timeout=5).close()
                return said
        time.sleep(0.2)
    pytest.fail(f"No server answers within {seconds:g} seconds.")


def open_browser():
    """The Chromium, Chrome or Edge of this machine, driven by Playwright, until the test ends."""
    from playwright.sync_api import sync_playwright

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    arguments = ["--no-sandbox"] if root else []  # Chromium refuses to run as root with one
    with sync_playwright() as playwright:
        path = printing.find_browser()
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def findings(page, part=None):
    """What axe finds in a page, or a part of it: levels A and AA of WCAG 2.1, and all serious."""
    from axe_playwright_python.sync_playwright import Axe

    levels = {"wcag2a", "wcag2aa", "wcag21a", "wcag21aa"}
    return [
        (rule["id"], node["html"][:150], node["failureSummary"])
        for rule in Axe().run(page, context=part).response["violations"]
        if levels & {*rule["tags"]} or rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


SCREENS = [(theme, width) for theme in ("light", "dark") for width in (390, 1280)]
TOO_WIDE = """[...document.querySelectorAll("body *")].filter(
  e => e.getBoundingClientRect().right > innerWidth).slice(0, 3).map(e => e.outerHTML)"""


def findings_of(browser, paths):
    """What axe finds in files, and what is wider than its screen, by file and screen.

    Each file on one of the four screens, in turn; with SCREENS=all in the environment, on all.
    """
    found = {}
    for number, (theme, width) in enumerate(SCREENS):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
        )
        page = context.new_page()
        for path in paths if os.environ.get("SCREENS") == "all" else paths[number :: len(SCREENS)]:
            page.goto(path.as_uri())
            page.wait_for_timeout(100)
            if problems := findings(page):
                found[path.name, theme, width] = problems[:4]
            if page.evaluate("document.documentElement.scrollWidth - innerWidth") > 0:
                found[path.name, "is too wide for", width] = page.evaluate(TOO_WIDE)
        context.close()
    return found


@contextmanager
def small_disk(folder: Path, size: str):
    """A file system of its own in a folder, of so many bytes (as mount has them: "8m")."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def traces_of_this_machine(text: str) -> list[str]:
    """Which of home folder, host name and environment variables occur in a text.

    Those that are too short to be told from a word, or from a picture in base64, are left out.
    """
    secrets = [f"{Path.home()}{os.sep}", *(x for x in os.environ.values() if len(x) >= 16)]
    secrets += [name for name in [socket.gethostname()] if len(name) >= 8]
    return [secret for secret in secrets if secret in text]


def new_net(seed: int = 0) -> Net:
    """A `Net` whose weights depend on the seed alone."""
    torch.manual_seed(seed)
    return Net()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def idx_bytes(array: torch.Tensor) -> bytes:
    """An idx file of bytes, unzipped."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.to(torch.uint8).numpy().tobytes()


@pytest.fixture(scope="session")
def drawn() -> tuple[Split, Split]:
    """600 training and 200 test images of the stand-in."""
    train, test = synthetic.generate(600, 200, seed=1)
    return Split(*train, "synthetic"), Split(*test, "synthetic")


@pytest.fixture(scope="session")
def csv_root(tmp_path_factory) -> Path:
    """A data folder with two CSV files, small enough for a run to take a few seconds."""
    root = tmp_path_factory.mktemp("csv")
    for name, part in zip(csv.FILES, synthetic.generate(5600, 300)):
        csv.write(root / name, *part)
    return root


@pytest.fixture
def data_folder(tmp_path, monkeypatch, drawn) -> Path:
    """A root with four small idx files that count as the published ones in this test."""
    folder = paths.raw_folder(tmp_path / "root")
    folder.mkdir(parents=True)
    published = {}
    for part, split in zip(("train", "t10k"), drawn, strict=True):
        for kind, array in (("images-idx3", split.images), ("labels-idx1", split.labels)):
            name = f"{part}-{kind}-ubyte.gz"
            content = gzip.compress(idx_bytes(array), mtime=0)
            (folder / name).write_bytes(content)
            published[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(download, "FILES", published)
    return tmp_path / "root"


def write_run(
    folder, drawn, recipe=None, source="synthetic", best=0.8, last_loss=0.3, **given
) -> Path:
    """The result of a run of three epochs, of which the second is best.

    recipe: some fields of a `Recipe`. given: what else `runs.write` takes; without it the test set
    has been opened.
    """
    history = [
        Epoch(n, 3, loss, 0.5, 0.9, accuracy, test, 2.0, 0.5)
        for n, loss, accuracy, test in
        [(1, 1.0, 0.6, 0.58), (2, 0.5, best, 0.70), (3, last_loss, 0.7, 0.73)]
    ]  # fmt: skip
    labels = drawn[1].labels
    return runs.write(
        folder,
        recipe=Recipe(**(recipe or {"epochs": 3, "seed": 7})),
        history=history,
        data=FashionMNIST(drawn[0], drawn[1], drawn[1], source),
        train_images=600,
        device=torch.device("cpu"),
        dtype=torch.float32,
        **given
        or {
            "test_accuracy": 0.70,
            "test_loss": 0.9,
            "confusion_matrix": evaluate.confusion_matrix(labels, labels),
        },
    )


class Faulty(http.server.SimpleHTTPRequestHandler):
    """Serves the good files, with one fault: a status, a word, or a word "at first" only."""

    fault = ""
    requests: list[str]
    wait = 0.0  # seconds before the first answer, until all have come

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.requests.append(self.path)
        number, (fault, *only) = len(self.requests), self.fault.split(" at first")
        if number == 1:
            time.sleep(self.wait)
        if only and number > 3:
            fault = ""
        if fault.isdecimal():
            return self.send_error(int(fault))
        if fault == "hangs":
            time.sleep(20)
        elif fault == "hangs up":
            self.connection.close()
        elif fault in ("MNIST", "login page"):
            self.answer(DIGITS if fault == "MNIST" else b"<html>Log in</html>")
        else:
            content = Path(self.directory, self.path[1:]).read_bytes()
            if fault == "unpacks":
                content = gzip.decompress(content)
            cut = fault in ("cuts", "stalls") or fault == "cuts some" and self.chance.random() < 0.3
            encoding = "x-gzip" if fault == "says gzip" else None
            self.answer(content[1:] if fault == "torn" else content, cut, encoding)
            if fault == "stalls":
                time.sleep(20)

    def answer(self, content, cut=False, encoding=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.wfile.flush()


@pytest.fixture
def serve(data_folder, monkeypatch):
    """Serve the good files over HTTP on this machine, as torchvision's only mirror."""
    from torchvision.datasets import FashionMNIST

    class Handler(Faulty):
        requests: list[str] = []
        chance = random.Random(1)

    directory = str(paths.raw_folder(data_folder))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=directory)
    )
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    Handler.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.delenv("FMNIST_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")  # whatever this machine goes through
    monkeypatch.setattr(FashionMNIST, "mirrors", [Handler.address])
    yield Handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_network(monkeypatch):
    """Every download fails at once, as it does on a machine with no network."""
    from torchvision.datasets import FashionMNIST

    monkeypatch.delenv("FMNIST_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens there


def own_network():
    """A class as somebody writes it in a cell, new each time that the cell is run."""

    class Own(nn.Module):
        def __init__(self, hidden: int = 12, dropout: float = 0.0):
            super().__init__()
            self.hidden = hidden
            self.dropout = dropout
            self.first = nn.Linear(784, hidden)
            self.last = nn.Linear(hidden, 10)

        def forward(self, x):
            return self.last(self.first(x.flatten(1)).relu())

    return Own


@pytest.fixture
def registered(monkeypatch):
    """`register`, which forgets the class when the test ends."""

    def remembered(network):
        monkeypatch.setitem(NETWORKS, network.__name__, network)
        return register(network)

    return remembered


@pytest.fixture(scope="session")
def published_net() -> Net:
    """The trained network that comes with the course; nobody may change it."""
    return checkpoints.load_model(checkpoints.shipped())[0]


@pytest.fixture
def displayed(monkeypatch):
    """As in a kernel: what is displayed."""
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel="a kernel"))
    monkeypatch.setattr(IPython.display, "display", lambda data, raw: shown.append(data))
    return shown


class Screen:
    """What a front end would show: every display, replaced by its updates; and all of these."""

    def __init__(self):
        self.shown = []
        self.updates = []

    def display(self, content, raw=False, display_id=False):
        self.shown.append(content)
        place, screen = len(self.shown) - 1, self

        class Handle:
            def update(self, content, raw=False):
                screen.shown[place] = content
                screen.updates.append(content)

        return Handle()


@pytest.fixture
def screen(monkeypatch):
    """What a front end would show: its `shown` is a list with each display, as it is now."""
    screen = Screen()
    monkeypatch.setattr(IPython.display, "display", screen.display)
    return screen
