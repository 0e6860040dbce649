"""Accuracy by class, and what the literature makes of it: worst class, worst tenth, overall."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fairbench.metrics.confusion import Rates, class_counts, confusion_matrix

MANY_CLASSES = 50
"""from which on a single class has too few images to go by."""


def class_accuracy(predicted: ArrayLike, labels: ArrayLike, num_classes: int) -> Rates:
    """The share of each class that is classified correctly.

    Args:
        predicted: (N,) integers in 0..K-1, a numpy array or a CPU tensor.
        labels: (N,) integers in 0..K-1.
        num_classes: K.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: for values out of range, and for a class without images.
    """
    return class_accuracies_of(confusion_matrix(predicted, labels, num_classes))


def class_accuracies_of(confusion: ArrayLike) -> Rates:
    """The class accuracies, from a confusion matrix.

    Args:
        confusion: (K, K) integers, rows are true classes.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: if a class has no images: its accuracy is undefined.
    """
    correct, total = class_counts(confusion)
    if not total.all():
        absent = ", ".join(str(index) for index in np.flatnonzero(total == 0))
        raise ValueError(f"expected images of all {len(total)} classes, got none of class {absent}")
    return correct / total


def average_of(confusion: ArrayLike) -> float:
    """The share of all images that are classified correctly, from a confusion matrix.

    Raises:
        ValueError: if there are no images.
    """
    correct, total = class_counts(confusion)
    if not total.any():
        raise ValueError("expected at least one image, got none")
    return float(correct.sum() / total.sum())


def worst_class(class_accuracies: ArrayLike) -> float:
    """The lowest class accuracy.

    Args:
        class_accuracies: (K,) fractions.

    Raises:
        ValueError: if they are empty, not a vector, or not all numbers.
    """
    return float(_checked(class_accuracies).min())


def worst_class_index(class_accuracies: ArrayLike) -> int:
    """The class with the lowest accuracy, the first on ties.

    Args:
        class_accuracies: (K,) fractions.

    Raises:
        ValueError: if they are empty, not a vector, or not all numbers.
    """
    return int(_checked(class_accuracies).argmin())


def worst_fraction(class_accuracies: ArrayLike, fraction: float = 0.1) -> float:
    """The mean accuracy of the lowest ceil(fraction * K) classes: "worst 10 %" of CFA, FAIR-TAT and ABSLD.

    Args:
        class_accuracies: (K,) fractions.
        fraction: in (0, 1].

    Raises:
        ValueError: for a fraction outside (0, 1], or accuracies as in :func:`worst_class`.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"expected a fraction in (0, 1], got {fraction}")
    ascending = np.sort(_checked(class_accuracies))
    # 0.07 * 100 is a little above 7 in floating point and must still be seven classes.
    count = max(1, math.ceil(fraction * len(ascending) - 1e-9))
    return float(ascending[:count].mean())


def weakest(class_accuracies: ArrayLike) -> float:
    """The lowest class accuracy, from ``MANY_CLASSES`` on the mean of the lowest tenth: what ranks, and drives FAWA.

    Args:
        class_accuracies: (K,) fractions.

    Raises:
        ValueError: as :func:`worst_class`.
    """
    accuracies = _checked(class_accuracies)
    return worst_fraction(accuracies) if len(accuracies) >= MANY_CLASSES else worst_class(accuracies)


def overall(average: float, worst: float) -> float:
    """The mean of average and worst class accuracy: the "Overall" of ABSLD, half of CFA's selection rule."""
    return (average + worst) / 2


def _checked(class_accuracies: ArrayLike) -> Rates:
    accuracies = np.asarray(class_accuracies, dtype=np.float64)
    if accuracies.ndim != 1 or not len(accuracies):
        raise ValueError(f"expected class accuracies of shape (K,), got {accuracies.shape}")
    if np.isnan(accuracies).any():
        raise ValueError(f"expected an accuracy for each class, got none for class {np.isnan(accuracies).argmax()}")
    return accuracies
