"""Two rows side by side under every condition they share, with the answer in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fairbench.errors import UsageError
from fairbench.leaderboard.comparison import PairedTest, adjusted, compare_average, compare_weakest
from fairbench.leaderboard.gains import Gain, average_gain, weakest_gain
from fairbench.leaderboard.outcomes import read_outcomes
from fairbench.leaderboard.ranking import RANKING_CONDITION, group_of
from fairbench.leaderboard.records import Run
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.corruptions import is_corruption

_MEANING = {
    "average": "on average",
    "worst": "in the worst class",
    "worst_tenth": "in the weakest tenth of the classes",
}


@dataclass(frozen=True, kw_only=True)
class DuelRow:
    """The two tests under one condition."""

    condition: str
    images: int
    average: PairedTest
    weakest: PairedTest
    average_gain: Gain
    weakest_gain: Gain
    """by how much the first method is ahead, with 95 % intervals that are not adjusted for the number of tests."""


@dataclass(frozen=True, kw_only=True)
class Duel:
    """A comparison of two methods."""

    first: str
    second: str
    seeds: tuple[int, int]
    """how many networks stand behind each."""
    rows: tuple[DuelRow, ...]
    """p-values adjusted (Holm) over all tests of the duel."""
    classes: tuple[str, ...]
    caution: str
    """why the two may not be comparable at all; empty if they are."""
    verdict: str
    """the answer, a sentence or two."""


def compare_runs(first: Sequence[Run], second: Sequence[Run], *, conditions: Collection[str] = ()) -> Duel:
    """Test two methods against each other on the same images.

    Args:
        first: the seeds of one method, at least one.
        second: those of the other.
        conditions: names; without any, those that both have, without corruptions where there are others, since the
            allowance for their number would hide any difference.

    Raises:
        UsageError: if the runs of one side are of different methods, the data differ, or nothing can be paired.
    """
    names = [_only_method(runs) for runs in (first, second)]
    records = first[0].record, second[0].record
    if records[0].data.fingerprint != records[1].data.fingerprint:
        raise UsageError(
            f"{names[0]} was evaluated on {records[0].data.name} and {names[1]} on {records[1].data.name}, or on other "
            "files of it; only answers to the same images can be paired"
        )
    rows = _rows(first, second, conditions)
    if not rows:
        raise UsageError(
            f"{names[0]} and {names[1]} share no condition with answers image by image; keep predictions.npz beside "
            "record.json, and evaluate both under the same attacks and images"
        )
    names = (
        [*names]
        if names[0] != names[1]
        else [f"{name} ({_place(runs)})" for name, runs in zip(names, (first, second), strict=True)]
    )
    groups = group_of(records[0]), group_of(records[1])
    return Duel(
        first=names[0],
        second=names[1],
        seeds=(len(first), len(second)),
        rows=tuple(rows),
        classes=tuple(records[0].data.classes),
        caution="" if groups[0] == groups[1] else _caution(groups[0].__dict__, groups[1].__dict__),
        verdict=_verdict(names, _deciding(rows)),
    )


def in_words(test: PairedTest, names: tuple[str, str], classes: Sequence[str]) -> str:
    """What a test found, a sentence.

    Args:
        test: one of a duel.
        names: of the two methods.
        classes: names of all classes.
    """
    ahead, behind = (0, 1) if test.first >= test.second else (1, 0)
    values = (test.first, test.second)
    numbers = f"{100 * values[ahead]:.1f} % against {100 * values[behind]:.1f} %"
    where = _MEANING[test.metric]
    if test.first_classes:
        chosen = (test.first_classes, test.second_classes)
        labels = [", ".join(classes[index] for index in one) for one in chosen]
        where += f" ({labels[0]})" if labels[0] == labels[1] else f" ({labels[ahead]}; {labels[behind]})"
    if test.is_told_apart:
        return f"{names[ahead]} is better {where}: {numbers}, p = {test.adjusted:.2g}"
    return f"no difference beyond chance {where}: {names[ahead]} {numbers}, p = {test.adjusted:.2g}"


def _rows(first: Sequence[Run], second: Sequence[Run], conditions: Collection[str]) -> list[DuelRow]:
    shared = [name for name in first[0].record.conditions if name in second[0].record.conditions]
    plain = [name for name in shared if not is_corruption(name)]
    shared = [name for name in shared if name in conditions] if conditions else plain or shared
    found = []
    for name in sorted(shared, key=lambda name: (list(CONDITIONS).index(name) if name in CONDITIONS else 99, name)):
        outcomes = read_outcomes(first, name), read_outcomes(second, name)
        if (
            outcomes[0] is None
            or outcomes[1] is None
            or outcomes[0].positions.tolist() != outcomes[1].positions.tolist()
        ):
            continue
        found.append((name, outcomes[0], outcomes[1]))
    together = adjusted([test(*both) for _, *both in found for test in (compare_average, compare_weakest)])
    return [
        DuelRow(
            condition=name,
            images=len(ours.labels),
            average=average,
            weakest=weakest,
            average_gain=average_gain(ours, theirs),
            weakest_gain=weakest_gain(ours, theirs),
        )
        for (name, ours, theirs), average, weakest in zip(found, together[::2], together[1::2], strict=True)
    ]


def _deciding(rows: Sequence[DuelRow]) -> DuelRow:
    """The row that ranks, else the last attack in the order of the tables."""
    return next((row for row in rows if row.condition == RANKING_CONDITION), rows[-1])


def _verdict(names: Sequence[str], row: DuelRow) -> str:
    under = f"under {row.condition}"
    for test in (row.weakest, row.average):
        if test.is_told_apart:
            better = names[0] if test.first > test.second else names[1]
            other = row.average if test is row.weakest else None
            against = other and other.is_told_apart and (other.first > other.second) != (test.first > test.second)
            cost = "; on average it is worse" if against else ""
            return f"{better} is better {_MEANING[test.metric]} {under}{cost}."
    return f"{names[0]} and {names[1]} cannot be told apart {under}, neither in the weakest classes nor on average."


def _only_method(runs: Sequence[Run]) -> str:
    methods = sorted({run.record.method for run in runs})
    if len(methods) > 1:
        raise UsageError(
            f"{runs[0].path.parents[1]} holds runs of {', '.join(methods)}; give one method's folder, or one seed's"
        )
    return methods[0]


def _place(runs: Sequence[Run]) -> str:
    folder = runs[0].path.parent
    return folder.name if len(runs) == 1 else folder.parent.name


def _caution(first: dict[str, object], second: dict[str, object]) -> str:
    differing = [f"{key} ({first[key]} / {second[key]})" for key in first if first[key] != second[key]]
    return f"These are of different groups and would not be ranked together: {', '.join(differing)}."
