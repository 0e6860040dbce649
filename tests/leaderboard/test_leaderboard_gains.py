import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairbench.leaderboard.gains import average_gain, weakest_gain
from fairbench.leaderboard.outcomes import Outcomes

IMAGES = 100


def outcomes_of(correct, classes):
    correct = np.atleast_2d(np.asarray(correct, dtype=bool))
    labels = np.repeat(np.arange(classes), correct.shape[1] // classes)
    return Outcomes(correct=correct, labels=labels, positions=np.arange(len(labels)), num_classes=classes)


def pairs(generator, first, second, *, shared):
    """Outcomes of two networks with these accuracies of the classes, alike on a share of the images."""
    classes = len(first)
    common, one, other = generator.random((3, classes * IMAGES))
    alike = generator.random(classes * IMAGES) < shared
    thresholds = [np.repeat(each, IMAGES) for each in (first, second)]
    draws = np.where(alike, common, one), np.where(alike, common, other)
    return [outcomes_of(draw < bar, classes) for draw, bar in zip(draws, thresholds, strict=True)]


def test_the_average_of_one_seed_is_the_adjusted_wald_interval():
    first, second = outcomes_of([1] * 30 + [0] * 70, 2), outcomes_of([0] * 20 + [1] * 15 + [0] * 65, 2)
    gain = average_gain(first, second)
    ahead, behind = 21 / 102, 6 / 102
    half = 1.959964 * np.sqrt((ahead + behind - (ahead - behind) ** 2) / 102)
    assert gain.value == pytest.approx(0.15)
    assert (gain.low, gain.high) == pytest.approx((ahead - behind - half, ahead - behind + half), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**20), st.integers(1, 3), st.integers(1, 3))
def test_turning_the_two_round_turns_the_gain_round(seed, ours, theirs):
    generator = np.random.default_rng(seed)
    first, second = (outcomes_of(generator.random((count, 30)) < 0.6, 3) for count in (ours, theirs))
    for gain in (average_gain, weakest_gain):
        there, back = gain(first, second), gain(second, first)
        assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
        assert -1 <= there.low <= there.value <= there.high <= 1
        nothing = gain(first, first)
        assert (nothing.value, nothing.low) == (0, pytest.approx(-nothing.high))


@pytest.mark.parametrize("shared", [0.0, 0.8])
@pytest.mark.parametrize(("first", "second"), [((0.2, 0.6, 0.9), (0.05, 0.7, 0.9)), ((0.5, 0.5, 0.5), (0.3, 0.3, 0.9))])
def test_the_intervals_hold_the_true_differences(first, second, shared):
    generator = np.random.default_rng(3)
    found = [pairs(generator, first, second, shared=shared) for _ in range(400)]
    truths = {average_gain: np.mean(first) - np.mean(second), weakest_gain: min(first) - min(second)}
    for gain, truth in truths.items():
        held = [result.low <= truth <= result.high for result in (gain(*each) for each in found)]
        assert np.mean(held) >= 0.93, gain


def test_three_seeds_that_agree_say_what_one_says():
    generator = np.random.default_rng(0)
    one, base = (generator.random(300) < 0.5 for _ in range(2))
    for gain in (average_gain, weakest_gain):
        single, three = (
            gain(outcomes_of(one, 3), outcomes_of(base, 3)),
            gain(outcomes_of([one] * 3, 3), outcomes_of(base, 3)),
        )
        assert (single.value, single.low, single.high) == pytest.approx((three.value, three.low, three.high))


def test_other_images_are_refused():
    first = outcomes_of([1, 0, 1, 0], 2)
    moved = Outcomes(correct=first.correct, labels=first.labels, positions=first.positions + 1, num_classes=2)
    for gain in (average_gain, weakest_gain):
        with pytest.raises(ValueError, match="same images"):
            gain(first, moved)
