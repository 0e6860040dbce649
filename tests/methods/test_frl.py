"""FRL against its update rules (Xu et al., ICML 2021), one class at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairbench.training.feedback import HeldOutAttack

violations = st.lists(st.floats(-0.5, 0.5), min_size=4, max_size=4)


def vector(values):
    return torch.tensor(values, dtype=torch.float32)


class Errors:
    """Feedback with scripted counts."""

    def __init__(self, tiny, *, clean, adversarial, total=(100,) * 4, epoch=0, epochs=80):
        self.clock = tiny.clock(epoch=epoch, epochs=epochs)
        self.result = type("Result", (), {})()
        self.result.total = vector(total)
        self.result.clean_accuracy = vector(clean) / self.result.total
        self.result.adversarial_accuracy = vector(adversarial) / self.result.total
        self.asked = []

    def validate(self, attack):
        self.asked.append(attack)
        return self.result


def projected(values, limit):
    positive = [max(value, 0) for value in values]
    return [value * limit / sum(positive) for value in positive] if sum(positive) > limit else positive


@pytest.mark.parametrize("variant", ["rw", "rm", "rwrm"])
def test_a_tolerance_beyond_reach_is_trades(tiny, seams, variant):
    network, batch = tiny.network(), tiny.batch()
    method = tiny.bound(f"frl?variant={variant}&tolerance=2&beta=1.5", network)
    for epoch in range(3):
        method.start_epoch(Errors(tiny, clean=(90, 20, 100, 0), adversarial=(10, 20, 0, 0), epoch=epoch))
    assert method.natural_multipliers.tolist() == method.boundary_multipliers.tolist() == [0] * 4
    views = seams.views(batch)
    # The script of rm averages both terms over the sum of both weights: with equal weights that is half of TRADES.
    expected = seams.loss(tiny.bound("trades?beta=1.5", network), batch, views) * (0.5 if variant == "rm" else 1)
    torch.testing.assert_close(seams.loss(method, batch, views), expected)
    assert method.margins().tolist() == pytest.approx([1.0 if variant == "rw" else 0.98] * 4)


@pytest.mark.parametrize("variant", ["rw", "rm", "rwrm"])
def test_one_update_from_zero(tiny, variant):
    method = tiny.bound(f"frl?variant={variant}", tiny.network(num_classes=10), num_classes=10)
    violation = vector([0.1] + [-0.02] * 9)
    method.update(violation, violation, rate=0.05)
    shown = {name: value.tolist() for name, value in method.diagnostics().items()}
    assert method.natural_multipliers.tolist() == pytest.approx([0.005] + [0] * 9)
    assert shown["natural_weights"] == pytest.approx([0.1045] + [0.0995] * 9)
    has_weight, has_margin = variant != "rm", variant != "rw"
    assert method.boundary_multipliers.tolist() == pytest.approx([0.01 if has_weight else 0] + [0] * 9)
    assert shown["boundary_weights"] == pytest.approx([0.109] + [0.099] * 9 if has_weight else [0.1] * 10)
    rate = 0.2 if variant == "rwrm" else 0.1
    margins = [math.exp(2 * rate * 0.1), *[math.exp(2 * rate * -0.02)] * 9]
    assert shown["margins"] == pytest.approx(margins if has_margin else [1.0] * 10)


@pytest.mark.parametrize(("variant", "limit", "cap"), [("rw", 0.5, 1.0), ("rm", 0.3, 2.5), ("rwrm", 0.5, 3.0)])
def test_limits_are_those_of_the_variant_s_script_unless_given(tiny, variant, limit, cap):
    for written, largest_sum, largest_margin in (
        (f"frl?variant={variant}", limit, cap),
        (f"frl?variant={variant}&limit=0.4&largest_margin=1.5&margin_rate=3", 0.4, 1.0 if variant == "rw" else 1.5),
    ):
        method = tiny.bound(written, tiny.network())
        method.update(vector([9.0, 1, 1, 1]), vector([9.0, 9, 1, 1]), rate=1.0)
        assert float(method.natural_multipliers.sum()) == pytest.approx(largest_sum)
        method.update(vector([0.0] * 4), vector([90.0] * 4), rate=0.0)
        assert method.margins().tolist() == pytest.approx([largest_margin] * 4)


@pytest.mark.parametrize("bounded", [True, False])
def test_a_class_that_was_easy_for_long_gets_its_radius_at_once_if_the_log_radius_is_bounded(tiny, bounded):
    method = tiny.bound(f"frl?bounded={str(bounded).lower()}", tiny.network())
    for violation in (*[-0.2] * 20, 0.2):
        method.update(vector([0.0] * 4), vector([violation] * 4), rate=0.0)
    assert method.margins().tolist() == pytest.approx([0.98 * math.exp(0.08) if bounded else 0.98] * 4)


def test_rm_averages_both_terms_over_all_weights(tiny, seams):
    network, batch = tiny.network(), tiny.batch()
    method, views = tiny.bound("frl?variant=rm&trades.beta=1", network), seams.views(batch)
    method.update(vector([0.2, -1.0, 0.05, 0.1]), vector([0.0] * 4), rate=1.0)
    weight = method.diagnostics()["natural_weights"][batch.y]
    terms = method.losses(batch, views).per_sample
    above = (weight * terms["natural"] + 0.25 * terms["boundary"]).sum()
    torch.testing.assert_close(seams.loss(method, batch, views), above / (weight.sum() + 0.25 * len(batch.y)))


@given(st.lists(st.tuples(violations, violations), min_size=1, max_size=6), st.floats(0, 2))
def test_updates_follow_the_rules_and_weights_stay_in_their_bounds(tiny, updates, rate):
    method = tiny.bound("frl", tiny.network())
    natural, boundary, log_margin = [0.0] * 4, [0.0] * 4, [0.0] * 4
    for natural_violation, boundary_violation in updates:
        method.update(vector(natural_violation), vector(boundary_violation), rate=rate)
        natural = projected([n + rate * v for n, v in zip(natural, natural_violation, strict=True)], 0.5)
        boundary = projected([b + 2 * rate * v for b, v in zip(boundary, boundary_violation, strict=True)], 0.5)
        log_margin = [m + 0.2 * v for m, v in zip(log_margin, boundary_violation, strict=True)]
    assert method.natural_multipliers.tolist() == pytest.approx(natural, abs=1e-5)
    assert method.boundary_multipliers.tolist() == pytest.approx(boundary, abs=1e-5)
    margins = [min(max(math.exp(2 * m), 0.98), 3) for m in log_margin]
    shown = method.diagnostics()
    assert shown["margins"].tolist() == pytest.approx(margins, rel=1e-4)
    for name in ("natural_weights", "boundary_weights"):
        assert float(shown[name].sum()) == pytest.approx(1, abs=1e-5)
        assert shown[name].min() >= (1 - 0.5) / 4 - 1e-6


def test_errors_are_measured_with_pgd_20_and_averaged_over_samples(tiny):
    method = tiny.bound("frl", tiny.network(), epsilon=0.1, step_size=0.025, steps=10)
    errors = Errors(tiny, clean=(90, 40, 10, 5), adversarial=(60, 20, 1, 5), total=(100, 50, 20, 10))
    given_to_update = []
    method.update = lambda natural, boundary, *, rate: given_to_update.append((natural, boundary, rate))
    method.start_epoch(errors)
    natural = [0.1, 0.2, 0.5, 0.5]
    boundary = [0.3, 0.4, 0.45, 0.0]
    overall_natural, overall_boundary = (10 + 10 + 10 + 5) / 180, (30 + 20 + 9 + 0) / 180
    ((by_natural, by_boundary, rate),) = given_to_update
    assert by_natural.tolist() == pytest.approx([n - overall_natural - 0.05 for n in natural], abs=1e-6)
    assert by_boundary.tolist() == pytest.approx([b - overall_boundary - 0.05 for b in boundary], abs=1e-6)
    assert rate == pytest.approx(0.05)
    assert errors.asked == [HeldOutAttack(steps=20, epsilon=0.1, step_size=0.025)]


def test_the_rate_is_halved_in_the_40th_and_the_80th_of_80_epochs(tiny):
    method, rates = tiny.bound("frl", tiny.network()), []
    method.update = lambda natural, boundary, *, rate: rates.append(rate)
    for epoch in range(80):
        method.start_epoch(Errors(tiny, clean=(90,) * 4, adversarial=(50,) * 4, epoch=epoch))
    assert rates == pytest.approx([0.05] * 39 + [0.025] * 40 + [0.0125])


@given(st.lists(st.tuples(violations, violations), min_size=1, max_size=4))
def test_each_term_is_a_weighted_average_of_its_own(tiny, seams, updates):
    network, batch = tiny.network(), tiny.batch()
    method, views = tiny.bound("frl?trades.beta=1.5", network), seams.views(batch)
    for natural, boundary in updates:
        method.update(vector(natural), vector(boundary), rate=1.0)
    clean, adversarial = (network(x).detach().log_softmax(1) for x in (batch.x, views.x["adversarial"]))
    sums = {"natural": [0.0, 0.0], "boundary": [0.0, 0.0]}
    for i, label in enumerate(batch.y.tolist()):
        losses = {"natural": -clean[i, label], "boundary": (clean[i].exp() * (clean[i] - adversarial[i])).sum()}
        for name, multipliers in (("natural", method.natural_multipliers), ("boundary", method.boundary_multipliers)):
            weight = float(1 / 4 + multipliers[label] - multipliers.sum() / 4)
            sums[name][0] += weight * float(losses[name])
            sums[name][1] += weight
    expected = sums["natural"][0] / sums["natural"][1] + 1.5 * sums["boundary"][0] / sums["boundary"][1]
    assert float(seams.loss(method, batch, views).detach()) == pytest.approx(expected, rel=1e-4)


def test_beta_is_that_of_the_public_code_unless_given(tiny):
    assert tiny.bound("frl", tiny.network()).objective.options.beta == 1.5
    assert tiny.bound("frl?beta=1", tiny.network()).objective.options.beta == 1.0


@pytest.mark.parametrize("variant", ["rw", "rm", "rwrm"])
def test_every_sample_stays_in_the_ball_of_its_class(tiny, seams, variant):
    method = tiny.bound(f"frl?variant={variant}", tiny.network(), epsilon=0.1, step_size=0.025, steps=8)
    margins = [0.98, 1.2, 2.0, 2.5 if variant == "rm" else 3.0]
    method.log_margin = vector([-1.0, math.log(1.2) / 2, math.log(2) / 2, 9.0])
    batch = tiny.batch(size=40)
    inner = method.prepare(batch)
    distance = (seams.perturb(method, batch).x["adversarial"] - batch.x).abs().flatten(1).amax(dim=1)
    radius = torch.full((40,), 0.1) if variant == "rw" else 0.1 * vector(margins)[batch.y]
    assert (distance <= radius + 1e-6).all()
    assert (distance[batch.y == 0] > 0.09).all()
    largest = float(radius.max())
    steps = {"rw": 0.025, "rm": 0.025, "rwrm": largest / 4}
    assert float(inner.step_size) == pytest.approx(steps[variant])
    if variant != "rw":
        assert (distance[batch.y == 2] > 0.11).all()


def test_no_class_of_the_batch_beyond_epsilon_keeps_the_step_small(tiny):
    """The step is a quarter of the largest radius in the batch, not of the largest there is."""
    method = tiny.bound("frl", tiny.network(), epsilon=0.1, step_size=0.025)
    method.log_margin = vector([0.0, 0.0, 0.0, 9.0])
    batch = tiny.batch(size=30, num_classes=3)
    assert float(method.prepare(batch).step_size) == pytest.approx(0.025)


def test_the_state_comes_back(tiny):
    method, other = (tiny.bound("frl", tiny.network()) for _ in range(2))
    method.update(vector([0.1, 0.2, -0.1, 0.3]), vector([0.3, 0.2, -0.1, 0.3]), rate=0.5)
    other.load_state_dict(method.state_dict())
    for name, value in method.diagnostics().items():
        assert torch.equal(value, other.diagnostics()[name])
    assert set(method.state_dict()) == {"natural_multipliers", "boundary_multipliers", "log_margin"}
