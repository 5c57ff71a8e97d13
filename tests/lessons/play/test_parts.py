"""What the widgets share."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from fmnist_lib.lessons.play.parts import message, number, picture, red_and_blue, table_of


def test_pictures_are_ink_on_paper():
    element = picture(torch.zeros(2, 2, dtype=torch.uint8), 'a "quote"')
    assert 'alt="a &quot;quote&quot;"' in element
    png = base64.b64decode(re.search('base64,([^"]+)', element)[1])
    assert np.asarray(Image.open(io.BytesIO(png))).min() == 255


def test_red_is_positive_and_blue_negative():
    (one,) = red_and_blue(torch.tensor([[-2.0, -1.0, 0.0, 1.0]]), most=1.0).astype(int)
    assert (one[0] == one[1]).all()  # no more than blue
    assert one[1, 2] > one[1, 0] + 50 and one[3, 0] > one[3, 2] + 50
    assert np.ptp(one[2]) <= 2 and one[2].min() > 240


@pytest.mark.parametrize(
    "value, text", [(0.5, "0.5"), (-1.0, "−1"), (-0.001, "0"), (2 / 3, "0.67"), (1234.5, "1234.5")]
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_a_table_marks_a_square_and_leaves_out_what_is_not_known():
    table = table_of(torch.tensor([[1.0, -2.0], [0.0, torch.nan]]), marked=(0, 1, 2, 1))
    assert re.findall(r"<td(?: class=\"(.*?)\")?>(.*?)</td>", table) == [
        ("positive", "1"), ("negative marked", "−2"), ("", "0"), ("marked", "")
    ]  # fmt: skip


def test_a_message_is_a_text():
    assert message("a < b") == '<p class="fmnist-message">a &lt; b</p>'
