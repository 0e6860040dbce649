"""ARD and the scale of its divergence, in closed form and by hand."""

import pytest
import torch
from taught import frozen, mean_cross_entropy, mean_kl

from fairbench.errors import UsageError

EXACT = {"rtol": 1e-5, "atol": 1e-7}


@pytest.fixture
def taught(tiny):
    """A method with a student and another network as its teacher."""

    def bind(written, *, network=None, teacher=None, **changes):
        teacher = tiny.network(seed=7) if teacher is None else teacher
        return tiny.bound(written, network or tiny.network(), teachers={"robust": frozen(teacher)}, **changes)

    return bind


@pytest.mark.parametrize(("reduction", "divisor"), [("element_mean", 4), ("batch_mean", 1)])
def test_the_loss_is_its_formula(tiny, seams, taught, reduction, divisor):
    method = taught(f"ard?alpha=0.7&temperature=30&kl_reduction={reduction}&kl_scale=2")
    batch = tiny.batch()
    views = seams.perturb(method, batch)
    teacher, student = method.setting.teachers["robust"], method.network
    divergence = mean_kl(teacher(batch.x), student(views.x["adversarial"]), temperature=30)
    expected = 0.7 * 2 * 900 * divergence / divisor + 0.3 * mean_cross_entropy(student(batch.x), batch.y)
    assert seams.loss(method, batch, views).item() == pytest.approx(expected, rel=1e-4)


def test_without_the_teachers_share_it_is_clean_cross_entropy(tiny, seams, taught):
    method, batch = taught("ard?alpha=0"), tiny.batch()
    views = seams.perturb(method, batch)
    loss = seams.loss(method, batch, views)
    clean = torch.nn.functional.cross_entropy(method.network(batch.x), batch.y)
    torch.testing.assert_close(loss, clean)
    torch.testing.assert_close(seams.gradient(method, loss), seams.gradient(method, clean), **EXACT)


def test_a_copy_of_the_student_has_nothing_to_teach_where_there_is_no_attack(tiny, seams, taught):
    network = tiny.network()
    method, batch = taught("ard", network=network, teacher=network, epsilon=0.0), tiny.batch()
    loss = seams.loss(method, batch, seams.perturb(method, batch))
    assert abs(loss.item()) < 1e-4
    assert float(seams.gradient(method, loss).abs().max()) < 1e-5


def test_at_high_temperature_it_matches_centred_logits(tiny, taught):
    method, batch = taught("ard?temperature=1000"), tiny.batch()
    student, teacher = method.network.double(), method.setting.teachers["robust"].double()
    x = batch.x.double()
    logits, target = student(x).detach().requires_grad_(), teacher(x)
    from fairbench.losses import softened_kl

    size, num_classes = logits.shape
    (gradient,) = torch.autograd.grad(softened_kl(target, logits, 1000.0).mean() / num_classes, logits)
    difference = (logits - logits.mean(dim=1, keepdim=True)) - (target - target.mean(dim=1, keepdim=True))
    torch.testing.assert_close(gradient, difference.detach() / (size * num_classes**2), rtol=0.02, atol=1e-5)


@pytest.mark.parametrize(("written", "passes"), [("ard", 5 + 2), ("ard?attack_bn=eval", 2)])
def test_batch_norm_sees_attack_and_clean_images_in_train_mode(tiny, seams, taught, written, passes):
    network = tiny.bn_network().train()
    method, batch = taught(written, network=network, teacher=tiny.bn_network(seed=3)), tiny.batch()
    terms = method.losses(batch, seams.perturb(method, batch))
    assert int(network[1].num_batches_tracked) == passes
    assert not terms.logits["clean"].requires_grad


def test_the_attack_starts_anywhere_in_the_ball_also_outside_the_unit_box(tiny, seams, taught):
    method, batch = taught("ard"), tiny.batch()
    batch.x.zero_()
    seen = []
    handle = method.network.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    views = seams.perturb(method, batch)
    handle.remove()
    assert -0.2 <= float(seen[0].min()) < -0.15
    assert 0.15 < float(seen[0].max()) <= 0.2
    assert float(views.x["adversarial"].min()) >= 0


def test_a_teacher_that_is_missing_is_named(tiny):
    method = tiny.bound("ard", tiny.network())
    with pytest.raises(UsageError, match="needs a robust teacher"):
        method.prepare(tiny.batch())
