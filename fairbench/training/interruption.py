"""Signals that ask a run to save its state and leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fairbench.errors import FairbenchError

SIGNALS = (signal.SIGTERM, *((signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()))
"""What clusters send before they take a machine away."""


class StoppedError(FairbenchError):
    """Asked to stop by a signal; the exit code is that of a process which the signal ended, 128 and its number."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum


class Interruption:
    """The signal that came, if one did."""

    signum: int | None = None

    @property
    def name(self) -> str:
        """The name of the signal, or nothing."""
        return "" if self.signum is None else signal.Signals(self.signum).name

    def notice(self, signum: int, frame: FrameType | None) -> None:
        """Remember the first signal; a second one ends the process as it would have without us."""
        if self.signum is not None:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        self.signum = signum


@contextmanager
def noticing_signals() -> Iterator[Interruption]:
    """SIGTERM and SIGUSR1 are noticed inside the block; outside they do what they did before.

    Only the main thread can listen; in another one nothing is ever noticed.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {signum: signal.signal(signum, interruption.notice) for signum in SIGNALS}
    try:
        yield interruption
    finally:
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
