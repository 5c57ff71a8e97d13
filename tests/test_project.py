"""What a project has beside its code: workflows, how to cite it, templates, one version number."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT

from fmnist_lib.course import cli

GITHUB = ROOT / ".github"
# Which files, by which schema; and a word whose absence the schema has to see.
SCHEMAS = (
    (".github/workflows/*.yml", "vendor.github-workflows", "jobs:"),
    (".github/workflows/*.yml", "custom.github-workflows-require-timeout", "timeout-minutes:"),
    (".github/ISSUE_TEMPLATE/*.yml", "vendor.github-issue-forms", "body:"),
    ("CITATION.cff", "vendor.citation-file-format", "authors:"),
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def problems(schema, paths):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    return (done.stdout + done.stderr) if done.returncode else ""


@pytest.mark.parametrize("files, schema, word", SCHEMAS)
def test_files_are_as_their_readers_want_them(files, schema, word, tmp_path):
    paths = sorted(ROOT.glob(files))
    assert paths and problems(schema, paths) == ""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(text.replace(word, f"x-{word}"), encoding="utf-8")
    said = problems(schema, sorted(tmp_path.iterdir()))
    assert all(path.name in said for path in paths)


def test_there_are_workflows_for_all_that_should_be_watched():
    assert {path.stem for path in GITHUB.glob("workflows/*.yml")} == {"tests", "weekly", "site"}
    tests = yaml.safe_load((GITHUB / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    systems = tests["jobs"]["test"]["strategy"]["matrix"]["os"]
    assert [name.partition("-")[0] for name in systems] == ["ubuntu", "macos", "windows"]


def test_each_command_of_the_workflows_is_one_of_the_project():
    targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    commands = {name for name in cli.fmnist.commands}
    for path in GITHUB.glob("workflows/*.yml"):
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        for line in (line for job in jobs for step in job["steps"]
                     for line in step.get("run", "").splitlines()):  # fmt: skip
            if line.startswith("make "):
                assert line.split()[1] in targets, line
            elif "fmnist " in line:
                assert line.partition("fmnist ")[2].split()[0] in commands, line
            else:
                assert re.match(
                    r"npm --prefix tests/javascript ci|python -m venv|touch|\.venv", line
                )


def test_one_version_number(capsys):
    version = PROJECT["version"]
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"fmnist_lib {version}\n"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version and citation["license"] == PROJECT["license"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(version)}\b", changes, flags=re.M)


def test_links_to_other_places_are_whole():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*")]
    for path in pages:
        if path.suffix not in (".md", ".ipynb"):
            continue
        for link in re.findall(r"\]\((https?:[^)\s]*)", path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]{2,}(/[\w./%@?=&#:,~+-]*)?", link), link
