"""Threads that use a known number of cores for their tensor operations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import torch


def started_threads(count: int, name: str, *, cores: int) -> ThreadPoolExecutor:
    """A pool whose threads all run already.

    A thread that begins later would get the number of cores that any thread set last, and sums that are split between
    cores can differ in their last bit.

    Args:
        count: of the threads.
        name: what their names begin with.
        cores: that each of them uses.
    """
    mine = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, thread_name_prefix=name, initializer=_use, initargs=(cores,))
    everybody = Barrier(count + 1)
    for _ in range(count):
        pool.submit(everybody.wait)
    everybody.wait()
    torch.set_num_threads(mine)
    return pool


@contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Compute with so many cores: sums are split between them, so their number can move the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _use(cores: int) -> None:
    # The first question makes a thread take over the common number; only then it keeps its own.
    torch.get_num_threads()
    torch.set_num_threads(cores)
