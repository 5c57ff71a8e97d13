"""Loading in three splits, from wherever the images come. The formats: tests/storage."""

import gzip
import hashlib
import os
import shutil
from functools import partial

import pytest
import torch
from conftest import PUBLISHED_NAMES

from fmnist_lib import data, synthetic
from fmnist_lib.data import Split
from fmnist_lib.errors import CourseError
from fmnist_lib.storage import csv, download, labels, paths

REAL = os.environ.get("FMNIST_DATA")
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


def test_load_from_disk(data_folder, drawn):
    loaded = data.load(data_folder, "zalando", validation=60)
    assert loaded.source == loaded.train.source == "zalando"
    assert torch.equal(loaded.test.images, drawn[1].images)
    assert torch.equal(loaded.test.labels, drawn[1].labels)
    assert loaded.train.images.dtype == torch.uint8 and loaded.train.labels.dtype == torch.int64
    assert loaded.train.images.shape == (540, 28, 28) and len(loaded.validation) == 60


@pytest.mark.skipif(not REAL, reason="FMNIST_DATA is not set")
def test_real_files_are_fashion_mnist():
    loaded = data.load(source="zalando")
    assert [len(s) for s in (loaded.train, loaded.validation, loaded.test)] == [55000, 5000, 10000]
    assert loaded.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert round(loaded.train.images.float().mean().item()) == 73


# ------------------------------------------------------------------------------ wrong files


@pytest.mark.parametrize("source", ["auto", "zalando"])
def test_torn_file(data_folder, source):
    path = paths.raw_folder(data_folder) / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CourseError, match=f"{TRAIN_IMAGES} is torn.*Delete this file"):
        data.load(data_folder, source)


def test_mnist_in_place_of_fashion_mnist(data_folder, monkeypatch):
    path = paths.raw_folder(data_folder) / TRAIN_IMAGES
    path.write_bytes(b"handwritten digits")
    digits = {TRAIN_IMAGES: hashlib.md5(b"handwritten digits").hexdigest()}
    monkeypatch.setattr(download, "MNIST_FILES", download.MNIST_FILES | digits)
    with pytest.raises(CourseError, match="is MNIST, the handwritten digits"):
        data.load(data_folder)


def test_missing_file_without_network(data_folder, no_network):
    (paths.raw_folder(data_folder) / TRAIN_IMAGES).unlink()
    with pytest.raises(CourseError, match=f"Missing in .*{TRAIN_IMAGES}.*FMNIST_DATA"):
        data.load(data_folder, "zalando")


@pytest.fixture
def small_stand_in(monkeypatch):
    monkeypatch.setattr(synthetic, "generate", partial(synthetic.generate, 300, 100))


def test_auto_draws_the_stand_in_and_says_so(tmp_path, no_network, capsys, small_stand_in):
    (tmp_path / "FashionMNIST").mkdir()
    loaded = data.load(tmp_path, validation=50)
    assert loaded.source == loaded.validation.source == loaded.test.source == "synthetic"
    assert "GENERATED IMAGES" in capsys.readouterr().out


def test_unknown_source():
    with pytest.raises(CourseError, match="'mnist' is unknown. Choose auto, zalando, "):
        data.load(source="mnist")


def test_auto_takes_what_came_while_its_own_download_failed(
    data_folder, tmp_path, no_network, monkeypatch, small_stand_in
):
    (tmp_path / "new" / "FashionMNIST").mkdir(parents=True)

    def come_and_fail(*_):
        shutil.copytree(data_folder, tmp_path / "new", dirs_exist_ok=True)
        raise FileNotFoundError(2, "No such file or directory", ".download-failed")

    monkeypatch.setattr(download, "_download_missing", come_and_fail)
    assert data.load(tmp_path / "new", validation=60).source == "zalando"


@pytest.mark.parametrize("source", ["auto", "zalando"])
def test_unpacked_files_are_used_as_they_are(data_folder, drawn, no_network, monkeypatch, source):
    folder = paths.raw_folder(data_folder)
    digests = {}
    for path in list(folder.iterdir()):
        content = gzip.decompress(path.read_bytes())
        digests[path.name] = hashlib.md5(content).hexdigest()
        path.with_suffix("").write_bytes(content)
        path.unlink()
    monkeypatch.setattr(download, "UNPACKED", digests)
    loaded = data.load(data_folder, source, validation=0)
    assert loaded.source == "zalando" and torch.equal(loaded.train.images, drawn[0].images)
    assert len(list(folder.iterdir())) == 4


def test_idx_files_of_ones_own_are_not_compared_with_the_published_ones(
    data_folder, drawn, monkeypatch
):
    monkeypatch.setattr(download, "FILES", dict.fromkeys(download.FILES, "another"))
    with pytest.raises(CourseError, match="is torn or altered"):
        data.load(data_folder, "zalando")
    loaded = data.load(data_folder, "idx")
    assert loaded.source == "idx" and torch.equal(loaded.test.images, drawn[1].images)
    held_out = len(drawn[0]) // 12
    assert (len(loaded.train), len(loaded.validation)) == (len(drawn[0]) - held_out, held_out)


def test_idx_files_that_are_missing(tmp_path):
    (tmp_path / "FashionMNIST" / "raw").mkdir(parents=True)
    with pytest.raises(CourseError, match="train-images-idx3-ubyte.gz"):
        data.load(tmp_path, "idx")


