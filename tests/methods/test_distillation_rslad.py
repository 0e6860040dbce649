"""RSLAD: two divergences from the teacher's clean answers, and no hard label anywhere."""

import dataclasses

import pytest
import torch
from taught import frozen, mean_kl

from fairbench.losses import kl_divergence


def bound(tiny, written="rslad", *, network=None, teacher=None, **changes):
    teacher = frozen(teacher or tiny.network(seed=7))
    return tiny.bound(written, network or tiny.network(), teachers={"robust": teacher}, **changes)


@pytest.mark.parametrize(("written", "scale"), [("rslad", 1 / 4), ("rslad?kl_scale=10&kl_reduction=batch_mean", 10)])
def test_the_loss_is_its_formula(tiny, seams, written, scale):
    method, batch = bound(tiny, written), tiny.batch()
    views = seams.perturb(method, batch)
    labels, student = method.setting.teachers["robust"](batch.x), method.network
    expected = 5 / 6 * mean_kl(labels, student(views.x["adversarial"])) + 1 / 6 * mean_kl(labels, student(batch.x))
    assert seams.loss(method, batch, views).item() == pytest.approx(scale * expected, rel=1e-4)


def test_the_shares_of_the_terms_sum_to_the_scale(tiny, seams):
    method, batch = bound(tiny, "rslad?kl_scale=3&kl_reduction=batch_mean"), tiny.batch()
    terms = method.losses(batch, seams.perturb(method, batch))
    assert sum(terms.coefficients.values()) == pytest.approx(3)


def test_the_true_label_is_never_read(tiny, seams):
    batch = tiny.batch()
    other = dataclasses.replace(batch, y=(batch.y + 1) % 4)
    losses, points = [], []
    for one in (batch, other):
        method = bound(tiny)
        views = seams.perturb(method, one)
        losses.append(seams.loss(method, one, views))
        points.append(views.x["adversarial"])
    assert torch.equal(*points)
    assert torch.equal(*losses)


def test_the_attack_leaves_the_teachers_answer_within_the_ball(tiny, seams):
    method, batch = bound(tiny), tiny.batch()
    x_adv = seams.perturb(method, batch).x["adversarial"]
    labels = method.setting.teachers["robust"](batch.x)
    before, after = (kl_divergence(labels, method.network(x)).mean() for x in (batch.x, x_adv))
    assert after > before + 0.1
    assert float((x_adv - batch.x).abs().max()) <= 0.2 + 1e-6
    assert 0 <= float(x_adv.min()) <= float(x_adv.max()) <= 1


def test_a_copy_of_the_student_has_nothing_to_teach_where_there_is_no_attack(tiny, seams):
    network = tiny.network()
    method, batch = bound(tiny, network=network, teacher=network, epsilon=0.0), tiny.batch()
    loss = seams.loss(method, batch, seams.perturb(method, batch))
    assert abs(loss.item()) < 1e-6
    assert float(seams.gradient(method, loss).abs().max()) < 1e-6


def test_the_attack_moves_no_batch_norm_statistics(tiny, seams):
    network = tiny.bn_network().train()
    method, batch = bound(tiny, network=network, teacher=tiny.bn_network(seed=3)), tiny.batch()
    views = seams.perturb(method, batch)
    assert int(network[1].num_batches_tracked) == 0
    method.losses(batch, views)
    assert int(network[1].num_batches_tracked) == 2
