"""AutoAttack: parity with the reference package, independence of batches, no traces."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks.attack_cases import reference_robust
from fairbench.attacks import apgd, autoattack, cw, fab, fgsm, pgd, square

QUERIES = 300


def reference(case, images, attacks, *, norm="linf", eps=None, seed=0):
    attacked = replace(case, x=case.x[:images], y=case.y[:images], eps=eps or case.eps)
    return reference_robust(attacked, norm=norm, attacks=attacks, queries=QUERIES, seed=seed)


class FourClasses(nn.Module):
    """The first four logits of a network."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[:, :4]


def own(case, images, attacks=None, eps=None, **options):
    eps = eps or case.eps
    return autoattack(
        case.network, case.x[:images], case.y[:images], eps=eps, attacks=attacks, square_queries=QUERIES, **options
    )


def disagreement(first, second):
    return int((first != second).sum())


def assert_same_strength(case, member, precision="float32", **ball):
    """Each side breaks some images under one seed and not under another, so two seeds of each side are compared."""
    images, seeds = 100, (0, 1)
    theirs = torch.stack([~reference(case, images, [member], seed=seed, **ball) for seed in seeds]).sum(dim=0)
    ours = torch.stack(
        [~own(case, images, [member], seed=seed, search_precision=precision, **ball).robust for seed in seeds]
    ).sum(dim=0)
    assert int(((theirs == 2) & (ours == 0)).sum()) <= 2
    assert int(((theirs == 0) & (ours == 2)).sum()) <= 2
    assert abs(float(theirs.sum() - ours.sum())) / 2 <= 0.04 * images


@pytest.mark.parametrize(
    ("member", "precision"),
    [("apgd-ce", "float32"), ("apgd-ce", "bfloat16"), ("apgd-dlr", "float32"), ("square", "bfloat16")],
)
def test_members_are_as_strong_as_those_of_the_reference_package(digits, member, precision):
    assert_same_strength(digits, member, precision)


@pytest.mark.parametrize("member", ["apgd-ce", pytest.param("square", marks=pytest.mark.prove)])
def test_l2_members_are_as_strong_as_those_of_the_reference_package(digits, member):
    assert_same_strength(digits, member, norm="l2", eps=0.8)


@pytest.mark.prove
@pytest.mark.parametrize("member", ["apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square"])
def test_l1_members_are_as_strong_as_those_of_the_reference_package(digits, member):
    assert_same_strength(digits, member, norm="l1", eps=2.0)


@pytest.mark.parametrize(
    ("member", "norm"),
    [
        ("apgd-t", "linf"),
        ("fab-t", "linf"),
        pytest.param("fab", "linf", marks=pytest.mark.prove),
        pytest.param("fab-t", "l2", marks=pytest.mark.prove),
    ],
)
def test_slow_members_agree_with_the_reference_package(digits, member, norm):
    eps = digits.eps if norm == "linf" else 0.8
    expected = reference(digits, 10, [member], norm=norm, eps=eps)
    found = own(digits, 10, [member], norm=norm, eps=eps, micro_batch=10)
    assert disagreement(expected, found.robust) <= 1
    delta = (found.x_adv - digits.x[:10]).flatten(1)
    size = delta.abs().amax(dim=1) if norm == "linf" else delta.norm(dim=1)
    assert size.max() <= eps + 1e-6


@pytest.mark.prove
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_ensemble_agrees_with_the_reference_package(digits, precision):
    members = ["apgd-ce", "apgd-t", "fab-t", "square"]
    expected = reference(digits, 500, members)
    found = own(digits, 500, members, search_precision=precision).robust
    assert abs(int(expected.sum()) - int(found.sum())) <= 2
    assert disagreement(expected, found) < 5


def test_what_a_result_says(digits):
    result = own(digits, 80, ["apgd-ce", "square"])
    x, y = digits.x[:80], digits.y[:80]
    with torch.no_grad():
        clean, answers = digits.network(x).argmax(dim=1), digits.network(result.x_adv).argmax(dim=1)
    assert torch.equal(answers, result.predicted)
    assert torch.equal(answers == y, result.robust)
    assert torch.equal(result.x_adv[clean != y], x[clean != y])
    assert torch.equal(result.x_adv[result.robust], x[result.robust])
    assert (result.x_adv - x).abs().max() <= digits.eps + 1e-6
    assert result.x_adv.min() >= 0
    assert result.x_adv.max() <= 1
    assert result.log["apgd-ce"]["attacked"] == int((clean == y).sum())
    assert result.log["square"]["attacked"] == result.log["apgd-ce"]["attacked"] - result.log["apgd-ce"]["broken"]
    assert int(result.robust.sum()) == result.log["square"]["attacked"] - result.log["square"]["broken"]


