"""What the process does with memory that it no longer needs, where looking after it costs more than it gives."""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30
_LARGEST_MMAP_THRESHOLD = 32 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Ask the C library of the process to hold on to up to 1 GiB of freed memory.

    Otherwise glibc returns the activations of every pass to the system and gets them back page by page in the next
    one, which takes up to a quarter of the time of a small network on a CPU. Results do not change.

    Returns:
        whether it was possible: with glibc it is, elsewhere nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD) and mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Look for no cycles among objects meanwhile; to be used with ``with`` or as a decorator.

    The records of a large board are millions of objects that live to the end. Searching them again and again takes a
    quarter of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
