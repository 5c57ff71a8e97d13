"""Pages and PDFs: through pandoc, a browser of this machine, or typst.

What is not Python's own is imported where it is used: `fmnist doctor` needs the browser even where
nothing is installed.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from fmnist_lib.errors import CourseError

BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge",
    "microsoft-edge",
)  # fmt: skip
BROWSER_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
# What is raw HTML in a page, as typst has it: lines for answers, and a field for a name.
LINES = """
function RawBlock(raw)
  local _, answers = raw.text:gsub("answer%-line", "")
  local line = "#box(width: 1fr, line(length: 100%, stroke: 0.5pt))"
  if answers > 0 then
    return pandoc.RawBlock("typst", string.rep("#v(1.6em)\\n" .. line .. "\\n\\n", answers))
  elseif raw.text:find("name%-field") then
    return pandoc.RawBlock("typst", "Name: " .. line .. " Date: " .. line .. "\\n\\n")
  end
end
"""
TIMEOUT = 60  # seconds for one PDF; the longest takes a few


def pandoc(source: Path, target: Path, *options: str, folder: Path | None = None) -> None:
    """Convert a file through pandoc, which runs in `folder`; CourseError when it can't."""
    try:
        import pypandoc

        command = [pypandoc.get_pandoc_path(), *options, str(source), f"--output={target}"]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", cwd=folder
        )
    except (ImportError, OSError) as error:
        raise CourseError(
            f'pandoc can\'t be started ({error}). Install it: pip install -e ".[handouts]"'
        ) from error
    if done.returncode:
        raise CourseError(f"pandoc could not make {target.name}: {done.stderr.strip()}")


def find_browser() -> str | None:
    """A Chromium, Chrome or Edge on this machine: its path, or None."""
    on_path = (shutil.which(name) for name in BROWSERS)
    installed = (path for path in BROWSER_PATHS if Path(path).exists())
    return next(filter(None, [*on_path, *installed]), None)


class Printer:
    """Makes PDFs: through the browser of this machine or, from its first failure on, by typst."""

    def __init__(self):
        self.browser = find_browser()

    def make(self, page: Path, notebook: dict, pdf: Path) -> None:
        """Make a PDF of a page or, which looks the same but for the type, of its notebook.

        Raises CourseError when typst can't do it either.
        """
        from tqdm import tqdm

        if self.browser:
            try:
                return print_page(self.browser, page, pdf)
            except CourseError as error:
                tqdm.write(f"{error} This PDF and those that follow are set by typst.")
                self.browser = None
        typeset(notebook, pdf)


def print_page(browser: str, page: Path, pdf: Path) -> None:
    """Print an HTML file through a browser; CourseError says why there is no PDF.

    That can have many reasons: a browser in a sandbox of its own (a snap) does not see the folder
    for temporary files, one without rights can't make a sandbox, and some are only a script that
    asks to install one. Some print and then never end, so the file is what is waited for.
    """
    options = ["--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run",
               "--no-pdf-header-footer"]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to run as root with one
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        command = [browser, *options, f"--user-data-dir={scratch}", f"--print-to-pdf={pdf}",
                   page.as_uri()]  # fmt: skip
        log = Path(scratch, "log.txt")
        try:
            with open(log, "wb") as said:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise CourseError(f"{browser} can't be started: {error.strerror or error}.") from error
        deadline = time.monotonic() + TIMEOUT
        try:
            while process.poll() is None and not _is_whole(pdf) and time.monotonic() < deadline:
                time.sleep(0.05)
            status = process.poll()
        finally:
            _end(process)
        if not _is_whole(pdf):
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            ended = f"did not end within {TIMEOUT} s" if status is None else f"ended ({status})"
            raise CourseError(f"{browser} printed no PDF: it {ended}. {last[-200:]}".strip())


def _is_whole(pdf: Path) -> bool:
    content = pdf.read_bytes() if pdf.exists() else b""
    return content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")


def _end(process: subprocess.Popen) -> None:
    """End a process with all that it has started."""
    with suppress(OSError):  # they have ended
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def typeset(notebook: dict, pdf: Path) -> None:
    """Without a browser: pandoc to typst, then to PDF; CourseError when that can't be.

    notebook: as nbformat reads it.
    """
    import nbformat

    with tempfile.TemporaryDirectory() as scratch:
        source, text = Path(scratch, "page.ipynb"), Path(scratch, "page.typ")
        nbformat.write(notebook, source)
        lines = Path(scratch, "lines.lua")
        lines.write_text(LINES, encoding="utf-8")
        options = ["--standalone", "--extract-media=media", "--variable=papersize:a4",
                   f"--lua-filter={lines}"]  # fmt: skip
        pandoc(source, text, *options, folder=Path(scratch))
        try:
            import typst

            typst.compile(str(text), output=str(pdf), root=scratch)
        except Exception as error:  # its errors have no common class
            raise CourseError(f"typst could not make {pdf.name}: {error}") from error
