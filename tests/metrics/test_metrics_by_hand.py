"""Three classes, seven images, every number worked out on paper."""

import numpy as np
import pytest
import torch

from fairbench.metrics import (
    METRICS,
    PAIR_METRICS,
    average_of,
    boundary_errors,
    class_accuracy,
    class_counts,
    class_false_positive_score,
    confusion_matrix,
    one_vs_rest_accuracies_of,
    overall,
    price_of_fairness,
    relative_worst_class_gain,
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
    "worst_3": 1 / 3,
    # wrong for class 0: two of its own images; for 1: one of its own and two of others; for 2: one and two.
    "one_vs_rest_accuracy": [5 / 7, 4 / 7, 4 / 7],
    "spread": 1 / 2,
}
BASELINE = [[8, 1, 1], [2, 7, 1], [3, 3, 4]]
METHOD = [[7, 1, 2], [2, 6, 2], [2, 2, 6]]
PAIRS_BY_HAND = {
    # worst 0.4 -> 0.6, average 19/30 -> 19/30
    "rho": 0.5,
    "price_of_fairness": 0.0,
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


@pytest.mark.parametrize("name", PAIRS_BY_HAND)
def test_metrics_of_a_method_against_its_baseline(name):
    assert PAIR_METRICS[name].of_confusions(np.array(BASELINE), np.array(METHOD)) == pytest.approx(PAIRS_BY_HAND[name])


def test_a_gain_that_costs_is_weighed_against_its_cost():
    costly = [[5, 4, 1], [3, 5, 2], [2, 3, 5]]  # worst 0.4 -> 0.5, average 19/30 -> 15/30
    assert relative_worst_class_gain(BASELINE, costly) == pytest.approx(0.25 - 4 / 19)
    assert price_of_fairness(BASELINE, costly) == pytest.approx((4 / 30) / 0.1)


def test_boundary_errors_are_what_the_attack_adds():
    attacked = [[5, 3, 2], [5, 4, 1], [5, 4, 1]]
    assert PAIR_METRICS["boundary_error"].of_confusions(np.array(BASELINE), np.array(attacked)) == pytest.approx(
        [0.3] * 3
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: relative_worst_class_gain(CONFUSION, CONFUSION), "worst class is above 0"),
        (lambda: price_of_fairness(METHOD, BASELINE), "goes from 0.6 to 0.4"),
        (lambda: boundary_errors([[1, 1], [0, 2]], [[2, 0], [0, 2]]), "class 0 does"),
        (lambda: boundary_errors(BASELINE, CONFUSION), r"same images, got \[10, 10, 10\] and \[4, 2, 1\]"),
        (lambda: one_vs_rest_accuracies_of([[0, 0], [0, 0]]), "at least one image"),
    ],
)
def test_pairs_refuse_what_is_undefined(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_catalogue_tells_formula_and_source():
    for name, metric in {**METRICS, **PAIR_METRICS}.items():
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
