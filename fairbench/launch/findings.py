"""What an auditor wants to know: which classes are the weakest, how sure that is, and what they are taken for."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from fairbench.leaderboard.extremes import lowest_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.weakest import indistinguishable_from_worst, largest_mistakes, weakest_first
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
    """classes that may be as weak as the weakest one: see ``indistinguishable_from_worst``."""
    confusions: list[Confusion]
    """the largest off-diagonal entries of the confusion matrix."""


def findings(record: Record) -> dict[str, Finding]:
    """Condition -> what an auditor reads first; everything follows from the record's counts.

    Args:
        record: with at least one condition.
    """
    return {name: _finding(condition, record.data.classes) for name, condition in record.conditions.items()}


def _finding(condition: ConditionRecord, classes: list[str]) -> Finding:
    order = weakest_first(condition)
    correct, total = (np.array(counts)[order] for counts in (condition.class_correct, condition.class_total))
    low, high = wilson_interval(int(correct.sum()), int(total.sum()))
    worst_low, worst_high = lowest_interval(correct, total)
    return Finding(
        average=condition.average,
        average_low=float(low),
        average_high=float(high),
        weakest=[_class_finding(condition, classes, c) for c in order[:_WEAKEST]],
        worst_low=float(worst_low),
        worst_high=float(worst_high),
        strongest=_class_finding(condition, classes, order[-1]),
        not_told_apart=[classes[c] for c in indistinguishable_from_worst(condition)],
        confusions=[
            Confusion(true=classes[one.true], answered=classes[one.answer], images=one.count, share=one.share)
            for one in largest_mistakes(condition, most=_CONFUSIONS)
        ],
    )


def _class_finding(condition: ConditionRecord, classes: list[str], c: int) -> ClassFinding:
    correct, total = condition.class_correct[c], condition.class_total[c]
    low, high = wilson_interval(correct, total)
    return ClassFinding(
        name=classes[c], correct=correct, total=total, accuracy=correct / total, low=float(low), high=float(high)
    )
