"""Which classes are the weakest under a condition, who may be as weak as they, and what is taken for what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from fairbench.protocol.record import ConditionRecord

LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Images of one class that got the answer of another."""

    true: int
    answer: int
    count: int
    share: float
    """of the images of the true class."""


def weakest_first(condition: ConditionRecord) -> list[int]:
    """The classes that have images, the lowest accuracy first."""
    correct, total = condition.class_correct, condition.class_total
    return sorted((c for c, count in enumerate(total) if count), key=lambda c: correct[c] / total[c])


def indistinguishable_from_worst(condition: ConditionRecord) -> list[int]:
    """The other classes whose accuracy is not shown to be above that of the worst class, the weakest first.

    Classes share no images, so each is compared with the worst one by Fisher's exact test, one-sided; the p-values
    are adjusted by Holm's step-down over the K - 1 tests, to 5 % for all of them together.
    """
    worst = condition.worst_class
    others = [c for c in weakest_first(condition) if c != worst]
    p_values = _p_values(condition, worst, others)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(others), 0, -1)
    adjusted = np.maximum.accumulate(np.minimum(p_values[order] * factors, 1.0))
    rivals = {others[place] for place, p in zip(order, adjusted, strict=True) if p > LEVEL}
    return [c for c in others if c in rivals]


def largest_mistakes(condition: ConditionRecord, *, most: int) -> list[Mistake]:
    """The largest entries beside the diagonal of the confusion matrix, the largest first; none of zero."""
    counts = np.array(condition.confusion)
    np.fill_diagonal(counts, 0)
    places = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(counts)) for place in places]
    return [
        Mistake(true=c, answer=k, count=int(counts[c, k]), share=float(counts[c, k] / condition.class_total[c]))
        for c, k in pairs
        if counts[c, k]
    ]


def _p_values(condition: ConditionRecord, worst: int, others: list[int]) -> np.ndarray:
    """Fisher's one-sided p-value of each other class: the hypergeometric chance of so few correct in the worst one."""
    correct, total = np.array(condition.class_correct), np.array(condition.class_total)
    pooled_correct, pooled = correct[others] + correct[worst], total[others] + total[worst]
    return np.minimum(hypergeom.cdf(correct[worst], pooled, pooled_correct, total[worst]), 1.0)
