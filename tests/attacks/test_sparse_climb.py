"""Auto-PGD in the L1 ball: its schedule, its sparsity rule, its result; and the other attacks in that ball."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fairbench.attacks import apgd, autoattack, fab, square
from fairbench.attacks.members import Settings, searches
from fairbench.attacks.network import Network
from fairbench.attacks.sparse_climb import SCHEDULE, SparseClimb, SparseClimber, review_sparsity, sparse_direction

EPS = 2.5


def climb_of(best, moved, step_size):
    here, none = torch.zeros(1, 1, 1, 4), torch.zeros(1)
    point = torch.tensor(best).view(1, 1, 1, 4)
    return SparseClimb(
        x_adv=here,
        gradient=here + 1,
        best=point,
        best_gradient=here + 2,
        best_loss=none,
        step_size=torch.tensor([step_size]),
        moved=torch.tensor([moved]),
    )


def test_the_schedule_shrinks_the_ball_and_reviews_every_step():
    factors = [moment.factor for moment in SCHEDULE]
    assert factors == [3.0] * 31 + [2.0] * 31 + [1.0] * 41
    assert sum(moment.step > 0 for moment in SCHEDULE) == 100
    # 0.04 of 30 and of 40 steps is one step.
    assert all(moment.is_review == (moment.step > 0) for moment in SCHEDULE)


def test_a_direction_has_the_signs_of_the_largest_gradients_and_length_one():
    gradient = torch.tensor([[0.1, -3.0, 0.0, 2.0], [1.0, 1.0, -1.0, 0.5]]).view(2, 1, 1, 4)
    found = sparse_direction(gradient, torch.tensor([2.0, 1.0])).view(2, 4)
    torch.testing.assert_close(found[0], torch.tensor([0.0, -0.5, 0.0, 0.5]))
    torch.testing.assert_close(found[1], torch.tensor([1.0, 1.0, -1.0, 0.0]) / 3)  # a tie is taken whole
    assert sparse_direction(gradient, torch.tensor([0.0, 0.0])).flatten(1).count_nonzero(dim=1).tolist() == [1, 3]
    assert not sparse_direction(torch.zeros(1, 1, 1, 4), torch.tensor([2.0])).any()


def test_a_best_point_that_became_sparser_is_returned_to_with_long_steps():
    state = climb_of([0.5, 0.0, 0.0, 0.2], moved=3.0, step_size=0.4)
    review_sparsity(torch.zeros(1, 1, 1, 4), state, radius=2.0)
    assert state.step_size.item() == 2.0
    assert state.moved.item() == 2.0
    assert torch.equal(state.x_adv, state.best)
    assert (state.gradient == 2).all()


@pytest.mark.parametrize(("step_size", "shorter"), [(1.5, 1.0), (0.25, 0.2)])
def test_steps_shrink_down_to_a_tenth_of_the_radius_where_sparsity_has_settled(step_size, shorter):
    state = climb_of([0.5, 0.1, 0.0, 0.2], moved=3.0, step_size=step_size)
    review_sparsity(torch.zeros(1, 1, 1, 4), state, radius=2.0)
    assert state.step_size.item() == pytest.approx(shorter)
    assert not state.x_adv.any()
    assert (state.gradient == 1).all()


def test_points_stay_in_the_ball_of_their_stage_and_only_the_last_one_counts(digits, images_of):
    x, y = digits.x[:24], digits.y[:24]
    network, images = Network(digits.network, digits.network, (24,)), images_of(x, y)
    climber = SparseClimber(loss="ce", eps=EPS, seed=0, purpose="apgd-ce")
    state = climber.begin(images)
    entered = {}
    for iteration, moment in enumerate(SCHEDULE):
        points, fools = climber.advance(network, images, state, iteration)
        assert (points - x).abs().flatten(1).sum(dim=1).max() <= moment.factor * EPS + 1e-6
        assert points.min() >= 0
        assert points.max() <= 1
        assert moment.factor == 1 or not fools.any()
        entered.setdefault(moment.factor, state.best_loss)
    assert fools.any()
    assert (state.best_loss >= entered[1.0]).all()
    with torch.no_grad():
        logits = digits.network(climber.last_points(images, state))
    torch.testing.assert_close(torch.nn.functional.cross_entropy(logits, y, reduction="none"), state.best_loss)


@pytest.mark.parametrize(
    "attack",
    [
        apgd,
        lambda *args, **kwargs: fab(*args, targeted=False, **kwargs),
        lambda *args, **kwargs: square(*args, queries=150, **kwargs),
    ],
)
def test_what_breaks_an_image_lies_in_the_ball_and_the_box(digits, attack):
    x, y = digits.x[:16], digits.y[:16]
    result = attack(digits.network, x, y, eps=EPS, norm="l1", micro_batch=16)
    with torch.no_grad():
        clean, answers = digits.network(x).argmax(dim=1), digits.network(result.x_adv).argmax(dim=1)
    assert torch.equal(answers == y, result.robust)
    assert (~result.robust & (clean == y)).any()
    assert (result.x_adv - x).abs().flatten(1).sum(dim=1).max() <= EPS + 1e-6
    assert result.x_adv.min() >= 0
    assert result.x_adv.max() <= 1


def test_order_and_halves_change_nothing_in_l1(digits):
    def attack(rows, batch_size):
        return autoattack(
            digits.network,
            digits.x[rows],
            digits.y[rows],
            eps=EPS,
            norm="l1",
            attacks=["apgd-ce", "square"],
            indices=rows,
            batch_size=batch_size,
            square_queries=20,
            micro_batch=8,
        )

    whole = attack(torch.arange(20), 1000)
    for rows, size in ((torch.arange(20).flip(0), 1), (torch.arange(10, 20), 7)):
        part = attack(rows, size)
        assert torch.equal(part.robust, whole.robust[rows])
        assert torch.equal(part.x_adv, whole.x_adv[rows])


def test_apgd_has_five_targets_and_fab_nine():
    ball = Settings(eps=EPS, norm="l1", seed=0, classes=10)
    assert [search.targets for name in ("apgd-t", "fab-t") for search in searches(name, ball)] == [5, 9]
    assert [search.targets for search in searches("apgd-t", replace(ball, classes=4))] == [3]
