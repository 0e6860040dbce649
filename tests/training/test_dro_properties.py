"""What must hold for the worst-case weights whatever the losses are."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fairbench.training.dro import worst_case_weights

divergences = st.sampled_from(["reverse_kl", "kl"])
taus = st.floats(1e-6, 20)
vectors = st.lists(st.integers(-1000, 1000), min_size=2, max_size=30).map(
    lambda values: torch.tensor(values, dtype=torch.float64) / 1000
)


def divergence_from_uniform(weights, divergence):
    count = len(weights)
    if divergence == "reverse_kl":
        return -(weights * count).log().mean()
    return torch.special.xlogy(weights, weights * count).sum()


@given(vectors, taus, divergences)
def test_weights_are_a_distribution_that_spends_the_whole_radius(losses, tau, divergence):
    assume(losses.min() < losses.max())
    weights = worst_case_weights(losses, tau, divergence)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    worst = losses == losses.max()
    reach = math.inf if divergence == "reverse_kl" else math.log(len(losses) / int(worst.sum()))
    if tau < reach:
        assert float(divergence_from_uniform(weights, divergence)) == pytest.approx(tau, abs=1e-8)
    else:
        torch.testing.assert_close(weights, worst.double() / worst.sum())


@pytest.mark.parametrize("tau", [1e-6, 0.5, 7.593211101741041, 50])
def test_two_classes_spend_the_radius_too(tau):
    weights = worst_case_weights(torch.tensor([0.0, 0.001], dtype=torch.float64), tau)
    assert float(divergence_from_uniform(weights, "reverse_kl")) == pytest.approx(tau, abs=1e-8)


@given(vectors, taus, divergences)
def test_a_higher_loss_never_has_a_lower_weight(losses, tau, divergence):
    ordered = worst_case_weights(losses, tau, divergence)[losses.argsort()]
    assert ordered.diff().min() >= -1e-15
    assert ordered.min() >= 0


@given(vectors, taus, divergences, st.floats(1e-6, 1e6), st.integers(-50, 50))
def test_scale_and_shift_change_nothing(losses, tau, divergence, scale, shift):
    assume(losses.min() < losses.max())
    moved = scale * (losses + shift)
    torch.testing.assert_close(
        worst_case_weights(moved, tau, divergence), worst_case_weights(losses, tau, divergence), rtol=0, atol=1e-8
    )


@given(vectors, taus, divergences, st.randoms())
def test_permuting_the_classes_permutes_the_weights(losses, tau, divergence, random):
    order = torch.tensor(random.sample(range(len(losses)), len(losses)))
    torch.testing.assert_close(
        worst_case_weights(losses[order], tau, divergence), worst_case_weights(losses, tau, divergence)[order]
    )


@given(vectors, divergences)
def test_a_larger_radius_never_lowers_the_mixture_loss(losses, divergence):
    mixtures = [losses @ worst_case_weights(losses, tau, divergence) for tau in (0, 1e-3, 0.1, 1, 10, 100)]
    assert torch.stack(mixtures).diff().min() >= -1e-12


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
def test_a_batch_of_problems_equals_the_problems_one_by_one(divergence):
    losses = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0)).double()
    losses[0, 0] = 0.5
    losses[1, 1, :4] = 2.0
    losses[2, 2] *= 1e9
    weights = worst_case_weights(losses, 0.3, divergence)
    looped = torch.stack([torch.stack([worst_case_weights(row, 0.3, divergence) for row in rows]) for rows in losses])
    torch.testing.assert_close(weights, looped, rtol=0, atol=1e-14)


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
def test_no_radius_equal_losses_or_a_single_class_give_uniform_weights(divergence):
    assert worst_case_weights(torch.tensor([3.0, -1.0, 2.0, 0.5]), 0.0, divergence).tolist() == [0.25] * 4
    assert worst_case_weights(torch.full((4,), -0.3), 0.7, divergence).tolist() == [0.25] * 4
    assert worst_case_weights(torch.tensor([5.0]), 0.7, divergence).tolist() == [1.0]


@pytest.mark.parametrize("divergence", ["reverse_kl", "kl"])
def test_the_type_of_the_losses_is_kept_and_no_gradient_passes(divergence):
    losses = torch.tensor([0.1, 0.4, -0.2], requires_grad=True)
    weights = worst_case_weights(losses, 0.5, divergence)
    assert weights.dtype == torch.float32
    assert not weights.requires_grad


def test_all_weights_of_the_paper_s_ball_are_above_zero():
    losses = torch.tensor([1.0, 0.0, -5.0, -1e6], dtype=torch.float64)
    assert worst_case_weights(losses, 3.0).min() > 0
    assert worst_case_weights(losses, 3.0, "kl").min() == 0


@pytest.mark.parametrize("tau", [-0.1, math.nan, math.inf])
def test_a_radius_that_is_no_radius_is_refused(tau):
    with pytest.raises(ValueError, match=f"tau .*got {tau}"):
        worst_case_weights(torch.tensor([0.1, 0.2]), tau)


def test_an_unknown_divergence_is_refused():
    with pytest.raises(ValueError, match=r"'reverse_kl', 'kl'.* got 'chi2'"):
        worst_case_weights(torch.tensor([0.1, 0.2]), 0.5, "chi2")


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_losses_without_classes_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(\.\.\., K\) with K at least 1"):
        worst_case_weights(torch.zeros(shape), 0.5)
