"""Fair-ARD's weights from the steps that samples withstand, and the four methods that use them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from taught import class_relabelled, frozen, mean_kl
from torch import nn

from fairbench.training.distillation import CORRECT_STEPS, STEPS_TO_FAILURE
from fairbench.training.statistics import EpochStatistics

FAMILY = {"fair_ard": "ard", "fair_rslad": "rslad", "fair_iad": "iad", "fair_mtard": "mtard"}
counts = st.lists(st.floats(0, 10), min_size=4, max_size=4)


class Scripted(nn.Module):
    """Right or wrong by script, whatever the image; there is always a gradient."""

    def __init__(self, script, truth=0):
        super().__init__()
        self.script, self.truth, self.calls = script, truth, 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        is_right = self.script[self.calls % len(self.script)]
        self.calls += 1
        answer = torch.zeros(4)
        answer[self.truth if is_right else self.truth + 1] = 5.0
        return answer * self.weight + 1e-3 * x.flatten(1).sum(dim=1, keepdim=True)


def bound(tiny, written="fair_rslad", *, network=None, teacher=None, **changes):
    teachers = {"robust": frozen(teacher or tiny.network(seed=7)), "clean": frozen(tiny.network(seed=8))}
    return tiny.bound(written, network or tiny.network(), teachers=teachers, **changes)


def weights(tiny, withstood, written="fair_rslad"):
    return bound(tiny, written).weights_of(torch.tensor(withstood, dtype=torch.float64))


def after_an_epoch(tiny, seams, method, batch):
    views = seams.perturb(method, batch)
    statistics = EpochStatistics(4)
    statistics.add(method.losses(batch, views), views, batch.y)
    method.end_epoch(type("Feedback", (), {"train": statistics, "clock": tiny.clock(epoch=1)})())
    return views


@given(counts)
def test_weights_are_the_clamped_formula(tiny, withstood):
    inverse = [(one + 1e-5) ** -2 for one in withstood]
    by_hand = [min(max(4 * one / sum(inverse), 5 / 6), 5 / 2) for one in inverse]
    assert weights(tiny, withstood).tolist() == pytest.approx(by_hand, rel=1e-6)


@given(counts)
def test_who_withstands_more_never_weighs_more(tiny, withstood):
    found = weights(tiny, withstood, "fair_rslad?lowest=0.001&highest=4")
    order = torch.tensor(withstood).argsort()
    assert (found[order].diff() <= 1e-9).all()
    assert 5 / 6 - 1e-9 <= float(weights(tiny, withstood).min()) <= float(weights(tiny, withstood).max()) <= 5 / 2


@given(st.floats(0, 10))
def test_equal_classes_weigh_one(tiny, withstood):
    assert weights(tiny, [withstood] * 4).tolist() == pytest.approx([1.0] * 4)


@given(counts)
def test_without_sharpness_all_weigh_one(tiny, withstood):
    assert weights(tiny, withstood, "fair_rslad?fair_rslad.beta=0").tolist() == pytest.approx([1.0] * 4)


def test_the_clamp_leaves_the_mean_where_it_falls_unless_asked(tiny):
    assert float(weights(tiny, [1.0, 8.0, 8.0, 8.0]).mean()) > 1.05
    assert float(weights(tiny, [1.0, 8.0, 8.0, 8.0], "fair_rslad?renormalise=true").mean()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("script", "correct", "first_failure"),
    [([1, 1, 0, 0, 1], 3, 2), ([1, 1, 1, 1, 1], 5, 5), ([0, 0, 0, 0, 0], 0, 0), ([0, 1, 1, 1, 1], 4, 0)],
)
def test_both_counts_of_the_steps_withstood(tiny, seams, script, correct, first_failure):
    batch = tiny.batch()
    batch.y.zero_()
    traces = seams.perturb(bound(tiny, "fair_ard", network=Scripted(script)), batch).traces
    assert traces[CORRECT_STEPS].tolist() == [correct] * len(batch.y)
    assert traces[STEPS_TO_FAILURE].tolist() == [first_failure] * len(batch.y)


@pytest.mark.parametrize("count", ["correct", "first_failure"])
@pytest.mark.parametrize("written", FAMILY)
def test_an_epoch_averages_the_steps_by_class(tiny, seams, written, count):
    method, batch = bound(tiny, f"{written}?count={count}"), tiny.batch(size=30)
    views = after_an_epoch(tiny, seams, method, batch)
    trace = views.traces[CORRECT_STEPS if count == "correct" else STEPS_TO_FAILURE].tolist()
    for k in range(4):
        own = [steps for steps, label in zip(trace, batch.y.tolist(), strict=True) if label == k]
        assert float(method.withstood[k]) == pytest.approx(sum(own) / len(own))
    torch.testing.assert_close(method.class_weights, method.weights_of(method.withstood))


def test_a_class_that_was_not_seen_takes_no_weight_from_the_others(tiny, seams):
    method, batch = bound(tiny), tiny.batch(size=30)
    batch.y[batch.y == 2] = 1
    after_an_epoch(tiny, seams, method, batch)
    seen = method.withstood[[0, 1, 3]]
    assert float(seen.min()) <= float(method.withstood[2]) <= float(seen.max())


@pytest.mark.parametrize(("written", "base"), FAMILY.items())
def test_in_the_first_epoch_it_is_its_objective(tiny, seams, written, base):
    batch, losses = tiny.batch(), []
    for one in (written, base):
        method = bound(tiny, one)
        losses.append(seams.loss(method, batch, seams.perturb(method, batch)))
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)


def test_every_sample_is_weighed_by_its_class_and_the_attack_is_not(tiny, seams):
    method, plain, batch = bound(tiny), bound(tiny, "rslad"), tiny.batch()
    method.class_weights = torch.tensor([2.5, 1.0, 5 / 6, 1.5])
    views = seams.perturb(method, batch)
    assert torch.equal(views.x["adversarial"], seams.perturb(plain, batch).x["adversarial"])
    labels, student = method.setting.teachers["robust"](batch.x), method.network
    per_sample = method.class_weights[batch.y].tolist()
    adversarial = mean_kl(labels, student(views.x["adversarial"]), weights=per_sample)
    clean = mean_kl(labels, student(batch.x), weights=per_sample)
    expected = (5 / 6 * adversarial + 1 / 6 * clean) / 4
    assert seams.loss(method, batch, views).item() == pytest.approx(expected, rel=1e-4)


def test_fair_mtard_balances_the_weighed_losses(tiny, seams):
    method, batch = bound(tiny, "fair_mtard"), tiny.batch()
    method.class_weights = torch.tensor([2.5, 1.0, 5 / 6, 1.5])
    views = seams.perturb(method, batch)
    seams.loss(method, batch, views)
    labels, student = method.setting.teachers["clean"](batch.x), method.network
    expected = mean_kl(labels, student(batch.x), weights=method.class_weights[batch.y].tolist()) / 4
    assert float(method.objective.first_losses[0]) == pytest.approx(expected, rel=1e-4)


def test_the_names_of_the_classes_do_not_matter(tiny, seams):
    order = torch.tensor([2, 0, 3, 1])
    found = []
    for relabels in (False, True):
        network, teacher, batch = tiny.network(), tiny.network(seed=7), tiny.batch(size=30)
        if relabels:
            network, teacher = (class_relabelled(one, order) for one in (network, teacher))
            batch.y.copy_(order.argsort()[batch.y])
        method = bound(tiny, network=network, teacher=teacher)
        after_an_epoch(tiny, seams, method, batch)
        found.append(method.class_weights)
    torch.testing.assert_close(found[1], found[0][order])
