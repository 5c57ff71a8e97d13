"""Which installed packages have another version than in constraints.txt: for the weekly tests."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for line in Path(__file__).parents[1].joinpath("constraints.txt").read_text().splitlines():
    if pinned := re.match(r"([\w.-]+)={2,3}(.+)", line):
        name, known = pinned.groups()
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found.partition("+")[0] != known:
            print(f"{name}: {found} here, {known} in constraints.txt")
