"""The warnings that a row carries: a word each, and why."""

from __future__ import annotations

from dataclasses import dataclass

from fairbench.leaderboard.ranking import Entry


@dataclass(frozen=True, kw_only=True)
class Badge:
    """A warning in a word."""

    text: str
    title: str


def badges_of(entry: Entry) -> tuple[Badge, ...]:
    """The warnings that a row carries."""
    record = entry.record
    badges = []
    if record.selected_on == "test":
        badges.append(Badge(text="test-selected", title="its epoch was chosen on the images that measure it"))
    if record.protocol != "standard":
        badges.append(Badge(text="modified", title="; ".join(record.departures) or "departs from the track"))
    masked = [one for one in entry.records if one.masking is not None and one.masking.flagged]
    if masked and masked[0].masking is not None:
        badges.append(Badge(text="masking", title=masked[0].masking.in_words(masked[0].data.classes)))
    if entry.verified is False:
        badges.append(
            Badge(text="unverified", title="a submission whose images nobody attacked again, or that changed")
        )
    return tuple(badges)
