"""`fmnist dataset`: a data set of one's own photos, in the form that the course reads."""

from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import photo
from fmnist_lib.storage import atomic, csv
from fmnist_lib.storage.labels import CLASSES, MOST_CLASSES, names_of_ten
from fmnist_lib.storage.paths import in_work_folder, is_file, is_folder

KINDS = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"}
OTHER_KINDS = {".heic", ".heif", ".avif", ".dng", ".raw", ".svg", ".pdf"}  # left out, and named
LEAST = 5  # photos of a class: one of them for the test
TEST = 5  # every fifth photo


def make(photos: str | Path, out: str | Path, seed: int = 0) -> tuple[Path, list[str]]:
    """Make a data set of a folder that has one folder of photos for each class.

    Each photo goes the way of `lessons.photo`. A fifth of each class becomes the test set. Written
    are the two files of `storage.csv` and the names of the classes, those of the folders.

    photos, out: counted from the work folder when they are relative. seed: chooses which photos
    are for the test. Returns the folder, and what is wrong with each photo that was left out.
    Raises CourseError, before anything is written, when there are fewer than 2 classes or more
    than 10, or fewer than 5 usable photos of one, when a name can't be that of a class, when `out`
    holds data already or lies in `photos`, and when the files can't be written.
    """
    photos, out = in_work_folder(photos), in_work_folder(out)
    classes = _classes(photos)
    names_of_ten([*classes], str(photos))
    if out.resolve().is_relative_to(photos.resolve()):
        raise CourseError(f"{out} is in the folder of the photos. Give another --out.")
    for name in (*csv.FILES, CLASSES, "FashionMNIST"):
        if (out / name).exists():
            raise CourseError(f"{out} has data already: {name}. Give another --out.")
    images, labels, failures = [], [], []
    with tqdm(total=sum(map(len, classes.values())), unit="photo") as bar:
        for label, (name, files) in enumerate(classes.items()):
            usable, wrong = [], []
            for file in files:
                bar.update()
                try:
                    usable.append(_read(file))
                except CourseError as error:
                    wrong.append(str(error))
            if len(usable) < LEAST:
                raise CourseError(
                    f"{photos / name} has {len(usable)} photos that can be used. Each class needs "
                    f"{LEAST} at least. {' '.join(wrong[:1])}".strip()
                )
            images, labels = [*images, *usable], [*labels, *[label] * len(usable)]
            failures += wrong
    images, labels = torch.cat(images), torch.tensor(labels)
    of_test = _chosen(labels, seed)
    atomic.make_folder(out)
    atomic.write_text(out / CLASSES, "\n".join(classes) + "\n")
    for part, name in zip((~of_test, of_test), csv.FILES):
        csv.write(out / name, images[part], labels[part])
    return out, failures


def _classes(photos: Path) -> dict[str, list[Path]]:
    """The photos of each class, by its name; what begins with a point is none."""
    if not is_folder(photos):
        raise CourseError(f"There is no folder {photos}.")
    with atomic.reading(photos):
        folders = sorted(each for each in photos.iterdir() if each.is_dir() and _counts(each))
        if not 2 <= len(folders) <= MOST_CLASSES:
            raise CourseError(
                f"{photos} has {len(folders)} folders. Put the photos of each class into a folder "
                f"of its own there, 2 to {MOST_CLASSES} of them; their names become those of "
                "the classes."
            )
        return {folder.name: sorted(_photos(folder)) for folder in folders}


def _photos(folder: Path) -> list[Path]:
    """The photos in a folder and in those below it."""
    found = []
    for each in filter(_counts, folder.iterdir()):
        if each.is_dir() and not each.is_symlink():
            found += _photos(each)
        elif each.suffix.lower() in KINDS | OTHER_KINDS:
            found.append(each)
    return found


def _counts(path: Path) -> bool:
    return path.name[0] != "." and path.name != "__MACOSX"  # the latter is in archives of a Mac


def _read(file: Path) -> Tensor:
    """uint8 [1, 28, 28]"""
    if file.suffix.lower() in OTHER_KINDS:
        raise CourseError(f"{file} is of a kind that is not read here. Save it as a JPEG.")
    if not is_file(file):
        raise CourseError(f"{file} is no file.")
    return photo.as_image(photo.prepare(photo.open_photo(file), str(file)))


def _chosen(labels: Tensor, seed: int) -> Tensor:
    """Which images are for the test, bool [N]: a fifth of each class, and one at least."""
    random = torch.Generator().manual_seed(seed)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        places = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=random)
        chosen[places[order[: max(1, len(places) // TEST)]]] = True
    return chosen
