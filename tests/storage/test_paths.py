"""Where things are: from any folder the same place."""

from pathlib import Path

import pytest

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import paths

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """The current folder of these tests is none of the course."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FMNIST_DATA", raising=False)
    return folder


@pytest.fixture
def project(monkeypatch, tmp_path):
    """A folder that counts as the course's."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setattr(paths, "project_root", lambda: folder)
    return folder


def test_the_project_is_where_the_package_lies():
    assert paths.project_root() == ROOT


def test_an_installed_package_has_the_current_folder_for_a_project(monkeypatch, elsewhere):
    monkeypatch.setattr(paths, "__file__", "/usr/lib/site-packages/fmnist_lib/storage/paths.py")
    assert paths.project_root() == elsewhere


def test_a_relative_path_counts_from_the_project():
    assert paths.in_project("runs/mine") == ROOT / "runs" / "mine"
    assert paths.in_project(Path("runs")) == ROOT / "runs"


def test_other_paths_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # its name on Windows
    assert paths.in_project(tmp_path / "x") == tmp_path / "x"
    assert paths.in_project("~/x") == paths.in_project(Path("~/x")) == tmp_path / "x"
    assert paths.in_project("~nobody-of-this-name") == ROOT / "~nobody-of-this-name"


def test_relative_fmnist_data_counts_from_the_project(monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", "some/where")
    assert paths.data_root() == ROOT / "some" / "where"


def test_an_empty_fmnist_data_is_none(monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", "")
    assert paths.data_root() == ROOT / "data"


def test_the_folder_given_counts_before_fmnist_data(monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_DATA", "some/where")
    assert paths.data_root(tmp_path) == tmp_path
    assert paths.data_root("other") == ROOT / "other"
    assert paths.raw_folder(paths.data_root()) == ROOT / "some/where/FashionMNIST/raw"


def test_find_looks_here_and_then_in_the_project(elsewhere, project):
    (project / "photo.png").write_text("in the project")
    assert paths.find("photo.png") == project / "photo.png"
    (elsewhere / "photo.png").write_text("here")
    assert paths.find("photo.png") == elsewhere / "photo.png"
    assert paths.find(project / "photo.png") == project / "photo.png"


def test_find_names_the_places_where_it_looked(elsewhere, project):
    (elsewhere / "photo.png").mkdir()  # a folder is no file
    with pytest.raises(CourseError) as refused:
        paths.find("photo.png")
    here, there = elsewhere / "photo.png", project / "photo.png"
    assert str(refused.value) == f"There is no file {here} and no {there}."
    with pytest.raises(CourseError) as refused:
        paths.find(there)  # one place
    assert str(refused.value) == f"There is no file {there}."


def test_find_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "x").write_text("")
    assert paths.find("~/x") == tmp_path / "x"
    with pytest.raises(CourseError, match="There is no file .*~nobody-of-this-name"):
        paths.find("~nobody-of-this-name")


def test_a_place_in_the_project_is_printed_short(project, tmp_path):
    assert paths.from_project(project / "runs" / "mine") == str(Path("runs", "mine"))
    assert paths.from_project(tmp_path / "other") == str(tmp_path / "other")
