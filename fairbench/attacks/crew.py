"""Groups of images are searched side by side: a thread and a copy of the network for each core.

Split between cores, the small operations of a search wait for each other most of the time; whole groups do not wait.
And what one thread computes for a group is the same, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from queue import SimpleQueue
from threading import Event
from types import TracebackType
from typing import Self, TypeVar

import torch

from fairbench.attacks.network import Network, Passes
from fairbench.threads import started_threads

Item = TypeVar("Item")
Result = TypeVar("Result")
PATIENCE = 0.2
"""seconds after which a thread that waits for an answer looks whether it still will come."""


class Stopped(BaseException):
    """Another thread failed, so that nobody waits for this one's result."""


class Crew:
    """Networks that are asked at the same time; a single one is asked in the calling thread.

    Args:
        networks: at least one, equal but for their memory. The first one gives the verdicts.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = tuple(networks)
        self._pool: ThreadPoolExecutor | None = None
        self._questions: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._stopped = Event()

    def __enter__(self) -> Self:
        if len(self.networks) > 1:
            cores = torch.get_num_threads() // len(self.networks)
            self._pool = started_threads(len(self.networks), "search", cores=max(cores, 1))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    @property
    def lead(self) -> Network:
        """The network that gives the verdicts."""
        return self.networks[0]

    def each(self, work: Callable[[Network, Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results of all items in their order; whoever is free takes the next one.

        Args:
            work: (network, item) -> result; must not look at other items. If it takes long it asks :meth:`go_on`
                now and then.
            items: any number.

        Raises:
            what a thread raised; the others stop.
        """
        if self._pool is None:
            return [work(self.lead, item) for item in items]
        waiting = iter(enumerate(items))
        results: dict[int, Result] = {}
        running = [
            self._pool.submit(self._take, network, waiting, work, results) for network in self.networks[: len(items)]
        ]
        for future in running:
            future.add_done_callback(lambda _: self._questions.put(None))
        try:
            while not all(future.done() for future in running):
                question = self._questions.get()
                if question is not None:
                    question()
        finally:
            # Whatever ended this loop early, nobody would answer from now on.
            self._stopped.set()
        self._stopped.clear()
        for future in running:
            future.result()
        return [results[number] for number in range(len(items))]

    def by_caller(self, question: Callable[[], Result]) -> Result:
        """What a question gives in the thread that called :meth:`each`, which has its modes and its number of cores.

        Args:
            question: short; the threads that ask take turns.
        """
        if self._pool is None:
            return question()
        answer: Future[Result] = Future()

        def answered() -> None:
            try:
                answer.set_result(question())
            except Exception as problem:
                answer.set_exception(problem)

        self._questions.put(answered)
        while True:
            try:
                return answer.result(timeout=PATIENCE)
            except TimeoutError:
                if answer.done():
                    raise
                self.go_on()

    def go_on(self) -> None:
        """Nothing, or Stopped where another thread failed."""
        if self._stopped.is_set():
            raise Stopped

    def take_passes(self) -> Passes:
        """What all networks were asked since the last call."""
        taken = [network.passes for network in self.networks]
        for network in self.networks:
            network.passes = Passes()
        return Passes(**{item.name: sum(getattr(passes, item.name) for passes in taken) for item in fields(Passes)})

    def _take(
        self,
        network: Network,
        waiting: Iterator[tuple[int, Item]],
        work: Callable[[Network, Item], Result],
        results: dict[int, Result],
    ) -> None:
        try:
            with torch.no_grad():
                for number, item in waiting:
                    self.go_on()
                    results[number] = work(network, item)
        except Stopped:
            pass
        except BaseException:
            self._stopped.set()
            raise
