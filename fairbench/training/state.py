"""The trainer's state on disk: everything that a run needs to go on as if it had not been stopped."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from fairbench.errors import UsageError
from fairbench.files import replacing


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them, whole or not at all."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path) -> dict[str, Any]:
    """Read a state back; nothing in it can run.

    Raises:
        UsageError: if the file is damaged or holds anything but tensors and plain values.
    """
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, zipfile.BadZipFile, ValueError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(f"{path} is damaged ({first[:80]}); start over with --fresh") from None
