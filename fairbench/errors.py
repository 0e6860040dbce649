"""The errors that people see: each names the value, the place and the cure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class FairbenchError(Exception):
    """Something a user can act on; the command line prints it without a traceback."""

    exit_code = 1


class UsageError(FairbenchError):
    """Wrong usage or bad input: exit code 2."""

    exit_code = 2


class WorkError(FairbenchError):
    """The work itself failed, for instance a loss that is not finite: exit code 1."""


def unknown_name(kind: str, name: str, known: Iterable[str], *, cure: str = "") -> UsageError:
    """The error for a name that is not in a list, with the nearest names or else all of them.

    Args:
        kind: what the name stands for, as in ``method``.
        name: what came.
        known: the names that would have been right.
        cure: a last sentence, for instance the command that lists the names.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}."
    return UsageError(" ".join(part for part in (f"unknown {kind} {name!r}: {hint}", cure) if part))
