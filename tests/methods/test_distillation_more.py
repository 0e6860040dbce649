"""IAD-II, AdaIAD and B-MTARD: their losses by hand, their limits, and who is asked about what."""

import pytest
import torch
from taught import frozen, mean_cross_entropy, mean_kl


def bound(tiny, written, **changes):
    teachers = {"robust": frozen(tiny.network(seed=7)), "clean": frozen(tiny.network(seed=8))}
    return tiny.bound(written, tiny.network(), teachers=teachers, **changes)


def loss(seams, method, batch):
    views = seams.perturb(method, batch)
    return seams.loss(method, batch, views).item(), views.x["adversarial"]


def truth(logits, y):
    return logits.softmax(dim=1).gather(1, y[:, None]).squeeze(1)


@pytest.mark.parametrize(("epoch", "trusting"), [(0, True), (1, False)])
def test_iad_ii_is_the_sum_of_its_four_terms(tiny, seams, epoch, trusting):
    written = "iad_ii?temperature=2&robust_share=0.3&clean_share=0.2&trust_exponent=0.5"
    method, batch = bound(tiny, written), tiny.batch(clock=tiny.clock(epoch=epoch))
    value, x_adv = loss(seams, method, batch)
    student, robust, standard = method.network, *method.setting.teachers.values()
    trust = torch.ones(12) if trusting else truth(robust(x_adv), batch.y) ** 0.5
    teacher = 4 * mean_kl(robust(x_adv), student(x_adv), temperature=2, weights=trust.tolist())
    oneself = 4 * mean_kl(student(batch.x), student(x_adv), weights=(1 - trust).tolist())
    other = 4 * mean_kl(standard(x_adv), student(x_adv), temperature=2)
    hard = mean_cross_entropy(student(x_adv), batch.y)
    assert value == pytest.approx(0.5 * hard + 0.3 * (teacher + oneself) + 0.2 * other, rel=1e-4)


def test_iad_ii_without_teachers_is_adversarial_training(tiny, seams):
    batch = tiny.batch()
    value, x_adv = loss(seams, bound(tiny, "iad_ii?robust_share=0&clean_share=0"), batch)
    assert value == pytest.approx(mean_cross_entropy(tiny.network()(x_adv), batch.y), rel=1e-5)


def test_ada_iad_asks_the_teacher_at_the_perturbed_images_only(tiny, seams):
    method, batch = bound(tiny, "ada_iad?warm_up=0&trust_exponent=0.5"), tiny.batch()
    value, x_adv = loss(seams, method, batch)
    student, robust = method.network, method.setting.teachers["robust"]
    trust = truth(robust(x_adv), batch.y) ** 0.5
    teacher = 900 * mean_kl(robust(x_adv), student(x_adv), temperature=30)
    oneself = mean_kl(student(batch.x), student(x_adv), weights=(1 - trust).tolist())
    assert value == pytest.approx(teacher + oneself, rel=1e-3)


def test_ada_iad_attacks_as_adaad(tiny, seams):
    batch = tiny.batch()
    views = [seams.perturb(bound(tiny, name), batch).x["adversarial"] for name in ("ada_iad", "adaad", "iad")]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert bound(tiny, "ada_iad").attack_bn == "eval"


def test_b_mtard_softens_the_sharper_teacher_step_by_step(tiny, seams):
    method, batch = bound(tiny, "b_mtard?temperature_rate=0.25"), tiny.batch()
    robust, clean = method.setting.teachers.values()
    with torch.no_grad():
        clean.weight.mul_(0.1)
        clean.bias.mul_(0.1)
    for expected in ([1, 1], [1.25, 1], [1.5, 1]):
        assert method.objective.temperatures.tolist() == pytest.approx(expected)
        views = seams.perturb(method, batch)
        answers = robust(views.x["adversarial"]) / expected[0]
        torch.testing.assert_close(views.soft_labels["adversarial"], answers)
        torch.testing.assert_close(views.soft_labels["clean"], clean(batch.x) / expected[1])


def test_b_mtard_keeps_its_temperatures_in_bounds_and_slows_down_with_the_learning_rate(tiny):
    objective = bound(tiny, "b_mtard?temperature_rate=4").objective
    sharp, flat = torch.tensor([[9.0, 0, 0]]), torch.tensor([[0.1, 0, 0]])
    for expected in ([1, 5], [1, 9], [1, 10]):
        objective.softened(flat, sharp)
        assert objective.temperatures.tolist() == pytest.approx(expected)
    objective.rate_factor = 0.1
    objective.softened(sharp, flat)
    assert objective.temperatures.tolist() == pytest.approx([1.4, 9.6])


def test_b_mtard_at_rate_zero_is_mtard(tiny, seams):
    batch, values = tiny.batch(), []
    for written in ("mtard", "b_mtard?temperature_rate=0"):
        method = bound(tiny, written)
        values.append([loss(seams, method, batch)[0] for _ in range(3)])
    assert values[0] == values[1]
