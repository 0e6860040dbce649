"""Which of the papers' claims hold on a published board: differences with intervals, ties, and what a seed decides.

    python -m benchmarks.findings reports/boards/fmnist

Reads the records of the board and their answers image by image; nothing is trained or attacked.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from scipy.stats import kendalltau

from fairbench.evaluation import corruption_means
from fairbench.leaderboard.board import board_of
from fairbench.leaderboard.duel import DuelRow, compare_runs
from fairbench.leaderboard.gains import Gain
from fairbench.leaderboard.ranking import Entry, group_of, rank, ranking_key
from fairbench.leaderboard.records import RECORDS_FOLDER, Run, load_runs
from fairbench.protocol.conditions import is_battery_departure
from fairbench.protocol.corruptions import FAMILY, is_corruption
from fairbench.protocol.record import Record


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something that papers say, as differences that would show it."""

    title: str
    pairs: tuple[tuple[str, str], ...]
    """(a method, what it is held against); a departure from the track is part of the name."""
    conditions: tuple[str, ...] = ("pgd20", "aa")


CLAIMS = (
    Claim(
        title="Two epochs of FAAL lift the worst class",
        pairs=(
            *(("faal", f"base:{name}") for name in ("pgd_at", "n-fgsm")),
            ("faal", "pgd_at"),
            ("faal@trades", "trades"),
            *(("pgd_at", f"base:{name}") for name in ("pgd_at", "n-fgsm")),
        ),
        conditions=("clean", "fgsm", "pgd20", "aa"),
    ),
    Claim(
        title="FRL needs its long schedule", pairs=(("frl", "base:pgd_at"), ("frl", "faal"), ("frl", "frl, 2 epochs"))
    ),
    Claim(
        title="What longer training alone gives",
        pairs=(
            *((f"pgd_at, {epochs} epochs", "pgd_at") for epochs in (5, 10)),
            *((name, "pgd_at, 5 epochs") for name in ("wat", "trix")),
            ("frl", "pgd_at, 10 epochs"),
        ),
    ),
    Claim(
        title="Reweighting against margins, in FRL",
        pairs=(("frl?variant=rw", "frl?variant=rm"), ("frl", "frl?variant=rw"), ("frl", "frl?variant=rm")),
    ),
    Claim(
        title="FAIR-TAT carries over to attacks and corruptions that training has not seen",
        pairs=(("fair_tat", "pgd_at"), ("fair_tat", "trades")),
        conditions=("clean", "pgd20", "aa", "square", f"{FAMILY}.fairtat18"),
    ),
    Claim(
        title="Temperatures by class, in ABSLD",
        pairs=(("absld", "rslad"), ("fair_rslad", "rslad"), ("absld", "fair_rslad")),
    ),
    Claim(
        title="Other fixes, against PGD-AT",
        pairs=tuple((name, "pgd_at") for name in ("wat", "dafa", "cfa", "fairly_at", "spectral", "head_norm", "trix")),
        conditions=("aa",),
    ),
    Claim(
        title="FAAL's maximisation: the paper's class means, and the sums over samples of the public code",
        pairs=(("faal", "faal?objective=sample_sum"), ("faal", "faal?divergence=kl")),
    ),
    Claim(
        title="An epoch chosen on the test images",
        pairs=tuple((f"{name}, chosen on test", name) for name in ("pgd_at", "trades", "faal", "frl", "cfa")),
    ),
)

_PLAIN = {"schedule.epochs": "{} epochs", "selection.rule": "chosen on {}"}


def name_of(record: Record) -> str:
    """The written form, and in words what departs from the track in training."""
    # Conditions that a run lacks are no lines of a comparison.
    parts = [line.partition(" = ") for line in record.departures if not is_battery_departure(line)]
    words = [
        _PLAIN[key].format(rest.partition(" instead of ")[0]) if key in _PLAIN else f"{key} = {rest}"
        for key, _, rest in parts
    ]
    return ", ".join([record.method, *words])


