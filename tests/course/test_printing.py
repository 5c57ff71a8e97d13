"""Printing through browsers that can't: typst takes over, and the message says why."""

import os
import signal
import subprocess
import time
from pathlib import Path

import nbformat
import pytest

from fmnist_lib.course import cli, printing
from fmnist_lib.errors import CourseError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stubs are shell scripts")
PDF_NAME = (
    'for option in "$@"; do case "$option" in --print-to-pdf=*) pdf="${option#*=}"; esac; done\n'
)
PRINTS = PDF_NAME + "printf '%%PDF-1.4\\nall of it\\n%%%%EOF\\n' > \"$pdf\"\n"
# What a browser does → what the message says of it.
BAD = {
    "asks to install one": (
        'echo "Command requires the chromium snap to be installed. Please: snap install chromium"\n'
        "exit 1",
        "ended (1). Command requires the chromium snap",
    ),
    "does not see the folder": (
        'echo "12 bytes written to file /tmp/snap-private-tmp/page.pdf" >&2', "ended (0). 12 bytes"
    ),
    "cannot make a sandbox": ('echo "No usable sandbox!" >&2; kill -ABRT $$', "No usable sandbox!"),
    "says nothing": ("exit 0", "ended (0)"),
    "says what is no text": ("printf '\\377\\376' >&2; exit 3", "ended (3)"),
    "hangs": ("exec sleep 60", "did not end within 1 s"),
    "hangs in a process of its own": ("sleep 60 & sleep 60", "did not end within 1 s"),
    "prints half": (PDF_NAME + "printf '%%PDF-1.4 half' > \"$pdf\"", "ended (0)"),
    "prints nothing": (PDF_NAME + ': > "$pdf"', "ended (0)"),
    "prints a web page": (PDF_NAME + 'echo "<html>Log in</html>" > "$pdf"', "ended (0)"),
}  # fmt: skip


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Makes a browser of a shell script, which the course then finds, and gives it a time."""

    def make(script: str, head: str = "#!/bin/sh\n", seconds: float = 60) -> Path:
        monkeypatch.setattr(printing, "TIMEOUT", seconds)
        path = tmp_path / "browser"
        path.write_text(f"{head}{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(printing, "find_browser", lambda: str(path))
        return path

    return make


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html><title>Page</title>Page")
    return path


@pytest.mark.parametrize("name", BAD)
def test_a_browser_that_prints_nothing(stub, page, name):
    script, message = BAD[name]
    browser = stub(script, seconds=1 if "hangs" in name else 60)
    with pytest.raises(CourseError) as raised:
        printing.print_page(str(browser), page, page.with_suffix(".pdf"))
    assert str(raised.value).startswith(f"{browser} printed no PDF") and message in str(
        raised.value
    )
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["gone", "no program", "may not be started"])
def test_a_browser_that_cannot_be_started(stub, page, name):
    browser = stub("", head="#!/no/such/shell\n" if name == "no program" else "#!/bin/sh\n")
    if name == "gone":
        browser.unlink()
    elif name == "may not be started":
        browser.chmod(0o644)
    with pytest.raises(CourseError, match="can't be started"):
        printing.print_page(str(browser), page, page.with_suffix(".pdf"))


def test_a_browser_that_prints_and_never_ends(stub, page):
    """As Chrome does on some Macs: the file is there at once."""
    browser = stub(f"{PRINTS}exec sleep 60")
    printing.print_page(str(browser), page, page.with_suffix(".pdf"))
    assert page.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_nothing_goes_on_running(stub, page, tmp_path):
    browser = stub(f"sleep 60 & echo $! > {tmp_path}/child; sleep 60", seconds=3)
    with pytest.raises(CourseError):
        printing.print_page(str(browser), page, page.with_suffix(".pdf"))
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 30
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_ctrl_c_ends_the_browser_too(stub, page, monkeypatch):
    browser, started = stub("exec sleep 60"), []
    popen = subprocess.Popen

    def noted(*given, **options):
        started.append(popen(*given, **options))
        return started[-1]

    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(printing.subprocess, "Popen", noted)
    monkeypatch.setattr(printing.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        printing.print_page(str(browser), page, page.with_suffix(".pdf"))
    assert started[0].returncode == -signal.SIGKILL


# -------------------------------------------------------------------------- a build of handouts


def build(out: Path, notebook: str = "08") -> int:
    arguments = ["handouts", "--notebook", notebook, "--format", "pdf"]
    return cli.main([*arguments, "--out", str(out)])


@pytest.fixture
def typeset(monkeypatch):
    """Notes what typst is asked for, and does it quickly."""
    made = []

    def typeset(notebook, pdf):
        made.append(pdf)
        pdf.write_bytes(b"%PDF-1.7 by typst %%EOF")

    monkeypatch.setattr(printing, "typeset", typeset)
    return made


@pytest.mark.parametrize("name", ["asks to install one", "hangs", "prints half"])
def test_typst_takes_over_and_the_message_says_why(stub, typeset, tmp_path, capsys, name):
    script, message = BAD[name]
    seconds = 1 if name == "hangs" else 60
    browser = stub(f"echo >> {tmp_path}/asked\n{script}", seconds=seconds)
    assert build(tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert f"{browser} printed no PDF" in said and message in said
    assert "This PDF and those that follow are set by typst." in said
    assert len(typeset) == 2  # student's and instructor's
    assert (tmp_path / "asked").read_text() == "\n"  # once: nobody waits for each file again
    assert (tmp_path / "out" / "student.zip").exists() and (tmp_path / "out/index.html").exists()


def test_a_second_build_keeps_what_typst_made_until_a_browser_prints(stub, typeset, tmp_path):
    stub("exit 1")
    assert build(tmp_path / "out") == 0 and len(typeset) == 2
    assert build(tmp_path / "out") == 0 and len(typeset) == 3  # asks the browser for one of them
    stub(PRINTS)
    assert build(tmp_path / "out") == 0 and len(typeset) == 3
    for audience in ("student", "instructor"):
        (pdf,) = (tmp_path / "out" / audience).glob("*.pdf")
        assert b"all of it" in pdf.read_bytes()


def test_typst_really_does_it(stub, tmp_path):
    from pypdf import PdfReader

    stub("exit 1")
    assert build(tmp_path / "out") == 0
    pages = PdfReader(next((tmp_path / "out" / "student").glob("*.pdf"))).pages
    assert len(pages) > 2 and "processes" in pages[0].extract_text()


def test_typst_that_fails_too(stub, tmp_path, capsys, monkeypatch):
    import typst

    def fails(*given, **options):
        raise RuntimeError("unknown font family")

    stub("exit 1")
    monkeypatch.setattr(typst, "compile", fails)
    assert build(tmp_path / "out") == 1
    assert "typst could not make page.pdf: unknown font family" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["pypandoc", "sphinx_revealjs", "typst"])
def test_a_package_for_handouts_that_is_missing(tmp_path, capsys, monkeypatch, package):
    from fmnist_lib.course import handouts

    found = handouts.find_spec
    monkeypatch.setattr(handouts, "find_spec", lambda name: name != package and found(name) or None)
    assert build(tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert f"{package} is not installed: pip install" in said and not (tmp_path / "out").exists()


def test_pandoc_that_is_missing(tmp_path, capsys, monkeypatch):
    import pypandoc

    def missing():
        raise OSError("No pandoc was found")

    monkeypatch.setattr(pypandoc, "get_pandoc_path", missing)
    assert build(tmp_path / "out") == 1
    assert "pandoc can't be started (No pandoc was found). Install" in capsys.readouterr().err


def test_what_pandoc_says_need_not_be_utf_8(tmp_path, monkeypatch):
    import pypandoc

    script = tmp_path / "pandoc"
    script.write_text("#!/bin/sh\nprintf 'caf\\351' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(pypandoc, "get_pandoc_path", lambda: str(script))
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    with pytest.raises(CourseError, match="pandoc could not make a.html: caf"):
        printing.pandoc(tmp_path / "a.ipynb", tmp_path / "a.html")
