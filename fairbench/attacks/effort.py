"""How far a call has come, for whoever waits: on a large network the members of AutoAttack take minutes to hours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

Report = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1; from any thread, one at a time."""


def silent(_: float) -> None:
    """Nobody waits."""


class Effort:
    """The passes that are done, and those to come if no more images break; the share of the two never falls.

    Args:
        costs: forward passes that each run of the call needs for an image that it does not break, in their order.
        report: who is told.
    """

    def __init__(self, costs: Sequence[float], report: Report) -> None:
        self._costs, self._report = list(costs), report
        self._before = self._within = self._planned = self._later = 0.0
        self._lock = Lock()

    def begin(self, images: int) -> None:
        """The next run, on so many images; later ones will not see more."""
        self._before, self._within = self._before + self._planned, 0.0
        self._planned = images * self._costs.pop(0)
        self._later = images * sum(self._costs)
        self.advance(0)

    def advance(self, passes: float) -> None:
        """So many more passes of the run are done, or need not be."""
        with self._lock:
            self._within = min(self._within + passes, self._planned)
            total = self._before + self._planned + self._later
            self._report((self._before + self._within) / total if total else 1.0)
