"""Texts that nobody should read by accident: the answers in what students install.

It keeps no secret: whoever wants to know calls `opened`. In a clone of the course they are plain.
"""

import base64
import zlib

MARK = "In an envelope, so that nobody reads an answer by accident: "


def closed(text: str) -> str:
    """The text in an envelope: one line of printable ASCII without quotation marks."""
    return MARK + base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def opened(text: str) -> str:
    """What is in the envelope; a text that is in none stays as it is.

    Raises ValueError or zlib.error for one that is torn.
    """
    if not text.startswith(MARK):
        return text
    return zlib.decompress(base64.b64decode(text.removeprefix(MARK))).decode("utf-8")


def closed_module(source: str) -> str:
    """A Python module that does what this source does, which stands in it in an envelope."""
    return (
        '"""Checks of answers."""\n\n'
        "from fmnist_lib.lessons.envelope import opened\n\n"
        f'exec(opened("{closed(source)}"))\n'
    )
