"""The JavaScript of the widgets: its logic in Node, and what the linter and the type check say."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "javascript"
NODE, NPM = shutil.which("node"), shutil.which("npm")


def can_import() -> bool:
    """Whether there is a Node.js that reads our files as modules: 20.19 or newer."""
    if not NODE:
        return False
    said = subprocess.run([NODE, "--version"], capture_output=True, encoding="utf-8").stdout
    return tuple(map(int, said.strip("v\n").split("."))) >= (20, 19)


def run(*command):
    ended = subprocess.run(command, cwd=HERE, capture_output=True, encoding="utf-8")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.skipif(not can_import(), reason="no Node.js 20.19 or newer")
def test_logic():
    assert "# fail 0" in run(NODE, "--test", "--test-reporter=tap")


@pytest.mark.skipif(
    not (NPM and (HERE / "node_modules").exists()), reason="make lint installs the tools"
)
def test_linter_and_types_find_nothing():
    run(NPM, "run", "check")
