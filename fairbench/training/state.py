"""The trainer's state on disk: everything that a run needs to go on as if it had not been stopped.

The newest state and the one before it are kept. Each carries the checksum of its bytes.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from fairbench.errors import UsageError
from fairbench.files import replacing

_MAGIC = b"fairbench state sha256 "
_HEADER_LENGTH = len(_MAGIC) + 64 + 1


def previous_of(path: Path) -> Path:
    """Where the state before the one at ``path`` is kept."""
    return path.with_suffix(f".previous{path.suffix}")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them, whole or not at all; the state before is kept beside."""
    payload = io.BytesIO()
    torch.save(state, payload)
    content = payload.getbuffer()
    header = _MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n"
    with replacing(path) as temporary:
        with temporary.open("wb") as stream:
            stream.write(header)
            stream.write(content)
        if path.exists():
            os.replace(path, previous_of(path))


def load_state(path: Path) -> dict[str, Any]:
    """Read one state back; nothing in it can run.

    Raises:
        UsageError: if the file is damaged or holds anything but tensors and plain values.
    """
    try:
        content = path.read_bytes()
        header, payload = content[:_HEADER_LENGTH], content[_HEADER_LENGTH:]
        if not header.startswith(_MAGIC):
            raise ValueError("it does not begin as a state does")
        if header[len(_MAGIC) : -1].decode("ascii", "replace") != hashlib.sha256(payload).hexdigest():
            raise ValueError("its checksum is another")
        return torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"{path} is damaged ({first[:80]}); start over with --fresh") from None


def load_newest(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The state at ``path``, or the one before it if that is all that is whole.

    A damaged newest one is replaced by the one before it, so that the next save does not push that one out.

    Returns:
        the state, or None where there is none; and a line for the reader if it is not the newest.

    Raises:
        UsageError: if there are states and all of them are damaged.
    """
    previous = previous_of(path)
    if not path.exists():
        # Killed between the two renames of a save, or nothing was saved yet.
        return (load_state(previous), None) if previous.exists() else (None, None)
    try:
        return load_state(path), None
    except UsageError as damage:
        if not previous.exists():
            raise
        try:
            state = load_state(previous)
        except UsageError:
            raise damage from None
        os.replace(previous, path)
        return state, f"{str(damage).partition(';')[0]}; going on from the state before it"


def remove_states(path: Path) -> None:
    """Leave no state behind: the run is at its end."""
    for each in (previous_of(path), path):
        each.unlink(missing_ok=True)
