"""How work reports its progress without knowing who looks: the command line shows bars, libraries stay silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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
