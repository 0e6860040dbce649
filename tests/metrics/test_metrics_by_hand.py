"""Three classes, seven images, every number worked out on paper."""

import numpy as np
import pytest
import torch

from fairbench.metrics import (
    METRICS,
    average_of,
    class_accuracy,
    class_counts,
    class_false_positive_score,
    confusion_matrix,
    overall,
    weakest,
    worst_class,
    worst_class_index,
    worst_fraction,
)

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 2, 1])
CONFUSION = [[2, 1, 1], [0, 1, 1], [0, 1, 0]]
BY_HAND = {
    "average": 3 / 7,
    "balanced": 1 / 3,
    "class_accuracy": [1 / 2, 1 / 2, 0],
    "worst": 0.0,
    "worst_tenth": 0.0,
    "overall": 3 / 14,
    "class_false_positive_score": [0, 1 / 2, 1 / 2],
    "false_positive_spread": 1 / 2,
    "standard_deviation": np.sqrt(1 / 18),
    "nsd": np.sqrt(1 / 18) * 3,
}


def test_confusion_has_true_classes_in_rows():
    confusion = confusion_matrix(PREDICTED, LABELS, 3)
    assert confusion.tolist() == CONFUSION
    assert confusion.dtype == np.int64


def test_counts_are_diagonal_and_row_sum():
    correct, total = class_counts(CONFUSION)
    assert (correct.tolist(), total.tolist()) == ([2, 1, 0], [4, 2, 1])


def test_functions_on_predictions():
    assert class_accuracy(PREDICTED, LABELS, 3).tolist() == [0.5, 0.5, 0]
    assert class_false_positive_score(PREDICTED, LABELS, 3).tolist() == [0, 0.5, 0.5]
    assert average_of(CONFUSION) == 3 / 7


def test_a_class_that_is_never_answered_scores_zero_and_an_absent_class_can_attract():
    assert class_false_positive_score([3, 3, 0], [0, 1, 0], 4).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_of_the_catalogue(name):
    np.testing.assert_allclose(METRICS[name].of_confusion(np.array(CONFUSION)), BY_HAND[name], rtol=1e-12)


def test_the_catalogue_tells_formula_and_source():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.summary
        assert metric.formula
        assert metric.source


def test_worst_class_and_its_index_the_first_on_ties():
    accuracies = [0.9, 0.2, 0.4, 0.2]
    assert worst_class(accuracies) == 0.2
    assert worst_class_index(accuracies) == 1


@pytest.mark.parametrize(
    ("num_classes", "fraction", "count"), [(10, 0.1, 1), (11, 0.1, 2), (100, 0.1, 10), (100, 0.07, 7), (3, 1.0, 3)]
)
def test_worst_fraction_takes_the_lowest_classes_rounded_up(num_classes, fraction, count):
    accuracies = np.arange(num_classes)[::-1] / num_classes
    assert worst_fraction(accuracies, fraction) == pytest.approx(np.mean(np.arange(count)) / num_classes)


def test_a_tiny_fraction_is_still_one_class():
    assert worst_fraction([0.5, 0.25], 1e-12) == 0.25


def test_the_weakest_is_one_class_of_few_and_a_tenth_of_many():
    assert weakest(np.linspace(0.9, 0.1, 49)) == pytest.approx(0.1)
    assert weakest(np.arange(51)[::-1] / 100) == pytest.approx(0.025)


def test_overall_is_the_mean():
    assert overall(0.5, 0.25) == 0.375


def test_tensors_are_as_good_as_arrays():
    predicted, labels = torch.tensor(PREDICTED), torch.tensor(LABELS, dtype=torch.uint8)
    assert confusion_matrix(predicted, labels, 3).tolist() == CONFUSION
    assert worst_class(torch.tensor([0.5, 0.25])) == 0.25
