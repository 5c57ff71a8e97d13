"""The files that install the course agree with each other."""

import contextlib
import os
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
import yaml
from conftest import answering
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LISTED = [Requirement(line) for line in PROJECT["dependencies"]]
LISTED += [
    Requirement(line)
    for extra in ("dev", "cluster", "handouts")
    for line in PROJECT["optional-dependencies"][extra]
    if not line.startswith(PROJECT["name"])  # dev names the other extras by the project's name
]


def pinned() -> dict[str, tuple[str, str]]:
    """name -> (operator, version) of every line of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    matches = [re.fullmatch(r"([\w.-]+)(===?)([\w.]+)", x) for x in lines if x and x[0] != "#"]
    assert all(matches)
    return {match[1].lower(): (match[2], match[3]) for match in matches}


def test_constraints_pin_every_dependency_inside_its_range():
    pins = pinned()
    for requirement in LISTED:
        assert requirement.specifier.contains(pins[requirement.name][1]), requirement


def test_constraints_can_be_installed_on_the_oldest_python():
    """A system's Python is often the first of its line: Debian 12 has 3.11.2."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    asked = 0
    for name, (_, pin) in pinned().items():
        with contextlib.suppress(PackageNotFoundError):
            found = metadata(name)
            if found["Version"] == pin:  # else the one that is meant is not here to be asked
                asked += 1
                assert SpecifierSet(found.get("Requires-Python") or "").contains(oldest), name
    assert asked > len(pinned()) / 2


def test_a_local_cpu_build_of_torch_is_never_taken():
    for name in ("torch", "torchvision"):
        operator, version = pinned()[name]
        # pip finds 2.15.0+cpu newer than 2.15.0 and equal to it for "==", but not for "==="
        locked = Requirement(f"{name}{operator}{version}").specifier
        assert locked.contains(version) and not locked.contains(f"{version}+cpu")


def test_conda_installs_the_same_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = environment["dependencies"]
    assert python == "python=3.11" and pip == "pip"
    assert through_pip == {"pip": ["--constraint constraints.txt", "--editable .[dev]"]}
    assert PROJECT["requires-python"] == ">=3.11"


def test_the_packages_promised_to_users_are_listed():
    names = {requirement.name for requirement in LISTED}
    promised = {"torch", "torchvision", "pandas", "matplotlib", "seaborn", "jupyterlab", "nbval",
                "papermill"}  # fmt: skip
    assert promised <= names


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's list of sockets")
def test_make_lab_keeps_its_token_and_listens_on_loopback_only(tmp_path):
    makefile = (ROOT / "Makefile").read_text()
    (options,) = re.findall(r"^\t\$\(BIN\)/jupyter lab (.*)$", makefile, flags=re.M)
    assert options == "my_notebooks"  # whatever else it is given has to be tried below, too
    runtime = tmp_path / "runtime"
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", str(tmp_path), "--no-browser", "--port=0", *root],
        env=os.environ | {"JUPYTER_RUNTIME_DIR": str(runtime)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        said = answering(runtime)
        assert len(said["token"]) >= 40 and not said["password"]
        for token, status in (("", 403), (said["token"], 200)):
            assert get(f"{said['url']}api/contents?token={token}") == status
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        of_server = sockets(server.pid)
        own = {line[1] for line in lines if line[3] == "0A" and line[9] in of_server}
        assert f"0100007F:{said['port']:04X}" in own  # 127.0.0.1, little-endian
        assert {address.partition(":")[0] for address in own} == {"0100007F"}
        assert not of_server & {
            line.split()[9] for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]
            if not line.split()[1].startswith("0" * 24 + "01000000") and line.split()[3] == "0A"
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait(20)


def get(url):
    try:
        return urllib.request.urlopen(url).status
    except urllib.error.HTTPError as error:
        return error.code


def sockets(pid):
    """The numbers of a process's sockets."""
    links = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the process closed it in between
            links.add(os.readlink(link))
    return {link[8:-1] for link in links if link.startswith("socket:[")}
