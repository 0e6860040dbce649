"""The ranks that the data supports, entry by entry: looked up where tables, figures and exports show a rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from fairbench.leaderboard.board import Board, Standing, board_of
from fairbench.leaderboard.ranking import Entry
from fairbench.leaderboard.records import Run


class Places:
    """The boards of a track's groups."""

    def __init__(self, boards: Iterable[Board] = ()) -> None:
        self._boards = tuple(boards)
        self._standings = {id(one.entry): one for board in self._boards for one in board.standings if board.p_values}
        self._leaders = {one.entry.group: one for one in reversed(self._standings.values())}

    def standing(self, entry: Entry) -> Standing | None:
        """What may be said of an entry's rank; None where nothing was tested."""
        found = self._standings.get(id(entry))
        return found if found is not None and found.is_tested else None

    def ties_with_first(self, entry: Entry) -> bool:
        """Whether an entry cannot be told apart from the one that leads its group, and is not that one."""
        found, first = self.standing(entry), self._leaders.get(entry.group)
        return bool(found and first and found is not first and set(found.groups) & set(first.groups))

    def board(self, entries: Sequence[Entry]) -> Board | None:
        """The board of a group's entries; None if none of them is ranked."""
        return next((one for one in self._boards if one.standings and one.standings[0].entry in entries), None)


def places_of(entries: Sequence[Entry], runs: Sequence[Run]) -> Places:
    """Test the ranked entries of each group against each other.

    Args:
        entries: of a track, as ``ranking.rank`` orders them.
        runs: where their records were read, so that the answers image by image are found.
    """
    groups = [list(rows) for _, rows in groupby(entries, key=lambda entry: entry.group)]
    return Places(board_of(rows, runs) for rows in groups)
