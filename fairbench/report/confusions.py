"""Which class is taken for which: the whole matrix where it is small, else the most frequent mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.weakest import largest_mistakes
from fairbench.protocol.record import ConditionRecord
from fairbench.report.class_tables import FEW_CLASSES
from fairbench.report.scales import heat_step
from fairbench.report.wording import percent

_MOST_MISTAKES = 20


@dataclass(frozen=True, kw_only=True)
class ConfusionCell:
    """Images of one class that got one answer."""

    count: int
    text: str
    """share of the class, percent."""
    step: int


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One class taken for another."""

    true: str
    answer: str
    count: int
    share: str


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Where the images of each class went."""

    classes: tuple[str, ...]
    rows: tuple[tuple[str, tuple[ConfusionCell, ...]], ...]
    """true class and the answers of its images; empty where there are many classes."""
    mistakes: tuple[Mistake, ...]
    """the most frequent ones, where there are many classes."""


def confusion_of(condition: ConditionRecord, classes: Sequence[str]) -> Confusion:
    """The confusion of a condition."""
    if len(classes) > FEW_CLASSES:
        return Confusion(classes=tuple(classes), rows=(), mistakes=_mistakes(condition, classes))
    rows = []
    for name, row, total in zip(classes, condition.confusion, condition.class_total, strict=True):
        shares = [count / max(total, 1) for count in row]
        cells = [
            ConfusionCell(count=count, text=percent(share), step=heat_step(share))
            for count, share in zip(row, shares, strict=True)
        ]
        rows.append((name, tuple(cells)))
    return Confusion(classes=tuple(classes), rows=tuple(rows), mistakes=())


def _mistakes(condition: ConditionRecord, classes: Sequence[str]) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(true=classes[one.true], answer=classes[one.answer], count=one.count, share=percent(one.share))
        for one in largest_mistakes(condition, most=_MOST_MISTAKES)
    )
