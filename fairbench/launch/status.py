"""Where each cell of a grid stands, read from the files alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from fairbench.errors import UsageError
from fairbench.evaluation.records import RECORD_NAME
from fairbench.files import read_json, write_json
from fairbench.launch.done import is_done, is_trained
from fairbench.launch.failures import FAILURE_NAME, read_failure
from fairbench.launch.grid import Job
from fairbench.locks import is_claimed, lock_beside
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.schema import Schema, validated

_GRIDS = ".grids"


class State(StrEnum):
    """What a cell is doing."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    WAITING = "waiting"


class Planned(Schema):
    """A cell that somebody asked for."""

    track: str
    method: str
    seed: int
    folder: str
    """relative to the folder of the runs."""
    epochs: int
    only_train: bool = False
    conditions: list[str] = Field(default_factory=list)
    """that its record must hold."""


class _Grid(Schema):
    cells: list[Planned]


@dataclass(frozen=True, kw_only=True)
class CellStatus:
    """One cell, and how far it is."""

    planned: Planned
    state: State
    epoch: int
    """epochs that are done."""
    doing: str
    """``training``, ``evaluating`` or why it failed; empty if there is nothing to say."""


def write_grid(jobs: Sequence[Job], out: Path) -> Path:
    """Write down what was asked for, so that ``fairbench status`` knows of cells that have not begun."""
    cells = [
        Planned(
            track=job.cell.track.name,
            method=job.cell.written,
            seed=job.cell.seed,
            folder=job.cell.folder.relative_to(out).as_posix(),
            epochs=job.cell.track.schedule.epochs if job.cell.composition else 0,
            only_train=job.only_train,
            conditions=list(job.cell.conditions),
        )
        for job in jobs
    ]
    values = _Grid(cells=cells).model_dump(mode="json")
    name = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
    path = out / _GRIDS / f"{name}.json"
    if not path.exists():
        write_json(path, values)
    return path


def planned_cells(out: Path) -> list[Planned]:
    """Every cell that was ever asked for in this folder, each once.

    Raises:
        UsageError: if the folder is missing, or holds no cell.
    """
    cells: dict[str, Planned] = {}
    for path in sorted((out / _GRIDS).glob("*.json")):
        for cell in validated(_Grid, read_json(path, cure="remove it"), place=str(path)).cells:
            cells[cell.folder] = _joined(cells.get(cell.folder, cell), cell)
    for path in sorted(out.glob("*/*/seed*/config.json")):
        folder = path.parent.relative_to(out).as_posix()
        if folder not in cells:
            cells[folder] = _from_its_folder(path, folder)
    if not cells:
        raise UsageError(f"no grid was started in {out}; start one with fairbench run, or name its folder with --runs")
    return sorted(cells.values(), key=lambda cell: (cell.track, cell.folder))


def _joined(first: Planned, second: Planned) -> Planned:
    """A cell that was asked for twice: it is evaluated if either says so, under the conditions of both."""
    if first.only_train != second.only_train:
        return second if first.only_train else first
    names = {*first.conditions, *second.conditions}
    ordered = [*(name for name in CONDITIONS if name in names), *sorted(names.difference(CONDITIONS))]
    return first.model_copy(update={"conditions": ordered})


def _from_its_folder(path: Path, folder: str) -> Planned:
    """A cell that was run alone."""
    config = read_json(path, cure="remove its folder")
    try:
        track, is_base = config["track"], config["objective"] is None
        epochs = 0 if is_base else track["schedule"]["epochs"]
        return Planned(track=track["name"], method=config["method"], seed=config["seed"], folder=folder, epochs=epochs)
    except (KeyError, TypeError):
        raise UsageError(f"{path} is damaged; remove its folder and run its command again") from None


def statuses(out: Path, planned: Iterable[Planned]) -> list[CellStatus]:
    """How far the cells are.

    Args:
        out: the folder of the runs.
        planned: the cells.
    """
    return [_status(out, cell) for cell in planned]


def _status(out: Path, planned: Planned) -> CellStatus:
    folder = out / planned.folder
    state = _state(folder, planned)
    epoch, doing = 0, ""
    if state is State.DONE:
        epoch = planned.epochs
    elif state is not State.WAITING:
        epoch = _lines(folder / "log.jsonl")
        doing = "evaluating" if is_trained(folder) else "training"
    if state is State.FAILED and (failure := read_failure(folder)):
        doing = failure.message
    return CellStatus(planned=planned, state=state, epoch=epoch, doing=doing)


def _state(folder: Path, planned: Planned) -> State:
    if is_done(folder, planned.conditions, only_train=planned.only_train):
        return State.DONE
    if is_claimed(lock_beside(folder)):
        return State.RUNNING
    if (folder / FAILURE_NAME).exists():
        return State.FAILED
    # A record without some of the conditions: it was whole until more were asked for.
    return State.WAITING if not folder.exists() or (folder / RECORD_NAME).exists() else State.INTERRUPTED


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
