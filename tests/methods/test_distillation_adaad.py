"""AdaAD: the attack looks through both networks."""

import pytest
import torch
from taught import frozen, mean_kl
from torch import nn

from fairbench.attacks.starts import gaussian_start
from fairbench.losses import kl_divergence


class Constant(nn.Module):
    """The same answer for every image."""

    def __init__(self, logits):
        super().__init__()
        self.register_buffer("logits", logits)

    def forward(self, x):
        return self.logits.expand(len(x), -1) + 0 * x.flatten(1).sum(dim=1, keepdim=True)


def bound(tiny, written="adaad", *, teacher=None, **changes):
    return tiny.bound(written, tiny.network(), teachers={"robust": frozen(teacher or tiny.network(seed=7))}, **changes)


@pytest.mark.parametrize("steps", [1, 2])
def test_the_gradient_of_the_attack_is_the_sum_of_both_paths(tiny, seams, steps):
    method, batch = bound(tiny, steps=steps), tiny.batch()
    student, teacher = method.network, method.setting.teachers["robust"]
    by_hand, detached = (gaussian_start(batch.x, 0.001, tiny.generator(0)) for _ in range(2))

    def step(x, *, through_teacher):
        x = x.requires_grad_()
        labels = teacher(x) if through_teacher else teacher(x).detach()
        (gradient,) = torch.autograd.grad(kl_divergence(labels, student(x)).sum(), x)
        moved = x.detach() + 0.05 * gradient.sign()
        return torch.minimum(torch.maximum(moved, batch.x - 0.2), batch.x + 0.2).clamp(0, 1)

    for _ in range(steps):
        by_hand = step(by_hand, through_teacher=True)
        detached = step(detached, through_teacher=False)
    found = seams.perturb(method, batch).x["adversarial"]
    torch.testing.assert_close(found, by_hand)
    assert not torch.allclose(found, detached, atol=0.01)


def test_with_a_constant_teacher_the_attack_is_that_of_rslad(tiny, seams):
    teacher, batch = Constant(torch.tensor([[1.0, -1.0, 0.5, 0.0]])), tiny.batch()
    found = [
        seams.perturb(bound(tiny, written, teacher=teacher), batch).x["adversarial"] for written in ("adaad", "rslad")
    ]
    assert torch.equal(*found)


@pytest.mark.parametrize(("reduction", "scale"), [("element_mean", 1 / 4), ("batch_mean", 1)])
def test_the_loss_is_its_formula(tiny, seams, reduction, scale):
    method, batch = bound(tiny, f"adaad?alpha=0.6&kl_reduction={reduction}"), tiny.batch()
    views = seams.perturb(method, batch)
    student, teacher, x_adv = method.network, method.setting.teachers["robust"], views.x["adversarial"]
    expected = 0.6 * mean_kl(teacher(x_adv), student(x_adv)) + 0.4 * mean_kl(teacher(batch.x), student(batch.x))
    assert seams.loss(method, batch, views).item() == pytest.approx(scale * expected, rel=1e-4)


def test_clean_images_teach_nothing_unless_they_have_a_share(tiny, seams):
    batch = tiny.batch()
    for written, learns in (("adaad", False), ("adaad?alpha=0.9", True)):
        method = bound(tiny, written)
        assert method.losses(batch, seams.perturb(method, batch)).logits["clean"].requires_grad is learns


def test_nothing_of_the_attack_stays_on_the_teacher(tiny, seams):
    method, batch = bound(tiny), tiny.batch()
    seams.loss(method, batch, seams.perturb(method, batch)).backward()
    assert all(parameter.grad is None for parameter in method.setting.teachers["robust"].parameters())
    assert all(parameter.grad is not None for parameter in method.network.parameters())
