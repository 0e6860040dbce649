"""Metrics: pure functions on predictions, all of them derived from the confusion matrix."""

from fairbench.metrics.accuracy import (
    average_of,
    class_accuracies_of,
    class_accuracy,
    overall,
    weakest,
    worst_class,
    worst_class_index,
    worst_fraction,
)
from fairbench.metrics.catalogue import METRICS, PAIR_METRICS, Metric, PairMetric
from fairbench.metrics.confusion import class_counts, confusion_matrix
from fairbench.metrics.false_positives import (
    class_false_positive_score,
    false_positive_scores_of,
    one_vs_rest_accuracies_of,
)
from fairbench.metrics.pairs import boundary_errors, price_of_fairness, relative_worst_class_gain

__all__ = [
    "METRICS",
    "PAIR_METRICS",
    "Metric",
    "PairMetric",
    "average_of",
    "boundary_errors",
    "class_accuracies_of",
    "class_accuracy",
    "class_counts",
    "class_false_positive_score",
    "confusion_matrix",
    "false_positive_scores_of",
    "one_vs_rest_accuracies_of",
    "overall",
    "price_of_fairness",
    "relative_worst_class_gain",
    "weakest",
    "worst_class",
    "worst_class_index",
    "worst_fraction",
]
