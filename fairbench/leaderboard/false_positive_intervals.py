"""Intervals for the class false-positive scores, whose denominator is counted too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from fairbench.leaderboard.extremes import Floats, highest_interval, spread_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.metrics import false_positive_scores_of
from fairbench.metrics.confusion import checked_confusion


def false_positive_intervals(confusion: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats]:
    """An interval for the score of each class.

    Args:
        confusion: (K, K) integers, rows are true classes; the images of each class are independent draws.
        level: coverage, in (0, 1).

    Returns:
        The lower and the upper ends, (K,).

    Raises:
        ValueError: when no image is misclassified: the scores are undefined.
    """
    return wilson_interval(*_effective_counts(confusion), level=level)


def highest_false_positive_interval(confusion: ArrayLike, *, level: float = 0.95) -> tuple[float, float]:
    """An interval for the highest score; arguments as in :func:`false_positive_intervals`."""
    scores, draws = _effective_counts(confusion)
    return _highest(tuple(scores.tolist()), tuple(draws.tolist()), level)


@lru_cache(maxsize=1024)
def _highest(scores: tuple[float, ...], draws: tuple[float, ...], level: float) -> tuple[float, float]:
    low, high = highest_interval(scores, draws, level=level)
    return float(low), float(high)


def chosen_false_positive_intervals(
    confusions: Sequence[ArrayLike], *, level: float = 0.95
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Intervals for the highest score, and for the highest minus the lowest one, of several networks or conditions.

    Args:
        confusions: M of them, each as in :func:`false_positive_intervals`; at once they take little longer than one.
        level: coverage, in (0, 1).

    Returns:
        For the highest and for the spread: the lower and the upper ends, (M,).
    """
    scores, draws = (np.stack(parts) for parts in zip(*map(_effective_counts, confusions), strict=True))
    return highest_interval(scores, draws, level=level), spread_interval(scores, draws, level=level)


def _effective_counts(confusion: ArrayLike) -> tuple[Floats, Floats]:
    """The scores as proportions of so many independent draws that their variance is that of the ratio.

    F_k = A_k / E, with A_k of the E errors landing in k. By the delta method its variance is that of A_k - F_k E over
    E squared; within class i an image adds 1 - F_k with chance q_ik, -F_k with chance e_i - q_ik, else nothing.
    """
    counts = checked_confusion(confusion)
    scores = false_positive_scores_of(counts)
    landed = counts - np.diag(np.diagonal(counts))
    errors, images = landed.sum(axis=1, keepdims=True), np.maximum(counts.sum(axis=1, keepdims=True), 1)
    total = float(errors.sum())
    as_drawn = total * scores * (1 - scores)
    explained = ((landed - scores * errors) ** 2 / images).sum(axis=0)
    variance = np.maximum(as_drawn - explained, 1e-12 * total)
    # Where a score is 0 or 1 nothing is known of its variance beyond what independent draws would say.
    effective = np.where(as_drawn > 0, total * as_drawn / variance, total)
    return scores * effective, effective
