import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from benchmarks import interval_coverage as simulated
from fairbench.leaderboard.extremes import (
    bias_of_lowest,
    highest_interval,
    lowest_interval,
    lowest_mean_interval,
    spread_interval,
)
from fairbench.leaderboard.false_positive_intervals import (
    chosen_false_positive_intervals,
    false_positive_intervals,
    highest_false_positive_interval,
)
from fairbench.leaderboard.intervals import wilson_interval

cells = st.lists(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=8
)


@settings(max_examples=40, deadline=None)
@given(cells)
def test_holds_the_lowest_rate_and_its_lower_end_is_the_lowest_of_wilsons(cells):
    correct, total = np.array(cells).T
    low, high = lowest_interval(correct, total)
    assert low == pytest.approx(wilson_interval(correct, total)[0].min())
    assert low <= (correct / total).min() + 1e-9
    assert (correct / total).min() <= high <= 1


@settings(max_examples=40, deadline=None)
@given(cells, st.integers(0, 400), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_a_perfect_class_hardly_does(cells, extra, random):
    correct, total = np.array(cells).T
    shuffled = np.array(random.sample(cells, len(cells))).T
    np.testing.assert_allclose(lowest_interval(*shuffled), lowest_interval(correct, total))
    more = lowest_interval([*correct, 5000 + extra], [*total, 5000 + extra])
    np.testing.assert_allclose(more, lowest_interval(correct, total), atol=2e-3)


@pytest.mark.parametrize(("correct", "total"), [(3, 100), (30, 100), (700, 1000)])
def test_the_upper_end_of_one_class_rejects_by_the_mid_p_of_its_count(correct, total):
    high = float(lowest_interval([correct], [total])[1])
    mid_p = binom.cdf(correct - 1, total, high) + binom.pmf(correct, total, high) / 2
    assert mid_p == pytest.approx(0.025, abs=1e-6)


def test_many_rows_at_once_are_the_rows_one_by_one():
    correct = np.random.default_rng(0).binomial(50, 0.4, (4, 6))
    together = np.stack(lowest_interval(correct, np.full(6, 50)))
    np.testing.assert_allclose(together, np.stack([lowest_interval(row, np.full(6, 50)) for row in correct], axis=1))


def test_classes_that_are_close_to_the_lowest_lift_its_upper_end_and_its_bias():
    apart, close = ([30, 90, 90, 90], [30, 31, 32, 33])
    total = np.full(4, 100)
    assert lowest_interval(close, total)[1] > lowest_interval(apart, total)[1] + 0.005
    assert bias_of_lowest(apart, total) == pytest.approx(0, abs=0.002)
    assert 0.01 < bias_of_lowest(close, total) < 0.06


@pytest.mark.parametrize("ties", [1, 2, 4])
def test_the_bias_is_not_overstated_and_half_of_it_is_seen(ties):
    true, said = simulated.bias_of_minimum(0.3, ties, 100, draws=200, seed=7)
    assert max(0.4 * true, 0) - 0.004 <= said <= true + 0.006


def test_the_highest_mirrors_the_lowest_and_the_spread_is_made_of_both():
    correct, total = np.array([12, 60, 81]), np.array([100, 100, 90])
    low, high = lowest_interval(total - correct, total)
    np.testing.assert_allclose(highest_interval(correct, total), (1 - high, 1 - low))
    low, high = spread_interval(correct, total)
    assert low < 0.9 - 0.12 < high
    assert high - low > lowest_interval(correct, total)[1] - lowest_interval(correct, total)[0]


def test_the_mean_of_one_is_the_lowest_and_of_all_is_the_average():
    correct, total = np.array([20, 35, 50, 80]), np.full(4, 100)
    np.testing.assert_allclose(lowest_mean_interval(correct, total, 1), lowest_interval(correct, total))
    expected = wilson_interval(correct.sum(), 400)
    assert lowest_mean_interval(correct, total, 4) == pytest.approx(tuple(map(float, expected)), abs=0.015)
    with pytest.raises(ValueError, match=r"count in 1..4, got 5"):
        lowest_mean_interval(correct, total, 5)


@pytest.mark.parametrize("accuracy", [0.05, 0.3, 0.5, 0.95])
def test_wilson_covers(accuracy):
    assert 0.93 <= simulated.wilson_coverage(accuracy, 1000, draws=40_000, seed=1) <= 0.97


@pytest.mark.parametrize("total", [100, 1000])
@pytest.mark.parametrize("ties", [1, 2, 3, 4])
def test_the_interval_of_the_worst_class_covers_with_ties(ties, total):
    assert 0.92 <= simulated.worst_class_coverage(0.3, ties, total, draws=800, seed=2) <= 0.985


def test_a_percentile_bootstrap_of_the_minimum_would_not_cover():
    assert simulated.bootstrap_coverage(0.3, 4, 100, draws=200, seed=3) < 0.85


@pytest.mark.parametrize("ties", [1, 4])
def test_the_interval_of_the_spread_covers(ties):
    assert 0.91 <= simulated.spread_coverage(0.3, 0.9, ties, 1000, draws=600, seed=4) <= 0.99


@pytest.mark.prove
@pytest.mark.parametrize("total", [10, 100])
def test_the_interval_of_the_lowest_tenth_covers(total):
    assert simulated.worst_tenth_coverage(np.linspace(0.02, 0.8, 100), total, draws=150, seed=5) >= 0.9


def test_the_intervals_of_the_false_positive_scores_cover():
    each, highest = simulated.false_positive_coverage(100, draws=150, seed=6)
    assert 0.93 <= each <= 0.98
    assert highest >= 0.92


def test_false_positive_intervals_by_hand():
    # 4 and 4 errors among 20 images of two classes each; every error of a class lands in one other class.
    confusion = np.array([[16, 4, 0], [0, 16, 4], [0, 0, 20]])
    low, high = false_positive_intervals(confusion)
    assert low[0] == 0
    # F_1 = 1/2; variance of (A_1 - E/2) is 20 * 0.2 * 0.8 / 4 for each of two classes, 1.6 together, where 8 draws
    # have 2: so it counts as 10 draws.
    assert (low[1], high[1]) == pytest.approx(tuple(map(float, wilson_interval(5, 10))))
    assert highest_false_positive_interval(confusion)[0] <= 0.5
    highest, (low_spread, high_spread) = chosen_false_positive_intervals([confusion, confusion.T])
    assert np.allclose(np.transpose(highest)[0], highest_false_positive_interval(confusion))
    assert np.allclose(np.transpose(highest)[1], highest_false_positive_interval(confusion.T))
    assert low_spread[0] < 0.5 < high_spread[0]
    with pytest.raises(ValueError, match="no"):
        false_positive_intervals(np.eye(3, dtype=int))
