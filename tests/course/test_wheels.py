"""A folder of wheels: made without a network where nothing has to be fetched."""

import zipfile

import pytest

from fmnist_lib.course import cli, wheels
from fmnist_lib.errors import CourseError


def test_the_package_is_in_it_without_its_answers(tmp_path, capfd):
    assert cli.main(["wheels", str(tmp_path / "all"), "--", "--no-deps", "--no-index"]) == 0
    assert "--no-index --find-links" in capfd.readouterr().out
    (wheel,) = (tmp_path / "all").glob("*.whl")
    assert wheel.name.startswith("fmnist_lib-") and (tmp_path / "all" / "constraints.txt").exists()
    with zipfile.ZipFile(wheel) as opened:
        text = opened.read("fmnist_lib/lessons/checks/explore_data.py").decode()
    assert "flip" not in text and "In an envelope" in text


def test_what_pip_refuses_is_an_error(tmp_path, capfd):
    with pytest.raises(CourseError, match="pip ended with"):
        wheels.collect(tmp_path, ("--no-index", "no-such-package==99"))
    assert "no-such-package" in capfd.readouterr().err
