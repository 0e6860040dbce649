"""Losses against sums written out in plain Python."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.losses import (
    boosted_cross_entropy,
    class_counts,
    class_means,
    class_sums,
    cross_entropy,
    kl_divergence,
    margin,
    probability_margin,
    softened_kl,
)

finite = st.floats(-30, 30, allow_subnormal=False)


@st.composite
def logits_and_labels(draw):
    num_classes = draw(st.integers(2, 5))
    rows = draw(st.lists(st.lists(finite, min_size=num_classes, max_size=num_classes), min_size=1, max_size=6))
    labels = draw(st.lists(st.integers(0, num_classes - 1), min_size=len(rows), max_size=len(rows)))
    return rows, labels


def softmax(row):
    highest = max(row)
    powers = [math.exp(value - highest) for value in row]
    return [power / sum(powers) for power in powers]


def tensors(rows, labels):
    return torch.tensor(rows, dtype=torch.float64), torch.tensor(labels)


@given(logits_and_labels())
def test_cross_entropy_is_the_negative_log_probability_of_the_label(case):
    rows, labels = case
    expected = [-math.log(softmax(row)[y]) for row, y in zip(rows, labels, strict=True)]
    assert cross_entropy(*tensors(rows, labels)).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(logits_and_labels(), st.randoms())
def test_kl_divergence_sums_p_log_p_over_q_with_the_target_first(case, random):
    rows, _ = case
    others = [[random.uniform(-5, 5) for _ in row] for row in rows]
    expected = [
        sum(p * math.log(p / q) for p, q in zip(softmax(row), softmax(other), strict=True))
        for row, other in zip(rows, others, strict=True)
    ]
    result = kl_divergence(*(torch.tensor(values, dtype=torch.float64) for values in (rows, others)))
    assert result.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_mean_of_kl_divergence_is_the_batchmean_of_trades():
    target, logits = torch.randn(2, 7, 10, generator=torch.Generator().manual_seed(0))
    reference = torch.nn.functional.kl_div(logits.log_softmax(1), target.softmax(1), reduction="batchmean")
    torch.testing.assert_close(kl_divergence(target, logits).mean(), reference)


def test_kl_divergence_is_zero_at_itself_and_ignores_constants():
    target, logits = torch.randn(2, 7, 10, generator=torch.Generator().manual_seed(1)).double()
    assert kl_divergence(target, target).abs().max() == 0
    torch.testing.assert_close(kl_divergence(target + 3, logits - 8), kl_divergence(target, logits))


def test_gradients_of_kl_divergence_flow_through_both_arguments():
    arguments = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda pair: kl_divergence(*pair), arguments)
    (gradient,) = torch.autograd.grad(kl_divergence(*arguments).sum(), arguments)
    assert gradient.abs().amax(dim=(1, 2)).min() > 1e-3


@given(logits_and_labels())
def test_margins_compare_the_label_with_the_best_other_class(case):
    rows, labels = case

    def expected(scores):
        return [
            max(score for k, score in enumerate(row) if k != y) - row[y] for row, y in zip(scores, labels, strict=True)
        ]

    assert margin(*tensors(rows, labels)).tolist() == pytest.approx(expected(rows), abs=1e-9)
    of_probabilities = probability_margin(*tensors(rows, labels))
    assert of_probabilities.tolist() == pytest.approx(expected([softmax(row) for row in rows]), abs=1e-9)
    assert of_probabilities.abs().max() <= 1


@given(logits_and_labels())
def test_boosted_cross_entropy_adds_the_log_of_what_the_best_other_class_leaves(case):
    rows, labels = case
    expected = []
    for row, y in zip(rows, labels, strict=True):
        p = softmax(row)
        best_other = max(value for k, value in enumerate(p) if k != y)
        expected.append(-math.log(p[y]) - math.log(1.0001 - best_other))
    assert boosted_cross_entropy(*tensors(rows, labels)).tolist() == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("temperature", [1, 0.5, 4.0])
def test_softened_kl_divides_both_logits_and_multiplies_by_the_squared_temperature(temperature):
    teacher, student = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(4)).double()
    expected = []
    for z, s in zip(teacher.tolist(), student.tolist(), strict=True):
        p, q = (softmax([value / temperature for value in row]) for row in (z, s))
        expected.append(temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    assert softened_kl(teacher, student, temperature).tolist() == pytest.approx(expected, rel=1e-9)


def test_margin_above_zero_means_misclassified():
    logits = torch.randn(200, 5, generator=torch.Generator().manual_seed(3))
    y = torch.arange(200) % 5
    assert torch.equal(margin(logits, y) > 0, logits.argmax(dim=1) != y)
    assert 0 < (margin(logits, y) > 0).sum() < 200


@given(st.lists(st.tuples(st.integers(0, 4), finite), max_size=20))
def test_class_sums_counts_and_means_agree_with_a_loop_and_absent_classes_move_no_other(samples):
    y = torch.tensor([label for label, _ in samples], dtype=torch.long)
    values = torch.tensor([value for _, value in samples], dtype=torch.float64)
    of_class = [[value for label, value in samples if label == k] for k in range(5)]
    assert class_counts(y, 5).tolist() == [len(values) for values in of_class]
    assert class_sums(values, y, 5).tolist() == pytest.approx([sum(values) for values in of_class], abs=1e-9)
    means = [sum(values) / len(values) if values else -7.0 for values in of_class]
    assert class_means(values, y, 5, absent=-7.0).tolist() == pytest.approx(means, abs=1e-9)


def test_class_sums_of_rows():
    values = torch.tensor([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]])
    assert class_sums(values, torch.tensor([2, 0, 2]), 4).tolist() == [[10, 20], [0, 0], [101, 202], [0, 0]]
