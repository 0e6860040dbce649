"""Run one cell: train what is missing, evaluate what is missing, write the record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from fairbench.data import Dataset, load_dataset
from fairbench.errors import UsageError
from fairbench.evaluation import read_record, write_record
from fairbench.evaluation.records import RECORD_NAME
from fairbench.files import read_json, write_json
from fairbench.launch.cells import Cell
from fairbench.launch.recording import Training
from fairbench.launch.work import START_OVER, CellWork
from fairbench.locks import claimed, lock_beside
from fairbench.progress import Progress, Silent
from fairbench.protocol.conditions import lacking
from fairbench.protocol.record import Record
from fairbench.training.trainer import SAVE_SECONDS

LoadData = Callable[[str], Dataset]


def data_loader(data_dir: Path | None) -> LoadData:
    """A loader that reads each data set once."""
    loaded: dict[str, Dataset] = {}

    def load(name: str) -> Dataset:
        if name not in loaded:
            loaded[name] = load_dataset(name, data_dir=data_dir)
        return loaded[name]

    return load


def run_cell(
    cell: Cell, load: LoadData, device: torch.device, *, fresh: bool = False, progress: Progress | None = None
) -> Record:
    """Bring a cell to its end; what is finished is not done again, and conditions of before stay in its record.

    Args:
        cell: what to run.
        load: gives data sets by name.
        device: where to compute.
        fresh: throw away what the cell's folder holds.
        progress: where to report.

    Raises:
        UsageError: if the folder belongs to another configuration or is damaged.
        WorkError: if training fails.
    """
    progress = progress or Silent()
    if finished := None if fresh else _finished(cell):
        progress.say(f"{cell.written} seed {cell.seed}: already done")
        return finished
    work = CellWork(cell, load(cell.track.dataset), device, progress)
    with _own_folder(cell, progress, fresh=fresh):
        # Whoever had the folder before may have done it all.
        record = _finished(cell) or work.record(work.train())
        write_record(record, cell.folder)
    return record


def train_cell(
    cell: Cell,
    load: LoadData,
    device: torch.device,
    *,
    progress: Progress | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Training:
    """Only train a cell; the weights are in its folder afterwards.

    Args:
        cell: what to train.
        load: gives data sets by name.
        device: where to compute.
        progress: where to report.
        save_seconds: between two saved states inside an epoch.

    Raises:
        UsageError: if the folder belongs to another configuration or is damaged.
        WorkError: if training fails.
    """
    progress = progress or Silent()
    with _own_folder(cell, progress, fresh=False):
        return CellWork(cell, load(cell.track.dataset), device, progress, save_seconds).train()


def _finished(cell: Cell) -> Record | None:
    path = cell.folder / RECORD_NAME
    if not path.exists():
        return None
    _check_config(cell)
    record = read_record(path)
    return None if lacking(cell.conditions, record.conditions) else record


@contextmanager
def _own_folder(cell: Cell, progress: Progress, *, fresh: bool) -> Iterator[None]:
    """The cell's folder, held against other processes, with its configuration in place."""
    folder = cell.folder
    with claimed(folder, lock_beside(folder), progress):
        if fresh and folder.exists():
            shutil.rmtree(folder)
        if (folder / "config.json").exists():
            _check_config(cell)
        else:
            write_json(folder / "config.json", cell.config | {"seed": cell.seed})
        yield


def _check_config(cell: Cell) -> None:
    path = cell.folder / "config.json"
    if read_json(path, cure=START_OVER) != cell.config | {"seed": cell.seed}:
        raise UsageError(f"{path} was edited: it is not the configuration that its folder is named after; {START_OVER}")
