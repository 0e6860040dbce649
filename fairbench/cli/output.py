"""How results and progress look: rich on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from fairbench.cli.bars import QUIET_SECONDS, make_bars
from fairbench.progress import Bar, Progress


def print_json(values: Any) -> None:
    """Print values for programs."""
    typer.echo(json.dumps(values, indent=1, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """Print a table for people; plain, aligned columns where there is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if title:
        typer.echo(title)  # a title of the table would be wrapped to the table's width
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(cell.replace("[", "\\[") for cell in row))
    console = Console()
    console.width = console.width if console.is_terminal else 160
    console.print(table)


def print_fields(fields: Mapping[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {value}")


def make_progress() -> Progress:
    """Bars with time left on a terminal, else a line a minute, both on standard error."""
    return _RichProgress() if sys.stderr.isatty() else _LineProgress()


class _RichProgress:
    """Bars by rich."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        with make_bars(self.console) as bars:
            task = bars.add_task(title, total=total, note="")

            class _Bar:
                def advance(self, amount: int = 1, *, note: str = "") -> None:
                    bars.update(task, advance=amount)
                    if note:
                        bars.update(task, note=note)

            yield _Bar()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False)


class _LineProgress:
    """A line when work starts to take long, and one a minute after that."""

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        begun = last = time.monotonic()
        done = 0

        class _Bar:
            def advance(self, amount: int = 1, *, note: str = "") -> None:
                nonlocal done, last
                done += amount
                now = time.monotonic()
                if now - last > QUIET_SECONDS and done:
                    left = (now - begun) / done * (total - done)
                    typer.echo(f"{title}: {done} of {total}, about {left:.0f} s left {note}".rstrip(), err=True)
                    last = now

        yield _Bar()

    def say(self, line: str) -> None:
        typer.echo(line, err=True)
