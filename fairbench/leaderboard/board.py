"""Which ranks the data supports: rank intervals and tie groups from paired tests of all pairs on a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import t as student

from fairbench.leaderboard.comparison import compare_weakest, weakest_by_seed
from fairbench.leaderboard.outcomes import Outcomes, read_outcomes
from fairbench.leaderboard.paired import holm
from fairbench.leaderboard.ranking import RANKING_CONDITION, Entry
from fairbench.leaderboard.records import Run

SPLIT_SIGNIFICANCE = 0.02
"""Stricter than a single comparison, so that two seeds of one method share a rank in well over 19 of 20 reruns."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What may be said of one ranked entry's place."""

    entry: Entry
    ranks: tuple[int, int]
    """the best and the worst rank that the tests leave open."""
    groups: str
    """letters; two entries that share one cannot be told apart."""
    is_tested: bool
    """False where its answers image by image are not there, so that it is told apart from nobody."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """The ranked entries of one group with the ranks that the data supports."""

    standings: tuple[Standing, ...]
    """in the order of their ranks."""
    p_values: Mapping[tuple[int, int], float]
    """(i, j), i < j, places in ``standings`` -> the p-value after Holm over all pairs."""
    note: str
    """how it was tested, a sentence or two for people."""


def board_of(entries: Sequence[Entry], runs: Sequence[Run]) -> Board:
    """Test every pair of ranked entries of one group against each other.

    Args:
        entries: of one group, as ``rank`` gives them; those without a rank are left out.
        runs: where the entries' records were read from, so that their predictions are found.

    Raises:
        UsageError: if predictions are damaged or contradict their record.
    """
    ranked = [entry for entry in entries if entry.rank is not None]
    where = {id(run.record): run for run in runs}
    found = [_outcomes(entry, where) for entry in ranked]
    p_values = pairwise_p_values([one for one in found if one is not None])
    tested = [place for place, one in enumerate(found) if one is not None]
    by_place = {(tested[i], tested[j]): p for (i, j), p in p_values.items()}
    intervals, groups = rank_intervals(len(ranked), by_place), tie_groups(len(ranked), by_place)
    return Board(
        standings=tuple(
            Standing(entry=entry, ranks=ranks, groups=letters, is_tested=one is not None)
            for entry, ranks, letters, one in zip(ranked, intervals, groups, found, strict=True)
        ),
        p_values=by_place,
        note=_note(found),
    )


def pairwise_p_values(outcomes: Sequence[Outcomes]) -> dict[tuple[int, int], float]:
    """The p-value of each pair (i, j), i < j, after Holm over all pairs.

    A pair differs only if it passes on the images (exact, paired) and, as soon as any entry has a second seed, against
    the scatter of seeds, pooled over all entries: two seeds of one method are two different networks.
    """
    by_seed = [weakest_by_seed(one) for one in outcomes]
    freedom = sum(len(values) - 1 for values in by_seed)
    pooled = sum(((values - values.mean()) ** 2).sum() for values in by_seed) / freedom if freedom else None
    pairs = list(combinations(range(len(outcomes)), 2))
    p_values = []
    for i, j in pairs:
        p = compare_weakest(outcomes[i], outcomes[j]).p_value
        if pooled:
            spread = np.sqrt(pooled * (1 / len(by_seed[i]) + 1 / len(by_seed[j])))
            p = max(p, 2 * float(student.sf(abs(by_seed[i].mean() - by_seed[j].mean()) / spread, freedom)))
        p_values.append(p)
    return dict(zip(pairs, holm(p_values), strict=True))


def rank_intervals(count: int, p_values: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The ranks left open for each place 0..count-1, where lower places are better.

    Args:
        count: how many entries there are.
        p_values: of pairs (i, j), i < j; a pair that is not there was not tested.
    """
    better = [
        sum((i, place) in p_values and p_values[i, place] < SPLIT_SIGNIFICANCE for i in range(count))
        for place in range(count)
    ]
    worse = [
        sum((place, j) in p_values and p_values[place, j] < SPLIT_SIGNIFICANCE for j in range(count))
        for place in range(count)
    ]
    return [(1 + above, count - below) for above, below in zip(better, worse, strict=True)]


def tie_groups(count: int, p_values: Mapping[tuple[int, int], float]) -> list[str]:
    """The letters of each place: the longest runs of places of which no two are told apart share one.

    Args:
        count: how many entries there are.
        p_values: as in :func:`rank_intervals`.
    """
    reach = [_reach(start, count, p_values) for start in range(count)]
    runs = [(start, end) for start, end in enumerate(reach) if start == 0 or reach[start - 1] < end]
    return [
        "".join(_letter(number) for number, (start, end) in enumerate(runs) if start <= place < end)
        for place in range(count)
    ]


def _reach(start: int, count: int, p_values: Mapping[tuple[int, int], float]) -> int:
    """One past the last place that can join a run from ``start``."""
    for end in range(start + 1, count):
        if any(p_values.get((i, end), 1.0) < SPLIT_SIGNIFICANCE for i in range(start, end)):
            return end
    return count


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26) + "'" * (number // 26)


def _outcomes(entry: Entry, where: Mapping[int, Run]) -> Outcomes | None:
    runs = [where[id(record)] for record in entry.records if id(record) in where]
    return read_outcomes(runs, RANKING_CONDITION) if len(runs) == len(entry.records) else None


def _note(found: Sequence[Outcomes | None]) -> str:
    tested = [one for one in found if one is not None]
    if len(tested) < 2:
        return "No two methods have their answers image by image here, so no difference was tested."
    how = "Paired exact tests of the worst class on the same images, Holm over all pairs, 2 %."
    if all(len(one.correct) == 1 for one in tested):
        return f"{how} One seed each: another seed may turn a difference round."
    return f"{how} A difference must also exceed the scatter of seeds, pooled over all methods."
