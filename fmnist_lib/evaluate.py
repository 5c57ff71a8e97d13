"""What a trained model gets right and wrong: predictions, confusion matrix, calibration."""

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmnist_lib.data import CLASS_NAMES, as_input
from fmnist_lib.errors import CourseError


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, batch_size: int = 500, flip: bool = False) -> Tensor:
    """Probabilities of the ten classes: uint8 [N, 28, 28] → float32 [N, 10] on the CPU.

    Computed in float32; the softmax of the logits, so every row sums to 1.
    flip: the mean of the probabilities for the image and for its mirror image.
    """
    if flip:
        mirrored = predict(model, images.flip(dims=[2]), batch_size)
        return (predict(model, images, batch_size) + mirrored) / 2
    model.eval()
    device = next(model.parameters()).device
    parts = [model(as_input(part.to(device))).softmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts).cpu()


def named(labels: Tensor) -> pd.Categorical:
    """Labels, int64 [N], as a categorical of class names in the order of the labels."""
    return pd.Categorical.from_codes(labels.tolist(), categories=CLASS_NAMES)


def confusion_matrix(labels: Tensor, predicted: Tensor) -> pd.DataFrame:
    """How many images of each true class (rows) were given each label (columns): 10 × 10 counts."""
    return pd.crosstab(
        pd.Series(named(labels), name="true class"),
        pd.Series(named(predicted), name="predicted class"),
        dropna=False,  # a class that never occurs keeps its row and column
    )


def row_shares(matrix: pd.DataFrame) -> pd.DataFrame:
    """The confusion matrix as shares of each true class: every row with images sums to 1."""
    return matrix.div(matrix.sum(axis=1), axis=0)


def per_class_report(matrix: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 (shares from 0 to 1) and number of images of each class.

    precision = correct / predicted as this class; recall = correct / images of this class;
    F1 = 2 · precision · recall / (precision + recall). A share of nothing is NaN.
    """
    correct = pd.Series({name: matrix.loc[name, name] for name in matrix.index})
    precision = correct / matrix.sum(axis=0)
    recall = correct / matrix.sum(axis=1)
    return pd.DataFrame(
        {
            "precision": precision,
            "recall": recall,
            "F1": 2 * precision * recall / (precision + recall),
            "images": matrix.sum(axis=1),
        }
    ).rename_axis("class")


def most_confused(matrix: pd.DataFrame, n: int = 10) -> pd.DataFrame:
    """The `n` largest cells off the diagonal: true class, predicted class, images, share of true.

    Directed: Shirt taken for Coat and Coat taken for Shirt are two rows.
    """
    cells = matrix.stack().rename("images").reset_index()
    cells["share"] = row_shares(matrix).stack().to_numpy()
    wrong = cells[cells["true class"] != cells["predicted class"]]
    return wrong.nlargest(n, "images").reset_index(drop=True)


def confident_mistakes(probabilities: Tensor, labels: Tensor, n: int = 20) -> pd.DataFrame:
    """The `n` wrong predictions with the highest probability, most confident first.

    Columns: index (of the image), true class, predicted class, probability (of the predicted
    class).
    """
    confidence, predicted = probabilities.max(dim=1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    worst = wrong[confidence[wrong].argsort(descending=True)[:n]]
    return pd.DataFrame(
        {
            "index": worst.tolist(),
            "true class": named(labels[worst]),
            "predicted class": named(predicted[worst]),
            "probability": confidence[worst].tolist(),
        }
    )


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 10) -> pd.DataFrame:
    """Does a confidence of 80 % mean 80 % right? One row for each bin of confidence with images.

    Columns: confidence (mean in the bin), accuracy (share that is right), images. The bins divide
    0 to 1 evenly (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
    """
    confidence, predicted = probabilities.max(dim=1)
    frame = pd.DataFrame(
        {
            "confidence": confidence.tolist(),
            "accuracy": (predicted == labels).double().tolist(),
        }
    )
    number = (frame["confidence"] * bins).clip(upper=bins - 1).astype(int).rename("bin")
    grouped = frame.groupby(number)
    return grouped.mean().assign(images=grouped.size())


def calibration_error(table: pd.DataFrame) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by images.

    `table` as `calibration` returns it; 0 is perfect. Source as there.
    """
    gap = (table["confidence"] - table["accuracy"]).abs()
    return float((gap * table["images"]).sum() / table["images"].sum())


def coverage(probabilities: Tensor, labels: Tensor, steps: int = 50) -> pd.DataFrame:
    """What a threshold of confidence does: how many images are answered, and how many rightly.

    Columns: threshold (the quantiles of the confidence), answered (share of all images), accuracy
    (share of the answered that is right); one row for each step.
    """
    confidence, predicted = probabilities.max(dim=1)
    rows = []
    for threshold in confidence.quantile(torch.linspace(0, 0.98, steps)).tolist():
        answered = confidence >= threshold
        right = (predicted == labels)[answered].float().mean().item()
        rows.append((threshold, answered.float().mean().item(), right))
    return pd.DataFrame(rows, columns=["threshold", "answered", "accuracy"])


def disturb(images: Tensor, kind: str, strength: float, seed: int = 0) -> Tensor:
    """Worse images, as a worse camera would take them: uint8 [N, 28, 28], as before.

    kind and unit of strength: "noise", standard deviation of Gaussian noise in grey levels, 0 to
    255; "shift", pixels to the right, background moving in; "blur", standard deviation of a
    Gaussian in pixels. A strength of 0 changes nothing.

    Raises CourseError for another kind.
    """
    if kind not in ("noise", "shift", "blur"):
        raise CourseError(f"kind={kind!r} is none of noise, shift and blur.")
    if strength == 0:
        return images
    if kind == "shift":
        return F.pad(images, [int(strength), 0])[:, :, :28]
    if kind == "blur":
        from torchvision.transforms.v2.functional import gaussian_blur  # here: it takes a second

        return gaussian_blur(images, kernel_size=13, sigma=strength)
    random = torch.Generator().manual_seed(seed)
    noise = strength * torch.randn(images.shape, generator=random)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)