# ------------------------------------------------------------------------------ FMNIST_DATA


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty folder that counts as the course's and is the current one; its user's home."""
    folder = tmp_path / "project"
    (tmp_path / "home").mkdir()
    folder.mkdir()
    for name in ("course", "work_folder"):
        monkeypatch.setattr(paths, name, lambda: folder)
    monkeypatch.chdir(folder)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return folder


def test_a_tilde_is_the_home_folder(project, data_folder, no_network, monkeypatch):
    data_folder.rename(project.parent / "home" / "shared")
    monkeypatch.setenv("FMNIST_DATA", "~/shared")
    assert data.load(validation=0).source == "zalando"
    assert list(project.iterdir()) == []


def test_a_label_without_a_name(data_folder):
    names = [f"class {n}" for n in range(9)]
    (data_folder / labels.CLASSES).write_text("\n".join(names))
    with pytest.raises(CourseError, match="has no name for label 9, which is among the data"):
        data.load(data_folder, source="zalando", validation=0)
    (data_folder / labels.CLASSES).write_text("\n".join([*names[:4], "", *names[4:]]))
    with pytest.raises(CourseError, match="has no name for label 4"):
        data.load(data_folder, source="zalando", validation=0)
    (data_folder / labels.CLASSES).write_text("\n".join([*names, "class 9", ""]))
    assert data.load(data_folder, source="zalando", validation=0).source == "zalando"


@pytest.mark.published_names
def test_the_names_are_those_that_were_published():
    from torchvision.datasets import FashionMNIST

    assert data.CLASS_NAMES == PUBLISHED_NAMES
    assert [name.lower() for name in PUBLISHED_NAMES] == [
        name.lower() for name in FashionMNIST.classes
    ]


def test_an_empty_one_is_none(project, data_folder, no_network, monkeypatch):
    data_folder.rename(project / "data")
    monkeypatch.setenv("FMNIST_DATA", "")
    assert data.load(validation=0).source == "zalando"


@pytest.mark.parametrize("source", ["auto", "zalando"])
@pytest.mark.parametrize("wrong", ["~/shared", "~nobody/shared", "shared", " ", "/nowhere/data"])
def test_a_wrong_one_is_no_reason_for_the_stand_in(project, no_network, monkeypatch, source, wrong):
    monkeypatch.setenv("FMNIST_DATA", wrong)
    with pytest.raises(
        CourseError, match="There is no folder .*FMNIST_DATA.* (Correct it|Take the)"
    ):
        data.load(source=source)
    assert list(project.iterdir()) == list((project.parent / "home").iterdir()) == []


def test_the_stand_in_needs_no_folder(project, monkeypatch, small_stand_in):
    monkeypatch.setenv("FMNIST_DATA", "/nowhere/data")
    assert data.load(source="synthetic", validation=0).source == "synthetic"


# -------------------------------------------------------------------------------------- CSV


def test_load_csv(tmp_path, drawn):
    for split, name in zip(drawn, csv.FILES, strict=True):
        csv.write(tmp_path / name, split.images, split.labels)
    loaded = data.load(tmp_path, "csv", validation=100)
    assert loaded.source == "csv" and torch.equal(loaded.test.images, drawn[1].images)


def test_missing_csv(tmp_path):
    with pytest.raises(CourseError, match="is missing. Make it with `fmnist csv"):
        data.load(tmp_path, "csv")


# ----------------------------------------------------------------------------------- splits


def test_split_off_is_stratified_seeded_and_complete(drawn):
    rest, taken = data.split_off(drawn[0], 100, seed=3)
    assert taken.labels.bincount().tolist() == [10] * 10
    assert rest.labels.bincount().tolist() == [50] * 10
    again = data.split_off(drawn[0], 100, seed=3)[1]
    other = data.split_off(drawn[0], 100, seed=4)[1]
    assert torch.equal(taken.images, again.images) and not torch.equal(taken.images, other.images)
    together = torch.cat([rest.images, taken.images]).flatten(1).double().sum(1).sort().values
    assert torch.equal(together, drawn[0].images.flatten(1).double().sum(1).sort().values)


@pytest.mark.parametrize("size", [-1, 600])
def test_impossible_validation_size(drawn, size):
    with pytest.raises(CourseError, match=f"validation={size} is not possible"):
        data.split_off(drawn[0], size)


def test_split_says_what_it_is(drawn):
    assert repr(drawn[0][:50]) == "Split(50 images of 28×28, source='synthetic')"


def test_as_input_is_standardised(drawn):
    x = data.as_input(drawn[0].images)
    assert x.shape == (600, 1, 28, 28) and x.dtype == torch.float32
    back = x[:, 0] * data.PIXEL_STD + data.PIXEL_MEAN
    assert torch.equal(back.round().to(torch.uint8), drawn[0].images)


@pytest.mark.skipif(not REAL, reason="FMNIST_DATA is not set")
def test_pixel_mean_and_standard_deviation_are_those_of_the_training_images():
    pixels = data.load(source="zalando", validation=0).train.images.double()
    assert pixels.mean().item() == pytest.approx(data.PIXEL_MEAN, abs=0.005)
    assert pixels.std().item() == pytest.approx(data.PIXEL_STD, abs=0.005)


def test_a_split_is_indexed_like_a_tensor(drawn):
    sandals = drawn[0][drawn[0].labels == 5]
    assert isinstance(sandals, Split) and sandals.labels.unique().tolist() == [5]
