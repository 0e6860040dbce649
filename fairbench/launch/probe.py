"""How long a cell takes, measured: a few steps of its training, a few images of its battery."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fairbench.data import Dataset, Split, TrainingSplits, stratified_subset, training_splits
from fairbench.evaluation import evaluate
from fairbench.evaluation.battery import sees_subset
from fairbench.launch.bases import find_start, is_shipped
from fairbench.launch.cells import Cell
from fairbench.launch.work import CellWork
from fairbench.models import load_weights
from fairbench.progress import Bar, Progress, Silent
from fairbench.protocol.conditions import CHEAP_CONDITIONS

_FEW_STEPS, _MORE_STEPS = 2, 10
_HELD_OUT = 200
_IMAGES = 128
_TRAININGS = 3


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a cell costs, in seconds of its device."""

    start: float
    """building networks, reading data, compiling."""
    epoch: float
    epochs: int
    conditions: dict[str, float]
    last: dict[str, float]
    """the cheap conditions on the last weights, where those are not the selected ones."""
    weights_bytes: int
    answers_bytes: int
    """of each condition."""
    note: str = ""

    @property
    def training(self) -> float:
        """All epochs."""
        return self.start + self.epochs * self.epoch

    @property
    def evaluation(self) -> float:
        """The whole battery."""
        return sum(self.conditions.values()) + sum(self.last.values())

    @property
    def disk_bytes(self) -> int:
        """What will be written and stay."""
        return self.weights_bytes + len(self.conditions) * self.answers_bytes

    @property
    def seconds(self) -> float:
        """The whole cell."""
        return self.training + self.evaluation

    def left(self, *, trained: bool, evaluated: Collection[str]) -> Cost:
        """What is left to pay when some of it is done.

        Args:
            trained: whether the weights are there.
            evaluated: conditions that are there.
        """
        kept = {"start": 0.0, "epoch": 0.0, "weights_bytes": 0} if trained else {}
        missing = {
            field: {name: seconds for name, seconds in getattr(self, field).items() if name not in evaluated}
            for field in ("conditions", "last")
        }
        return dataclasses.replace(self, **kept, **missing)


@dataclass(frozen=True)
class _BatteryCost:
    """Seconds of each condition, measured on a few images and scaled to all."""

    conditions: dict[str, float]
    note: str


class Prober:
    """Measures a little of cells; a battery that many of them share is measured once.

    Args:
        device: where they would run.
        progress: where to report.
    """

    def __init__(self, device: torch.device, progress: Progress | None = None) -> None:
        self._device, self._progress = device, progress or Silent()
        self._batteries: dict[tuple[object, ...], _BatteryCost] = {}

    def probe(self, cell: Cell, dataset: Dataset) -> Cost:
        """Measure a little of a cell.

        Args:
            cell: what would run.
            dataset: its data.

        Returns:
            The estimate; training steps are measured as they are, validation and attacks in proportion to the images.

        Raises:
            UsageError: if the cell's weights do not fit.
        """
        work = CellWork(cell, dataset, self._device, Silent())
        start, epoch, epochs = 0.0, 0.0, 0
        on_last: tuple[str, ...] = ()
        is_trained = cell.composition is not None
        with self._progress.bar("probe", 1 + _TRAININGS * is_trained) as bar:
            if is_trained:
                start, epoch = _training(work, bar)
                epochs, on_last = cell.track.schedule.epochs, CHEAP_CONDITIONS
            battery = self._battery(work)
            bar.advance()
        return Cost(
            start=start,
            epoch=epoch,
            epochs=epochs,
            conditions=battery.conditions,
            last={name: seconds for name, seconds in battery.conditions.items() if name in on_last},
            weights_bytes=2 * sum(tensor.nbytes for tensor in work.network().state_dict().values()),
            answers_bytes=len(dataset.test),
            note=battery.note,
        )

    def _battery(self, work: CellWork) -> _BatteryCost:
        cell, track = work.cell, work.cell.track
        asked = track.name, track.dataset, track.architecture, track.epsilon, track.battery.model_dump_json()
        key = (*asked, tuple(cell.conditions), cell.start.path)
        if key not in self._batteries:
            self._batteries[key] = _battery_cost(work)
        return self._batteries[key]


