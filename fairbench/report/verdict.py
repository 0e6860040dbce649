"""One run in words: how its weakest class fares, whether that is more than chance, and what it is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.extremes import lowest_interval
from fairbench.leaderboard.intervals import wilson_interval
from fairbench.leaderboard.weakest import indistinguishable_from_worst, weakest_first
from fairbench.protocol.record import ConditionRecord
from fairbench.report.wording import class_title, condition_title, listed, percent, percent_range

_MOST_NAMED = 6


@dataclass(frozen=True, kw_only=True)
class WeakClass:
    """One of the weakest classes."""

    name: str
    accuracy: str
    interval: str
    count: str
    taken_for: str
    """the answers that its images get instead, most frequent first."""


def weakest_classes(condition: ConditionRecord, classes: Sequence[str], *, most: int = 5) -> tuple[WeakClass, ...]:
    """The classes with the lowest accuracy, the lowest first."""
    return tuple(_weak_class(condition, classes, c) for c in weakest_first(condition)[:most])


def in_words(name: str, condition: ConditionRecord, classes: Sequence[str]) -> tuple[str, ...]:
    """What a condition says about a model, a sentence each.

    Args:
        name: of the condition.
        condition: its counts.
        classes: K names.
    """
    correct, total = condition.class_correct, condition.class_total
    worst, images = condition.worst_class, sum(total)
    low, high = lowest_interval(*zip(*((correct[c], total[c]) for c in weakest_first(condition)), strict=True))
    gap = 100 * (condition.average - condition.worst)
    sentences = [
        f"Under {condition_title(name)} it answers {percent(condition.average)} % of {images:,} images correctly "
        f"(95 % interval {_interval(sum(correct), images)}).",
        f"The class that fares worst is {class_title(classes[worst])}: {percent(condition.worst)} % of its "
        f"{total[worst]:,} images ({percent_range((float(low), float(high)))}, allowing for the choice of the lowest), "
        f"{gap:.1f} points below the average.",
    ]
    rivals = indistinguishable_from_worst(condition)
    if rivals:
        named = listed((class_title(classes[c]) for c in rivals), most=_MOST_NAMED)
        sentences.append(
            f"So many images do not settle which class is the weakest: by Fisher's exact tests (Holm, 5 %) it may as "
            f"well be {named}."
        )
    else:
        sentences.append(
            "No other class is as weak: each is better by more than chance, by Fisher's exact tests (Holm, 5 %)."
        )
    return tuple(sentences)


def _weak_class(condition: ConditionRecord, classes: Sequence[str], c: int) -> WeakClass:
    correct, total, row = condition.class_correct[c], condition.class_total[c], condition.confusion[c]
    answers = sorted((k for k, count in enumerate(row) if count and k != c), key=lambda k: -row[k])
    return WeakClass(
        name=classes[c],
        accuracy=percent(correct / total),
        interval=_interval(correct, total),
        count=f"{correct:,} of {total:,}",
        taken_for=", ".join(f"{class_title(classes[k])} ({percent(row[k] / total)} %)" for k in answers[:3]),
    )


def _interval(correct: int, total: int) -> str:
    low, high = wilson_interval(correct, total)
    return percent_range((float(low), float(high)))
