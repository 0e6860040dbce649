"""Who ranks where: only like is compared with like, and what is not ranked says why.

The key is the accuracy of the worst class under AutoAttack (of the worst 10 % of the classes from 50 classes on), the
mean over seeds of each seed's value; ties are broken by the average under AutoAttack.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from fairbench.evaluation.records import record_sha256
from fairbench.metrics.accuracy import MANY_CLASSES
from fairbench.protocol.record import Record

RANKING_CONDITION = "aa"
RANKED_SELECTIONS = ("select", "last")


@dataclass(frozen=True, kw_only=True, order=True)
class Group:
    """What must be equal for two rows to be compared."""

    track: str
    protocol_version: int
    init: str
    teacher: str
    extra_data: str
    norm: str
    epsilon: float
    dataset: str
    fingerprint: str
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of a leaderboard: a method under one set of settings, with all its seeds."""

    group: Group
    records: tuple[Record, ...]
    """one per seed, in the order of the seeds."""
    rank: int | None = None
    """from 1 within the group, equal for entries that tie in both keys; None if the entry is not ranked."""
    reason: str = ""
    """why the entry is not ranked; empty if it is."""
    verified: bool | None = None
    """whether a maintainer verified the submission of every seed; None if some seed has no verdict."""

    @property
    def record(self) -> Record:
        """The first seed's record, for what all seeds share."""
        return self.records[0]


def rank(records: Iterable[Record], *, verified: Mapping[str, bool] | None = None) -> list[Entry]:
    """The entries of all groups: group by group, ranked ones first and in order, then the others by name.

    Args:
        records: one per run.
        verified: what verdicts say, by ``record_sha256``, as ``leaderboard.records.verified_records`` gives them.
    """
    entries = [_entry(same, verified or {}) for same in _gather(records)]
    ranked = [entry for group in _groups(entries) for entry in _ranked(group)]
    return sorted(ranked, key=lambda entry: (entry.group, entry.rank is None, entry.rank or 0, _name_key(entry)))


def group_of(record: Record) -> Group:
    """The group that a record is compared in."""
    return Group(
        track=record.track or "",
        protocol_version=record.protocol_version,
        init=record.init,
        teacher=_setting(record, "teacher"),
        extra_data=_setting(record, "extra_data"),
        norm=record.norm,
        epsilon=record.epsilon,
        dataset=record.data.name,
        fingerprint=record.data.fingerprint,
        classes=tuple(record.data.classes),
    )


def ranking_metric(num_classes: int) -> str:
    """The metric that ranks: ``worst``, or ``worst_tenth`` from 50 classes on."""
    return "worst_tenth" if num_classes >= MANY_CLASSES else "worst"


def ranking_key(records: Sequence[Record]) -> tuple[float, float]:
    """The two numbers that rank an entry, higher is better.

    Args:
        records: one per seed, each with AutoAttack.

    Returns:
        The mean over seeds of the worst class (worst 10 % from 50 classes on) and of the average, in [0, 1].
    """
    metric = ranking_metric(len(records[0].data.classes))
    conditions = [record.conditions[RANKING_CONDITION] for record in records]
    return fmean(getattr(one, metric) for one in conditions), fmean(one.average for one in conditions)


def reason_unranked(records: Sequence[Record]) -> str:
    """Why the entry of these records is not ranked, the gravest reason alone; empty if it is."""
    return next(filter(None, (reason(records) for reason in _REASONS)), "")


def _test_selected(records: Sequence[Record]) -> str:
    if records[0].selected_on != "test":
        return ""
    gains = [record.ledger.gain for record in records if record.ledger is not None and record.ledger.gain is not None]
    if not gains:
        return "the epoch was chosen on the test set"
    worst, average = (100 * fmean(getattr(gain, name) for gain in gains) for name in ("worst", "average"))
    return (
        f"the epoch was chosen on the test set, which bought {worst:+.1f} points of the worst class and "
        f"{average:+.1f} of the average"
    )


def _modified(records: Sequence[Record]) -> str:
    first = records[0]
    if first.protocol == "standard":
        return ""
    return "departs from the track: " + ("; ".join(first.departures) or "modified protocol")


def _unknown_selection(records: Sequence[Record]) -> str:
    return "" if records[0].selected_on in RANKED_SELECTIONS else "it is not known how the epoch was chosen"


def _masked(records: Sequence[Record]) -> str:
    for record in records:
        if record.masking is not None and record.masking.flagged:
            return "its gradients look masked: " + record.masking.in_words(record.data.classes)
    return ""


def _not_attacked(records: Sequence[Record]) -> str:
    lacking = [record for record in records if RANKING_CONDITION not in record.conditions]
    if not lacking:
        return ""
    return "AutoAttack has not been run" + (f" for {_seeds_of(lacking)}" if len(records) > 1 else "")


def _ambiguous(records: Sequence[Record]) -> str:
    if len({record.seed for record in records}) == len(records):
        return ""
    return "two different runs claim the same seed; remove one of them"


_REASONS = (_test_selected, _modified, _unknown_selection, _masked, _not_attacked, _ambiguous)


def _gather(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """Records that differ only in their seed, together; the same run in two places counts once."""
    gathered: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        epochs = record.training.epochs if record.training else None
        key = (group_of(record), record.method, record.protocol, tuple(record.departures), record.selected_on, epochs)
        if record not in gathered[key]:
            gathered[key].append(record)
    return [tuple(sorted(same, key=_seed_key)) for same in gathered.values()]


def _entry(records: tuple[Record, ...], verified: Mapping[str, bool]) -> Entry:
    verdicts = [verified.get(record_sha256(record)) for record in records] if verified else [None]
    return Entry(
        group=group_of(records[0]),
        records=records,
        reason=reason_unranked(records),
        verified=False if False in verdicts else None if None in verdicts else True,
    )


def _groups(entries: list[Entry]) -> list[list[Entry]]:
    groups: dict[Group, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.group].append(entry)
    return list(groups.values())


def _ranked(entries: list[Entry]) -> list[Entry]:
    """The entries of one group with their ranks: one more than the number of entries with a better key."""
    keys = [ranking_key(entry.records) for entry in entries if not entry.reason]
    return [
        entry if entry.reason else replace(entry, rank=1 + sum(key > ranking_key(entry.records) for key in keys))
        for entry in entries
    ]


def _setting(record: Record, name: str) -> str:
    value = record.training.config.get(name) if record.training else None
    return "" if value is None else str(value)


def _seeds_of(records: Sequence[Record]) -> str:
    return "seed " + ", ".join("unknown" if record.seed is None else str(record.seed) for record in records)


def _seed_key(record: Record) -> tuple[int, str]:
    return -1 if record.seed is None else record.seed, record.model.weights_sha256


def _name_key(entry: Entry) -> tuple[str, str, str]:
    return entry.record.method, entry.reason, entry.record.model.weights_sha256
