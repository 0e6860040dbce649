"""A piece of work for one process, what comes of it, and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work for one process."""

    key: str
    payload: Any
    """what the worker's function gets; JSON."""
    needs: tuple[str, ...] = ()
    """keys of the tasks that must succeed before."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker computes."""

    device: str = "cpu"
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a task has no result."""

    message: str
    traceback: str = ""
    exit_code: int = 1


@dataclass
class Outcome:
    """What came of the tasks, by key."""

    results: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """How far a piece of a task's work is."""

    title: str
    done: int
    total: int
    note: str = ""


class Watcher:
    """What a run of tasks tells while it goes on; the default listens to nothing."""

    def started(self, key: str, worker: int) -> None:
        """A worker took a task."""

    def said(self, key: str, line: str) -> None:
        """A task has something to say."""

    def advanced(self, key: str, worker: int, step: Step) -> None:
        """A piece of a task's work goes on."""

    def finished(self, key: str, worker: int, result: Any) -> None:
        """A task has its result."""

    def failed(self, key: str, failure: Failure) -> None:
        """A task will have none."""
