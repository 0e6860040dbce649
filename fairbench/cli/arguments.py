"""What several commands read from the command line or the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fairbench.errors import UsageError


def comma_list(text: str) -> list[str]:
    """The names of a comma-separated list, each once.

    Raises:
        UsageError: if a place in the list is empty.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"the list {text!r} has an empty place; separate names by single commas")
    return list(dict.fromkeys(names))


def seed_list(text: str) -> list[int]:
    """Seeds from ``0,1,2``, ``0-4`` or a mix.

    Raises:
        UsageError: for anything else.
    """
    seeds: list[int] = []
    for part in comma_list(text):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"cannot read the seeds {text!r}; write 0,1,2 or 0-4")
        seeds.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    return list(dict.fromkeys(seeds))


def radius(text: str) -> float:
    """An epsilon written as a number or a fraction, as in 8/255.

    Raises:
        UsageError: if it is neither, or not strictly between 0 and 1.
    """
    match = re.fullmatch(r"([0-9.]+(?:e-?\d+)?)(?:/([0-9.]+))?", text.strip())
    try:
        value = float(match[1]) / float(match[2] or 1) if match else float("nan")
    except (ValueError, ZeroDivisionError):
        value = float("nan")
    if not 0 < value < 1:
        raise UsageError(f"epsilon {text!r} is out of range: give a radius between 0 and 1, as in 0.1 or 8/255")
    return value


def data_folder(option: Path | None) -> Path | None:
    """The data folder: the option, else FAIRBENCH_DATA, else None for the default."""
    if option is not None:
        return option
    return Path(os.environ["FAIRBENCH_DATA"]) if os.environ.get("FAIRBENCH_DATA") else None


def download_allowed(what: str) -> bool:
    """True, since nobody forbade the network.

    Raises:
        UsageError: if FAIRBENCH_OFFLINE is set.
    """
    if os.environ.get("FAIRBENCH_OFFLINE"):
        raise UsageError(f"cannot fetch {what}: FAIRBENCH_OFFLINE is set; unset it to allow the download")
    return True


def all_plugins(named: list[Path] | None, *, local: bool) -> list[Path]:
    """The plug-in files that were named and, if asked for, those of the folder ``methods/`` where the command runs.

    Raises:
        UsageError: if that folder is not there.
    """
    from fairbench.registry import plugins_in

    return [*(named or []), *(plugins_in(Path("methods")) if local else [])]


def load_methods(named: list[Path] | None, *, local: bool) -> None:
    """Enter the methods of all plug-ins.

    Raises:
        UsageError: if a file is missing or refused.
    """
    from fairbench.registry import load_plugin

    for path in all_plugins(named, local=local):
        load_plugin(path)
