"""By how much one method is ahead of another on the same images, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fairbench.leaderboard.comparison import check_same_images, paired_differences, weakest_by_seed, weakest_count
from fairbench.leaderboard.extremes import ends_of_difference, lowest_mean_interval
from fairbench.leaderboard.outcomes import Outcomes


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A difference of two accuracies, the first less the second, and the interval of it."""

    value: float
    """a fraction, below 0 where the first is behind."""
    low: float
    high: float


def average_gain(first: Outcomes, second: Outcomes, *, level: float = 0.95) -> Gain:
    """The difference of the averages, an interval over images: other images of the same kind, the same networks.

    Source: Bonett & Price, Adjusted Wald confidence interval for a difference of binomial proportions based on paired
    data, Journal of Educational and Behavioral Statistics 2012: one image more on either side. With several seeds an
    image counts once, by the share of seeds that are right.

    Args:
        first: outcomes of one method.
        second: of another, on the same images.
        level: coverage, in (0, 1).

    Raises:
        ValueError: if the two saw different images.
    """
    ahead = paired_differences(first, second)
    padded = np.concatenate([ahead, [1.0, -1.0]])
    half = float(norm.ppf(0.5 + level / 2)) * float(padded.std()) / np.sqrt(len(padded))
    return Gain(value=float(ahead.mean()), low=float(padded.mean() - half), high=float(padded.mean() + half))


def weakest_gain(first: Outcomes, second: Outcomes, *, level: float = 0.95) -> Gain:
    """The difference of the weakest classes' accuracies, the worst class or the lowest tenth of many.

    The two may have different weakest classes, so the ends come from those of both parts, which is wider than need be
    where both are right and wrong on the same images.

    Args:
        first: outcomes of one method.
        second: of another, on the same images.
        level: coverage, in (0, 1).

    Raises:
        ValueError: if the two saw different images.
    """
    check_same_images(first, second)
    (ours, our_low, our_high), (theirs, their_low, their_high) = (_weakest(one, level) for one in (first, second))
    low, high = ends_of_difference(ours, (our_low, our_high), theirs, (their_low, their_high))
    return Gain(value=ours - theirs, low=max(-1.0, float(low)), high=min(1.0, float(high)))


def _weakest(outcomes: Outcomes, level: float) -> tuple[float, float, float]:
    """Mean over the seeds, and of their intervals' ends."""
    total = np.bincount(outcomes.labels, minlength=outcomes.num_classes)
    hits: NDArray[np.float64] = np.round(outcomes.class_accuracies * total)
    ends = [lowest_mean_interval(row, total, weakest_count(outcomes), level=level) for row in hits]
    low, high = np.mean(ends, axis=0)
    return float(weakest_by_seed(outcomes).mean()), float(low), float(high)
