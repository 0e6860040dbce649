"""From answers to the record of a condition: the only place where the rates of a record are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairbench.metrics import (
    average_of,
    class_accuracies_of,
    class_counts,
    confusion_matrix,
    false_positive_scores_of,
    overall,
    worst_class,
    worst_class_index,
    worst_fraction,
)
from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.record import ConditionRecord


def summarise(
    predicted: ArrayLike,
    labels: ArrayLike,
    num_classes: int,
    *,
    settings: dict[str, Any],
    seconds: float,
    checks: AttackChecks | None = None,
) -> ConditionRecord:
    """The record of a condition from what the model answered.

    Args:
        predicted: (n,) answers of the images that were evaluated, in 0..K-1.
        labels: (n,) their classes.
        num_classes: K.
        settings: of the condition.
        seconds: that it took.
        checks: of a search.

    Raises:
        ValueError: for values out of range or a class without images.
    """
    confusion = confusion_matrix(predicted, labels, num_classes)
    return condition_record(confusion, settings=settings, seconds=seconds, checks=checks)


def condition_record(
    confusion: ArrayLike, *, settings: dict[str, Any], seconds: float, checks: AttackChecks | None = None
) -> ConditionRecord:
    """The record of a condition from its confusion matrix.

    Args:
        confusion: (K, K) integers, rows are true classes.
        settings: of the condition.
        seconds: that it took.
        checks: of a search.

    Raises:
        ValueError: if it is not a matrix of counts, or a class has no images.
    """
    counts = np.asarray(confusion)
    return ConditionRecord(
        **rates_of(counts), confusion=counts.tolist(), settings=settings, seconds=seconds, checks=checks
    )


def rates_of(confusion: ArrayLike) -> dict[str, Any]:
    """What a condition's record derives from its confusion matrix, by field.

    Args:
        confusion: (K, K) integers, rows are true classes.

    Raises:
        ValueError: if it is not a matrix of counts, or a class has no images.
    """
    confusion = np.asarray(confusion)
    correct, total = class_counts(confusion)
    accuracies = class_accuracies_of(confusion)
    average, worst = average_of(confusion), worst_class(accuracies)
    scores, undefined = None, {}
    try:
        scores = false_positive_scores_of(confusion).tolist()
    except ValueError:
        undefined["class_false_positive_score"] = "no image is misclassified"
    return {
        "average": average,
        "balanced": float(accuracies.mean()),
        "worst": worst,
        "worst_class": worst_class_index(accuracies),
        "worst_tenth": worst_fraction(accuracies, 0.1),
        "overall": overall(average, worst),
        "class_correct": correct.tolist(),
        "class_total": total.tolist(),
        "class_false_positive_score": scores,
        "undefined": undefined,
    }
