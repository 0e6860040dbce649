"""Two methods in words: whether their difference is more than chance, by paired tests on the images that both saw."""

from __future__ import annotations

from collections.abc import Sequence

from fairbench.leaderboard.comparison import PairedTest, adjusted, compare_average, compare_weakest
from fairbench.leaderboard.outcomes import Outcomes, read_outcomes
from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.records import Run
from fairbench.report.wording import condition_title, percent, points

_QUESTIONS = {
    "average": "on average",
    "worst": "for the weakest class",
    "worst_tenth": "for the weakest tenth of classes",
}


def compare_words(pair: tuple[Entry, Entry], condition: str, runs: Sequence[Run]) -> tuple[str, ...]:
    """A sentence for the average and one for the weakest classes; why not, where the answers are not there.

    Args:
        pair: two entries of one group.
        condition: the name of the condition.
        runs: where their records were read.

    Raises:
        UsageError: if answers are damaged or contradict their record.
    """
    found = [_outcomes(entry, condition, runs) for entry in pair]
    first, second = found
    if first is None or second is None:
        return (
            "Whether the two differ by more than chance was not tested: their answers image by image are not here.",
        )
    try:
        tests = adjusted([compare_average(first, second), compare_weakest(first, second)])
    except ValueError as error:
        return (f"Whether the two differ by more than chance was not tested: {error}.",)
    names = pair[0].record.method, pair[1].record.method
    return tuple(_sentence(test, names, condition) for test in tests)


def _outcomes(entry: Entry, condition: str, runs: Sequence[Run]) -> Outcomes | None:
    own = {id(record) for record in entry.records}
    return read_outcomes([run for run in runs if id(run.record) in own], condition)


def _sentence(test: PairedTest, names: tuple[str, str], condition: str) -> str:
    verdict = "more than chance" if test.is_told_apart else "not told apart from chance"
    return (
        f"Under {condition_title(condition)} {_QUESTIONS[test.metric]}: {names[0]} {percent(test.first)} %, "
        f"{names[1]} {percent(test.second)} %, a difference of {points(test.first - test.second)} points, {verdict} "
        f"(paired test, p = {test.adjusted:.2g} after Holm over both questions; {names[0]} alone is right on "
        f"{test.only_first:,} images, {names[1]} alone on {test.only_second:,})."
    )
