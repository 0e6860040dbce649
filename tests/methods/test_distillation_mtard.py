"""MTARD: two teachers, and the balance between what they teach."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from taught import frozen, mean_kl

from fairbench.errors import UsageError


def bound(tiny, written="mtard", *, clean_seed=8, **changes):
    teachers = {"robust": frozen(tiny.network(seed=7)), "clean": frozen(tiny.network(seed=clean_seed))}
    return tiny.bound(written, tiny.network(), teachers=teachers, **changes)


def balance_after(method, losses):
    for pair in losses:
        method.objective.move_balance(torch.tensor(pair))
    return float(method.objective.clean_weight)


def test_the_first_loss_is_the_mean_of_both_divergences(tiny, seams):
    method, batch = bound(tiny), tiny.batch()
    views = seams.perturb(method, batch)
    student, teachers, x_adv = method.network, method.setting.teachers, views.x["adversarial"]
    adversarial = mean_kl(teachers["robust"](x_adv), student(x_adv)) / 4
    clean = mean_kl(teachers["clean"](batch.x), student(batch.x)) / 4
    assert seams.loss(method, batch, views).item() == pytest.approx((adversarial + clean) / 2, rel=1e-4)
    assert float(method.objective.clean_weight) == pytest.approx(0.5)
    assert method.objective.first_losses.tolist() == pytest.approx([clean, adversarial], rel=1e-4)


def test_the_second_loss_is_balanced_by_what_is_left(tiny, seams):
    method, batch, other = bound(tiny, "mtard?progress_exponent=2"), tiny.batch(), tiny.batch(seed=4)
    seams.loss(method, batch, seams.perturb(method, batch))
    first = method.objective.first_losses.tolist()
    views = seams.perturb(method, other)
    student, teachers, x_adv = method.network, method.setting.teachers, views.x["adversarial"]
    clean = mean_kl(teachers["clean"](other.x), student(other.x)) / 4
    adversarial = mean_kl(teachers["robust"](x_adv), student(x_adv)) / 4
    left = [(clean / first[0]) ** 2, (adversarial / first[1]) ** 2]
    weight = 0.5 - 0.025 * (0.5 - left[0] / sum(left))
    expected = weight * clean + (1 - weight) * adversarial
    assert seams.loss(method, other, views).item() == pytest.approx(expected, rel=1e-4)
    assert abs(weight - 0.5) > 1e-4


def test_constant_progress_draws_the_weight_to_the_share_that_is_left(tiny):
    constant = [[1.0, 1.0], *[[0.2, 0.6]] * 400]
    assert balance_after(bound(tiny), constant) == pytest.approx(0.25, abs=1e-3)


@given(st.lists(st.tuples(st.floats(1e-3, 50), st.floats(1e-3, 50)), min_size=1, max_size=40), st.floats(0, 1))
def test_both_weights_stay_between_0_and_1(tiny, losses, rate):
    # At a rate of 1 the weight is the share itself, which rounding may bring to an end of the interval.
    weight = balance_after(bound(tiny, f"mtard?balance_rate={rate:.3f}"), [list(pair) for pair in losses])
    assert 0 <= weight <= 1


def test_without_a_rate_both_terms_count_half(tiny, seams):
    method, batch = bound(tiny, "mtard?balance_rate=0"), tiny.batch()
    seams.loss(method, tiny.batch(seed=9), seams.perturb(method, tiny.batch(seed=9)))
    views = seams.perturb(method, batch)
    terms = method.losses(batch, views)
    assert torch.allclose(seams.loss(method, batch, views), terms.base_loss() / 2)


def test_the_rate_falls_with_the_learning_rate(tiny, seams):
    weights = []
    for factor in (1.0, 0.1):
        method, batch, other = bound(tiny), tiny.batch(), tiny.batch(seed=4)
        for one in (batch, other):
            now = dataclasses.replace(one, clock=dataclasses.replace(one.clock, learning_rate_factor=factor))
            seams.loss(method, now, seams.perturb(method, now))
        weights.append(float(method.objective.clean_weight) - 0.5)
    assert weights[1] == pytest.approx(weights[0] / 10, rel=0.01)


def test_the_clean_teacher_is_only_asked_where_the_option_says(tiny, seams):
    batch = tiny.batch()

    def loss(written, clean_seed):
        method = bound(tiny, written, clean_seed=clean_seed)
        return seams.loss(method, batch, seams.perturb(method, batch)).item()

    assert loss("mtard?clean_target=robust_teacher", 8) == loss("mtard?clean_target=robust_teacher", 9)
    assert loss("mtard", 8) != loss("mtard", 9)


def test_losses_that_vanish_leave_the_weights_finite(tiny):
    assert 0 <= balance_after(bound(tiny), [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]) <= 1


def test_the_balance_survives_a_restart(tiny, seams):
    method, again = bound(tiny), bound(tiny)
    for seed in (0, 4):
        batch = tiny.batch(seed=seed)
        seams.loss(method, batch, seams.perturb(method, batch))
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.objective.clean_weight, method.objective.clean_weight)
    assert torch.equal(again.objective.first_losses, method.objective.first_losses)


def test_a_clean_teacher_that_is_missing_is_named(tiny):
    method = tiny.bound("mtard", tiny.network(), teachers={"robust": frozen(tiny.network(seed=7))})
    with pytest.raises(UsageError, match="needs a clean teacher"):
        method.prepare(tiny.batch())
