"""Several devices share the batches of a condition, and nobody sees from the result how many they were."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from fairbench.threads import started_threads

Result = TypeVar("Result")


@dataclass(frozen=True)
class Replica:
    """The model on one device."""

    model: nn.Module
    device: torch.device


def replicate(model: nn.Module, devices: Sequence[torch.device]) -> tuple[Replica, ...]:
    """The model on each device: itself on the first one, copies on the others.

    Args:
        model: the network, on the first device.
        devices: at least one; naming one twice runs two copies there.
    """
    first, *others = devices
    return Replica(model, first), *(Replica(copy.deepcopy(model).to(device), device) for device in others)


def share(
    replicas: Sequence[Replica], batches: Sequence[Tensor], work: Callable[[Replica, Tensor], Result]
) -> Iterator[Result]:
    """The results of all batches in their order, each replica working on one batch at a time.

    Args:
        replicas: alone it works in this thread; none where there are no batches.
        batches: positions of images.
        work: what is done to a batch; its errors are raised here.
    """
    if len(replicas) <= 1:
        for batch in batches:
            yield work(replicas[0], batch)
        return
    with started_threads(len(replicas), "replica", cores=torch.get_num_threads()) as pool:
        running: deque[Future[Result]] = deque()
        for number, batch in enumerate(batches):
            if len(running) == len(replicas):
                yield running.popleft().result()
            running.append(pool.submit(work, replicas[number % len(replicas)], batch))
        while running:
            yield running.popleft().result()
