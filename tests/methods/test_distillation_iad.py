"""IAD: how far the teacher is trusted, and what the student takes from itself."""

import pytest
import torch
from taught import frozen, kl, mean_cross_entropy, mean_kl, softmax

LATE = {"epoch": 2, "epochs": 4}
"""after the warm-up of 0.3."""


def bound(tiny, written="iad", *, network=None, teacher=None, **changes):
    teacher = frozen(teacher or tiny.network(seed=7))
    return tiny.bound(written, network or tiny.network(), teachers={"robust": teacher}, **changes)


def late_batch(tiny):
    return tiny.batch(clock=tiny.clock(**LATE))


def means_by_hand(method, batch, views, *, epoch_trusts):
    """Teacher, introspection and trust of the batch, sample by sample."""
    teacher, student = method.setting.teachers["robust"], method.network
    x_adv = views.x["adversarial"]
    rows = [t.tolist() for t in (teacher(batch.x), teacher(x_adv), student(batch.x), student(x_adv))]
    samples = []
    for label, on_clean, on_adversarial, clean, adversarial in zip(batch.y.tolist(), *rows, strict=True):
        trust = softmax(on_adversarial)[label] ** 0.1 if epoch_trusts else 1.0
        samples.append((trust, kl(on_clean, adversarial), kl(clean, adversarial)))
    return samples


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_the_loss_is_its_formula(tiny, seams, split, late):
    method = bound(tiny, f"iad?alpha=0.8&split_trust={str(split).lower()}")
    batch = late_batch(tiny) if late else tiny.batch()
    views = seams.perturb(method, batch)
    samples = means_by_hand(method, batch, views, epoch_trusts=late)
    taught = sum((trust if split else 1) * from_teacher for trust, from_teacher, _ in samples) / len(samples)
    own = sum((1 - trust) * from_self for trust, _, from_self in samples) / len(samples)
    expected = 0.8 * (taught + own) + 0.2 * mean_cross_entropy(method.network(batch.x), batch.y)
    assert seams.loss(method, batch, views).item() == pytest.approx(expected, rel=1e-4)


def test_with_full_trust_it_is_ard_at_temperature_one(tiny, seams):
    batch = late_batch(tiny)
    losses, gradients = [], []
    for written in ("iad?trust_exponent=0", "ard?temperature=1&kl_reduction=batch_mean"):
        method = bound(tiny, written)
        losses.append(seams.loss(method, batch, seams.perturb(method, batch)))
        gradients.append(seams.gradient(method, losses[-1]))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)


def test_a_teacher_that_is_right_without_doubt_leaves_nothing_to_introspection(tiny):
    batch = late_batch(tiny)
    sure = 1000.0 * torch.nn.functional.one_hot(batch.y, 4)
    assert torch.equal(bound(tiny).objective.trust(sure, batch), torch.ones(len(batch.y)))


def test_less_confidence_in_the_truth_is_less_trust(tiny):
    batch = late_batch(tiny)
    truth = torch.nn.functional.one_hot(batch.y, 4)
    trusts = torch.stack([bound(tiny).objective.trust(scale * truth, batch) for scale in (-4.0, -1.0, 0.0, 1.0, 4.0)])
    assert (trusts.diff(dim=0) > 0).all()


@pytest.mark.parametrize(("epoch", "trusts"), [(2, False), (3, True)])
def test_the_teacher_is_trusted_fully_for_three_tenths_of_the_epochs(tiny, epoch, trusts):
    batch = tiny.batch(clock=tiny.clock(epoch=epoch, epochs=10))
    trust = bound(tiny).objective.trust(torch.zeros(len(batch.y), 4), batch)
    assert torch.equal(trust < 1, torch.full((len(batch.y),), trusts))


def test_the_students_own_answer_is_not_detached(tiny, seams):
    method, batch = bound(tiny), late_batch(tiny)
    terms = method.losses(batch, seams.perturb(method, batch))
    (gradient,) = torch.autograd.grad(terms.per_sample["introspection"].sum(), terms.logits["clean"])
    assert float(gradient.abs().max()) > 1e-3


@pytest.mark.parametrize(("where", "view"), [("clean", "clean"), ("adversarial", "adversarial")])
def test_hard_labels_are_taken_where_the_option_says(tiny, seams, where, view):
    method, batch = bound(tiny, f"iad?hard_labels_at={where}"), tiny.batch()
    terms = method.losses(batch, seams.perturb(method, batch))
    expected = mean_cross_entropy(terms.logits[view], batch.y)
    assert terms.per_sample["natural"].mean().item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("written", "passes"), [("iad", 5 + 3), ("iad?unused_forwards=false", 5 + 2)])
def test_the_dropped_forward_moves_batch_norm_statistics(tiny, seams, written, passes):
    network = tiny.bn_network().train()
    method, batch = bound(tiny, written, network=network, teacher=tiny.bn_network(seed=3)), tiny.batch()
    method.losses(batch, seams.perturb(method, batch))
    assert int(network[1].num_batches_tracked) == passes


def test_before_trust_is_asked_for_it_is_plain_distillation(tiny, seams):
    method, batch = bound(tiny), tiny.batch()
    views = seams.perturb(method, batch)
    expected = mean_kl(method.setting.teachers["robust"](batch.x), method.network(views.x["adversarial"]))
    assert seams.loss(method, batch, views).item() == pytest.approx(expected, rel=1e-4)
