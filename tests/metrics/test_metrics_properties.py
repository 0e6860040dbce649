import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as sklearn_confusion

from fairbench.metrics import (
    METRICS,
    class_accuracy,
    class_false_positive_score,
    confusion_matrix,
    false_positive_scores_of,
    worst_class,
    worst_fraction,
)

FEW = settings(max_examples=40, deadline=None)


@st.composite
def answers(draw):
    """A number of classes, labels that cover all of them, and predictions with at least one error."""
    num_classes = draw(st.integers(2, 12))
    classes = st.integers(0, num_classes - 1)
    labels = [*range(num_classes), *draw(st.lists(classes, max_size=40))]
    predicted = draw(st.lists(classes, min_size=len(labels), max_size=len(labels)))
    predicted[0] = draw(st.integers(1, num_classes - 1))
    return np.array(predicted), np.array(labels), num_classes


@FEW
@given(answers())
def test_confusion_agrees_with_scikit_learn(case):
    predicted, labels, num_classes = case
    expected = sklearn_confusion(labels, predicted, labels=range(num_classes))
    np.testing.assert_array_equal(confusion_matrix(predicted, labels, num_classes), expected)


@FEW
@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(case, random):
    predicted, labels, num_classes = case
    order = np.array(random.sample(range(len(labels)), len(labels)))
    shuffled = confusion_matrix(predicted[order], labels[order], num_classes)
    np.testing.assert_array_equal(shuffled, confusion_matrix(predicted, labels, num_classes))


@FEW
@given(answers(), st.floats(0, 1))
def test_batches_add_up(case, share):
    predicted, labels, num_classes = case
    cut = int(share * len(labels))
    parts = [(predicted[:cut], labels[:cut]), (predicted[cut:], labels[cut:])]
    total = sum(confusion_matrix(*part, num_classes) for part in parts)
    np.testing.assert_array_equal(total, confusion_matrix(predicted, labels, num_classes))


@FEW
@given(answers(), st.randoms(use_true_random=False))
def test_relabelling_moves_class_values_and_keeps_aggregates(case, random):
    predicted, labels, num_classes = case
    name = np.array(random.sample(range(num_classes), num_classes))
    for by_class in (class_accuracy, class_false_positive_score):
        renamed = by_class(name[predicted], name[labels], num_classes)
        np.testing.assert_array_equal(renamed[name], by_class(predicted, labels, num_classes))
    for metric in METRICS.values():
        before = confusion_matrix(predicted, labels, num_classes)
        after = confusion_matrix(name[predicted], name[labels], num_classes)
        try:
            value = metric.of_confusion(before)
        except ValueError:
            assert metric.name == "nsd"
            assert not class_accuracy(predicted, labels, num_classes).any()
        else:
            np.testing.assert_allclose(np.sort(metric.of_confusion(after), None), np.sort(value, None), atol=1e-12)


@FEW
@given(answers())
def test_a_further_copy_of_every_image_changes_no_rate(case):
    predicted, labels, num_classes = case
    once = confusion_matrix(predicted, labels, num_classes)
    for name in ("average", "balanced", "worst", "class_false_positive_score"):
        np.testing.assert_allclose(METRICS[name].of_confusion(3 * once), METRICS[name].of_confusion(once), atol=1e-12)


@FEW
@given(answers())
def test_false_positive_scores_are_shares(case):
    predicted, labels, num_classes = case
    scores = class_false_positive_score(predicted, labels, num_classes)
    by_definition = [
        sum(p == k and y != k for p, y in zip(predicted, labels, strict=True)) / np.sum(predicted != labels)
        for k in range(num_classes)
    ]
    assert scores.sum() == pytest.approx(1)
    np.testing.assert_allclose(scores, by_definition)
    correct = np.diag(np.diag(confusion_matrix(predicted, labels, num_classes)))
    np.testing.assert_array_equal(
        scores, false_positive_scores_of(confusion_matrix(predicted, labels, num_classes) - correct)
    )


@FEW
@given(st.lists(st.floats(0, 1), min_size=1, max_size=120), st.floats(0.01, 1), st.floats(0.01, 1))
def test_worst_fraction_grows_with_the_fraction_between_minimum_and_mean(accuracies, one, other):
    low, high = sorted((one, other))
    values = [worst_class(accuracies), *(worst_fraction(accuracies, f) for f in (low, high)), np.mean(accuracies)]
    assert all(left <= right + 1e-12 for left, right in itertools.pairwise(values))
