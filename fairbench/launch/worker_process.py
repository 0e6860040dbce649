"""A worker process as its parent sees it: tasks go in, events come out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any

from fairbench.launch.tasks import Place, Task

_GRACE_SECONDS = 20
"""What a worker has to save its state when the others stop."""


class WorkerProcess:
    """A process that reads tasks from its standard input and answers with events, a line of JSON each.

    It ends when its input ends, so no worker outlives this process, however that dies.
    """

    def __init__(self, work: str, settings: dict[str, Any], place: Place) -> None:
        environment = dict(os.environ)
        if place.threads:
            environment |= {name: str(place.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fairbench.launch.worker", work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            env=environment,
            # An interrupt from the keyboard is for the parent, which then lets its workers save.
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        os.set_blocking(self.output, False)
        self.unread = b""
        self.task: Task | None = None
        self.is_ready = False
        self.send({"device": place.device, "threads": place.threads, **settings})

    def send(self, values: dict[str, Any]) -> None:
        """One line to the process; a dead one is noticed where its events are read."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(values).encode() + b"\n")
            self.process.stdin.flush()

    def begin(self, task: Task) -> None:
        """Give it a task; its result comes with the events."""
        self.task = task
        self.send({"key": task.key, "payload": task.payload})

    def events(self) -> tuple[list[dict[str, Any]], bool]:
        """What it said since the last time, and whether it is still there."""
        alive = True
        while True:
            try:
                chunk = os.read(self.output, 1 << 16)
            except BlockingIOError:
                break
            if not chunk:
                alive = False
                break
            self.unread += chunk
        *lines, self.unread = self.unread.split(b"\n")
        return [json.loads(line) for line in lines], alive

    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        self.complaints.seek(0)
        return self.complaints.read()[-4000:].decode(errors="replace")

    def how_it_ended(self) -> str:
        """Of a process that is gone, in words."""
        code = self.process.wait()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"

    def dismiss(self) -> None:
        """No more tasks: it leaves by itself."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def close(self) -> None:
        """Wait for its end, which was asked for, and release what belongs to it."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_SECONDS)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
