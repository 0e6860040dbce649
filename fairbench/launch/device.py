"""Where to compute."""

from __future__ import annotations

import os
import re

import torch

from fairbench.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is the first GPU, or else the CPU.

    Raises:
        UsageError: for a name that is not a device, or a GPU that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise UsageError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:0")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device {name!r} is not there: {torch.cuda.device_count()} GPUs are visible; use --device cpu"
        )
    return device


def compute_deterministically(device: torch.device) -> None:
    """Let the same command give the same weights on a GPU too, at some cost in speed; a CPU needs nothing.

    An operation that has no deterministic form raises RuntimeError from here on.
    """
    if device.type != "cuda":
        return
    # cuBLAS reads it when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
