"""The worst-case weights against solvers that know nothing of the closed form."""

import math

import cvxpy
import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from fairbench.training.dro import worst_case_weights

TAUS = (1e-6, 0.025, 0.25, 0.5, 3.0, 50.0)


def solved_by_cvxpy(losses, tau, divergence):
    count = len(losses)
    weights, uniform = cvxpy.Variable(count), np.full(count, 1 / count)
    pair = (uniform, weights) if divergence == "reverse_kl" else (weights, uniform)
    constraints = [cvxpy.sum(weights) == 1, weights >= 0, cvxpy.sum(cvxpy.kl_div(*pair)) <= tau]
    cvxpy.Problem(cvxpy.Maximize(losses @ weights), constraints).solve(solver=cvxpy.CLARABEL)
    return weights.value


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
@pytest.mark.parametrize(("count", "tau"), [(2, 0.3), (10, 0.05), (10, 0.5), (10, 5.0), (100, 0.05)])
def test_the_mixture_loss_is_as_high_as_a_conic_solver_finds(count, tau, divergence):
    losses = np.random.default_rng(count).uniform(-1, 1, count)
    weights = worst_case_weights(torch.from_numpy(losses), tau, divergence).numpy()
    reference = solved_by_cvxpy(losses, tau, divergence)
    assert losses @ weights == pytest.approx(losses @ reference, abs=1e-4 * np.ptp(losses))


def reverse_kl_root(losses, tau):
    """w proportional to 1 / (s + gap), with s from a bracketing root finder on log s."""
    gaps = (losses.max() - losses) / np.ptp(losses)
    log_gaps = np.log(gaps, out=np.full(len(gaps), -np.inf), where=gaps > 0)

    def log_v(log_s):
        return -np.logaddexp(log_s, log_gaps)

    def excess(log_s):
        values = log_v(log_s)
        return values.max() + math.log(np.exp(values - values.max()).mean()) - values.mean() - tau

    low = math.log(gaps[gaps > 0].min()) - 1
    while excess(low) < 0:
        low *= 2
    high = -math.log(tau) + 1
    values = log_v(brentq(excess, low, high, xtol=1e-15, rtol=1e-15, maxiter=500))
    weights = np.exp(values - values.max())
    return weights / weights.sum()


def kl_root(losses, tau):
    """w proportional to exp(-b gap), with b from a bracketing root finder on log b."""
    gaps = (losses.max() - losses) / np.ptp(losses)
    worst = gaps == 0
    if tau >= math.log(len(gaps) / worst.sum()):
        return worst / worst.sum()

    def weights(log_b):
        values = np.exp(-math.exp(log_b) * gaps)
        return values / values.sum()

    def excess(log_b):
        w = weights(log_b)
        w = w[w > 0]
        return (w * np.log(len(gaps) * w)).sum() - tau

    high = 0.0
    while excess(high) < 0:
        high += 1
    return weights(brentq(excess, -30, high, xtol=1e-15, rtol=1e-15, maxiter=500))


def problems(count):
    """Random and extreme vectors of class losses."""
    random = np.random.default_rng(count)
    normal = random.normal(size=count)
    two_levels = np.zeros(count)
    two_levels[0] = 1
    return {
        "normal": normal,
        "ties": np.concatenate([[1.0, -1.0], np.round(random.normal(size=count - 2))]),
        "one worst": two_levels,
        "one best": -two_levels,
        "twelve decades": -np.exp(7 * normal),
        "huge": 1e12 * normal,
        "tiny spread on a large level": 1e6 + 1e-3 * normal,
        "nearly tied worst": np.concatenate([[1.0, 1.0 - 1e-9], -np.abs(normal[2:])]),
        "bounded margins": np.tanh(normal),
    }


@pytest.mark.parametrize("count", [2, 3, 10, 57, 200])
@pytest.mark.parametrize(("divergence", "root"), [("reverse_kl", reverse_kl_root), ("kl", kl_root)])
def test_the_weights_are_those_of_a_scalar_root_finder(count, divergence, root):
    for name, losses in problems(count).items():
        for tau in TAUS:
            weights = worst_case_weights(torch.from_numpy(losses), tau, divergence).numpy()
            assert weights == pytest.approx(root(losses, tau), abs=1e-10), f"{name}, tau {tau}"


@pytest.mark.parametrize("share", [0.99, 1 - 1e-6, 1.0])
def test_just_within_reach_of_the_worst_classes_alone(share):
    for count in (2, 10):
        for name, losses in problems(count).items():
            tau = share * math.log(count / (losses == losses.max()).sum())
            weights = worst_case_weights(torch.from_numpy(losses), tau, "kl").numpy()
            assert weights == pytest.approx(kl_root(losses, tau), abs=1e-10), name


PRINTED = {
    (0.25, "reverse_kl"): (0.506026, 0.147326, 0.096188, 0.179057, 0.071403),
    (0.25, "kl"): (0.457135, 0.180491, 0.089901, 0.227695, 0.044779),
    (0.5, "reverse_kl"): (0.654631, 0.103977, 0.063755, 0.131665, 0.045972),
    (0.5, "kl"): (0.599444, 0.138755, 0.046305, 0.200043, 0.015453),
    (0.05, "reverse_kl"): (0.312781, 0.195071, 0.152132, 0.215330, 0.124686),
    (0.05, "kl"): (0.300015, 0.204923, 0.153967, 0.225413, 0.115681),
}


@pytest.mark.parametrize(("tau", "divergence"), PRINTED)
def test_vectors_worked_out_by_hand(tau, divergence):
    losses = torch.tensor([0.3, -0.1, -0.4, 0, -0.7], dtype=torch.float64)
    expected = PRINTED[tau, divergence]
    assert worst_case_weights(losses, tau, divergence).tolist() == pytest.approx(expected, abs=1e-6)


def test_largest_multiplier_of_a_class_loss():
    one_bad = torch.tensor([1.0] + [0.0] * 9, dtype=torch.float64)
    for tau, reverse, forward in ((0.25, 4.19, 3.64), (0.5, 5.75, 4.95)):
        assert 10 * float(worst_case_weights(one_bad, tau)[0]) == pytest.approx(reverse, abs=0.006)
        assert 10 * float(worst_case_weights(one_bad, tau, "kl")[0]) == pytest.approx(forward, abs=0.006)


@pytest.mark.parametrize("tau", [0.05, 0.25, 0.5, 2.0])
def test_two_classes_have_a_closed_form(tau):
    expected = (1 + math.sqrt(1 - math.exp(-2 * tau))) / 2
    for losses in ([0.1, 0.7], [-3.0, 1e9], [0.3, 0.3 + 1e-6]):
        weights = worst_case_weights(torch.tensor(losses, dtype=torch.float64), tau)
        assert weights.tolist() == pytest.approx([1 - expected, expected], abs=1e-9)


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
def test_for_a_small_tau_the_weights_follow_the_standardised_losses(divergence):
    losses = torch.randn(20, generator=torch.Generator().manual_seed(0)).double()
    standardised = (losses - losses.mean()) / losses.std(correction=0)
    expected = (1 + math.sqrt(2e-8) * standardised) / 20
    torch.testing.assert_close(worst_case_weights(losses, 1e-8, divergence), expected, rtol=0, atol=3e-8)
