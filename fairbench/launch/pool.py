"""Tasks side by side on worker processes: who needs whom waits, who dies is tried again, nobody is left behind."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fairbench.errors import WorkError

_ATTEMPTS = 3
"""How often a task is begun whose process was killed; each time it goes on where it was."""
_GRACE_SECONDS = 20
"""What a worker has to save its state when the others stop."""


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


def run_tasks(
    tasks: Sequence[Task],
    work: str,
    places: Sequence[Place],
    *,
    settings: dict[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run tasks, as many at a time as there are places.

    Args:
        tasks: in the order in which they are begun, as far as what they need allows.
        work: ``module:function`` that workers call with a payload and a context; its JSON result comes back.
        places: one for each worker process.
        settings: what every worker is told before its first task.
        watcher: hears what happens.

    Returns:
        A result or a failure for every task.

    Raises:
        WorkError: if workers cannot be started at all.
    """
    return _Run(tasks, _Hire(work, settings or {}), places, watcher or Watcher()).to_the_end()


@dataclass(frozen=True)
class _Hire:
    work: str
    settings: dict[str, Any]

    def __call__(self, place: Place) -> _Worker:
        return _Worker(self.work, place, self.settings)


class _Worker:
    """A process that reads tasks from its standard input and answers with events, a line of JSON each.

    It ends when its input ends, so no worker outlives this process, however that dies.
    """

    def __init__(self, work: str, place: Place, settings: dict[str, Any]) -> None:
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


class _Run:
    """The state of one run of tasks."""

    def __init__(self, tasks: Sequence[Task], hire: _Hire, places: Sequence[Place], watcher: Watcher) -> None:
        self.hire, self.places, self.watcher = hire, places, watcher
        self.outcome = Outcome()
        self.tasks = {task.key: task for task in tasks}
        self.missing = {task.key: {need for need in task.needs if need in self.tasks} for task in tasks}
        self.waiting_for: dict[str, list[str]] = {}
        for key, needs in self.missing.items():
            for need in needs:
                self.waiting_for.setdefault(need, []).append(key)
        self.ready = deque(key for key, needs in self.missing.items() if not needs)
        self.attempts: dict[str, int] = {}
        self.workers: dict[int, _Worker] = {}
        self.selector = selectors.DefaultSelector()

    def to_the_end(self) -> Outcome:
        try:
            self._give_out()
            while any(worker.task for worker in self.workers.values()):
                for key, _ in self.selector.select():
                    self._listen(key.data)
                self._give_out()
        finally:
            self._close()
        return self.outcome

    def _give_out(self) -> None:
        for number, place in enumerate(self.places):
            if not self.ready:
                return
            if number not in self.workers:
                self.workers[number] = worker = self.hire(place)
                self.selector.register(worker.output, selectors.EVENT_READ, number)
            worker = self.workers[number]
            if worker.task is None:
                task = self.tasks[self.ready.popleft()]
                self.attempts[task.key] = self.attempts.get(task.key, 0) + 1
                self.watcher.started(task.key, number)
                worker.begin(task)

    def _listen(self, number: int) -> None:
        worker = self.workers[number]
        events, alive = worker.events()
        for event in events:
            self._take(number, worker, event)
        if not alive:
            self._bury(number, worker)

    def _take(self, number: int, worker: _Worker, event: dict[str, Any]) -> None:
        worker.is_ready = True
        if worker.task is None:
            return
        key = worker.task.key
        match event["event"]:
            case "said":
                self.watcher.said(key, event["line"])
            case "advanced":
                self.watcher.advanced(key, number, Step(**event["step"]))
            case "finished":
                worker.task = None
                self.outcome.results[key] = event["result"]
                self.watcher.finished(key, number, event["result"])
                self._release(key)
            case "failed":
                worker.task = None
                self._fail(key, Failure(**event["failure"]))

    def _bury(self, number: int, worker: _Worker) -> None:
        """A worker died; its task goes to another, unless it has cost too many."""
        self.selector.unregister(worker.output)
        del self.workers[number]
        ended, last_words = worker.how_it_ended(), worker.last_words()
        worker.close()
        if not worker.is_ready and worker.process.returncode > 0:
            raise WorkError(f"a worker process {ended} before its first task: {last_words.strip()[-500:]}")
        if worker.task is None:
            return
        key = worker.task.key
        if self.attempts[key] < _ATTEMPTS:
            self.watcher.said(key, f"its process {ended}; it goes on in another")
            self.ready.appendleft(key)
        else:
            self._fail(key, Failure(message=f"its process {ended}, {_ATTEMPTS} times", traceback=last_words))

    def _release(self, key: str) -> None:
        for dependant in self.waiting_for.get(key, []):
            self.missing[dependant].discard(key)
            if not self.missing[dependant]:
                self.ready.append(dependant)

    def _fail(self, key: str, failure: Failure) -> None:
        if key in self.outcome.failures:
            return
        self.outcome.failures[key] = failure
        self.watcher.failed(key, failure)
        for dependant in self.waiting_for.get(key, []):
            self._fail(dependant, Failure(message=f"what it needs failed: {key}"))

    def _close(self) -> None:
        for worker in self.workers.values():
            # Who is idle leaves by itself; who is at work is asked to save and leave.
            worker.dismiss() if worker.task is None else worker.process.terminate()
        for worker in self.workers.values():
            worker.close()
        self.selector.close()