def runs_by_name(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The seeds of each row of a board."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.record.seed or 0):
        found.setdefault(name_of(run.record), []).append(run)
    return found


def lines_of_claim(claim: Claim, rows: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    """A claim's differences in points, with 95 % intervals over images, and p-values after Holm within a pair."""
    for first, second in claim.pairs:
        if first not in rows or second not in rows:
            continue
        seeds = f"{len(rows[first])} and {len(rows[second])} networks"
        yield f"  {first} less {second} ({seeds})"
        duel = {row.condition: row for row in compare_runs(rows[first], rows[second], conditions=claim.conditions).rows}
        for name in claim.conditions:
            if is_corruption(name):
                yield from _corruption_lines(name, rows[first], rows[second])
            elif name in duel:
                yield _difference(duel[name])


def _difference(row: DuelRow) -> str:
    worst, average = (
        f"{_points(gain)}{'*' if test.is_told_apart else ' '}"
        for gain, test in ((row.weakest_gain, row.weakest), (row.average_gain, row.average))
    )
    levels = f"{100 * row.weakest.second:4.1f} to {100 * row.weakest.first:4.1f}"
    return f"    {row.condition:<12} worst {levels}  {worst}   average {average}"


def _points(gain: Gain) -> str:
    return f"{100 * gain.value:+5.1f} [{100 * gain.low:+5.1f}, {100 * gain.high:+5.1f}]"


def _corruption_lines(group: str, first: Sequence[Run], second: Sequence[Run]) -> Iterator[str]:
    """Means over the types of a group, seed by seed; there is no paired test of a mean over types."""
    means = [[corruption_means(run.record.conditions).get(group) for run in runs] for runs in (first, second)]
    found = [[one for one in side if one is not None] for side in means]
    if all(found):
        texts = [
            f"{word} "
            + " to ".join(_mean_and_spread([100 * getattr(one, metric) for one in side]) for side in found[::-1])
            for word, metric in (("worst", "worst"), ("average", "average"))
        ]
        yield f"    {FAMILY:<12} {'   '.join(texts)}"


def _mean_and_spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def lines_of_ties(entries: Sequence[Entry], runs: Sequence[Run]) -> Iterator[str]:
    """Each group's ranked rows with the ranks that tests leave open and their letters."""
    for group in dict.fromkeys(entry.group for entry in entries):
        board = board_of([entry for entry in entries if entry.group == group], runs)
        if len(board.standings) < 2:
            continue
        yield f"  start {group.init}" + (f", teacher {group.teacher}" if group.teacher else "")
        for standing in board.standings:
            worst, average = ranking_key(standing.entry.records)
            yield (
                f"    {standing.entry.rank:>3}  {standing.ranks[0]:>2}-{standing.ranks[1]:<3} {standing.groups:<8}"
                f"{standing.entry.record.method:<28} worst {100 * worst:4.1f}   average {100 * average:4.1f}"
            )


def lines_of_seeds(entries: Sequence[Entry]) -> Iterator[str]:
    """How the order by each seed alone agrees with the order by all seeds, in the largest group."""
    several = [entry for entry in entries if entry.rank is not None and len(entry.records) > 1]
    groups = [[one for one in several if one.group == group] for group in {entry.group for entry in several}]
    group = max(groups, key=len, default=[])
    seeds = sorted({record.seed for entry in group for record in entry.records if record.seed is not None})
    complete = [entry for entry in group if [record.seed for record in entry.records] == seeds]
    if len(complete) < 3:
        return
    everything = [ranking_key(entry.records) for entry in complete]
    spreads = [stdev(100 * ranking_key([record])[0] for record in entry.records) for entry in complete]
    yield f"  {len(complete)} rows with the seeds {', '.join(map(str, seeds))}"
    yield f"  worst class from seed to seed: standard deviation {fmean(spreads):.1f} points, at most {max(spreads):.1f}"
    for place, seed in enumerate(seeds):
        alone = [ranking_key([entry.records[place]]) for entry in complete]
        moves = np.abs(_places(alone) - _places(everything))
        tau = float(np.asarray(kendalltau(_places(alone), _places(everything)))[0])
        yield (
            f"  seed {seed} alone: tau {tau:.2f} with the order by all, a row moves {moves.mean():.1f} places, "
            f"at most {moves.max()} ({complete[int(moves.argmax())].record.method})"
        )


def _places(keys: Sequence[tuple[float, float]]) -> np.ndarray:
    order = sorted(range(len(keys)), key=lambda index: keys[index], reverse=True)
    places = np.empty(len(keys), dtype=int)
    places[order] = np.arange(1, len(keys) + 1)
    return places


def findings(board: Path) -> Iterator[str]:
    """All that a board's records say on the claims, line by line.

    Args:
        board: a folder with ``records/``.

    Raises:
        UsageError: if records or answers are missing or damaged.
    """
    runs = load_runs(board / RECORDS_FOLDER)
    rows, entries = runs_by_name(runs), rank(run.record for run in runs)
    networks = f"{len(rows)} rows, {len(runs)} networks"
    yield f"{group_of(runs[0].record).track}: {networks}; points, [95 % over images], * more than chance"
    parts = {
        **{claim.title: lines_of_claim(claim, rows) for claim in CLAIMS},
        "Ranks by the worst class under AutoAttack, those that tests leave open, and ties by letter": lines_of_ties(
            entries, runs
        ),
        "One seed against all seeds": lines_of_seeds(entries),
    }
    for title, part in parts.items():
        if lines := list(part):
            yield from ("", title, *lines)


def main() -> None:
    """Print the findings of one board."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path, help="a published board: the folder that holds records/")
    for line in findings(parser.parse_args().board):
        print(line.rstrip())


if __name__ == "__main__":
    main()
