"""Where the numbers were made: versions, threads, memory, and the commit of the source."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

from fairbench import __version__
from fairbench.protocol.record import Environment


def environment(device: torch.device | str = "cpu") -> Environment:
    """A description of this process.

    Args:
        device: where it computes.
    """
    place = torch.device(device)
    return Environment(
        fairbench=__version__,
        git_commit=git_commit(Path(__file__).resolve().parents[2]),
        python=platform.python_version(),
        torch=torch.__version__,
        device=f"cuda ({torch.cuda.get_device_name(place)})" if place.type == "cuda" else place.type,
        threads=torch.get_num_threads(),
        peak_memory_bytes=_peak_memory(place),
    )


def git_commit(root: Path) -> str | None:
    """The commit of a source tree, with ``-dirty`` behind it when tracked files were changed.

    Args:
        root: the top folder of the tree.

    Returns:
        None if it is no checkout, has no commit, or git is not there.
    """
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changes else commit


def _git(root: Path, *arguments: str) -> str:
    # Variables such as GIT_DIR, which git sets for its hooks, would point to another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
