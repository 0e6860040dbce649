"""The content of a track's page, put together from the entries of its leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from fairbench.leaderboard.ranking import Entry, Group, ranking_metric
from fairbench.leaderboard.summary import strongest_condition
from fairbench.protocol.track import load_track, track_names
from fairbench.report.class_tables import MAX_CELLS, ClassTable, class_table
from fairbench.report.details import RunDetails, run_details
from fairbench.report.figures import MAX_SERIES, class_figure, trade_off_figure
from fairbench.report.labels import Labels, page_labels
from fairbench.report.last_epoch import LastEpochTable, last_epoch_table
from fairbench.report.standings import Standings, shown_conditions, standings
from fairbench.report.wording import condition_meaning, condition_title, radius


@dataclass(frozen=True, kw_only=True)
class ClassView:
    """One condition class by class: figure and table."""

    name: str
    title: str
    meaning: str
    figure: Markup | None
    table: ClassTable | None
    """None where the page would become too large."""


@dataclass(frozen=True, kw_only=True)
class GroupView:
    """One group of comparable rows: everything between its heading and the next."""

    name: str
    """unique on the page, for anchors."""
    heading: str
    num_classes: int
    standings: Standings
    legend: tuple[str, ...]
    """the methods of the figures, in the order of their colours."""
    left_out: int
    """methods that the figures do not show."""
    trade_off: Markup | None
    accuracy: tuple[ClassView, ...]
    scores: ClassView
    last_epoch: LastEpochTable | None
    runs: tuple[RunDetails, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A track's page."""

    track: str
    title: str
    summary: str
    labels: Labels
    ranked_by: str
    groups: tuple[GroupView, ...]


def track_page(track: str, entries: Sequence[Entry]) -> Page:
    """The page of a track.

    Args:
        track: its name.
        entries: as ``ranking.rank`` orders them, at least one.
    """
    known = load_track(track) if track in track_names() else None
    groups = [(group, list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)]
    metric = ranking_metric(len(entries[0].record.data.classes))
    return Page(
        track=track,
        title=known.title if known else track,
        summary=known.summary if known else "",
        labels=page_labels(entries),
        ranked_by="the worst 10 % of the classes" if metric == "worst_tenth" else "the worst class",
        groups=tuple(_group(f"g{index}", group, rows) for index, (group, rows) in enumerate(groups)),
    )


def _group(name: str, group: Group, entries: list[Entry]) -> GroupView:
    strongest = strongest_condition(entries)
    under = condition_title(strongest)
    # The strongest attack comes first and open; the others follow in the order of the table, clean last.
    conditions = sorted(shown_conditions(entries), key=lambda one: (one != strongest, one == "clean"))
    is_small = len(entries) * len(group.classes) * len(conditions) <= MAX_CELLS
    with_table = conditions if is_small else [strongest]
    return GroupView(
        name=name,
        heading=_heading(group),
        num_classes=len(group.classes),
        standings=standings(entries),
        legend=tuple(entry.record.method for entry in entries[:MAX_SERIES]),
        left_out=max(0, len(entries) - MAX_SERIES),
        trade_off=trade_off_figure(
            entries,
            strongest,
            name=f"{name}-trade-off",
            label=f"Average against worst-class accuracy under {under}; the numbers are in the leaderboard table.",
        ),
        accuracy=tuple(
            _class_view(f"{name}-c{index}", entries, condition, "accuracy", with_table=condition in with_table)
            for index, condition in enumerate(conditions)
        ),
        scores=_class_view(f"{name}-score", entries, strongest, "c_fps"),
        last_epoch=last_epoch_table(entries),
        runs=tuple(details for entry in entries for details in run_details(entry)),
    )


def _class_view(name: str, entries: list[Entry], condition: str, metric: str, *, with_table: bool = True) -> ClassView:
    title = condition_title(condition)
    what = "C_FPS" if metric == "c_fps" else "Accuracy"
    label = f"{what} of each class under {title}, by method; see the table of the same name."
    return ClassView(
        name=name,
        title=title,
        meaning=condition_meaning(condition),
        figure=class_figure(entries, condition, metric, name=name, label=label),
        table=class_table(entries, condition, metric) if with_table else None,
    )


def _heading(group: Group) -> str:
    parts = [f"Start: {group.init}"]
    if group.teacher:
        parts.append(f"teacher {group.teacher}")
    if group.extra_data:
        parts.append(f"extra data {group.extra_data}")
    return ", ".join([*parts, f"radius {radius(group.epsilon)}", f"data {group.dataset} {group.fingerprint[:8]}"])
