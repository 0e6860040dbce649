import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from fairbench.leaderboard.intervals import wilson_interval

counts = st.integers(1, 20_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_agrees_with_scipy(count, level):
    correct, total = count
    expected = binomtest(correct, total).proportion_ci(confidence_level=level, method="wilson")
    low, high = wilson_interval(correct, total, level=level)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(counts)
def test_mirrors_when_right_and_wrong_are_exchanged_and_holds_the_rate(count):
    correct, total = count
    low, high = wilson_interval(correct, total)
    other_low, other_high = wilson_interval(total - correct, total)
    assert (float(low), float(high)) == pytest.approx((1 - other_high, 1 - other_low), abs=1e-12)
    assert low <= correct / total <= high


def test_ends_at_the_borders_where_nothing_or_everything_is_correct():
    low, high = wilson_interval([0, 7], 7)
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert 0 < high[0] < 1
    assert 0 < low[1] < 1


def test_works_on_arrays_cell_by_cell():
    correct, total = np.array([[3, 40], [0, 99]]), np.array([50, 100])
    low, high = wilson_interval(correct, total)
    assert low.shape == high.shape == (2, 2)
    assert (low[0, 1], high[0, 1]) == tuple(map(float, wilson_interval(40, 100)))


@pytest.mark.parametrize(
    ("correct", "total", "level", "words"),
    [
        (0, 0, 0.95, "totals above 0, got 0"),
        (8, 7, 0.95, "in 0..total"),
        (-1, 7, 0.95, "in 0..total"),
        (1, 7, 1.0, r"level in \(0, 1\), got 1.0"),
    ],
)
def test_refuses_what_is_no_proportion(correct, total, level, words):
    with pytest.raises(ValueError, match=words):
        wilson_interval(correct, total, level=level)
