import gzip
import hashlib
import os
from functools import partial

import pandas as pd
import pytest
import torch

from fmnist_lib import data
from fmnist_lib.data import CLASS_NAMES, CSV_COLUMNS, Split
from fmnist_lib.errors import CourseError

REAL = os.environ.get("FMNIST_DATA")
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"


def test_published_checksums_are_torchvisions():
    from torchvision.datasets import MNIST, FashionMNIST

    assert data.FILES == dict(FashionMNIST.resources)
    assert data.MNIST_FILES == dict(MNIST.resources)
    assert [c.lower() for c in CLASS_NAMES] == [c.lower() for c in FashionMNIST.classes]


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


def test_relative_fmnist_data_counts_from_the_project(monkeypatch, tmp_path):
    monkeypatch.setenv("FMNIST_DATA", "some/where")
    monkeypatch.chdir(tmp_path)
    assert data.data_root() == data.project_root() / "some" / "where"


# ------------------------------------------------------------------------------ wrong files


@pytest.mark.parametrize("source", ["auto", "zalando"])
def test_torn_file(data_folder, source):
    path = data.raw_folder(data_folder) / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CourseError, match=f"{TRAIN_IMAGES} is torn.*Delete this file"):
        data.load(data_folder, source)


def test_mnist_in_place_of_fashion_mnist(data_folder, monkeypatch):
    path = data.raw_folder(data_folder) / TRAIN_IMAGES
    path.write_bytes(b"handwritten digits")
    digits = {TRAIN_IMAGES: hashlib.md5(b"handwritten digits").hexdigest()}
    monkeypatch.setattr(data, "MNIST_FILES", data.MNIST_FILES | digits)
    with pytest.raises(CourseError, match="is MNIST, the handwritten digits"):
        data.load(data_folder)


def test_missing_file_without_network(data_folder, no_network):
    (data.raw_folder(data_folder) / TRAIN_IMAGES).unlink()
    with pytest.raises(CourseError, match=f"Missing in .*{TRAIN_IMAGES}.*FMNIST_DATA"):
        data.load(data_folder, "zalando")


def test_auto_draws_the_stand_in_and_says_so(tmp_path, no_network, capsys, monkeypatch):
    small = partial(data.synthetic.generate, 300, 100)
    monkeypatch.setattr(data.synthetic, "generate", small)
    loaded = data.load(tmp_path, validation=50)
    assert loaded.source == loaded.validation.source == loaded.test.source == "synthetic"
    assert "GENERATED IMAGES" in capsys.readouterr().out


def test_unknown_source():
    with pytest.raises(CourseError, match="'mnist' is unknown. Choose one of: auto, zalando"):
        data.load(source="mnist")


# --------------------------------------------------------------------------------- download


