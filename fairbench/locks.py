"""One process at a time on a folder: a lock that dies with its owner, on network file systems too."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fairbench.files import cannot_write
from fairbench.progress import Progress

_NO_SYSTEM_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_OWNER = ".owner"
_FOREVER = -1


def lock_beside(folder: Path) -> Path:
    """A lock outside the folder that it keeps, which may be thrown away or copied meanwhile."""
    return folder.parent / f".{folder.name}.lock"


@contextmanager
def claimed(folder: Path, lock: Path, progress: Progress) -> Iterator[Path]:
    """Wait for the folder, and keep other processes from it meanwhile.

    The lock is the operating system's and ends with the process that holds it. Network file systems without such locks
    get one that is a file with the owner's name in it; on the same host it is taken from an owner who is gone.

    Args:
        folder: what is worked on; it need not be there.
        lock: the file of the lock; its folder is made.
        progress: told if another process has to be waited for.

    Raises:
        UsageError: if the lock cannot be written.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            taken = _acquired(lock, seconds=0)
        except Timeout:
            progress.say(f"waiting for another process that writes into {folder}")
            taken = _acquired(lock, seconds=_FOREVER)
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        yield folder
    finally:
        taken.release()


def is_claimed(lock: Path) -> bool:
    """Whether some process that is still there holds the lock."""
    return _is_taken(SoftFileLock(_marker(lock)), if_unknown=True) or _is_taken(_system_lock(lock), if_unknown=False)


def _is_taken(lock: BaseFileLock, *, if_unknown: bool) -> bool:
    if not Path(lock.lock_file).exists():
        return False
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # it lies where this process cannot write
        return if_unknown


def _acquired(lock: Path, *, seconds: float) -> BaseFileLock:
    taken = _system_lock(lock)
    try:
        taken.acquire(timeout=seconds)
    except OSError as error:
        if error.errno not in _NO_SYSTEM_LOCKS:
            raise
        taken = SoftFileLock(_marker(lock))
        taken.acquire(timeout=seconds)
    return taken


def _system_lock(lock: Path) -> BaseFileLock:
    return FileLock(lock, fallback_to_soft=False)


def _marker(lock: Path) -> Path:
    return lock.with_suffix(_OWNER)
