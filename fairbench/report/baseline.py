"""What the first row of a board is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from fairbench.leaderboard.ranking import RANKING_CONDITION, Entry
from fairbench.report.values import mean_value


def baseline_of(entries: Sequence[Entry]) -> Entry | None:
    """A base that was not trained further, plain PGD-AT, or the lowest row with numbers; never the first entry."""
    others = entries[1:]
    for is_it in (lambda name: name.startswith("base:"), lambda name: name == "pgd_at"):
        found = next((entry for entry in others if is_it(entry.record.method)), None)
        if found:
            return found
    with_numbers = [entry for entry in others if mean_value(entry, RANKING_CONDITION, "worst") is not None]
    return with_numbers[-1] if with_numbers else None