def test_what_one_member_breaks_the_ensemble_breaks(digits):
    union = own(digits, 60, ["apgd-ce", "square"]).robust
    assert not (union & ~apgd(digits.network, digits.x[:60], digits.y[:60], eps=digits.eps).robust).any()


@pytest.mark.parametrize("member", ["apgd-ce", "apgd-t", "fab-t", "square"])
def test_batches_order_and_halves_change_nothing(digits, member):
    network, images = digits.network, 70
    x, y, eps = digits.x[:images], digits.y[:images], digits.eps
    if member.endswith("-t"):
        # Four classes have three targets, which keeps the slow members short.
        network, images, kept = FourClasses(digits.network).eval(), 10, digits.y < 4
        x, y = digits.x[kept][:images], digits.y[kept][:images]

    def attack(rows, batch_size):
        return autoattack(
            network,
            x[rows],
            y[rows],
            eps=eps,
            attacks=[member],
            indices=rows,
            batch_size=batch_size,
            square_queries=60,
            micro_batch=4 if member.endswith("-t") else 16,
        )

    everything = torch.arange(images)
    whole = attack(everything, 1000)
    shuffled = torch.randperm(images, generator=torch.Generator().manual_seed(0))
    for rows, size in ((shuffled, 1), (everything[images // 2 :], 37)):
        part = attack(rows, size)
        assert torch.equal(part.robust, whole.robust[rows])
        assert torch.equal(part.predicted, whole.predicted[rows])
        assert torch.equal(part.x_adv, whole.x_adv[rows])


@pytest.mark.prove
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_no_verdict_flips_over_batch_sizes(digits, precision):
    whole = own(digits, 500, batch_size=1000, search_precision=precision)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    for size in (1, 37, 200):
        part = autoattack(
            digits.network,
            digits.x[:500][order],
            digits.y[:500][order],
            eps=digits.eps,
            indices=order,
            batch_size=size,
            square_queries=QUERIES,
            search_precision=precision,
        )
        assert torch.equal(part.robust, whole.robust[order])
        assert torch.equal(part.x_adv, whole.x_adv[order])


def test_the_seed_changes_the_noise(digits):
    x, y = digits.x[:20], digits.y[:20]
    for attack in (apgd, square):
        first, second = (attack(digits.network, x, y, eps=0.3, seed=seed).x_adv for seed in (0, 1))
        assert not torch.equal(first, second)
        assert torch.equal(first, attack(digits.network, x, y, eps=0.3, seed=0).x_adv)


@pytest.mark.parametrize(
    "attack",
    [
        fgsm,
        lambda *args, **kwargs: pgd(*args, steps=2, **kwargs),
        lambda *args, **kwargs: cw(*args, steps=2, **kwargs),
        lambda *args, **kwargs: autoattack(*args, square_queries=5, attacks=["apgd-ce", "square"], **kwargs),
        lambda *args, **kwargs: fab(*args, micro_batch=4, **kwargs),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_attacks_leave_no_trace(digits, attack, training):
    network = copy.deepcopy(digits.network).train(training)
    next(network.parameters()).requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    flags = [p.requires_grad for p in network.parameters()]
    x, y = digits.x[:4].clone(), digits.y[:4].clone()
    random_state, grad_mode = torch.get_rng_state(), torch.is_grad_enabled()
    attack(network, x, y, eps=0.1)
    assert all(part.training == training for part in network.modules())
    assert [p.requires_grad for p in network.parameters()] == flags
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(x, digits.x[:4])
    assert not x.requires_grad
    assert torch.equal(torch.get_rng_state(), random_state)
    assert torch.is_grad_enabled() == grad_mode


def test_attacks_work_where_gradients_are_off(digits):
    with torch.no_grad():
        result = apgd(digits.network, digits.x[:10], digits.y[:10], eps=digits.eps)
        x_adv = pgd(digits.network, digits.x[:10], digits.y[:10], eps=digits.eps, steps=2)
    assert not result.x_adv.requires_grad
    assert not x_adv.requires_grad
