"""The content of a track's page, put together from the entries of its leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from fairbench.leaderboard.agreement import rank_agreement
from fairbench.leaderboard.ranking import Entry, Group, ranking_metric
from fairbench.leaderboard.summary import strongest_condition
from fairbench.protocol.track import load_track, track_names
from fairbench.report.cells import MANY_CELLS
from fairbench.report.class_views import ClassView, accuracy_views, score_view
from fairbench.report.figures.canvas import MAX_ROWS, MAX_SERIES
from fairbench.report.figures.class_heat import class_heat_figure
from fairbench.report.gallery import Gallery
from fairbench.report.labels import Labels, group_heading, page_labels
from fairbench.report.last_epoch import LastEpochTable, last_epoch_table
from fairbench.report.places import Places
from fairbench.report.published import Comparison, comparisons
from fairbench.report.sections import (
    Section,
    further_sections,
    mistake_sections,
    overview_sections,
    published_sections,
)
from fairbench.report.standings import Standings, standings


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
    """methods that the figures with a colour for each do not show."""
    beyond: int
    """methods that the figures with a line for each do not show."""
    banner: str
    """that the winner depends on how one looks; empty if it does not."""
    overview: tuple[Section, ...]
    glance: Markup | None
    """methods and classes as a heat map."""
    accuracy: tuple[ClassView, ...]
    scores: ClassView
    mistakes: tuple[Section, ...]
    more: tuple[Section, ...]
    published: tuple[Section, ...]
    comparisons: tuple[Comparison, ...]
    """measured beside published, number by number."""
    last_epoch: LastEpochTable | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """A track's page."""

    track: str
    title: str
    summary: str
    labels: Labels
    ranked_by: str
    is_large: bool
    """whether a browser has more cells to lay out than it can at once."""
    groups: tuple[GroupView, ...]


def track_page(
    track: str, entries: Sequence[Entry], places: Places, slugs: Mapping[int, str], gallery: Gallery
) -> Page:
    """The page of a track.

    Args:
        track: its name.
        entries: as ``ranking.rank`` orders them, at least one.
        places: the ranks that the data supports.
        slugs: the name of each record's own page, by the record's ``id``.
        gallery: gets the drawings.
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
        is_large=len(entries) * len(entries[0].record.data.classes) > MANY_CELLS,
        groups=tuple(
            _group(f"g{index}", group, rows, places=places, slugs=slugs, gallery=gallery)
            for index, (group, rows) in enumerate(groups)
        ),
    )


def _group(
    name: str, group: Group, entries: list[Entry], *, places: Places, slugs: Mapping[int, str], gallery: Gallery
) -> GroupView:
    agreement = rank_agreement(entries)
    found = tuple(one for entry in entries for one in comparisons(entry))
    pages = {key: f"runs/{slug}.html" for key, slug in slugs.items()}
    return GroupView(
        name=name,
        heading=group_heading(group),
        num_classes=len(group.classes),
        standings=standings(entries, places, pages),
        legend=tuple(entry.record.method for entry in entries[:MAX_SERIES]),
        left_out=max(0, len(entries) - MAX_SERIES),
        beyond=max(0, len(entries) - MAX_ROWS),
        banner=agreement.banner if agreement else "",
        overview=overview_sections(name, entries, places, gallery),
        glance=gallery.hang(f"{name}-heat", class_heat_figure(entries, strongest_condition(entries))),
        accuracy=accuracy_views(name, entries, gallery),
        scores=score_view(name, entries, gallery),
        mistakes=mistake_sections(name, entries, gallery),
        more=further_sections(name, entries, agreement, gallery),
        published=published_sections(name, found, gallery),
        comparisons=found,
        last_epoch=last_epoch_table(entries),
    )
