"""Fairly AT: the variance of the class means, as the paper has it and as the public code has it."""

import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.compose import compose
from fairbench.training.seams import Batch, Views


def fixed_batch(tiny, y):
    x = torch.rand(len(y), 1, 3, 3, generator=tiny.generator(3))
    return Batch(x, torch.tensor(y), tiny.clock())


def class_means(losses, y):
    return {c: statistics.fmean(loss for loss, label in zip(losses, y, strict=True) if label == c) for c in set(y)}


def penalty_by_hand(losses, y, mode):
    means = class_means(losses, y)
    if mode == "code":
        return statistics.variance([means.get(c, 0.0) for c in range(100)])
    return statistics.variance(means.values()) if len(means) > 1 else 0.0


labels = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@given(y=labels, mode=st.sampled_from(["code", "paper"]), objective=st.sampled_from(["at", "trades"]))
def test_the_loss_is_the_objective_plus_alpha_times_the_variance(tiny, seams, y, mode, objective):
    network, batch = tiny.network(), fixed_batch(tiny, y)
    views = seams.views(batch)
    method = tiny.bound(f"fairly_at@{objective}?alpha=0.7&mode={mode}", network)
    losses = torch.nn.functional.cross_entropy(network(views.x["adversarial"]), batch.y, reduction="none").tolist()
    base = seams.loss(tiny.bound("pgd_at" if objective == "at" else "trades", network), batch, views)
    expected = float(base.detach()) + 0.7 * penalty_by_hand(losses, y, mode)
    assert float(seams.loss(method, batch, views).detach()) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("written", "plain"), [("fairly_at?alpha=0", "pgd_at"), ("fairly_at@trades?alpha=0", "trades")]
)
def test_without_the_penalty_loss_and_gradient_are_those_of_the_objective(tiny, seams, written, plain):
    network, batch = tiny.network(), tiny.batch()
    views = seams.views(batch)
    losses, gradients = [], []
    for name in (written, plain):
        method = tiny.bound(name, network)
        losses.append(seams.loss(method, batch, views))
        gradients.append(seams.gradient(method, losses[-1]))
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_equal_classes_cost_nothing_on_paper_and_l_squared_over_11_in_the_code(tiny, seams):
    network, batch = tiny.network(num_classes=10), fixed_batch(tiny, list(range(10)))
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
    views = seams.views(batch)
    level = torch.tensor(10.0).log()
    for mode, expected in (("paper", 0.0), ("code", level**2 / 11)):
        method = tiny.bound(f"fairly_at?alpha=1&mode={mode}", network, num_classes=10)
        torch.testing.assert_close(seams.loss(method, batch, views).detach(), level + expected)


def test_padding_is_s_squared_plus_m_squared_over_11_for_ten_classes():
    from fairbench.methods.fairly_at import padded_variance

    risks = torch.rand(10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (risks.var() + risks.mean() ** 2) / 11
    torch.testing.assert_close(padded_variance(risks, 100), expected)


@pytest.mark.parametrize("y", [[2], [1, 1, 1], [0, 3, 3]])
@pytest.mark.parametrize("mode", ["code", "paper"])
def test_absent_classes_put_no_nan_into_loss_or_gradient(tiny, seams, y, mode):
    network, batch = tiny.network(), fixed_batch(tiny, y)
    method = tiny.bound(f"fairly_at?mode={mode}", network)
    loss = seams.loss(method, batch, seams.views(batch))
    assert torch.isfinite(loss)
    assert torch.isfinite(seams.gradient(method, loss)).all()


def test_on_paper_an_absent_class_changes_nothing(tiny, seams):
    network, batch = tiny.network(num_classes=6), fixed_batch(tiny, [0, 1, 1, 2])
    views = seams.views(batch)
    narrow = tiny.network(num_classes=6)
    narrow.load_state_dict(network.state_dict())
    penalties = []
    for num_classes in (3, 6):
        method = tiny.bound("fairly_at?alpha=1&mode=paper", network, num_classes=num_classes)
        penalties.append(seams.loss(method, batch, views).detach())
    torch.testing.assert_close(penalties[0], penalties[1])


@given(st.permutations(range(4)))
def test_renaming_the_classes_changes_nothing(tiny, seams, order):
    network, batch = tiny.network(), tiny.batch()
    renamed = tiny.network()
    inverse = torch.tensor(order).argsort()
    with torch.no_grad():
        renamed.weight.copy_(network.weight[list(order)])
        renamed.bias.copy_(network.bias[list(order)])
    views = seams.views(batch)
    for mode in ("code", "paper"):
        written = f"fairly_at?alpha=2&mode={mode}"
        plain = seams.loss(tiny.bound(written, network), batch, views)
        other = seams.loss(tiny.bound(written, renamed), Batch(batch.x, inverse[batch.y], batch.clock), views)
        torch.testing.assert_close(plain, other)


def test_both_objectives_are_attacked_on_the_cross_entropy_in_eval_mode(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    attacked = [seams.perturb(tiny.bound(w, network), batch).x["adversarial"] for w in ("fairly_at@trades", "pgd_at")]
    assert torch.equal(attacked[0], attacked[1])
    for written in ("fairly_at", "fairly_at@trades"):
        method = compose(written).recipe().method
        assert (method.attack_name, method.attack_bn) == ("pgd on the cross-entropy", "eval")


def test_the_penalty_is_no_part_of_what_awp_ascends(tiny):
    network, batch = tiny.network(), tiny.batch()
    views = Views({"adversarial": (batch.x + 0.1).clamp(0, 1)})
    base = [tiny.bound(w, network).losses(batch, views).base_loss() for w in ("fairly_at@trades?alpha=5", "trades")]
    torch.testing.assert_close(base[0], base[1])
