"""Experiment trackers, off by default: a thread tells them each row of a cell's log while the cell trains."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fairbench.errors import UsageError, unknown_name
from fairbench.launch.cells import Cell

_SECONDS_BETWEEN_LOOKS = 1.0


class Tracker(Protocol):
    """What a tracker must do."""

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take the values of an epoch."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class _TensorBoard:
    """Event files in the cell's folder."""

    def __init__(self, cell: Cell) -> None:
        _needed("tensorboard", extra="tensorboard")
        self.writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(cell.folder / "tensorboard")

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        self.writer.close()


class _WeightsAndBiases:
    """A run of Weights & Biases; its own environment variables say where it goes."""

    def __init__(self, cell: Cell) -> None:
        wandb = _needed("wandb", extra="wandb")
        self.run = wandb.init(project="fairbench", name=_title(cell), config=_settings(cell), dir=str(cell.folder))

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=epoch)

    def close(self) -> None:
        self.run.finish()


class _MLflow:
    """A run of MLflow; its own environment variables say where it goes."""

    def __init__(self, cell: Cell) -> None:
        client = _needed("mlflow", extra="mlflow").MlflowClient()
        experiment = client.get_experiment_by_name("fairbench")
        identity = experiment.experiment_id if experiment else client.create_experiment("fairbench")
        run = client.create_run(identity, run_name=_title(cell))
        self.client, self.run_id = client, run.info.run_id
        for name, value in _settings(cell).items():
            client.log_param(self.run_id, name, str(value)[:500])

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.client.log_metric(self.run_id, name, value, step=epoch)

    def close(self) -> None:
        self.client.set_terminated(self.run_id)


TRACKERS: dict[str, Callable[[Cell], Tracker]] = {
    "tensorboard": _TensorBoard,
    "wandb": _WeightsAndBiases,
    "mlflow": _MLflow,
}
"""Name on the command line -> what opens it for a cell."""


def check_tracker(name: str | None) -> None:
    """Refuse a tracker that is unknown or not installed, before any work.

    Raises:
        UsageError: naming the extra to install.
    """
    if name is None:
        return
    if name not in TRACKERS:
        raise unknown_name("tracker", name, TRACKERS)
    _needed(name, extra=name)


@contextmanager
def tracking(cell: Cell, name: str | None) -> Iterator[None]:
    """Tell a tracker each new row of the cell's log meanwhile; rows of an earlier, interrupted call are not repeated.

    Args:
        cell: whose ``log.jsonl`` is followed.
        name: of the tracker; None follows nothing.

    Raises:
        UsageError: if the tracker is not installed.
    """
    if name is None:
        yield
        return
    follower, over = _Follower(cell, TRACKERS[name]), threading.Event()

    def follow() -> None:
        while not over.wait(_SECONDS_BETWEEN_LOOKS):
            follower.tell()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        follower.tell()
        follower.close()


class _Follower:
    """Reads a growing log; the tracker is opened when there is something to tell."""

    def __init__(self, cell: Cell, opened: Callable[[Cell], Tracker]) -> None:
        self.cell, self.opened, self.log = cell, opened, cell.folder / "log.jsonl"
        self.seen = len(_rows(self.log))
        self.tracker: Tracker | None = None

    def tell(self) -> None:
        rows = _rows(self.log)
        if len(rows) < self.seen:  # the cell was started over
            self.seen = 0
        for row in rows[self.seen :]:
            self.tracker = self.tracker or self.opened(self.cell)
            self.tracker.log(int(row["epoch"]), scalars(row))
        self.seen = len(rows)

    def close(self) -> None:
        if self.tracker is not None:
            self.tracker.close()


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a log row by name; lists give one name an entry, as in ``select_pgd_class_accuracy/3``."""
    found: dict[str, float] = {}

    def enter(name: str, value: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[name] = float(value)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                enter(f"{name}/{key}", inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                enter(f"{name}/{index}", inner)

    for key, value in row.items():
        if key != "epoch":
            enter(key, value)
    return found


def _rows(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []


def _title(cell: Cell) -> str:
    return f"{cell.track.name} {cell.written} seed {cell.seed}"


def _settings(cell: Cell) -> dict[str, Any]:
    return {"track": cell.track.name, "method": cell.written, "seed": cell.seed, "init": cell.start.name}


def _needed(module: str, *, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UsageError(f"--tracker {extra} needs a package: pip install 'robust-fairbench[{extra}]'") from None
