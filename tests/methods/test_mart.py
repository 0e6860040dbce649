"""MART against its loss written out one sample at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.compose import compose
from fairbench.losses import boosted_cross_entropy, cross_entropy
from fairbench.training.seams import Batch, Views


def softmax(logits):
    exponentials = [math.exp(z - max(logits)) for z in logits]
    return [e / sum(exponentials) for e in exponentials]


def loss_by_hand(clean, adversarial, y, beta):
    p, q = softmax(clean), softmax(adversarial)
    best_other = max(q[k] for k in range(len(q)) if k != y)
    boosted = -math.log(q[y]) - math.log(1.0001 - best_other)
    divergence = sum(p[k] * math.log(p[k] / q[k]) for k in range(len(p)))
    return boosted + beta * divergence * (1.0000001 - p[y])


@given(st.integers(0, 1000), st.floats(0, 8))
def test_the_loss_is_that_of_the_paper(tiny, seed, beta):
    network, batch = tiny.network(seed=seed).double(), tiny.batch(seed=seed)
    method = tiny.bound(f"mart?beta={beta}", network)
    batch = Batch(batch.x.double(), batch.y, batch.clock)
    x_adv = (batch.x + 0.1).clamp(0, 1)
    terms = method.losses(batch, Views({"adversarial": x_adv}))
    loss = method.combine(terms, method.weigh(terms, batch))
    by_hand = [
        loss_by_hand(clean, adversarial, int(y), beta)
        for clean, adversarial, y in zip(network(batch.x).tolist(), network(x_adv).tolist(), batch.y, strict=True)
    ]
    assert float(loss.detach()) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-6)
    assert float(terms.base_loss().detach()) == pytest.approx(float(loss.detach()), rel=1e-6)


def test_without_the_boundary_term_the_clean_images_give_no_gradient(tiny):
    network, batch = tiny.network(), tiny.batch()
    x = batch.x.clone().requires_grad_()
    method = tiny.bound("mart?beta=0", network)
    batch = Batch(x, batch.y, batch.clock)
    terms = method.losses(batch, Views({"adversarial": batch.x.detach()}))
    method.combine(terms, method.weigh(terms, batch)).backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_the_doubt_about_the_clean_image_keeps_its_gradient(tiny):
    network, batch = tiny.network(), tiny.batch()
    terms = tiny.bound("mart", network).losses(batch, Views({"adversarial": (batch.x + 0.1).clamp(0, 1)}))
    boundary = terms.per_sample["boundary"].sum()
    gradient = torch.autograd.grad(boundary, terms.logits["clean"])[0]
    clean, adversarial = (terms.logits[name].detach().requires_grad_() for name in ("clean", "adversarial"))
    log_p, log_q = clean.log_softmax(1), adversarial.log_softmax(1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(1)
    frozen = (1 - log_p.exp().gather(1, batch.y[:, None]).squeeze(1)).detach()
    without = torch.autograd.grad((divergence * frozen).sum(), clean)[0]
    assert (gradient - without).abs().max() > 1e-3


def test_a_certain_and_unmoved_image_costs_nothing(tiny):
    logits = torch.tensor([[50.0, 0.0, 0.0]])
    assert abs(float(boosted_cross_entropy(logits, torch.tensor([0])))) <= 1.01e-4
    wrong = float(boosted_cross_entropy(logits, torch.tensor([1])))
    assert math.isfinite(wrong)
    assert wrong > 50 + 9


def test_the_attack_climbs_the_cross_entropy_from_a_point_next_to_the_image(tiny):
    network, batch = tiny.network(), tiny.batch(size=30)
    method = tiny.bound("mart", network, steps=0)
    start = method.perturb(batch, method.prepare(batch)).x["adversarial"]
    assert 0 < (start - batch.x).abs().max() < 0.01
    method = tiny.bound("mart", network, steps=5)
    x_adv = method.perturb(batch, method.prepare(batch)).x["adversarial"]
    assert (cross_entropy(network(x_adv), batch.y) > cross_entropy(network(batch.x), batch.y)).all()
    assert (x_adv - batch.x).abs().max() <= 0.2 + 1e-6


def test_mart_attacks_in_eval_mode_on_the_cross_entropy_and_faal_on_it_on_the_kl():
    mart, faal = compose("mart").recipe().method, compose("faal@mart").recipe().method
    assert (mart.attack_bn, mart.attack_name) == ("eval", "pgd on the cross-entropy")
    assert (faal.attack_bn, faal.attack_name) == ("eval", "pgd on KL(clean || adversarial)")


def test_faal_replaces_the_attack_of_mart_by_the_one_on_the_kl(tiny):
    network, batch = tiny.network(), tiny.batch()
    made = []
    for written in ("faal@mart", "trades", "mart"):
        method = tiny.bound(written, network)
        made.append(method.perturb(batch, method.prepare(batch)).x["adversarial"])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_faal_with_no_room_is_mart_under_the_kl_attack(tiny):
    network, batch = tiny.network(), tiny.batch()
    losses = {}
    for written in ("faal@mart?tau=0", "mart"):
        method = tiny.bound(written, network)
        terms = method.losses(batch, Views({"adversarial": (batch.x + 0.1).clamp(0, 1)}))
        losses[written] = method.combine(terms, method.weigh(terms, batch)).detach()
    torch.testing.assert_close(losses["faal@mart?tau=0"], losses["mart"])
