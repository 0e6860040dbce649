"""Intervals for the lowest of several accuracies, where the one that is lowest is itself read off the data.

The smallest of K counted accuracies lies below the smallest true one: the more classes are close to the bottom, the
more. A percentile bootstrap repeats that error. The two ends here come from two tests instead, and with one class both
are Wilson's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc
from scipy.stats import binom

from fairbench.leaderboard.intervals import wilson_interval

Floats = NDArray[np.float64]
Interval = tuple[float, float]
Ends = tuple[Floats | float, Floats | float]
_BISECTIONS = 30
_TINY = 1e-12
_DRAWS = 1000
_SEED = 7


def lowest_interval(correct: ArrayLike, total: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """An interval for the lowest of K accuracies.

    The lower end rejects "some class lies at or below m" only if it does so for every class, which needs no allowance
    for their number: it is the lowest of the classes' Wilson ends. The upper end m rejects "no class lies below m" by
    how rarely the lowest of all counts would be this low if the classes that seem to lie below m lay at m.

    Args:
        correct: (..., K) images that were classified correctly.
        total: (K,) images that were asked, above 0; they need not be integers, as for an effective number.
        level: coverage, in (0, 1).

    Returns:
        The lower and the upper ends, (...), in [0, 1]; the lowest observed accuracy lies between them.

    Raises:
        ValueError: as in :func:`wilson_interval`.
    """
    lows, _ = wilson_interval(correct, total, level=level)
    hits, seen = _counts(correct, total)
    rates = hits / seen
    return lows.min(axis=-1), _lowest_not_rejected(rates, seen, chance=0.5 + level / 2)


def highest_interval(correct: ArrayLike, total: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """An interval for the highest of K accuracies; arguments and returns as in :func:`lowest_interval`."""
    hits, seen = _counts(correct, total)
    low, high = lowest_interval(seen - hits, seen, level=level)
    return 1 - high, 1 - low


def spread_interval(correct: ArrayLike, total: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """An interval for the highest minus the lowest of K accuracies; otherwise as :func:`lowest_interval`."""
    hits, seen = _counts(correct, total)
    top, bottom = (hits / seen).max(axis=-1), (hits / seen).min(axis=-1)
    tops, bottoms = (interval(hits, seen, level=level) for interval in (highest_interval, lowest_interval))
    low, high = ends_of_difference(top, tops, bottom, bottoms)
    return np.maximum(0.0, low), np.minimum(1.0, high)


def ends_of_difference(
    first: Floats | float, first_ends: Ends, second: Floats | float, second_ends: Ends
) -> tuple[Floats, Floats]:
    """The ends of an interval for a difference, from those of its parts.

    Args:
        first: the estimate from which is taken,
        first_ends: and its lower and upper ends.
        second: the estimate that is taken away,
        second_ends: and its ends.

    Source: Zou & Donner, Construction of confidence limits about effect measures, Statistics in Medicine 2008.
    """
    below = np.hypot(first - first_ends[0], second_ends[1] - second)
    above = np.hypot(first_ends[1] - first, second - second_ends[0])
    return first - second - below, first - second + above


def lowest_mean_interval(correct: ArrayLike, total: ArrayLike, count: int, *, level: float = 0.95) -> Interval:
    """An interval for the mean of the ``count`` lowest of K accuracies.

    The lower end is Wilson's for the classes that are lowest: with others in their place the mean could only be
    higher. The upper end inverts the test of :func:`lowest_interval` with simulated counts, from a fixed seed.

    Args:
        correct: (K,) images that were classified correctly.
        total: (K,) images that were asked, integers above 0.
        count: 1..K.
        level: coverage, in (0, 1).

    Raises:
        ValueError: if ``count`` is not in 1..K, or as in :func:`wilson_interval`.
    """
    hits, seen = _counts(correct, total)
    if not 1 <= count <= len(hits):
        raise ValueError(f"expected a count in 1..{len(hits)}, got {count}")
    if count == 1:
        low, high = lowest_interval(hits, seen, level=level)
        return float(low), float(high)
    lowest = np.argsort(hits / seen, kind="stable")[:count]
    observed = float((hits / seen)[lowest].mean())
    effective = count**2 / float((1 / seen[lowest]).sum())
    low, _ = wilson_interval(observed * effective, effective, level=level)
    return float(low), _mean_not_rejected(hits, seen, count, chance=0.5 + level / 2)


def bias_of_lowest(correct: ArrayLike, total: ArrayLike, count: int = 1) -> float:
    """By how much the mean of the ``count`` lowest counted accuracies understates the truth, in the median.

    The estimate that is as often too high as too low is where the test behind the upper end gives even odds; the bias
    is its distance from the counted value. It is 0 where one class lies far below the others.

    Args:
        correct: (K,) images that were classified correctly.
        total: (K,) images that were asked, integers above 0.
        count: 1..K.
    """
    hits, seen = _counts(correct, total)
    rates = hits / seen
    if count == 1:
        return float(_lowest_not_rejected(rates, seen, chance=0.5) - rates.min())
    return _mean_not_rejected(hits, seen, count, chance=0.5) - float(np.sort(rates)[:count].mean())


def _lowest_not_rejected(rates: Floats, seen: Floats, *, chance: float) -> Floats:
    """The lowest accuracy at which the lowest of all counts would lie higher with this chance: (..., K) -> (...)."""
    observed = rates.min(axis=-1)
    lowest = np.broadcast_to(observed[..., None], rates.shape)
    kept = _chance_above(lowest, seen, rates)

    def is_rejected(m: Floats) -> NDArray[np.bool_]:
        lifted = rates < m[..., None]
        level = np.broadcast_to(m[..., None], rates.shape)[lifted]
        above = kept.copy()
        above[lifted] = _chance_above(lowest[lifted], seen[lifted], level)
        return above.prod(axis=-1) > chance

    return _smallest(is_rejected, observed)


def _mean_not_rejected(hits: Floats, seen: Floats, count: int, *, chance: float) -> float:
    """As :func:`_lowest_not_rejected`, for the mean of the ``count`` lowest."""
    rates, uniform = hits / seen, _uniform(_DRAWS, len(hits))
    observed = float(np.sort(rates)[:count].mean())
    kept = np.column_stack([_drawn(uniform[:, c], seen[c], rates[c]) for c in range(len(hits))])

    def is_rejected(m: Floats) -> NDArray[np.bool_]:
        drawn = kept.copy()
        for size in np.unique(seen):
            lifted = (seen == size) & (rates < m)
            drawn[:, lifted] = _drawn(uniform[:, lifted], size, float(m))
        means = np.partition(drawn, count - 1, axis=1)[:, :count].mean(axis=1)
        above, equal = means > observed + _TINY, np.abs(means - observed) <= _TINY
        return above.mean() + equal.mean() / 2 > chance

    level = _smallest(is_rejected, rates.min())
    return float(np.sort(np.maximum(rates, level))[:count].mean())


def _drawn(uniform: Floats, size: float, accuracy: float) -> Floats:
    """Rates of binomial counts, by inverting their distribution at uniform numbers."""
    below = binom.cdf(np.arange(int(size) + 1), int(size), accuracy)
    return np.minimum(np.searchsorted(below, uniform), size) / size


def _chance_above(rate: Floats, seen: Floats, accuracy: Floats) -> Floats:
    """The chance that a counted accuracy lies above a rate, one that equals it counting half (mid-p).

    The binomial tail by the incomplete beta function, which also reads between the integers.
    """
    hits = rate * seen
    above = betainc(hits + 1, np.maximum(seen - hits, _TINY), accuracy)
    at_least = np.where(hits > 0, betainc(np.maximum(hits, _TINY), seen - hits + 1, accuracy), 1.0)
    return (above + at_least) / 2


def _counts(correct: ArrayLike, total: ArrayLike) -> tuple[Floats, Floats]:
    hits, seen = np.broadcast_arrays(np.asarray(correct, np.float64), np.asarray(total, np.float64))
    return hits, seen


def _smallest(is_rejected: Callable[[Floats], NDArray[np.bool_]], above: Floats) -> Floats:
    """The smallest m from ``above`` to 1 that is rejected, 1 if none is; rejection grows with m."""
    low, high = above, np.ones_like(above)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rejected = is_rejected(middle)
        low, high = np.where(rejected, low, middle), np.where(rejected, middle, high)
    return high


@lru_cache(maxsize=4)
def _uniform(draws: int, classes: int) -> Floats:
    """The same numbers in every call."""
    return np.random.Generator(np.random.Philox(_SEED)).random((draws, classes))
