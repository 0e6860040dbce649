"""Results of several machines in one folder: what is new is copied, what differs is named, nothing is overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fairbench.errors import UsageError
from fairbench.evaluation import read_record
from fairbench.files import cannot_write, sha256_file
from fairbench.locks import claimed, lock_beside
from fairbench.progress import Progress, Silent

_COMPARED = ("config.json", "model.safetensors", "last.safetensors", "predictions.npz")
"""What must agree for two folders to hold the same result; records also hold times, which never agree."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two results of one cell that are not the same."""

    cell: str
    file: str
    here: str
    """sha256, or what is there instead."""
    there: str


@dataclass
class Merged:
    """What came of a merge."""

    copied: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    """already there, with the same files."""
    unfinished: list[str] = field(default_factory=list)
    """not finished in their source; left there."""
    conflicts: list[Conflict] = field(default_factory=list)


def merge(source: Path, out: Path, *, progress: Progress | None = None) -> Merged:
    """Bring the finished cells of one folder of runs into another.

    Args:
        source: a folder of runs, left as it is.
        out: where they go.
        progress: told if another process has to be waited for.

    Raises:
        UsageError: if the source holds no cell, one of its records is damaged, or ``out`` cannot be written.
    """
    if source.resolve() == out.resolve():
        raise UsageError(f"{source} is the folder to merge into; name another one")
    folders = list(_cells(source))
    if not folders:
        raise UsageError(f"{source} holds no runs; name a folder that fairbench run wrote (its --out)")
    merged = Merged()
    for folder in folders:
        name = folder.relative_to(source).as_posix()
        if not (folder / "record.json").exists():
            merged.unfinished.append(name)
            continue
        read_record(folder)
        target = out / name
        with claimed(target, lock_beside(target), progress or Silent()):
            if not target.exists():
                _copy(folder, target)
                merged.copied.append(name)
            elif conflict := _difference(name, target, folder):
                merged.conflicts.append(conflict)
            else:
                merged.present.append(name)
    return merged


def _cells(source: Path) -> Iterator[Path]:
    yield from sorted(path.parent for path in source.glob("*/*/seed*/config.json"))


def _copy(folder: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        # Links are left behind: what they point to may lie anywhere.
        shutil.copytree(folder, temporary, ignore=_links)
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink()]


def _difference(name: str, here: Path, there: Path) -> Conflict | None:
    for file in _COMPARED:
        ours, theirs = _hash(here / file), _hash(there / file)
        if ours != theirs:
            return Conflict(cell=name, file=file, here=ours, there=theirs)
    return None


def _hash(path: Path) -> str:
    return sha256_file(path) if path.exists() else "missing"
