"""The part of a test set that costly attacks see: the same images for everybody, equally many of each class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fairbench.data.held_out import class_ranks
from fairbench.errors import UsageError


def stratified_subset(labels: Tensor, size: int, *, num_classes: int, seed: int) -> Tensor:
    """Positions of a stratified random part.

    Args:
        labels: (N,) int64, 0..K-1.
        size: how many images; where K does not divide it, the first classes give one more.
        num_classes: K.
        seed: of the choice.

    Returns:
        (size,) int64, ascending.

    Raises:
        UsageError: if there are not enough images, of all or of one class.
    """
    classes = labels.cpu().numpy()
    if not 1 <= size <= len(classes):
        raise UsageError(f"a subset of {size} images cannot be taken out of {len(classes)}; give a smaller one")
    quotas = np.full(num_classes, size // num_classes)
    quotas[: size % num_classes] += 1
    counts = np.bincount(classes, minlength=num_classes)
    if np.any(counts < quotas):
        short = int(np.argmax(counts < quotas))
        raise UsageError(
            f"a stratified subset of {size} images needs {quotas[short]} of class {short}, there are {counts[short]}; "
            "give a smaller one"
        )
    shuffled = np.argsort(np.random.Generator(np.random.Philox(seed)).random(len(classes)))
    chosen = shuffled[class_ranks(classes[shuffled]) < quotas[classes[shuffled]]]
    return torch.from_numpy(np.sort(chosen))
