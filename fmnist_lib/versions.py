"""The packages whose versions a result records."""

import platform
from importlib.metadata import version

PACKAGES = (
    "torch", "torchvision", "numpy", "pandas", "matplotlib", "seaborn", "jupyterlab", "papermill",
)  # fmt: skip


def versions() -> dict[str, str]:
    """The version of Python and of each package, by name."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
