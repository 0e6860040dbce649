"""FGSM, PGD and PGD on the margin."""

from __future__ import annotations

import pytest
import torch

from fairbench.attacks import cw, fgsm, pgd
from fairbench.losses.per_sample import cross_entropy, margin


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", [pgd, cw])
def test_points_stay_in_ball_and_box(digits, attack, norm):
    eps = digits.eps if norm == "linf" else 1.0
    x, y = digits.x[:40], digits.y[:40]
    delta = attack(digits.network, x, y, eps=eps, steps=5, norm=norm) - x
    size = delta.flatten(1).abs().amax(dim=1) if norm == "linf" else delta.flatten(1).norm(dim=1)
    assert size.max() <= eps + 1e-6
    assert (x + delta).min() >= 0
    assert (x + delta).max() <= 1


@pytest.mark.parametrize(("attack", "loss"), [(pgd, cross_entropy), (cw, margin)])
def test_the_loss_rises(digits, attack, loss):
    x, y = digits.x[:60], digits.y[:60]
    start = attack(digits.network, x, y, eps=digits.eps, steps=0, emit="last")
    end = attack(digits.network, x, y, eps=digits.eps, steps=10, emit="last")
    with torch.no_grad():
        assert (loss(digits.network(end), y) >= loss(digits.network(start), y) - 1e-5).float().mean() > 0.95


def test_any_success_counts(digits):
    # With steps as long as the ball is wide the iterates jump about: the last one fools less often than any one.
    x, y = digits.x[:200], digits.y[:200]

    def fooled(emit):
        x_adv = pgd(digits.network, x, y, eps=digits.eps, steps=7, step_size=2 * digits.eps, emit=emit)
        with torch.no_grad():
            return digits.network(x_adv).argmax(dim=1) != y

    last, success = fooled("last"), fooled("success")
    assert (success | ~last).all()
    assert success.sum() > last.sum()


def test_images_that_are_misclassified_already_stay_as_they_are(digits):
    with torch.no_grad():
        wrong = digits.network(digits.x).argmax(dim=1) != digits.y
    assert wrong.any()
    x, y = digits.x[wrong], digits.y[wrong]
    assert torch.equal(pgd(digits.network, x, y, eps=digits.eps, steps=3), x)


def test_fgsm_is_one_signed_step(digits):
    x = digits.x[:5].clone().requires_grad_()
    y = digits.y[:5]
    (gradient,) = torch.autograd.grad(cross_entropy(digits.network(x), y).sum(), x)
    expected = (x + 0.1 * gradient.sign()).clamp(0, 1)
    torch.testing.assert_close(fgsm(digits.network, digits.x[:5], y, eps=0.1), expected)


def test_the_start_belongs_to_the_image_not_to_its_place(digits):
    x, y, indices = digits.x[:6], digits.y[:6], torch.tensor([10, 3, 99, 4, 5, 6])
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    there = pgd(digits.network, x, y, eps=0.1, steps=0, indices=indices, emit="last")
    here = pgd(digits.network, x[order], y[order], eps=0.1, steps=0, indices=indices[order], emit="last")
    assert torch.equal(there[order], here)
    other_seed = pgd(digits.network, x, y, eps=0.1, steps=0, indices=indices, seed=1, emit="last")
    other_attack = cw(digits.network, x, y, eps=0.1, steps=0, indices=indices, emit="last")
    assert not torch.equal(there, other_seed)
    assert not torch.equal(there, other_attack)


def test_a_generator_draws_the_start(digits):
    x, y = digits.x[:4], digits.y[:4]

    def start(seed):
        generator = torch.Generator().manual_seed(seed)
        return pgd(digits.network, x, y, eps=0.1, steps=0, generator=generator, emit="last")

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))
