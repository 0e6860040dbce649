"""What Markdown and LaTeX share: the leaderboard of one group as text, its best numbers and its ties known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from fairbench.leaderboard.ranking import Entry
from fairbench.report.labels import group_heading
from fairbench.report.places import Places
from fairbench.report.standings import Row, Standings, standings


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One group of comparable rows."""

    heading: str
    table: Standings

    @property
    def rows(self) -> tuple[Row, ...]:
        """Ranked rows, then the others."""
        return self.table.ranked + self.table.unranked


@dataclass(frozen=True, kw_only=True)
class Board:
    """What is exported: a track's leaderboard."""

    entries: Sequence[Entry]
    """in the order of the page."""
    places: Places
    grids: Sequence[Grid]


def board_of_track(entries: Sequence[Entry], places: Places, tables: Sequence[Standings] | None = None) -> Board:
    """The board of a track; ``tables`` are those of its groups, where they are already made."""
    groups = [(group_heading(group), list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)]
    made = tables or [standings(rows, places) for _, rows in groups]
    grids = [Grid(heading=heading, table=table) for (heading, _), table in zip(groups, made, strict=True)]
    return Board(entries=entries, places=places, grids=grids)
