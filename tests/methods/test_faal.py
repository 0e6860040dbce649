"""FAAL against its equations (Zhang et al., CVPR 2024) written out class by class."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.training.seams import Batch, Clock, Terms

TRADES_BETA = 6.0


def margins_by_hand(logits, y, num_classes, *, objective):
    """Mean margin of each class, -1 where it is absent; or, as the public code has it, the sum over its samples."""
    of_class = [[] for _ in range(num_classes)]
    for row, label in zip(logits.tolist(), y.tolist(), strict=True):
        powers = [math.exp(value - max(row)) for value in row]
        p = [power / sum(powers) for power in powers]
        of_class[label].append(max(value for k, value in enumerate(p) if k != label) - p[label])
    if objective == "sample_sum":
        return [sum(values) for values in of_class]
    return [sum(values) / len(values) if values else -1.0 for values in of_class]


def weights_by_hand(objective, tau):
    """max <a, w> with KL(uniform || w) <= tau: w = v / sum v, v = 1 / (eta - a), eta found by bisection."""
    count, highest = len(objective), max(objective)
    if tau == 0 or highest - min(objective) == 0:
        return [1 / count] * count
    low, high = 1e-12, (highest - min(objective)) / tau
    for _ in range(200):
        gap = math.sqrt(low * high)
        v = [1 / (gap + highest - value) for value in objective]
        excess = math.log(sum(v) / count) - sum(math.log(value) for value in v) / count - tau
        low, high = (gap, high) if excess > 0 else (low, gap)
    return [value / sum(v) for value in v]


def logits_of_margins(margins, y, num_classes):
    """Logits whose probability margins are as given: the label and one other class share everything."""
    logits = torch.full((len(y), num_classes), -60.0)
    for row, margin, label in zip(logits, margins, y, strict=True):
        row[label] = math.log((1 - margin) / 2)
        row[(label + 1) % num_classes] = math.log((1 + margin) / 2)
    return logits


def class_weights(method, tiny, margins, y, clock=None):
    """The weight that FAAL gives each class for a batch with these margins."""
    num_classes = method.setting.num_classes
    terms = Terms({}, {"adversarial": 1.0}, {"adversarial": logits_of_margins(margins, y, num_classes)})
    before = method.weight_sum.clone()
    method.weigh(terms, Batch(torch.zeros(len(y)), y, clock or tiny.clock()))
    return method.weight_sum - before


@pytest.mark.parametrize("written", ["faal", "faal@trades"])
@pytest.mark.parametrize("objective", ["class_mean", "sample_sum"])
@pytest.mark.parametrize("tau", [0.05, 0.5])
def test_the_loss_is_c_over_b_times_the_weighted_sum_of_all_terms(tiny, seams, written, objective, tau):
    network, batch = tiny.network(num_classes=5), tiny.batch(num_classes=5)
    views = seams.views(batch)
    method = tiny.bound(f"{written}?tau={tau}&objective={objective}", network, num_classes=5)
    adversarial, clean = network(views.x["adversarial"]).detach(), network(batch.x).detach()
    weights = weights_by_hand(margins_by_hand(adversarial, batch.y, 5, objective=objective), tau)
    log_q, log_p = adversarial.log_softmax(1), clean.log_softmax(1)
    total = 0.0
    for i, label in enumerate(batch.y.tolist()):
        kl = float((log_p[i].exp() * (log_p[i] - log_q[i])).sum())
        loss = -float(log_q[i, label]) if written == "faal" else -float(log_p[i, label]) + TRADES_BETA * kl
        total += weights[label] * loss
    expected = 5 / len(batch.y) * total
    assert float(seams.loss(method, batch, views).detach()) == pytest.approx(expected, rel=1e-4)
    assert method.diagnostics()["class_weights"].tolist() == pytest.approx(weights, abs=1e-5)


@pytest.mark.parametrize("objective", ["at", "trades"])
def test_without_a_radius_loss_and_gradient_are_the_objective_s(tiny, seams, objective):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    plain = tiny.bound({"at": "pgd_at", "trades": "trades"}[objective], network)
    method = tiny.bound(f"faal@{objective}?tau=0", network)
    losses = [seams.loss(each, batch, views) for each in (method, plain)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(seams.gradient(plain, loss) for loss in losses))


def test_the_weights_are_constants_for_the_gradient(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    views, method = seams.views(batch), tiny.bound("faal", network)
    terms = method.losses(batch, views)
    weights = method.weigh(terms, batch)
    assert not weights["adversarial"].requires_grad
    gradient = seams.gradient(method, method.combine(terms, weights))
    fixed = weights["adversarial"].clone()
    losses = torch.nn.functional.cross_entropy(network(views.x["adversarial"]), batch.y, reduction="none")
    torch.testing.assert_close(gradient, seams.gradient(method, (fixed * losses).mean()))


margins_in_reach = st.lists(st.floats(-0.9, 0.9), min_size=6, max_size=6)
UNEVEN = torch.tensor([0, 0, 0, 1, 1, 2])


@given(margins_in_reach)
def test_only_the_shape_of_the_class_means_matters(tiny, margins):
    method = tiny.bound("faal", tiny.network(num_classes=3), num_classes=3)
    moved = [0.3 * margin + 0.05 for margin in margins]
    means = [sum(margins[i] for i in range(6) if UNEVEN[i] == k) / n for k, n in ((0, 3), (1, 2), (2, 1))]
    if max(means) - min(means) < 1e-3:
        return
    torch.testing.assert_close(
        class_weights(method, tiny, moved, UNEVEN), class_weights(method, tiny, margins, UNEVEN), rtol=0, atol=2e-3
    )


def test_sums_over_samples_do_depend_on_the_level_when_counts_differ(tiny):
    method = tiny.bound("faal?objective=sample_sum", tiny.network(num_classes=3), num_classes=3)
    margins = [-0.6, -0.6, -0.6, -0.3, -0.3, 0.1]
    moved = [0.3 * margin + 0.3 for margin in margins]
    difference = class_weights(method, tiny, moved, UNEVEN) - class_weights(method, tiny, margins, UNEVEN)
    assert difference.abs().max() > 0.05
    equal_margins = class_weights(method, tiny, [-0.3] * 6, UNEVEN)
    assert equal_margins.argmax() == 2  # the class that is rarest in the batch


@given(margins_in_reach, st.permutations(range(3)))
def test_permuting_the_classes_permutes_the_weights(tiny, margins, order):
    method = tiny.bound("faal", tiny.network(num_classes=3), num_classes=3)
    order = torch.tensor(order)
    weights = class_weights(method, tiny, margins, UNEVEN)
    means = torch.stack([torch.tensor(margins)[k == UNEVEN].mean() for k in range(3)])
    if (means.max() - means.min()) < 1e-3:
        return
    torch.testing.assert_close(class_weights(method, tiny, margins, order[UNEVEN])[order], weights, rtol=0, atol=2e-3)


def test_an_absent_class_is_taken_as_robust_in_the_paper_and_as_neutral_in_the_code(tiny):
    y = torch.tensor([0, 0, 1, 1, 3, 3])
    margins = [-0.5, -0.4, 0.2, -0.1, -0.3, -0.6]
    network = tiny.network()
    paper = class_weights(tiny.bound("faal", network), tiny, margins, y)
    code = class_weights(tiny.bound("faal?objective=sample_sum", network), tiny, margins, y)
    assert paper.argmin() == 2
    assert code[2] > code[[0, 3]].max()


def test_the_clean_forward_of_the_public_code_moves_batch_norm_statistics_and_nothing_else(tiny, seams):
    batch = tiny.batch()
    views, losses, states = seams.views(batch), [], []
    for option in (1, 0):
        network = tiny.bn_network().train()
        method = tiny.bound(f"faal?extra_clean_forwards={option}", network)
        losses.append(seams.loss(method, batch, views))
        states.append(copy.deepcopy(network[1]))
    assert torch.equal(*losses)
    assert [int(state.num_batches_tracked) for state in states] == [2, 1]
    assert not torch.equal(states[0].running_mean, states[1].running_mean)


@pytest.mark.parametrize("written", ["faal", "faal@trades"])
def test_the_attack_runs_in_eval_mode(tiny, seams, written):
    network = tiny.bn_network().train()
    method = tiny.bound(written, network)
    before = network[1].running_mean.clone()
    seams.perturb(method, tiny.batch())
    assert method.attack_bn == "eval"
    assert torch.equal(network[1].running_mean, before)


@pytest.mark.parametrize(("epoch", "share"), [(0, 0), (99, 0), (100, 0.5), (149, 0.5), (150, 1), (199, 1)])
def test_the_radius_grows_in_two_steps_from_scratch_and_is_whole_in_fine_tuning(tiny, epoch, share):
    batch = tiny.batch(clock=tiny.clock(epoch=epoch, epochs=200))
    network = tiny.network()
    assert tiny.bound("faal?tau=0.5", network, from_scratch=True).tau(batch) == 0.5 * share
    assert tiny.bound("faal?tau=0.5", network, from_scratch=False).tau(batch) == 0.5


def test_the_log_shows_the_weights_averaged_over_the_epoch(tiny):
    method = tiny.bound("faal", tiny.network(num_classes=3), num_classes=3)
    first = class_weights(method, tiny, [0.5, 0.4, 0.3, -0.5, -0.5, -0.8], UNEVEN)
    second = class_weights(method, tiny, [-0.5, -0.4, -0.3, 0.5, 0.5, -0.8], UNEVEN)
    torch.testing.assert_close(method.diagnostics()["class_weights"], (first + second) / 2)
    method.start_epoch(None)
    assert method.diagnostics()["class_weights"].tolist() == [0, 0, 0]


def test_the_log_shows_the_weights_of_single_batches_but_not_of_hundreds(tiny):
    method = tiny.bound("faal", tiny.network(num_classes=3), num_classes=3)
    margins, seen = torch.tensor([0.5, 0.4, 0.3, -0.5, -0.5, -0.8]), []
    for step in range(120):
        clock = Clock(epoch=0, step=step, epochs=1, steps_per_epoch=120, learning_rate_factor=1.0)
        seen.append(class_weights(method, tiny, (margins * (step + 1)).sin(), UNEVEN, clock=clock))
    shown = method.diagnostics()["class_weights_by_batch"]
    torch.testing.assert_close(shown, torch.stack(seen[::3]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
def test_the_conic_solver_gives_the_same_weights(tiny, divergence):
    margins = [0.5, 0.1, -0.3, -0.5, 0.2, -0.8]
    network = tiny.network(num_classes=3)
    closed, conic = (
        class_weights(
            tiny.bound(f"faal?divergence={divergence}&solver={solver}", network, num_classes=3), tiny, margins, UNEVEN
        )
        for solver in ("closed_form", "cvxpy")
    )
    torch.testing.assert_close(closed, conic, rtol=0, atol=1e-3)