def _training(work: CellWork, bar: Bar) -> tuple[float, float]:
    """Seconds until the first step, and of an epoch."""
    held_out_share = _held_out_share(work.dataset)
    with tempfile.TemporaryDirectory() as folder:
        training = _Training(work, Path(folder), held_out_share)
        # The first call warms up what is built once in a process, and is not counted.
        training.seconds(epochs=1, steps=_FEW_STEPS)
        few = training.seconds(epochs=1, steps=_FEW_STEPS)
        bar.advance()
        more = training.seconds(epochs=1, steps=_MORE_STEPS)
        bar.advance()
        twice = training.seconds(epochs=2, steps=_FEW_STEPS)
        bar.advance()
    step = max(0.0, (more - few) / (_MORE_STEPS - _FEW_STEPS))
    overhead = max(0.0, twice - few - _FEW_STEPS * step)
    start = max(0.0, few - overhead - _FEW_STEPS * step)
    return start, step * _steps_per_epoch(work.cell, work.dataset) + overhead / held_out_share


@dataclass(frozen=True)
class _Training:
    """Short trainings of a cell, each in a folder of its own."""

    work: CellWork
    folder: Path
    held_out_share: float

    def seconds(self, *, epochs: int, steps: int) -> float:
        """How long so many epochs of so many steps take, with a part of the held-out images."""
        composition = self.work.cell.composition
        assert composition is not None
        plan = self.work.plan()
        schedule = plan.schedule.model_copy(update={"epochs": epochs, "steps_per_epoch": steps})
        splits = _with_fewer_held_out(training_splits(self.work.dataset), self.held_out_share)
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            short = dataclasses.replace(plan, schedule=schedule)
            trainer = self.work.trainer(composition.recipe(), splits, short, Path(folder))
            begun = time.perf_counter()
            trainer.run()
            return time.perf_counter() - begun


def _held_out_share(dataset: Dataset) -> float:
    return min(1.0, _HELD_OUT / len(training_splits(dataset).select))


def _with_fewer_held_out(splits: TrainingSplits, share: float) -> TrainingSplits:
    def part(split: Split) -> Split:
        count = max(1, round(share * len(split)))
        return split.take(stratified_subset(split.labels, count, num_classes=splits.num_classes, seed=0))

    return dataclasses.replace(splits, select=part(splits.select), feedback=part(splits.feedback))


def _steps_per_epoch(cell: Cell, dataset: Dataset) -> int:
    schedule = cell.track.schedule
    steps = -(-len(training_splits(dataset).train) // schedule.batch_size)
    return min(steps, schedule.steps_per_epoch or steps)


def _battery_cost(work: CellWork) -> _BatteryCost:
    cell, dataset = work.cell, work.dataset
    network, note = _robust_network(work)
    test, battery = dataset.test, cell.track.battery
    count = min(len(test), _IMAGES)
    few = test.take(stratified_subset(test.labels, count, num_classes=dataset.num_classes, seed=battery.seed))
    measured = evaluate(
        network,
        few,
        attacks=cell.conditions,
        eps=cell.track.epsilon,
        num_classes=dataset.num_classes,
        **battery.model_copy(update={"subset": None}).settings,
        device=work.device,
    ).conditions
    images = {name: (battery.subset or len(test)) if sees_subset(name) else len(test) for name in measured}
    return _BatteryCost({name: images[name] / count * each.seconds for name, each in measured.items()}, note)


def _robust_network(work: CellWork) -> tuple[nn.Module, str]:
    """Attacks on random weights end at once; a base says better how long they take on what training will give."""
    network, cell = work.network(), work.cell
    if cell.start.path is not None and cell.start.path.is_file():
        load_weights(network, cell.start.path, normalisation=cell.start.normalisation)
        return network, ""
    for name in cell.track.bases:
        if is_shipped(name, cell.track):
            path = find_start(name, cell.track).path
            assert path is not None
            load_weights(network, path)
            return network, ""
    return network, "attacks measured on random weights, which fall at once: expect them to take longer"
