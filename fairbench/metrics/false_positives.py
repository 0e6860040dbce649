"""The class false-positive score of FAIR-TAT: where misclassified images land."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fairbench.metrics.confusion import Rates, checked_confusion, confusion_matrix


def class_false_positive_score(predicted: ArrayLike, labels: ArrayLike, num_classes: int) -> Rates:
    """The share of all misclassified images that land in each class; it sums to 1.

    ``F_k = #{i: predicted_i = k, label_i != k} / #{i: predicted_i != label_i}``

    Args:
        predicted: (N,) integers in 0..K-1, a numpy array or a CPU tensor.
        labels: (N,) integers in 0..K-1.
        num_classes: K.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: for values out of range, and when no image is misclassified: the score is 0 / 0 then.

    Source: FAIR-TAT, Eq. 8.
    """
    return false_positive_scores_of(confusion_matrix(predicted, labels, num_classes))


def false_positive_scores_of(confusion: ArrayLike) -> Rates:
    """The class false-positive scores, from a confusion matrix.

    Args:
        confusion: (K, K) integers, rows are true classes.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: when no image is misclassified.
    """
    counts = checked_confusion(confusion)
    false_positives = counts.sum(axis=0) - np.diagonal(counts)
    errors = false_positives.sum()
    if not errors:
        raise ValueError("expected at least one misclassified image, got none: the false-positive score is undefined")
    return false_positives / errors


def one_vs_rest_accuracies_of(confusion: ArrayLike) -> Rates:
    """For each class, the share of all images that are rightly accepted or rejected for it.

    Of 10 equal classes, one that is never recognised still scores 90 %, which is why it does not rank.

    Args:
        confusion: (K, K) integers, rows are true classes.

    Returns:
        (K,) float64 fractions.

    Raises:
        ValueError: if there are no images.

    Source: FAIR-TAT, Eq. 7.
    """
    counts = checked_confusion(confusion)
    if not counts.sum():
        raise ValueError("expected at least one image, got none")
    correct = np.diagonal(counts)
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * correct
    return 1 - wrong / counts.sum()
