"""What a trained model gets right and wrong: predictions, accuracy, confusion matrix."""

import pandas as pd
import torch
from torch import Tensor, nn

from fmnist_lib.data import CLASS_NAMES, as_input


@torch.inference_mode()
def predict(model: nn.Module, images: Tensor, batch_size: int = 500, flip: bool = False) -> Tensor:
    """Probabilities of the ten classes: uint8 [N, 28, 28] → float32 [N, 10] on the CPU.

    Computed in float32; the softmax of the logits, so every row sums to 1.
    flip: the mean of the probabilities for the image and for its mirror image.
    """
    if flip:
        return sum(predict(model, each, batch_size) for each in (images, images.flip(2))) / 2
    model.eval()
    device = next(model.parameters()).device
    parts = [model(as_input(part.to(device))).softmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts).cpu()


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """The share that is right, from 0 to 1; both int64 [N]."""
    return (predicted == labels).double().mean().item()


def names_of(labels: Tensor) -> pd.Categorical:
    """Labels, int64 [N], as a categorical of class names in the order of the labels."""
    return pd.Categorical.from_codes(labels.tolist(), categories=CLASS_NAMES)


def confusion_matrix(labels: Tensor, predicted: Tensor) -> pd.DataFrame:
    """How many images of each true class (rows) were given each label (columns): 10 × 10 counts."""
    return pd.crosstab(
        pd.Series(names_of(labels), name="true class"),
        pd.Series(names_of(predicted), name="predicted class"),
        dropna=False,  # a class that never occurs keeps its row and column
    )


def row_shares(matrix: pd.DataFrame) -> pd.DataFrame:
    """The confusion matrix as shares of each true class: every row with images sums to 1."""
    return matrix.div(matrix.sum(axis=1), axis=0)


def per_class_report(matrix: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 (shares from 0 to 1) and number of images of each class.

    precision = correct / predicted as this class; recall = correct / images of this class;
    F1 = 2 · precision · recall / (precision + recall), 0 where none is right. A share of nothing
    is NaN.
    """
    correct = pd.Series({name: matrix.loc[name, name] for name in matrix.index})
    predicted, images = matrix.sum(axis=0), matrix.sum(axis=1)
    return pd.DataFrame(
        {
            "precision": correct / predicted,
            "recall": correct / images,
            "F1": 2 * correct / (predicted + images),  # the same, and defined for more
            "images": images,
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
