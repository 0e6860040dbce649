import numpy as np
import pytest

from fairbench.metrics import (
    METRICS,
    average_of,
    class_accuracies_of,
    class_accuracy,
    class_counts,
    class_false_positive_score,
    confusion_matrix,
    worst_class,
    worst_class_index,
    worst_fraction,
)


def test_labels_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"expected labels in 0\.\.9, got 3\.\.10"):
        confusion_matrix([3, 4], [3, 10], 10)


def test_an_image_that_was_not_evaluated_is_no_answer():
    with pytest.raises(ValueError, match=r"expected predicted in 0\.\.2, got -1\.\.2"):
        class_accuracy([-1, 2], [0, 2], 3)


@pytest.mark.parametrize(
    ("predicted", "labels", "num_classes", "words"),
    [
        ([0], [0, 1], 2, "one prediction for each label, got 1 for 2"),
        ([0.0, 1.0], [0, 1], 2, "integer predicted, got float64"),
        ([[0, 1]], [0, 1], 2, r"shape \(N,\), got \(1, 2\)"),
        ([], [], 0, "at least 1 class, got 0"),
    ],
)
def test_malformed_predictions(predicted, labels, num_classes, words):
    with pytest.raises(ValueError, match=words):
        confusion_matrix(predicted, labels, num_classes)


def test_no_images_are_no_counts():
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="at least one image"):
        average_of([[0, 0], [0, 0]])


def test_classes_without_images_are_named():
    with pytest.raises(ValueError, match="all 4 classes, got none of class 1, 3"):
        class_accuracy([0, 2], [0, 2], 4)


def test_the_false_positive_score_without_an_error_is_undefined():
    with pytest.raises(ValueError, match="at least one misclassified image"):
        class_false_positive_score([0, 1], [0, 1], 2)


def test_the_normalised_deviation_of_nothing_is_undefined():
    with pytest.raises(ValueError, match="accuracy above 0"):
        METRICS["nsd"].of_confusion(np.array([[0, 1], [1, 0]]))


@pytest.mark.parametrize("broken", [[1, 2], [[1, 2, 3], [4, 5, 6]], [[]], [[0.5, 0], [0, 1]], [[-1, 2], [0, 1]]])
def test_what_is_not_a_confusion_matrix(broken):
    for function in (class_counts, class_accuracies_of):
        with pytest.raises(ValueError, match="expected"):
            function(broken)


@pytest.mark.parametrize("function", [worst_class, worst_class_index, worst_fraction])
def test_accuracies_must_be_a_vector_of_numbers(function):
    with pytest.raises(ValueError, match="got none for class 1"):
        function([0.5, np.nan])
    with pytest.raises(ValueError, match=r"shape \(K,\)"):
        function([])


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1, np.nan])
def test_fractions_out_of_range(fraction):
    with pytest.raises(ValueError, match=r"fraction in \(0, 1\]"):
        worst_fraction([0.5], fraction)
