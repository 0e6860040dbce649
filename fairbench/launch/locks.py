"""One process on a cell at a time."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fairbench.files import cannot_write

_NO_SYSTEM_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_OWNER = ".owner"


def lock_path(cell_folder: Path) -> Path:
    """The lock lies beside the cell's folder, which may be thrown away while it is held."""
    return cell_folder.parent / f".{cell_folder.name}.lock"


@contextmanager
def held(cell_folder: Path) -> Iterator[None]:
    """Wait for the cell, and keep other processes from it meanwhile.

    The lock is the operating system's and ends with the process that holds it. Network file systems without such locks
    get one that is a file with the owner's name in it.

    Raises:
        UsageError: if the folder cannot be written.
    """
    try:
        cell_folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _acquired(lock_path(cell_folder))
    except OSError as error:
        raise cannot_write(cell_folder, error) from None
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path) -> BaseFileLock:
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_SYSTEM_LOCKS:
            raise
        lock = SoftFileLock(path.with_suffix(_OWNER))
        lock.acquire()
    return lock


def is_held(cell_folder: Path) -> bool:
    """Whether some process works on the cell now."""
    path = lock_path(cell_folder)
    if path.with_suffix(_OWNER).exists():
        return True
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
