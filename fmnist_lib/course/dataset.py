"""`fmnist dataset`: a data set of one's own photos, in the form that the course reads."""

from pathlib import Path

import torch
from tqdm import tqdm

from fmnist_lib.data import Split, split_off
from fmnist_lib.errors import CourseError
from fmnist_lib.lessons import photo
from fmnist_lib.storage import atomic, csv
from fmnist_lib.storage.labels import CLASSES, MOST_CLASSES
from fmnist_lib.storage.paths import in_work_folder, is_folder

KINDS = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"}
LEAST = 5  # photos of a class: one of them for the test
TEST = 5  # every fifth photo


def make(photos: str | Path, out: str | Path, seed: int = 0) -> tuple[Path, list[str]]:
    """Make a data set of a folder that has one folder of photos for each class.

    Each photo goes the way of `lessons.photo`. A fifth of each class becomes the test set. Written
    are the two files of `storage.csv` and the names of the classes, those of the folders.

    photos, out: counted from the work folder when they are relative. seed: chooses which photos
    are for the test. Returns the folder, and what is wrong with each photo that was left out.
    Raises CourseError, before anything is written, when there are fewer than 2 classes or more
    than 10, or fewer than 5 usable photos of one, and when the files can't be written.
    """
    photos, out = in_work_folder(photos), in_work_folder(out)
    classes = _classes(photos)
    images, labels, failures = [], [], []
    with tqdm([(label, file) for label, files in enumerate(classes.values()) for file in files],
              unit="photo") as bar:  # fmt: skip
        for label, file in bar:
            try:
                image = photo.as_image(photo.prepare(photo.open_photo(file), str(file)))
            except CourseError as error:
                failures.append(str(error))
                continue
            images.append(image)
            labels.append(label)
    counts = torch.tensor(labels).bincount(minlength=len(classes))
    for name, count in zip(classes, counts.tolist()):
        if count < LEAST:
            why = f" {failures[0]}" if failures else ""
            raise CourseError(
                f"{photos / name} has {count} photos that can be used; {LEAST} are needed.{why}"
            )
    whole = Split(torch.cat(images), torch.tensor(labels), "csv")
    train, test = split_off(whole, len(whole) // TEST, seed)
    atomic.make_folder(out)
    for split, name in zip((train, test), csv.FILES):
        csv.write(out / name, split.images, split.labels)
    atomic.write_text(out / CLASSES, "\n".join(classes) + "\n")
    return out, failures


def _classes(photos: Path) -> dict[str, list[Path]]:
    """The photos of each class, by its name; what begins with a point is none."""
    if not is_folder(photos):
        raise CourseError(f"There is no folder {photos}.")
    folders = sorted(each for each in photos.iterdir() if each.is_dir() and each.name[0] != ".")
    if not 2 <= len(folders) <= MOST_CLASSES:
        raise CourseError(
            f"{photos} has {len(folders)} folders. Put the photos of each class into a folder of "
            f"its own there, 2 to {MOST_CLASSES} of them; their names become those of the classes."
        )
    return {
        folder.name: sorted(file for file in folder.rglob("*") if file.suffix.lower() in KINDS)
        for folder in folders
    }
