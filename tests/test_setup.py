"""The files that install the course agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

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
