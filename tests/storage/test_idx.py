"""Reading idx files. Broken and hostile ones: tests/test_hostile.py."""

import gzip

import torch

from fmnist_lib.storage import idx


def test_idx_header_gives_the_shape(tmp_path):
    path = tmp_path / "small.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))))
    assert idx.read(path).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_part_is_images_with_their_labels(data_folder, drawn):
    images, labels = idx.read_part(data_folder, "t10k")
    assert torch.equal(images, drawn[1].images) and images.dtype == torch.uint8
    assert torch.equal(labels, drawn[1].labels) and labels.dtype == torch.int64
