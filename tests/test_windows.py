"""The unit tests that can run on Windows, on a Python that is like one there.

Nothing can fork, text files and pipes are in cp1252, and a virus scanner holds every new file:
tests/windows/sitecustomize.py. Paths with backslashes: tests/course/test_execute.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# These take minutes: they start kernels, clusters or commands, draw or render. All of it:
# PYTHONPATH=tests/windows:. PYTHONIOENCODING=cp1252 SIMULATED_WINDOWS=1 pytest -o addopts=
LONG = [
    "course/test_cli.py", "course/test_console.py", "course/test_doctor.py",
    "course/test_handouts.py", "course/test_printing.py", "course/test_refresh.py",
    "course/test_run.py", "course/test_sweep.py", "course/test_train_command.py",
    "lessons/test_plots.py", "lessons/test_torchrun.py", "test_browser.py", "test_determinism.py",
    "test_distributed.py", "test_notebooks.py", "test_setup.py",
]  # fmt: skip
WINDOWS = {
    "PYTHONPATH": os.pathsep.join([str(TESTS / "windows"), os.environ.get("PYTHONPATH", "")]),
    "PYTHONIOENCODING": "cp1252",
    "PYTHONUTF8": "0",
    "OMP_NUM_THREADS": "1",
    "SIMULATED_WINDOWS": "1",  # conftest.py leaves the notebooks alone, which others use
}


def python(*arguments, **given):
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | WINDOWS, cwd=TESTS.parent,
        capture_output=True, encoding="cp1252", **given,
    )  # fmt: skip


pytestmark = [
    pytest.mark.windows,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this is Windows, real or simulated"),
]


def test_it_is_like_windows(tmp_path):
    said = python("-c", f"""
import multiprocessing, os, sys, sitecustomize
from fmnist_lib.storage import atomic
print(hasattr(os, "fork"), multiprocessing.get_start_method(), sys.stdout.encoding)
with open({str(tmp_path / "text")!r}, "w") as file:
    print(file.encoding)
try:
    import resource
except ImportError:
    print("no resource")
atomic.write_text({str(tmp_path / "new")!r}, "text")
print(*sitecustomize.held)
""")  # fmt: skip
    assert said.stdout.split("\n")[:3] == ["False spawn cp1252", "cp1252", "no resource"], said
    assert str(tmp_path / "new") in said.stdout  # it was held for a moment
    assert (tmp_path / "new").read_text() == "text"


def test_the_unit_tests_run_there(tmp_path):
    # Its own folder for temporary files: else pytest would close that of the others for a while.
    done = python(
        "-m", "pytest", "-o", "addopts=", "-q", "-m", "not browser", "-p", "no:cacheprovider",
        "-k", "not papermill",
        "--basetemp", str(tmp_path / "base"), *(f"--ignore=tests/{name}" for name in LONG),
        "--durations=30", "tests", timeout=280,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 600
