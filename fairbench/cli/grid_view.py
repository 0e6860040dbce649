"""How a grid on several processes looks: a bar for the whole and one for each worker, or a line for each event."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from fairbench.cli.bars import QUIET_SECONDS, make_bars
from fairbench.launch.tasks import Failure, Step, Watcher


@contextmanager
def watching(titles: Mapping[str, str], workers: int) -> Iterator[Watcher]:
    """Something that shows a run of tasks while it goes on.

    Args:
        titles: what each task's key is called for a reader.
        workers: how many work at a time.
    """
    if sys.stderr.isatty():
        with _Bars(titles, workers) as bars:
            yield bars
    else:
        yield _Lines(titles)


class _Lines(Watcher):
    """A line when a cell begins, ends or speaks; one a minute on what goes on."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self.titles, self.ended, self.begun = titles, 0, 0
        self.last: dict[int, float] = {}

    def started(self, key: str, worker: int) -> None:
        self.begun += 1
        self.last[worker] = time.monotonic()
        self._line(f"begun  {self.titles[key]}")

    def said(self, key: str, line: str) -> None:
        self._line(f"       {self.titles[key]}: {line}")

    def advanced(self, key: str, worker: int, step: Step) -> None:
        now = time.monotonic()
        if now - self.last[worker] > QUIET_SECONDS:
            self.last[worker] = now
            self._line(f"       {self.titles[key]}: {step.title}: {step.done} of {step.total} {step.note}".rstrip())

    def finished(self, key: str, worker: int, result: Any) -> None:
        self.ended += 1
        self._line(f"done   {self.titles[key]} ({self.ended} of {len(self.titles)})")

    def failed(self, key: str, failure: Failure) -> None:
        self.ended += 1
        self._line(f"failed {self.titles[key]} ({self.ended} of {len(self.titles)}): {failure.message}")

    def _line(self, text: str) -> None:
        typer.echo(text, err=True)


class _Bars(Watcher):
    """Bars by rich."""

    def __init__(self, titles: Mapping[str, str], workers: int) -> None:
        from rich.console import Console

        self.titles = titles
        self.bars = make_bars(Console(stderr=True))
        self.whole = self.bars.add_task("cells", total=len(titles), note="")
        self.of_worker = [self.bars.add_task("", total=None, note="", visible=False) for _ in range(workers)]

    def __enter__(self) -> _Bars:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def started(self, key: str, worker: int) -> None:
        title = self.titles[key]
        self.bars.reset(self.of_worker[worker], total=None, description=title, note="", visible=True)

    def said(self, key: str, line: str) -> None:
        self.bars.console.print(f"{self.titles[key]}: {line}", markup=False, highlight=False)

    def advanced(self, key: str, worker: int, step: Step) -> None:
        bar = self.of_worker[worker]
        described = f"{self.titles[key]}: {step.title}"
        if self.bars.tasks[bar].description != described:
            self.bars.reset(bar, total=step.total, description=described, visible=True)
        self.bars.update(bar, completed=step.done, note=step.note)

    def finished(self, key: str, worker: int, result: Any) -> None:
        self.bars.update(self.of_worker[worker], visible=False)
        self.bars.advance(self.whole)

    def failed(self, key: str, failure: Failure) -> None:
        self.bars.advance(self.whole)
        self.said(key, f"failed: {failure.message}")
