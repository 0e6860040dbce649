"""The confusion matrix: the counts that every metric is derived from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]
"""Integers: (K,) by class, or (K, K) by true class and answer."""
Rates = NDArray[np.float64]
"""(K,) fractions by class."""


def confusion_matrix(predicted: ArrayLike, labels: ArrayLike, num_classes: int) -> Counts:
    """Images by true class (row) and answer (column).

    Args:
        predicted: (N,) integers in 0..K-1, a numpy array or a CPU tensor.
        labels: (N,) integers in 0..K-1.
        num_classes: K, at least 1.

    Returns:
        (K, K) int64; it sums to N.

    Raises:
        ValueError: if the lengths differ, something is not an integer, or a value is out of range.
    """
    if num_classes < 1:
        raise ValueError(f"expected at least 1 class, got {num_classes}")
    answers = _class_indices("predicted", predicted, num_classes)
    truth = _class_indices("labels", labels, num_classes)
    if len(answers) != len(truth):
        raise ValueError(f"expected one prediction for each label, got {len(answers)} for {len(truth)} labels")
    cells = np.bincount(truth * num_classes + answers, minlength=num_classes * num_classes)
    return cells.reshape(num_classes, num_classes).astype(np.int64)


def class_counts(confusion: ArrayLike) -> tuple[Counts, Counts]:
    """How many images of each class are classified correctly, and how many there are.

    Args:
        confusion: (K, K) integers, rows are true classes.

    Returns:
        correct (K,) and total (K,), int64.

    Raises:
        ValueError: if it is not a square matrix of counts.
    """
    counts = checked_confusion(confusion)
    return np.diagonal(counts).copy(), counts.sum(axis=1)


def checked_confusion(confusion: ArrayLike) -> Counts:
    """The matrix as (K, K) int64.

    Raises:
        ValueError: if it is not a square matrix of integers, none below 0.
    """
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"expected a square confusion matrix, got shape {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0:
        raise ValueError(f"expected counts of images, got {counts.dtype} with minimum {counts.min()}")
    return counts.astype(np.int64)


def _class_indices(what: str, values: Any, num_classes: int) -> Counts:
    indices = np.asarray(values)
    if indices.ndim != 1:
        raise ValueError(f"expected {what} of shape (N,), got {indices.shape}")
    if not len(indices):
        return np.zeros(0, dtype=np.int64)
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"expected integer {what}, got {indices.dtype}")
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"expected {what} in 0..{num_classes - 1}, got {low}..{high}")
    return indices.astype(np.int64)
