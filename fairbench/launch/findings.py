"""What an auditor wants to know: which classes are the weakest, how sure that is, and what they are taken for."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.stats import fisher_exact

from fairbench.leaderboard.extremes import lowest_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.protocol.record import ConditionRecord, Record
from fairbench.protocol.schema import Schema

_WEAKEST = 3
_CONFUSIONS = 5


class ClassFinding(Schema):
    """How one class fares under one condition."""

    name: str
    correct: int
    total: int
    accuracy: float
    low: float = Field(ge=0, le=1)
    """lower end of Wilson's 95 % interval, of this class alone."""
    high: float = Field(ge=0, le=1)


class Confusion(Schema):
    """Images of one class that are taken for another."""

    true: str
    answered: str
    images: int
    share: float
    """of the images of the true class."""


class Finding(Schema):
    """One condition in short."""

    average: float
    average_low: float
    average_high: float
    weakest: list[ClassFinding]
    """the classes with the lowest accuracy, lowest first."""
    worst_low: float
    """lower end of the 95 % interval of the lowest accuracy, which allows for the choice of the lowest."""
    worst_high: float
    strongest: ClassFinding
    not_told_apart: list[str]
    """classes whose accuracy does not differ from the weakest one's: exact test of Fisher, p >= 0.05, two-sided."""
    confusions: list[Confusion]
    """the largest off-diagonal entries of the confusion matrix."""


def findings(record: Record) -> dict[str, Finding]:
    """Condition -> what an auditor reads first; everything follows from the record's counts.

    Args:
        record: with at least one condition.
    """
    return {name: _finding(condition, record.data.classes) for name, condition in record.conditions.items()}


def _finding(condition: ConditionRecord, classes: list[str]) -> Finding:
    correct, total = np.array(condition.class_correct), np.array(condition.class_total)
    lows, highs = wilson_interval(correct, total)
    of_class = [
        ClassFinding(
            name=name,
            correct=int(correct[c]),
            total=int(total[c]),
            accuracy=float(correct[c] / total[c]),
            low=float(lows[c]),
            high=float(highs[c]),
        )
        for c, name in enumerate(classes)
    ]
    ordered = sorted(of_class, key=lambda finding: finding.accuracy)
    low, high = wilson_interval(int(correct.sum()), int(total.sum()))
    worst_low, worst_high = lowest_interval(correct, total)
    return Finding(
        average=condition.average,
        average_low=float(low),
        average_high=float(high),
        weakest=ordered[:_WEAKEST],
        worst_low=float(worst_low),
        worst_high=float(worst_high),
        strongest=ordered[-1],
        not_told_apart=[other.name for other in ordered[1:] if _p_value(ordered[0], other) >= 0.05],
        confusions=_largest_confusions(np.array(condition.confusion), classes),
    )


def _p_value(first: ClassFinding, second: ClassFinding) -> float:
    table = [[each.correct, each.total - each.correct] for each in (first, second)]
    return float(fisher_exact(table).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def _largest_confusions(confusion: np.ndarray, classes: list[str]) -> list[Confusion]:
    totals, mistakes = confusion.sum(axis=1), confusion.copy()
    np.fill_diagonal(mistakes, 0)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:_CONFUSIONS]
    pairs = [divmod(int(position), len(classes)) for position in order]
    return [
        Confusion(
            true=classes[true],
            answered=classes[answered],
            images=int(mistakes[true, answered]),
            share=float(mistakes[true, answered] / totals[true]),
        )
        for true, answered in pairs
        if mistakes[true, answered]
    ]
