"""Auto-PGD: its losses, its step size rule, its result."""

from __future__ import annotations

import pytest
import torch

from fairbench.attacks import apgd
from fairbench.attacks.apgd import Climb, Climber, checkpoints, record, review_step_size
from fairbench.attacks.climb_losses import dlr, targeted_dlr
from fairbench.attacks.network import Network
from fairbench.losses.per_sample import cross_entropy


def climb_of(losses, step=1.0):
    first = torch.tensor([losses[0]])
    point = torch.zeros(1, 1, 1, 1)
    state = Climb(
        lower=point,
        upper=point,
        x_adv=point,
        previous=point,
        direction=point,
        best=point,
        best_direction=point,
        best_loss=torch.full((1,), -1e9),
        last_loss=first,
        step_size=torch.tensor([step]),
        increases=torch.zeros(1),
        checkpoint_loss=first,
        halved=torch.tensor([True]),
    )
    record(state, point, first, first=True)
    return state


def replay(state, losses):
    for number, loss in enumerate(losses, start=1):
        state.x_adv = torch.full((1, 1, 1, 1), float(number))
        record(state, torch.full((1, 1, 1, 1), -float(number)), torch.tensor([loss]))


def test_checkpoints_of_a_hundred_iterations():
    # p = 0, 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 in the paper, section 3.
    assert list(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert list(checkpoints(100).values()) == [22, 19, 16, 13, 10, 7, 6, 6]


def test_the_step_size_stays_while_three_quarters_of_the_steps_rise():
    state = climb_of([0.0])
    replay(state, [1.0, 2.0, 3.0, 4.0])
    review_step_size(state, 4)
    assert state.step_size.item() == 1.0
    assert state.x_adv.item() == 4.0


def test_the_step_size_halves_when_exactly_three_quarters_rise_and_the_climb_returns_to_its_best():
    state = climb_of([0.0])
    replay(state, [1.0, 2.0, 3.0, 2.5])
    review_step_size(state, 4)
    assert state.step_size.item() == 0.5
    assert state.x_adv.item() == 3.0
    assert state.direction.item() == -3.0
    assert state.increases.item() == 0


def test_a_stalled_climb_halves_only_if_it_was_not_halved_before():
    # Between the checkpoints four of five steps rise, but never above the best loss.
    sawtooth = [5.0, 1.0, 2.0, 3.0, 4.0]
    state = climb_of([9.0])
    state.last_loss = torch.tensor([4.5])
    state.halved = torch.tensor([True])
    replay(state, sawtooth)
    review_step_size(state, 5)
    assert state.step_size.item() == 1.0
    state.last_loss = torch.tensor([4.5])
    replay(state, sawtooth)
    review_step_size(state, 5)
    assert state.step_size.item() == 0.5


def test_difference_of_logits_ratio_against_the_formula():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    y = torch.arange(50) % 6
    target = (y + 1 + torch.arange(50) % 5) % 6
    for row in range(50):
        z, ordered = logits[row].tolist(), sorted(logits[row].tolist(), reverse=True)
        label = int(y[row])
        best_other = max(value for k, value in enumerate(z) if k != label)
        expected = -(z[label] - best_other) / (ordered[0] - ordered[2])
        assert dlr(logits, y)[row].item() == pytest.approx(expected, rel=1e-4)
        below = ordered[0] - (ordered[2] + ordered[3]) / 2
        expected = -(z[label] - z[int(target[row])]) / below
        assert targeted_dlr(logits, y, target)[row].item() == pytest.approx(expected, rel=1e-4)


def test_the_ratio_is_blind_to_shift_and_scale():
    logits, y = torch.randn(20, 5, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 5
    torch.testing.assert_close(dlr(logits, y), dlr(3 * logits + 7, y), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_best_point_is_no_worse_than_the_start_and_inside(digits, images_of, norm):
    x, y = digits.x[:32], digits.y[:32]
    eps = digits.eps if norm == "linf" else 1.0
    network, images = Network(digits.network, digits.network, (32,)), images_of(x, y)
    climber = Climber(loss="ce", eps=eps, norm=norm, seed=0, purpose="apgd-ce")
    state = climber.begin(images)
    with torch.no_grad():
        start = cross_entropy(digits.network(state.x_adv), y)
    steps = []
    for iteration in range(climber.iterations):
        points, _ = climber.advance(network, images, state, iteration)
        delta = (points - x).flatten(1)
        size = delta.abs().amax(dim=1) if norm == "linf" else delta.norm(dim=1)
        assert size.max() <= eps + 1e-6
        assert points.min() >= 0
        assert points.max() <= 1
        steps.append(state.step_size)
    with torch.no_grad():
        end = cross_entropy(digits.network(climber.last_points(images, state)), y)
    assert (end >= start - 1e-6).all()
    torch.testing.assert_close(end, state.best_loss, rtol=1e-4, atol=1e-5)
    history = torch.stack(steps)
    assert (history[1:] <= history[:-1]).all()
    changed = {n for n in range(1, len(history)) if not torch.equal(history[n], history[n - 1])}
    assert changed
    assert changed <= set(checkpoints(100))


def test_images_without_a_gradient_are_counted_by_class(digits):
    class Saturated(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot(torch.arange(len(x)) * 0 + 3, 10).float() + 0 * x.sum()

    y = torch.full((5,), 3)
    log = apgd(Saturated().eval(), digits.x[:5], y, eps=0.1).log["apgd-ce"]
    assert log["zero_gradient"][3] == 5
    assert sum(apgd(digits.network, digits.x[:20], digits.y[:20], eps=0.1).log["apgd-ce"]["zero_gradient"]) == 0
