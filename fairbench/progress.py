"""How work reports its progress without knowing who looks: the command line shows bars, libraries stay silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Protocol


class Bar(Protocol):
    """One piece of work of known length."""

    def advance(self, amount: int = 1, *, note: str = "") -> None:
        """Say that some more is done, with a short note on how it goes."""
        ...


class Progress(Protocol):
    """Where long work reports to."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Bar]:
        """A bar for a piece of work of ``total`` units."""
        ...

    def say(self, line: str) -> None:
        """One line for the reader, for instance a warning."""
        ...


class _SilentBar:
    def advance(self, amount: int = 1, *, note: str = "") -> None:
        """Nothing."""


class Silent:
    """Progress that nobody watches; the default of every function."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """A bar that shows nothing."""
        yield _SilentBar()

    def say(self, line: str) -> None:
        """Nothing."""


class SharedBar:
    """A bar that several threads move.

    Args:
        bar: what they move.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar, self._lock = bar, Lock()

    def advance(self, amount: int = 1, *, note: str = "") -> None:
        """As the bar does, one thread at a time."""
        with self._lock:
            self._bar.advance(amount, note=note)


class PartOfBar:
    """A part of a bar, moved by the share of its work that is done.

    Args:
        bar: the whole.
        amount: units of this part.
    """

    def __init__(self, bar: Bar, amount: int) -> None:
        self._bar, self._amount = bar, amount
        self.left = amount
        """units that were not yet told."""

    def __call__(self, share: float) -> None:
        """The work is done to this share, 0 to 1; a smaller one than before is work that is done again."""
        reached = int(share * self._amount)
        more = reached - (self._amount - self.left)
        if more > 0:
            self.left -= more
            self._bar.advance(more)
