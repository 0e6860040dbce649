"""The one inner loop against one sample at a time, and what must hold for every iterate."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.attacks.ascent import EarlyStop, projected_ascent
from fairbench.losses import cross_entropy, kl_divergence
from fairbench.training.inner import cross_entropy_attack, kl_attack
from fairbench.training.seams import Inner

seeds = st.integers(0, 10_000)


def problem(tiny, seed, *, size=8):
    """A network in double precision, a batch, radii of its own for each sample, and a start inside the ball."""
    network, batch = tiny.network(seed=seed).double(), tiny.batch(size=size, seed=seed + 1)
    generator = tiny.generator(seed + 2)
    x, y = batch.x.double(), batch.y
    epsilon = 0.05 + 0.25 * torch.rand(size, generator=generator).double()
    noise = 2 * torch.rand(x.shape, generator=generator).double() - 1
    start = (x + noise * epsilon.reshape(-1, 1, 1, 1)).clamp(0, 1)
    return network, x, y, epsilon, start


def ascend(problem, *, steps, step_size=0.03, **options):
    network, x, y, epsilon, start = problem
    return projected_ascent(
        network,
        x,
        lambda _, logits: cross_entropy(logits, y),
        start=start,
        epsilon=epsilon,
        step_size=step_size,
        steps=steps,
        **options,
    )


def one_step(network, z, y, *, x, epsilon, step_size):
    z = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(network(z[None]), y[None]), z)
    moved = z.detach() + step_size * gradient.sign()
    return torch.minimum(torch.maximum(moved, x - epsilon), x + epsilon).clamp(0, 1)


def stopped_by_hand(problem, *, rule, tau, steps, step_size=0.03):
    """The papers' loops, one sample after the other: final points, steps made, iterates that were still correct."""
    network, points, made, correct = problem[0], [], [], []
    for x, y, epsilon, start in zip(*problem[1:], strict=True):
        z = previous = start
        counter, count, right = tau, 0, 0
        for _ in range(steps):
            wrong = int(network(z[None]).argmax()) != int(y)
            if rule == "cfa":
                counter -= wrong
                if counter <= 0:
                    break
            elif wrong and counter == 0:
                z = previous if rule == "last clean" else z
                break
            else:
                counter -= wrong
            right += not wrong
            previous, z = z, one_step(network, z, y, x=x, epsilon=epsilon, step_size=step_size)
            count += 1
        points.append(z)
        made.append(count)
        correct.append(right)
    return torch.stack(points), made, correct


RULES = {
    "friendly": {},
    "last clean": {"emit": "previous"},
    "cfa": {"rearm": False},
}


@given(seed=seeds, steps=st.integers(0, 8), with_labels=st.booleans())
def test_without_a_stop_every_sample_makes_every_step_and_stays_in_its_ball(tiny, seed, steps, with_labels):
    case = problem(tiny, seed)
    _, x, y, epsilon, _ = case
    end = ascend(case, steps=steps, labels=y if with_labels else None)
    expected, made, correct = stopped_by_hand(case, rule="friendly", tau=steps + 1, steps=steps)
    torch.testing.assert_close(end.x_adv, expected, rtol=0, atol=1e-12)
    assert end.steps.tolist() == made == [steps] * len(x)
    assert (end.correct_steps is None) if not with_labels else end.correct_steps.tolist() == correct
    assert ((end.x_adv - x).abs().flatten(1).amax(dim=1) <= epsilon + 1e-12).all()
    assert end.x_adv.min() >= 0
    assert end.x_adv.max() <= 1


@given(seed=seeds, steps=st.integers(0, 8), tau=st.integers(0, 5), rule=st.sampled_from(list(RULES)))
def test_an_early_stop_freezes_each_sample_as_the_paper_s_own_loop_does(tiny, seed, steps, tau, rule):
    case = problem(tiny, seed)
    tau = 0 if rule == "last clean" else tau
    end = ascend(case, steps=steps, early_stop=EarlyStop(labels=case[2], tau=tau, **RULES[rule]))
    expected, made, correct = stopped_by_hand(case, rule=rule, tau=tau, steps=steps)
    torch.testing.assert_close(end.x_adv, expected, rtol=0, atol=1e-12)
    assert end.steps.tolist() == made
    assert end.correct_steps.tolist() == correct


