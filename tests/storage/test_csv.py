"""CSV files: as written, as spreadsheets change them. Hostile ones: tests/test_hostile.py."""

import pandas as pd
import pytest
import torch

from fmnist_lib.errors import CourseError
from fmnist_lib.storage import csv


@pytest.fixture
def csv_path(tmp_path, drawn):
    return csv.write(tmp_path / "images.csv", drawn[1].images, drawn[1].labels)


def test_csv_round_trip(csv_path, drawn):
    images, labels = csv.read(csv_path)
    assert torch.equal(images, drawn[1].images) and images.dtype == torch.uint8
    assert torch.equal(labels, drawn[1].labels) and labels.dtype == torch.int64
    assert list(pd.read_csv(csv_path, nrows=1).columns) == csv.COLUMNS and len(csv.COLUMNS) == 785


def test_csv_with_byte_order_mark_and_windows_line_ends(csv_path, drawn):
    windows = b"\xef\xbb\xbf" + csv_path.read_bytes().replace(b"\n", b"\r\n")
    csv_path.write_bytes(windows)
    assert torch.equal(csv.read(csv_path)[0], drawn[1].images)


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
        csv.read(csv_path)
