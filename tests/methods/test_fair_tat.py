"""FAIR-TAT: who is attacked towards what, within which radius."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.compose import compose
from fairbench.losses import cross_entropy
from fairbench.metrics import class_false_positive_score
from fairbench.training.feedback import Feedback
from fairbench.training.seams import Terms, Views
from fairbench.training.statistics import EpochStatistics

K = 4


def after_answers(tiny, answers, labels, written="fair_tat"):
    """The method after an epoch in which the adversarial images of ``labels`` were answered ``answers``."""
    network = tiny.network()
    method = tiny.bound(written, network)
    logits = torch.nn.functional.one_hot(torch.tensor(answers), K).float()
    statistics = EpochStatistics(K)
    statistics.add(Terms({}, {}, {"adversarial": logits}), Views({}), torch.tensor(labels))
    split = type("Split", (), {"images": None, "labels": None})()
    method.end_epoch(Feedback(network, split, K).at(tiny.clock(epoch=1), statistics))
    return method


pairs = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=30)


@given(pairs)
def test_scores_are_those_of_the_metric_and_sum_to_one(tiny, answered):
    answers, labels = zip(*answered, strict=True)
    method = after_answers(tiny, answers, labels)
    scores = method.false_positive_scores
    assert float(scores.sum()) == pytest.approx(1, rel=1e-5)
    if answers == labels:
        assert torch.equal(scores, torch.full((K,), 1 / K))
    else:
        expected = class_false_positive_score(answers, labels, K)
        torch.testing.assert_close(scores.double(), torch.from_numpy(expected), rtol=1e-5, atol=1e-6)


def test_radii_follow_the_accuracy_of_the_last_epoch(tiny):
    method = after_answers(tiny, [0, 0, 1, 0, 2, 3], [0, 0, 0, 1, 2, 3])
    batch = tiny.batch()
    expected = 0.2 * (0.5 + torch.tensor([2 / 3, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(method.prepare(batch).epsilon, expected[batch.y])
    x_adv = method.perturb(batch, method.prepare(batch)).x["adversarial"]
    assert ((x_adv - batch.x).abs().flatten(1).amax(dim=1) <= expected[batch.y] + 1e-6).all()


@pytest.mark.parametrize("written", ["fair_tat", "fair_tat?radius_base=0.9"])
def test_the_first_epoch_has_the_radius_of_the_track_and_uniform_targets(tiny, written):
    method, batch = tiny.bound(written, tiny.network()), tiny.batch(size=4000)
    inner = method.prepare(batch)
    torch.testing.assert_close(inner.epsilon, torch.full((4000,), 0.2))
    for label in range(K):
        drawn = torch.bincount(inner.targets[batch.y == label], minlength=K) / (batch.y == label).sum()
        expected = torch.full((K,), 1 / 3)
        expected[label] = 0
        torch.testing.assert_close(drawn, expected, rtol=0, atol=0.07)


@pytest.mark.parametrize("target_dist", ["cfps", "softmax2cfps", "uniform"])
@pytest.mark.parametrize("scores", [[0.7, 0.2, 0.1, 0.0], [0.0, 1.0, 0.0, 0.0]])
def test_targets_are_drawn_from_the_scores_without_the_true_class(tiny, target_dist, scores):
    method = tiny.bound(f"fair_tat?target_dist={target_dist}", tiny.network())
    method.false_positive_scores = scores = torch.tensor(scores)
    chances = {"cfps": scores, "softmax2cfps": (2 * scores).exp(), "uniform": torch.ones(K)}[target_dist]
    for label in range(K):
        targets = method.draw_targets(torch.full((3000,), label))
        assert (targets != label).all()
        expected = chances.clone()
        expected[label] = 0
        if expected.sum() == 0:  # all false positives land in the true class: any other
            expected = torch.ones(K)
            expected[label] = 0
        torch.testing.assert_close(
            torch.bincount(targets, minlength=K) / 3000, expected / expected.sum(), rtol=0, atol=0.05
        )


def test_softmax_of_twice_the_scores_hardly_tells_classes_apart(tiny):
    method = tiny.bound("fair_tat?target_dist=softmax2cfps", tiny.network())
    method.false_positive_scores = torch.tensor([0.05, 0.22, 0.3, 0.43])
    ratio = method.target_distribution()[1] / method.target_distribution()[0]
    assert float(ratio) == pytest.approx(1.40, abs=0.01)


@pytest.mark.parametrize("written", ["fair_tat", "fair_tat@trades", "fair_tat@friendly"])
def test_one_step_brings_the_targets_closer(tiny, written):
    network, batch = tiny.network(), tiny.batch(size=40)
    start = tiny.bound(written, network, steps=0)
    end = tiny.bound(written, network, steps=1)
    inner = start.prepare(batch)
    end.setting.generator.set_state(start.setting.generator.get_state())
    from_, to = (method.perturb(batch, inner).x["adversarial"] for method in (start, end))
    losses = [float(cross_entropy(network(x), inner.targets).mean().detach()) for x in (from_, to)]
    assert losses[1] < losses[0] - 0.05


def test_uniform_targets_at_margin_one_are_the_plain_targeted_attack(tiny):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound("fair_tat?target_dist=uniform", network)
    inner = method.prepare(batch)
    state = method.setting.generator.get_state()
    x_adv = method.perturb(batch, inner).x["adversarial"]
    objective = tiny.bound("pgd_at", network)
    objective.setting.generator.set_state(state)
    from fairbench.training.seams import Inner

    plain = objective.perturb(batch, Inner(epsilon=0.2, step_size=0.05, targets=inner.targets))
    torch.testing.assert_close(x_adv, plain.x["adversarial"])


def test_the_loss_knows_nothing_of_the_targets(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    torch.testing.assert_close(
        seams.loss(tiny.bound("fair_tat", network), batch, views),
        seams.loss(tiny.bound("pgd_at", network), batch, views),
    )
    torch.testing.assert_close(
        seams.loss(tiny.bound("fair_tat@trades", network), batch, views),
        seams.loss(tiny.bound("trades", network), batch, views) / 7,
    )


def test_compositions_say_what_they_do():
    assert compose("fair_tat+fawa").recipe().averaging is not None
    assert {compose(w).recipe().method.attack_name for w in ("fair_tat", "fair_tat@trades", "fair_tat@friendly")} == {
        "pgd towards target classes"
    }
    modes = {w: compose(w).recipe().method.attack_bn for w in ("fair_tat", "fair_tat@trades", "fair_tat@friendly")}
    assert modes == {"fair_tat": "train", "fair_tat@trades": "eval", "fair_tat@friendly": "train"}
    assert compose("fair_tat@friendly").options["friendly"]["tau"] == 3


def test_a_class_that_was_not_seen_has_no_accuracy_and_moves_no_other(tiny):
    method = after_answers(tiny, [0, 1], [0, 0])
    torch.testing.assert_close(method.robust_accuracy, torch.tensor([0.5, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(method.false_positive_scores, torch.tensor([0.0, 1.0, 0.0, 0.0]))


def test_an_unknown_distribution_is_refused():
    from fairbench.errors import UsageError

    with pytest.raises(UsageError, match="target_dist"):
        compose("fair_tat?target_dist=softmax")
