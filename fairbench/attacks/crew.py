"""Batches are advanced side by side: a thread and a copy of the network for each core.

Split between cores, the small operations of a search wait for each other most of the time; whole batches do not wait.
And what one thread computes for a batch is the same, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from types import TracebackType
from typing import Self, TypeVar

import torch

from fairbench.attacks.network import Network, Passes
from fairbench.attacks.shapes import sizes_for
from fairbench.threads import started_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew:
    """Networks that are asked at the same time; a single one is asked in the calling thread.

    Args:
        networks: at least one, equal but for their memory. The first one gives the verdicts.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = tuple(networks)
        self._pool: ThreadPoolExecutor | None = None

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

    def sizes(self, rows: int) -> list[int]:
        """The sizes of the passes for so many rows."""
        return sizes_for(rows, self.lead.shapes, shares=len(self.networks))

    def each(self, work: Callable[[Network, Item], Result], items: Sequence[Item]) -> list[Result]:
        """The results of all items in their order; whoever is free takes the next one.

        Args:
            work: (network, item) -> result; must not look at other items.
            items: any number.
        """
        if self._pool is None:
            return [work(self.lead, item) for item in items]
        waiting = iter(enumerate(items))
        results: dict[int, Result] = {}
        running = [self._pool.submit(_take, network, waiting, work, results) for network in self.networks[: len(items)]]
        for future in running:
            future.result()
        return [results[number] for number in range(len(items))]

    def take_passes(self) -> Passes:
        """What all networks were asked since the last call."""
        taken = [network.passes for network in self.networks]
        for network in self.networks:
            network.passes = Passes()
        return Passes(**{item.name: sum(getattr(passes, item.name) for passes in taken) for item in fields(Passes)})


def _take(
    network: Network,
    waiting: Iterator[tuple[int, Item]],
    work: Callable[[Network, Item], Result],
    results: dict[int, Result],
) -> None:
    with torch.no_grad():
        for number, item in waiting:
            results[number] = work(network, item)
