"""`fmnist explain`: a network seen at work on one page, in any browser.

Kit and handouts have that of the network that comes with the course.
"""

from pathlib import Path

from fmnist_lib import checkpoints, data
from fmnist_lib.course.predict import choose_network
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons.explain import page
from fmnist_lib.storage import atomic, paths

FILES = [path for path in sorted(page.HERE.iterdir()) if path.is_file()]  # that a page is made of


def of_shipped() -> str:
    """The page of the `Net` that comes with the course, as HTML, with images that are at hand."""
    model, _ = checkpoints.load_model(checkpoints.shipped())
    return page.as_html(model, data.load().validation)


def explain(out: str | Path, checkpoint: str | None = None, network: str | None = None) -> Path:
    """Write the page of a network; returns its path.

    out: counted from the work folder when it is relative. checkpoint, network: as for `predict`.
    Raises CourseError when the network can't be loaded, or computes what the page does not know,
    or the images that it was trained on can't be read.
    """
    out = paths.in_work_folder(out)
    if paths.is_folder(out):
        raise CourseError(f"{out} is a folder. Name a file in it, such as see.html.")
    model, state = checkpoints.load_model(choose_network(checkpoint, network))
    source = "auto" if state["source"] == "zalando" else state["source"]
    images = data.load(source=source).validation
    atomic.make_folder(out.parent)
    return page.write(out, model, images)
