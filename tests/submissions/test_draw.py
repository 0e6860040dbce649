"""How many images it takes, and which."""

import numpy as np
import pytest
from scipy.stats import binom

from fairbench.submissions.draw import DEFAULT_IMAGES, drawn, images_needed


@pytest.mark.parametrize("tolerated", [0, 1, 2])
def test_the_number_of_images_is_the_smallest_that_catches_one_in_a_hundred(tolerated):
    needed = images_needed(tolerated)
    assert binom.cdf(tolerated, needed, 0.01) <= 0.05 < binom.cdf(tolerated, needed - 1, 0.01)


def test_three_hundred_are_enough_also_when_they_are_drawn_from_few():
    assert images_needed(0) <= DEFAULT_IMAGES
    population = np.arange(2000)
    false = set(range(20))
    caught = sum(bool(false & set(drawn(seed, "x", population, DEFAULT_IMAGES))) for seed in range(200))
    assert caught >= 186


def test_the_draw_depends_on_seed_and_purpose_and_on_nothing_else():
    population = np.arange(500)
    first = drawn(1, "aa", population, 50)
    np.testing.assert_array_equal(first, drawn(1, "aa", population[::-1].copy(), 50))
    assert set(first) != set(drawn(2, "aa", population, 50))
    assert set(first) != set(drawn(1, "clean", population, 50))
    assert len(set(first)) == 50
    np.testing.assert_array_equal(drawn(1, "aa", population[:7], 50), population[:7])
