"""Results of several machines in one folder: what is new is copied, what differs is named, nothing is overwritten."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairbench.errors import UsageError
from fairbench.evaluation import read_predictions, read_record
from fairbench.evaluation.journal import JOURNAL_NAME
from fairbench.evaluation.predictions import PREDICTIONS_NAME
from fairbench.evaluation.records import RECORD_NAME
from fairbench.files import cannot_write, replacing, sha256_file
from fairbench.locks import claimed, lock_beside
from fairbench.progress import Progress, Silent

_COMPARED = ("config.json", "model.safetensors", "last.safetensors")
"""What must agree for two folders to hold the same cell."""
_PARTS = ("", "last")
_EVALUATED = tuple(Path(part) / name for part in _PARTS for name in (JOURNAL_NAME, PREDICTIONS_NAME))


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two results of one cell that are not the same."""

    cell: str
    file: str
    here: str
    """sha256, or what is there instead."""
    there: str
    cure: str = "keep one of the two folders"


@dataclass
class Merged:
    """What came of a merge."""

    copied: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    """already there, with the same answers."""
    extended: list[str] = field(default_factory=list)
    """already there, with fewer conditions; now with all."""
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
        if not (folder / RECORD_NAME).exists():
            merged.unfinished.append(name)
            continue
        read_record(folder)
        target = out / name
        with claimed(target, lock_beside(target), progress or Silent()):
            _bring(name, folder, target, merged)
    return merged


def _bring(name: str, folder: Path, target: Path, merged: Merged) -> None:
    if not target.exists():
        _copy(folder, target)
        merged.copied.append(name)
    elif conflict := _difference(name, target, folder):
        merged.conflicts.append(conflict)
    elif _answers(folder).keys() <= _answers(target).keys():
        merged.present.append(name)
    else:
        _extend(target, folder)
        merged.extended.append(name)


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


def _extend(target: Path, folder: Path) -> None:
    """The answers of the folder, which hold those of the target; its record comes last, when they are there."""
    for file in (*_EVALUATED, Path(RECORD_NAME)):
        if (folder / file).is_file():
            with replacing(target / file) as temporary:
                shutil.copyfile(folder / file, temporary)


def _difference(name: str, here: Path, there: Path) -> Conflict | None:
    for file in _COMPARED:
        ours, theirs = _hash(here / file), _hash(there / file)
        if ours != theirs:
            return Conflict(cell=name, file=file, here=ours, there=theirs)
    answers_here, answers_there = _answers(here), _answers(there)
    if any(not np.array_equal(answers_here[key], answers_there[key]) for key in answers_here.keys() & answers_there):
        hashes = [_hash(folder / PREDICTIONS_NAME) for folder in (here, there)]
        return Conflict(cell=name, file=PREDICTIONS_NAME, here=hashes[0], there=hashes[1])
    only_here, only_there = answers_here.keys() - answers_there, answers_there.keys() - answers_here
    if only_here and only_there:
        return Conflict(
            cell=name,
            file=PREDICTIONS_NAME,
            here=", ".join(sorted(only_here)),
            there=", ".join(sorted(only_there)),
            cure="evaluate the conditions of both in one of the two folders",
        )
    return None


def _answers(folder: Path) -> dict[str, NDArray[np.int16]]:
    """What was answered under each condition, by the selected weights and by the last ones."""
    found = {}
    for part in _PARTS:
        if (path := folder / part / PREDICTIONS_NAME).is_file():
            predictions = read_predictions(path)
            found |= {" ".join((part, name)).strip(): answers for name, answers in predictions.by_condition.items()}
            found[f"{part} labels".strip()] = predictions.labels
    return found


def _hash(path: Path) -> str:
    return sha256_file(path) if path.exists() else "missing"
