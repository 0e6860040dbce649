"""Tasks side by side on worker processes: who needs whom waits, who dies is tried again, nobody is left behind."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fairbench.errors import WorkError
from fairbench.launch.tasks import Failure, Outcome, Place, Step, Task, Watcher
from fairbench.launch.worker_process import WorkerProcess

_ATTEMPTS = 3
"""How often a task is begun whose process was killed; each time it goes on where it was."""
_Hire = Callable[[Place], WorkerProcess]


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
    return _Run(tasks, partial(WorkerProcess, work, settings or {}), places, watcher or Watcher()).to_the_end()


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
        self.workers: dict[int, WorkerProcess] = {}
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

    def _take(self, number: int, worker: WorkerProcess, event: dict[str, Any]) -> None:
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

    def _bury(self, number: int, worker: WorkerProcess) -> None:
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
