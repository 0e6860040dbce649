"""ABSLD: how the temperatures move, and what they change."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from taught import frozen

from fairbench.training.statistics import EpochStatistics

risks = st.lists(st.floats(0, 100, allow_subnormal=False), min_size=4, max_size=4).filter(
    lambda risk: max(risk) - min(risk) > 0.1
)


def bound(tiny, written="absld", **changes):
    return tiny.bound(written, tiny.network(), teachers={"robust": frozen(tiny.network(seed=7))}, **changes)


def moved(tiny, risk, *, rate=0.1, written="absld"):
    method = bound(tiny, written)
    return method.moved(method.per_class(1.0).double(), torch.tensor(risk, dtype=torch.float64), rate)


def feedback_of(tiny, seams, method, *, factor=1.0):
    """What an epoch of one batch teaches."""
    batch = tiny.batch()
    views = seams.perturb(method, batch)
    terms = method.losses(batch, views)
    statistics = EpochStatistics(4)
    statistics.add(terms, views, batch.y)
    clock = dataclasses.replace(tiny.clock(epoch=1), learning_rate_factor=factor)
    feedback = type("Feedback", (), {"train": statistics, "clock": clock})()
    return feedback, terms, batch


@given(risks, st.floats(0.01, 20), st.floats(-50, 50))
def test_scale_and_shift_of_the_risks_do_not_matter(tiny, risk, scale, shift):
    torch.testing.assert_close(moved(tiny, [scale * one + shift for one in risk]), moved(tiny, risk), rtol=0, atol=1e-6)


@given(risks)
def test_changes_sum_to_zero_and_the_largest_is_the_rate(tiny, risk):
    change = moved(tiny, risk, rate=0.3) - 1
    assert abs(float(change.sum())) < 1e-9
    assert float(change.abs().max()) == pytest.approx(0.3)


@given(risks)
def test_a_class_above_the_average_risk_gets_sharper_labels(tiny, risk):
    change = moved(tiny, risk) - 1
    excess = torch.tensor(risk, dtype=torch.float64) - sum(risk) / 4
    assert (change * excess <= 0).all()
    logits = torch.tensor([[2.0, -1.0, 0.5, 0.0]], dtype=torch.float64)
    labels = (logits / (1 + change)[:, None]).softmax(dim=1)
    entropy = -(labels * labels.log()).sum(dim=1)
    plain = -(logits.softmax(dim=1) * logits.log_softmax(dim=1)).sum()
    assert ((entropy - plain) * change >= -1e-12).all()


def test_by_hand(tiny):
    torch.testing.assert_close(
        moved(tiny, [1.0, 2.0, 3.0, 6.0]).float(), torch.tensor([1.0667, 1.0333, 1.0, 0.9]), rtol=0, atol=1e-4
    )


def test_nothing_moves_where_all_classes_fare_alike(tiny):
    assert moved(tiny, [3.0] * 4).tolist() == [1.0] * 4


def test_temperatures_stay_between_floor_and_ceiling(tiny):
    assert moved(tiny, [0.0, 1.0, 2.0, 9.0], rate=10.0).tolist()[3] == 0.5
    assert max(moved(tiny, [9.0, 9.0, 9.0, 0.0], rate=10.0, written="absld?highest=3").tolist()) == 3


@pytest.mark.parametrize(("decays", "expected"), [("true", 0.01), ("false", 0.1)])
def test_an_epoch_moves_both_vectors_by_its_own_risks(tiny, seams, decays, expected):
    method = bound(tiny, f"absld?rate_decays={decays}")
    feedback, terms, batch = feedback_of(tiny, seams, method, factor=0.1)
    method.end_epoch(feedback)
    for view, temperatures in (("adversarial", method.adversarial_temperatures), ("clean", method.clean_temperatures)):
        log_q = terms.logits[view].detach().log_softmax(dim=1)
        risk = [-sum(float(log_q[b, c]) for b, c in enumerate(batch.y.tolist()) if c == k) for k in range(4)]
        excess = [one - sum(risk) / 4 for one in risk]
        by_hand = [1 - expected * one / max(map(abs, excess)) for one in excess]
        assert temperatures.tolist() == pytest.approx(by_hand, abs=1e-5)
    assert not torch.equal(method.adversarial_temperatures, method.clean_temperatures)


def test_the_ablation_leaves_clean_labels_alone(tiny, seams):
    method = bound(tiny, "absld?branches=adversarial")
    method.end_epoch(feedback_of(tiny, seams, method)[0])
    assert method.clean_temperatures.tolist() == [1.0] * 4
    assert method.adversarial_temperatures.tolist() != [1.0] * 4


def test_labels_are_tempered_by_the_true_class(tiny):
    method, batch = bound(tiny), tiny.batch()
    method.adversarial_temperatures = torch.tensor([0.5, 1.0, 2.0, 4.0])
    method.clean_temperatures = torch.tensor([3.0, 1.0, 1.0, 1.0])
    logits = method.setting.teachers["robust"](batch.x)
    inner = method.prepare(batch)
    for b, label in enumerate(batch.y.tolist()):
        torch.testing.assert_close(inner.soft_labels["adversarial"][b], logits[b] / [0.5, 1.0, 2.0, 4.0][label])
        torch.testing.assert_close(inner.soft_labels["clean"][b], logits[b] / [3.0, 1.0, 1.0, 1.0][label])


@pytest.mark.parametrize(("coupling", "is_same"), [("independent", True), ("product", False)])
def test_clean_temperatures_reach_the_attack_only_through_the_product(tiny, seams, coupling, is_same):
    batch, points = tiny.batch(), []
    for value in (1.0, 5.0):
        method = bound(tiny, f"absld?temperature_coupling={coupling}")
        method.clean_temperatures = value * method.clean_temperatures
        method.clean_temperatures[0] = 0.5 if value > 1 else 1.0
        points.append(seams.perturb(method, batch).x["adversarial"])
    assert torch.equal(*points) is is_same


def test_with_unit_temperatures_it_is_rslad_bit_for_bit(tiny, seams):
    batch, losses = tiny.batch(), []
    for written in ("rslad", "absld", "absld?temperature_coupling=product"):
        method = bound(tiny, written)
        losses.append(seams.loss(method, batch, seams.perturb(method, batch)))
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])
