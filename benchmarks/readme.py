"""Where the results are kept: README.md, between two comments that name them."""

import re
from pathlib import Path

README = Path(__file__).parent / "README.md"


def write_into_readme(name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->`."""
    old = README.read_text(encoding="utf-8")
    pattern = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    new, found = pattern.subn(lambda _: text + "\n", old)
    if found != 1:
        raise ValueError(f"README.md lacks <!-- {name} --> … <!-- /{name} -->: nothing written.")
    README.write_text(new, encoding="utf-8")
