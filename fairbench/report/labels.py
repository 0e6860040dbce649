"""What a reader must know before the numbers: data, radius, network, how many images, seeds and which code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from fairbench.leaderboard.ranking import Entry, Group
from fairbench.leaderboard.summary import condition_names
from fairbench.report.corruptions import is_single
from fairbench.report.standings import SELECTIONS
from fairbench.report.wording import condition_title, count, listed, radius

Labels = tuple[tuple[str, str], ...]
_MOST = 4
"""A label names so many different networks, versions or commits; the details of each run have its own."""


def page_labels(entries: Sequence[Entry]) -> Labels:
    """The facts of a page, each with its name."""
    records = [record for entry in entries for record in entry.records]
    classes = listed(len(record.data.classes) for record in records)
    return (
        ("Data", f"{listed((record.data.name for record in records), most=_MOST)}, {classes} classes"),
        ("Perturbation", f"L\u221e, \u03b5 = {listed(radius(record.epsilon) for record in records)}"),
        ("Network", listed((record.model.architecture for record in records), most=_MOST)),
        ("Start", listed((record.init for record in records), most=_MOST)),
        ("Runs", f"{count(len(records), 'run')} in {count(len(entries), 'row')}"),
        ("Test images", _images(entries)),
        ("Selection", "; ".join(dict.fromkeys(SELECTIONS[record.selected_on] for record in records))),
        ("Seeds", _seeds(entries)),
        ("Code", _code(entries)),
    )


def group_heading(group: Group) -> str:
    """What the rows of a group share, so that two groups of a page never read the same."""
    parts = [f"Start: {group.init}"]
    if group.teacher:
        parts.append(f"teacher {group.teacher}")
    if group.extra_data:
        parts.append(f"extra data {group.extra_data}")
    return ", ".join([*parts, f"radius {radius(group.epsilon)}", f"data {group.dataset} {group.fingerprint[:8]}"])


def _images(entries: Sequence[Entry]) -> str:
    """How many images each condition saw, conditions with equal numbers together."""
    conditions: dict[str, list[str]] = defaultdict(list)
    for name in condition_names(entries):
        seen = {
            sum(record.conditions[name].class_total)
            for entry in entries
            for record in entry.records
            if name in record.conditions
        }
        conditions[" or ".join(f"{number:,}" for number in sorted(seen))].append(name)
    if len(conditions) == 1:
        return f"{next(iter(conditions))} under every condition"
    return "; ".join(f"{number} for {', '.join(_titles(names))}" for number, names in conditions.items())


def _titles(names: Sequence[str]) -> list[str]:
    """The conditions in words; single corruptions, of which there may be 95, as one."""
    single = sum(is_single(name) for name in names)
    titles = [condition_title(name) for name in names if not is_single(name)]
    return [*titles, f"each of {count(single, 'corruption')}"] if single else titles


def _seeds(entries: Sequence[Entry]) -> str:
    most = max(len(entry.records) for entry in entries)
    if most == 1:
        return "one per row; how much another seed would change is not measured"
    fewest = min(len(entry.records) for entry in entries)
    number = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{number} per row; a number is the mean over them"


def _code(entries: Sequence[Entry]) -> str:
    environments = [record.environment for entry in entries for record in entry.records]
    versions = listed((f"fairbench {one.fairbench}" for one in environments), most=_MOST)
    commits = {one.git_commit for one in environments}
    known = sorted(_short_commit(commit) for commit in commits if commit)
    named = [f"commit {listed(known, most=_MOST)}"] if known else []
    if None in commits:
        named.append("commit not recorded for some runs" if known else "commit not recorded")
    return ", ".join([versions, *named])


def _short_commit(commit: str) -> str:
    """The first ten digits, and whether the code had changes that no commit holds."""
    digits, _, suffix = commit.partition("-")
    return f"{digits[:10]} with uncommitted changes" if suffix == "dirty" else digits[:10]