def test_the_cases_above_hold_samples_that_stop_at_once_later_and_never(tiny):
    made = set()
    for seed in range(10):
        case = problem(tiny, seed)
        made |= set(ascend(case, steps=8, early_stop=EarlyStop(labels=case[2], tau=0)).steps.tolist())
    assert {0, 1, 2, 3, 8} <= made


@pytest.mark.parametrize("rearm", [True, False])
def test_a_patience_beyond_the_steps_is_plain_ascent(tiny, rearm):
    case = problem(tiny, 3)
    stop = EarlyStop(labels=case[2], tau=6, rearm=rearm)
    assert torch.equal(ascend(case, steps=5, early_stop=stop).x_adv, ascend(case, steps=5).x_adv)


def test_without_patience_a_misclassified_start_is_returned_and_every_stopped_sample_is_misclassified(tiny):
    case = problem(tiny, 5, size=40)
    network, _, y, _, start = case
    end = ascend(case, steps=6, early_stop=EarlyStop(labels=y, tau=0))
    wrong_at_start = network(start).argmax(dim=1) != y
    assert 0 < wrong_at_start.sum() < 40
    assert torch.equal(end.x_adv[wrong_at_start], start[wrong_at_start])
    assert (end.steps == 0).equal(wrong_at_start)
    stopped = end.steps < 6
    assert (network(end.x_adv[stopped]).argmax(dim=1) != y[stopped]).all()


def test_the_previous_iterate_of_every_sample_stopped_after_the_start_was_still_correct(tiny):
    case = problem(tiny, 6, size=40)
    network, _, y, _, start = case
    end = ascend(case, steps=6, early_stop=EarlyStop(labels=y, emit="previous"))
    stopped = (end.steps > 0) & (end.steps < 6)
    assert stopped.sum() > 3
    assert (network(end.x_adv[stopped]).argmax(dim=1) == y[stopped]).all()
    at_once = end.steps == 0
    assert torch.equal(end.x_adv[at_once], start[at_once])


def test_one_more_misclassified_step_is_made_for_one_more_of_patience(tiny):
    case = problem(tiny, 7, size=40)
    made = [ascend(case, steps=6, early_stop=EarlyStop(labels=case[2], tau=tau)).steps for tau in range(8)]
    for fewer, more in pairwise(made):
        assert (more >= fewer).all()
    assert made[0].float().mean() < made[1].float().mean()
    assert (made[-1] == 6).all()


class Flickering(torch.nn.Module):
    """Calls every sample wrong at the checks named, right at all others."""

    def __init__(self, wrong_at):
        super().__init__()
        self.wrong_at, self.check = wrong_at, -1

    def forward(self, x):
        self.check += 1
        score = x.flatten(1).sum(dim=1)
        return torch.stack([score * 0, score * 0 + (1 if self.check in self.wrong_at else -1) + 1e-3 * score], dim=1)


@pytest.mark.parametrize(
    ("rearm", "tau", "wrong_at", "steps", "correct"),
    [
        (True, 2, {0, 3, 5}, 5, 3),  # the third misclassified check finds the counter used up
        (True, 2, {0, 3}, 9, 7),  # never misclassified again: never stopped
        (False, 2, {0, 3}, 3, 2),  # the second misclassified check uses the counter up, and that ends it
        (False, 0, set(), 0, 0),  # CFA: no patience, no step
        (True, 0, set(), 9, 9),
    ],
)
def test_what_a_used_up_counter_means(rearm, tau, wrong_at, steps, correct):
    x = torch.full((1, 1, 2, 2), 0.5)
    stop = EarlyStop(labels=torch.tensor([0]), tau=tau, rearm=rearm)
    end = projected_ascent(
        Flickering(wrong_at),
        x,
        lambda _, logits: logits[:, 1],
        start=x,
        epsilon=0.3,
        step_size=0.01,
        steps=9,
        early_stop=stop,
    )
    assert (end.steps.tolist(), end.correct_steps.tolist()) == ([steps], [correct])
    torch.testing.assert_close(end.x_adv, x + 0.01 * steps)


