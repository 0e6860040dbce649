"""A worker process: reads tasks from standard input, answers with events on standard output, ends when its input ends.

python -m fairbench.launch.worker module:function
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from fairbench.errors import FairbenchError
from fairbench.progress import Bar, Progress

_SECONDS_BETWEEN_REPORTS = 0.25


@dataclass(frozen=True)
class Context:
    """What a task may know of its surroundings."""

    settings: dict[str, Any]
    """what the parent told every worker: device, threads, ..."""
    progress: Progress


Work = Callable[[Any, Context], Any]


class PipeProgress:
    """Progress that is told to the parent."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Bar]:
        """A bar that the parent draws."""
        tell, done, last = self._tell, 0, 0.0

        class _Bar:
            def advance(self, amount: int = 1, *, note: str = "") -> None:
                nonlocal done, last
                done += amount
                now = time.monotonic()
                if now - last > _SECONDS_BETWEEN_REPORTS or done >= total:
                    last = now
                    tell("advanced", step={"title": title, "done": done, "total": total, "note": note})

        yield _Bar()

    def say(self, line: str) -> None:
        """One line for the reader."""
        self._tell("said", line=line)


def serve(work: Work, orders: Iterator[dict[str, Any]], tell: Callable[..., None]) -> None:
    """Do what is ordered until no order comes.

    Args:
        work: called with each payload; its result must be JSON.
        orders: first the settings, then tasks.
        tell: called with the kind of an event and its values.
    """
    context = Context(next(orders), PipeProgress(tell))
    if context.settings.get("threads"):
        _compute_with(context.settings["threads"])
    for order in orders:
        try:
            tell("finished", result=work(order["payload"], context))
        except FairbenchError as error:
            tell("failed", failure={"message": str(error), "exit_code": error.exit_code})
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            tell("failed", failure={"message": message, "traceback": traceback.format_exc()})


def _compute_with(threads: int) -> None:
    import torch  # noqa: PLC0415 - a worker whose work needs no torch starts at once

    torch.set_num_threads(threads)


def main() -> None:
    """Serve the parent on the other end of standard input and output."""
    # Whatever libraries print goes to standard error, so that events stay alone on their line.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    orders = _read_in_background(sys.stdin)
    module, _, function = sys.argv[1].partition(":")
    work: Work = getattr(importlib.import_module(module), function)

    def tell(kind: str, **values: Any) -> None:
        events.write(json.dumps({"event": kind, **values}) + "\n")
        events.flush()

    tell("ready")
    serve(work, orders, tell)


def _read_in_background(stream: TextIO) -> Iterator[dict[str, Any]]:
    """Orders as they come; the end of input means that the parent is gone or content, and ends the process at once."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(lines.get())


if __name__ == "__main__":
    main()
