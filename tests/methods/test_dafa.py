"""DAFA: the weights from the similarity of classes, and where they act."""

import pytest
import torch
from fairbench.methods.dafa import distance_aware_weights
from hypothesis import given
from hypothesis import strategies as st

from fairbench.compose import compose
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Terms, Views
from fairbench.training.statistics import EpochStatistics

SIMILARITY = torch.tensor([[0.40, 0.35, 0.25], [0.20, 0.70, 0.10], [0.05, 0.05, 0.90]])


def weights_by_hand(similarity, strength, conserving):
    s, size = similarity.tolist(), len(similarity)
    weights = [1.0] * size
    for i in range(size):
        for j in range(size):
            if s[i][i] < s[j][j]:
                weights[i] += strength * s[i][j] * s[j][j]
            elif s[i][i] > s[j][j]:
                weights[i] -= strength * (s[j][i] * s[i][i] if conserving else s[i][j] * s[j][j])
    return torch.tensor([max(0.0, w) for w in weights], dtype=similarity.dtype)


def random_similarity(seed, size=6, sharpness=2.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, size, generator=generator, dtype=torch.float64) + sharpness * torch.eye(size)
    return logits.softmax(dim=1)


def test_the_worked_example():
    torch.testing.assert_close(distance_aware_weights(SIMILARITY, 1.0), torch.tensor([1.470, 0.845, 0.685]))
    old = distance_aware_weights(SIMILARITY, 1.0, conserving=False)
    torch.testing.assert_close(old, torch.tensor([1.470, 1.010, 0.945]))


@given(st.integers(0, 10_000), st.floats(0, 1.5), st.booleans())
def test_weights_are_those_of_algorithm_2(seed, strength, conserving):
    similarity = random_similarity(seed)
    weights = distance_aware_weights(similarity, strength, conserving=conserving)
    torch.testing.assert_close(weights, weights_by_hand(similarity, strength, conserving))


@given(st.integers(0, 10_000))
def test_what_one_class_gains_another_loses(seed):
    weights = distance_aware_weights(random_similarity(seed, sharpness=4.0), 0.2)
    assert weights.min() > 0
    assert float(weights.sum()) == pytest.approx(6, abs=1e-12)


def test_equally_hard_classes_exchange_nothing():
    similarity = 0.6 * torch.eye(5) + 0.08
    torch.testing.assert_close(distance_aware_weights(similarity, 1.5), torch.ones(5))


@given(st.integers(0, 10_000), st.permutations(range(6)))
def test_renaming_the_classes_renames_the_weights(seed, order):
    similarity, order = random_similarity(seed), list(order)
    torch.testing.assert_close(
        distance_aware_weights(similarity[order][:, order], 1.0), distance_aware_weights(similarity, 1.0)[order]
    )


def test_a_weight_is_never_negative():
    similarity = torch.full((6, 6), 0.02)
    similarity[:, 0] = 0.9  # five hard classes look like the easy one
    weights = distance_aware_weights(similarity, 1.5)
    assert float(weights[0]) == 0
    assert (weights[1:] > 1).all()


def end_of(method, tiny, epoch, epochs):
    """Close an epoch whose adversarial softmax has the means of the worked example."""
    logits = SIMILARITY.log()[torch.tensor([0, 1, 2, 0, 1, 2])]
    statistics = EpochStatistics(3)
    statistics.add(Terms({}, {}, {"adversarial": logits}), Views({}), torch.tensor([0, 1, 2, 0, 1, 2]))
    split = type("Split", (), {"images": None, "labels": None})()
    method.end_epoch(Feedback(method.network, split, 3).at(tiny.clock(epoch=epoch, epochs=epochs), statistics))


@pytest.mark.parametrize(("epochs", "last"), [(110, 70), (12, 8), (10, 6), (4, 3), (1, 1)])
def test_weights_are_taken_once_at_the_end_of_the_warm_up(tiny, epochs, last):
    method = tiny.bound("dafa", tiny.network(num_classes=3), num_classes=3)
    taken = []
    for epoch in range(1, epochs + 1):
        before = method.class_weights.clone()
        end_of(method, tiny, epoch, epochs)
        if not torch.equal(method.class_weights, before):
            taken.append(epoch)
    assert taken == [last]
    torch.testing.assert_close(method.class_weights, torch.tensor([1.470, 0.845, 0.685]))


def test_the_weight_is_on_the_natural_term_on_the_radius_and_on_the_step(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("dafa", network)
    method.class_weights = weights = torch.tensor([1.4, 0.9, 0.6, 1.1])
    views = seams.views(batch)
    terms = method.losses(batch, views)
    expected = (weights[batch.y] * terms.per_sample["natural"] + 6 * terms.per_sample["boundary"]).mean()
    torch.testing.assert_close(seams.loss(method, batch, views), expected)
    inner = method.prepare(batch)
    torch.testing.assert_close(inner.epsilon, 0.2 * weights[batch.y])
    torch.testing.assert_close(inner.step_size, 0.05 * weights[batch.y])
    x_adv = seams.perturb(method, batch).x["adversarial"]
    assert ((x_adv - batch.x).abs().flatten(1).amax(dim=1) <= 0.2 * weights[batch.y] + 1e-6).all()


def test_on_at_the_adversarial_cross_entropy_is_weighed(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("dafa@at", network)
    method.class_weights = weights = torch.tensor([1.4, 0.9, 0.6, 1.1])
    views = seams.views(batch)
    terms = method.losses(batch, views)
    torch.testing.assert_close(
        seams.loss(method, batch, views), (weights[batch.y] * terms.per_sample["adversarial"]).mean()
    )
    assert compose("dafa@at").recipe().method.attack_bn == "eval"


@pytest.mark.parametrize(("written", "plain"), [("dafa?strength=0", "trades"), ("dafa@at?strength=0", "pgd_at")])
def test_without_strength_it_is_the_objective(tiny, seams, written, plain):
    network, batch = tiny.network(num_classes=3), tiny.batch(num_classes=3)
    method, objective = (tiny.bound(name, network, num_classes=3) for name in (written, plain))
    end_of(method, tiny, 3, 4)
    views = [seams.perturb(each, batch) for each in (method, objective)]
    torch.testing.assert_close(views[0].x["adversarial"], views[1].x["adversarial"])
    torch.testing.assert_close(seams.loss(method, batch, views[0]), seams.loss(objective, batch, views[0]))
