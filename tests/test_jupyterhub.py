"""The files on the page about JupyterHub, as they stand there."""

import os
import re
import subprocess

import pytest
from conftest import ROOT
from traitlets.config import Config

PAGE = (ROOT / "docs" / "jupyterhub.md").read_text(encoding="utf-8")


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
    return found


def test_the_configuration_can_be_read_and_names_what_the_page_installs():
    config = Config()
    exec(compile(block("python"), "jupyterhub_config.py", "exec"), {"get_config": lambda: config})
    (start,) = config.Spawner.cmd
    assert f"`{start}`" in PAGE
    proxy = config.ConfigurableHTTPProxy.command.partition("/node_modules")[0]
    assert f"npm install --prefix {proxy} configurable-http-proxy" in PAGE
    assert config.Spawner.environment["FMNIST_DATA"] in PAGE
    (culler,), (role,) = config.JupyterHub.services, config.JupyterHub.load_roles
    assert role["services"] == [culler["name"]] and "delete:servers" in role["scopes"]
    assert "authenticator_class" not in config.JupyterHub  # no login without a password


@pytest.mark.skipif(os.name == "nt", reason="a shell script, and permissions")
def test_a_start_copies_what_is_missing_and_overwrites_nothing(tmp_path):
    course, home = tmp_path / "hub" / "course", tmp_path / "the home"
    server = tmp_path / "hub" / "venv" / "bin" / "jupyterhub-singleuser"
    for folder in (course, home, server.parent):
        folder.mkdir(parents=True)
    server.write_text('#!/bin/sh\necho "started $@"\n')
    server.chmod(0o755)
    for name in ("01_a.ipynb", "02_b.ipynb", "page.md"):
        (course / name).write_text("of the course")
        (course / name).chmod(0o444)
    script = tmp_path / "start.sh"
    script.write_text(block("sh").replace("/opt/fmnist", str(tmp_path / "hub")))

    def start():
        command = ["sh", str(script), "--port=1", "two words"]
        environment = os.environ | {"HOME": str(home)}
        done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
        assert (done.stdout, done.stderr) == ("started --port=1 two words\n", "")

    start()
    mine = home / "fmnist"
    assert sorted(path.name for path in mine.iterdir()) == ["01_a.ipynb", "02_b.ipynb", "page.md"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in mine.iterdir())
    (mine / "01_a.ipynb").write_text("of mine")
    (mine / "02_b.ipynb").unlink()
    (course / "03_c.ipynb").write_text("new")
    start()
    said = {path.name: path.read_text() for path in mine.iterdir()}
    assert said == {"01_a.ipynb": "of mine", "02_b.ipynb": "of the course",
                    "03_c.ipynb": "new", "page.md": "of the course"}  # fmt: skip
    assert mine.stat().st_mode & 0o077 == 0
