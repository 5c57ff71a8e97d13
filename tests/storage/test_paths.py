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
def clone(tmp_path):
    """A folder that counts as a clone of the course, though not as that of this package."""
    (tmp_path / "clone" / "fmnist_lib").mkdir(parents=True)
    (tmp_path / "clone" / "pyproject.toml").write_text("")
    return tmp_path / "clone"


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """The package as if it were installed without the course around it."""
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "fmnist_lib")


def test_the_course_is_around_the_package():
    assert paths.course() == ROOT


def test_without_a_clone_there_is_no_course(installed):
    assert paths.course() is None


def test_a_relative_path_counts_from_the_current_folder(elsewhere):
    assert paths.in_work_folder("runs/mine") == elsewhere / "runs" / "mine"
    assert paths.in_work_folder(Path("runs")) == elsewhere / "runs"


@pytest.mark.parametrize("where", ["", "notebooks", "my_notebooks/of/mine"])
def test_anywhere_in_a_clone_it_counts_from_there(clone, where, monkeypatch):
    (clone / where).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(clone / where)
    assert paths.work_folder() == clone
    assert paths.in_work_folder("runs/mine") == clone / "runs" / "mine"


def test_two_users_of_one_installation_have_folders_of_their_own(tmp_path, monkeypatch):
    """The package lies in a clone that both use."""
    for name in ("anna", "ben"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert paths.in_work_folder("runs/lesson") == tmp_path / name / "runs" / "lesson"
        assert paths.data_root() == ROOT / "data"  # which they share


def test_other_paths_stay_as_they_are(tmp_path, monkeypatch, elsewhere):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # its name on Windows
    assert paths.in_work_folder(tmp_path / "x") == tmp_path / "x"
    assert paths.in_work_folder("~/x") == paths.in_work_folder(Path("~/x")) == tmp_path / "x"
    assert paths.in_work_folder("~nobody-of-this-name") == elsewhere / "~nobody-of-this-name"


def test_a_current_folder_that_was_deleted(elsewhere):
    elsewhere.rmdir()
    with pytest.raises(CourseError, match="The current folder"):
        paths.work_folder()


def test_relative_fmnist_data_counts_from_the_work_folder(monkeypatch, elsewhere):
    monkeypatch.setenv("FMNIST_DATA", "some/where")
    assert paths.data_root() == elsewhere / "some" / "where"


def test_an_empty_fmnist_data_is_none(monkeypatch):
    monkeypatch.setenv("FMNIST_DATA", "")
    assert paths.data_root() == ROOT / "data"


def test_without_a_clone_the_data_lies_where_one_works(installed, elsewhere):
    assert paths.data_root() == elsewhere / "data"


def test_the_folder_given_counts_before_fmnist_data(monkeypatch, tmp_path, elsewhere):
    monkeypatch.setenv("FMNIST_DATA", "some/where")
    assert paths.data_root(tmp_path) == tmp_path
    assert paths.data_root("other") == elsewhere / "other"
    assert paths.raw_folder(paths.data_root()) == elsewhere / "some/where/FashionMNIST/raw"


def test_results_come_with_the_package_unless_there_are_ones_of_that_name(elsewhere):
    brought = ROOT / "fmnist_lib" / "results" / "few_epochs"
    assert paths.find_folder("results/few_epochs") == brought
    assert paths.find("results/README.md") == brought.parent / "README.md"
    (elsewhere / "results" / "few_epochs").mkdir(parents=True)
    assert paths.find_folder("results/few_epochs") == elsewhere / "results" / "few_epochs"
    assert paths.find_folder("results/none") == elsewhere / "results" / "none"
    assert paths.find_folder(elsewhere / "runs") == elsewhere / "runs"


def test_find_looks_here_and_then_in_the_clone(clone, monkeypatch):
    here = clone / "runs"
    here.mkdir()
    monkeypatch.chdir(here)
    (clone / "photo.png").write_text("in the clone")
    assert paths.find("photo.png") == clone / "photo.png"
    (here / "photo.png").write_text("here")
    assert paths.find("photo.png") == here / "photo.png"
    assert paths.find(clone / "photo.png") == clone / "photo.png"


def test_find_names_the_places_where_it_looked(clone, monkeypatch):
    (clone / "runs" / "photo.png").mkdir(parents=True)  # a folder is no file
    monkeypatch.chdir(clone / "runs")
    with pytest.raises(CourseError) as refused:
        paths.find("photo.png")
    here, there = clone / "runs" / "photo.png", clone / "photo.png"
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


def test_a_place_in_the_work_folder_is_printed_short(elsewhere, tmp_path):
    assert paths.from_work_folder(elsewhere / "runs" / "mine") == str(Path("runs", "mine"))
    assert paths.from_work_folder(tmp_path / "other") == str(tmp_path / "other")