def shown(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_download(serve, tmp_path, drawn):
    loaded = data.load(tmp_path / "new", "zalando", validation=0)
    assert torch.equal(loaded.train.images, drawn[0].images)
    assert set(serve.requests) == {f"/{name}" for name in data.FILES}
    before = len(serve.requests)
    data.load(tmp_path / "new", "zalando", validation=0)
    assert len(serve.requests) == before  # the second time nothing is fetched
    assert shown(data.raw_folder(tmp_path / "new")) == sorted(data.FILES)


def test_only_the_missing_file_is_downloaded(serve, tmp_path, data_folder):
    import shutil

    shutil.copytree(data_folder, tmp_path / "new")
    (data.raw_folder(tmp_path / "new") / TRAIN_IMAGES).unlink()
    data.load(tmp_path / "new", "zalando", validation=0)
    assert set(serve.requests) == {f"/{TRAIN_IMAGES}"}


def test_own_mirror_comes_first(serve, tmp_path, monkeypatch):
    from torchvision.datasets import FashionMNIST

    monkeypatch.setattr(FashionMNIST, "mirrors", [])
    monkeypatch.setenv("FMNIST_MIRROR", serve.address)
    assert data.load(tmp_path / "new", "zalando", validation=0).source == "zalando"


def test_a_wrong_download_leaves_no_file(serve, tmp_path):
    serve.fault = "login page"
    with pytest.raises(CourseError, match="The download failed.*a web page came instead"):
        data.load(tmp_path / "new", "zalando")
    assert shown(data.raw_folder(tmp_path / "new")) == []


@pytest.mark.parametrize("mirror", ["nowhere", "ftp://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_mirror_that_is_none(data_folder, no_network, tmp_path, monkeypatch, mirror):
    monkeypatch.setenv("FMNIST_MIRROR", mirror)
    with pytest.raises(CourseError, match="The download failed"):
        data.load(tmp_path / "new", "zalando")


# -------------------------------------------------------------------------------------- CSV


@pytest.fixture
def csv_path(tmp_path, drawn):
    return data.write_csv(drawn[1], tmp_path / "images.csv")


def test_csv_round_trip(csv_path, drawn):
    again = data.read_csv(csv_path)
    assert torch.equal(again.images, drawn[1].images)
    assert torch.equal(again.labels, drawn[1].labels)
    assert list(pd.read_csv(csv_path, nrows=1).columns) == CSV_COLUMNS and len(CSV_COLUMNS) == 785


def test_csv_with_byte_order_mark_and_windows_line_ends(csv_path, drawn):
    windows = b"\xef\xbb\xbf" + csv_path.read_bytes().replace(b"\n", b"\r\n")
    csv_path.write_bytes(windows)
    assert torch.equal(data.read_csv(csv_path).images, drawn[1].images)


def test_load_csv(tmp_path, drawn):
    for split, name in zip(drawn, data.CSV_FILES, strict=True):
        data.write_csv(split, tmp_path / name)
    loaded = data.load(tmp_path, "csv", validation=100)
    assert loaded.source == "csv" and torch.equal(loaded.test.images, drawn[1].images)


def cell(line, column, text):
    """An edit: put `text` into one place of the file, lines and columns counted from 0."""

    def edit(lines):
        values = lines[line].split(",")
        values[column] = text
        lines[line] = ",".join(values)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines.__setitem__(0, lines[0] + ",pixel785"), "786 columns"),
        (lambda lines: lines.pop(0), "785 columns, the first .* header line"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no images"),
        (cell(2, 3, "12.5"), "line 3, column pixel3 is '12.5'"),
        (cell(5, 784, "256"), "line 6, column pixel784 is '256'"),
        (cell(5, 7, "-1"), "line 6, column pixel7 is '-1'"),
        (cell(1, 1, "grey"), "line 2, column pixel1 is 'grey'"),
        (cell(1, 1, ""), "line 2, column pixel1 is ''"),
        (cell(4, 0, "10"), "line 5: label 10. Labels are 0 to 9"),
    ],
)
def test_bad_csv(csv_path, edit, message):
    lines = csv_path.read_text().splitlines()
    edit(lines)
    csv_path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CourseError, match=message):
        data.read_csv(csv_path)


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


def test_idx_header_gives_the_shape(tmp_path):
    path = tmp_path / "small.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))))
    assert data.read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]


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


def test_nearest_images_against_every_pair():
    generator = torch.Generator().manual_seed(0)
    queries, references = (
        torch.randint(0, 256, (n, 28, 28), generator=generator, dtype=torch.uint8) for n in (7, 30)
    )
    queries[3] = references[11]
    distance, index = data.nearest_images(queries, references, batch=3)
    every = (queries[:, None].double() - references[None].double()).square().mean((2, 3)).sqrt()
    assert torch.equal(index, every.argmin(1)) and index[3] == 11 and distance[3] == 0
    assert torch.allclose(distance.double(), every.min(1).values, atol=1e-3)


def test_a_split_is_indexed_like_a_tensor(drawn):
    sandals = drawn[0][drawn[0].labels == 5]
    assert isinstance(sandals, Split) and sandals.labels.unique().tolist() == [5]