def test_correct_iterates_before_a_step_are_counted(tiny):
    x = torch.full((1, 1, 2, 2), 0.5)
    end = projected_ascent(
        Flickering({1, 2, 4}),
        x,
        lambda _, logits: logits[:, 1],
        start=x,
        epsilon=0.3,
        step_size=0.01,
        steps=6,
        labels=torch.tensor([0]),
    )
    assert end.correct_steps.tolist() == [3]


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_start_outside_the_box_ends_inside(tiny, stop, steps):
    network, x, y, epsilon, _ = case = problem(tiny, 8)
    outside = (network, x, y, epsilon, x + 0.5 * torch.randn(x.shape, generator=tiny.generator(0)).double())
    end = ascend(outside, steps=steps, early_stop=EarlyStop(labels=y, tau=0) if stop else None)
    assert ((end.x_adv - x).abs().flatten(1).amax(dim=1) <= case[3] + 1e-12).all()
    assert end.x_adv.min() >= 0
    assert end.x_adv.max() <= 1


def test_steps_may_differ_between_samples(tiny):
    case = problem(tiny, 9)
    step_size = torch.linspace(0.001, 0.02, 8).double()
    end = ascend(case, steps=1, step_size=step_size)
    alone = [
        ascend((case[0], *(part[i : i + 1] for part in case[1:])), steps=1, step_size=float(step_size[i])).x_adv
        for i in range(8)
    ]
    torch.testing.assert_close(end.x_adv, torch.cat(alone))


def test_no_gradient_is_left_anywhere(tiny):
    case = problem(tiny, 10)
    end = ascend(case, steps=3)
    assert not end.x_adv.requires_grad
    assert all(parameter.grad is None for parameter in case[0].parameters())


def test_the_cross_entropy_attack_raises_the_loss_and_a_targeted_one_moves_to_the_target(tiny):
    network, batch = tiny.network(), tiny.batch(size=30)
    targets = (batch.y + 1) % 4
    setting = tiny.setting(network, steps=4)

    def loss(x, labels):
        return float(cross_entropy(network(x), labels).mean().detach())

    untargeted = cross_entropy_attack(setting, batch, Inner(epsilon=0.2, step_size=0.05)).x_adv
    assert loss(untargeted, batch.y) > loss(batch.x, batch.y) + 0.1
    targeted = cross_entropy_attack(setting, batch, Inner(epsilon=0.2, step_size=0.05, targets=targets)).x_adv
    assert loss(targeted, targets) < loss(batch.x, targets) - 0.1


def test_attacks_of_training_draw_from_the_given_generator_alone(tiny):
    network, batch = tiny.network(), tiny.batch()
    for attack in (cross_entropy_attack, kl_attack):
        made = []
        for seed, disturbance in ((1, 0), (1, 3), (2, 0)):
            torch.rand(disturbance)
            setting = tiny.setting(network, seed=seed, steps=2)
            made.append(attack(setting, batch, Inner(epsilon=0.1, step_size=0.02)).x_adv)
        assert torch.equal(made[0], made[1])
        assert not torch.equal(made[0], made[2])


def test_the_kl_attack_moves_away_from_the_clean_prediction_whatever_the_labels(tiny):
    network, batch = tiny.network(), tiny.batch(size=30)
    made = [
        kl_attack(
            tiny.setting(network, steps=4), type(batch)(batch.x, y, batch.clock), Inner(epsilon=0.2, step_size=0.05)
        )
        for y in (batch.y, (batch.y + 1) % 4)
    ]
    assert torch.equal(made[0].x_adv, made[1].x_adv)
    assert (kl_divergence(network(batch.x), network(made[0].x_adv)) > 0.05).all()
    assert (made[0].x_adv - batch.x).abs().max() <= 0.2 + 1e-6
