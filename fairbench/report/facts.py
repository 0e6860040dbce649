"""What to see first: who is best for the weakest class and on average, whether the lead is real, and its price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.leaderboard.ranking import Entry, ranking_metric
from fairbench.report.baseline import baseline_of
from fairbench.report.cells import training_seconds
from fairbench.report.places import Places
from fairbench.report.values import mean_value
from fairbench.report.wording import condition_title, count, percent, points


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What to see first."""

    question: str
    answer: str
    """methods; empty where the words say all."""
    words: str


def facts_of(entries: Sequence[Entry], condition: str, places: Places) -> tuple[Fact, ...]:
    """The facts of the ranked entries of one group under a condition; none if nothing is ranked."""
    ranked = [entry for entry in entries if entry.rank is not None]
    if not ranked:
        return ()
    weakest = ranking_metric(len(ranked[0].record.data.classes))
    found = (
        _best(ranked, condition, weakest, f"Best for the weakest {'class' if weakest == 'worst' else 'classes'}"),
        _best(ranked, condition, "average", "Best on average"),
        _reality(ranked, places),
        _price(ranked, condition, weakest),
    )
    return tuple(fact for fact in found if fact is not None)


def _best(ranked: Sequence[Entry], condition: str, metric: str, question: str) -> Fact | None:
    found = [(mean_value(entry, condition, metric), entry.record.method) for entry in ranked]
    scores = [(value, method) for value, method in found if value is not None]
    if not scores:
        return None
    top = max(value for value, _ in scores)
    winners = ", ".join(method for value, method in scores if value == top)
    return Fact(question=question, answer=winners, words=f"{percent(top)} % under {condition_title(condition)}")


def _reality(ranked: Sequence[Entry], places: Places) -> Fact | None:
    """How many of the others are told apart from the first."""
    if places.standing(ranked[0]) is None or len(ranked) < 2:
        return None
    tied = [entry.record.method for entry in ranked[1:] if places.ties_with_first(entry)]
    others = len(ranked) - 1
    if not tied:
        words = f"told apart from {'the other' if others == 1 else f'all {others} others'}"
    elif len(tied) == others:
        words = f"not told apart from {'the other' if others == 1 else f'any of {others} others'}"
    else:
        words = f"told apart from {others - len(tied)} of {count(others, 'other')}, not from {tied[0]}"
    return Fact(question="Is the lead real", answer="", words=words)


def _price(ranked: Sequence[Entry], condition: str, weakest: str) -> Fact | None:
    """What the first gains and loses against the baseline, and how much longer it trains."""
    first, baseline = ranked[0], baseline_of(ranked)
    if baseline is None:
        return None
    changes = []
    for metric, name in ((weakest, "weakest"), ("average", "average")):
        here, there = mean_value(first, condition, metric), mean_value(baseline, condition, metric)
        if here is not None and there is not None:
            changes.append(f"{points(here - there)} {name}")
    here, there = training_seconds(first), training_seconds(baseline)
    if here and there:
        changes.append(f"{here / there:.1f} times the training")
    if not changes:
        return None
    return Fact(question=f"At what price, against {baseline.record.method}", answer="", words=", ".join(changes))
