"""The ends of intervals as the exports write them."""

from __future__ import annotations

from collections.abc import Sequence

_DIGITS = 9
"""The last digits of a root depend on the machine's mathematical library, and the same records shall give one file."""


def rounded_ends(interval: Sequence[float]) -> list[float]:
    """Lower and upper end, rounded."""
    return [round(end, _DIGITS) for end in interval]
