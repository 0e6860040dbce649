import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from fairbench.leaderboard.paired import holm, sign_flip

counts = st.integers(0, 300)


@settings(max_examples=40, deadline=None)
@given(counts, counts, st.integers(0, 50))
def test_the_sign_flip_test_of_one_seed_is_mcnemars(first, second, equal):
    differences = np.repeat([1, -1, 0], [first, second, equal])
    table = [[10, first], [second, 10]]
    assert sign_flip(differences) == pytest.approx(mcnemar(table, exact=True).pvalue, rel=1e-9)
    if first + second:
        assert sign_flip(differences) == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_the_sign_flip_test_counts_all_signs(differences):
    observed = abs(sum(differences))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in _signs(len(differences))]
    assert sign_flip(differences) == pytest.approx(np.mean([abs(total) >= observed for total in sums]))


def _signs(count):
    return itertools.product((-1, 1), repeat=count)


def test_copies_of_a_seed_do_not_make_a_difference_surer():
    differences = np.repeat([1, -1], [12, 5])
    assert sign_flip(3 * differences) == pytest.approx(sign_flip(differences))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sign_flip([0.5]), "vector of integers"),
        (lambda: sign_flip([[1]]), "vector of integers"),
        (lambda: holm([0.2, 1.5]), r"p-values in \[0, 1\]"),
    ],
)
def test_refuses_what_is_no_test(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_no_tests_and_no_differences_are_no_evidence():
    assert holm([]) == []
    assert sign_flip([0, 0]) == 1.0
