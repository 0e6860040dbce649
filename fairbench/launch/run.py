"""Run one cell: train what is missing, evaluate what is missing, write the record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn

from fairbench.data import Dataset, load_dataset, training_splits
from fairbench.errors import UsageError
from fairbench.evaluation import Evaluation, evaluate, read_record, write_record
from fairbench.files import cannot_write, read_json, write_json
from fairbench.launch.cells import Cell
from fairbench.launch.recording import Training, make_record
from fairbench.launch.teachers import load_teacher
from fairbench.models import create_model, load_weights, normalisation_of, weights_sha256
from fairbench.progress import Progress, Silent
from fairbench.protocol.conditions import CHEAP_CONDITIONS, expand_conditions
from fairbench.protocol.record import LastRecord, Record
from fairbench.protocol.schema import validated
from fairbench.training.seeds import seed_for
from fairbench.training.trainer import Plan, Trainer

LoadData = Callable[[str], Dataset]
_START_OVER = "start over with --fresh, or choose another --out"


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
    """Bring a cell to its end; what is finished is not done again.

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
    work = _Work(cell, load(cell.track.dataset), device, progress)
    with _claimed(cell, fresh=fresh):
        record = work.record(work.train())
        write_record(record, cell.folder)
    return record


def train_cell(cell: Cell, load: LoadData, device: torch.device, *, progress: Progress | None = None) -> Training:
    """Only train a cell; the weights are in its folder afterwards.

    Raises:
        UsageError: if the folder belongs to another configuration or is damaged.
        WorkError: if training fails.
    """
    with _claimed(cell, fresh=False):
        return _Work(cell, load(cell.track.dataset), device, progress or Silent()).train()


def _finished(cell: Cell) -> Record | None:
    path = cell.folder / "record.json"
    if not path.exists():
        return None
    _check_config(cell)
    record = read_record(path)
    return record if set(expand_conditions(cell.track.battery.conditions)) <= set(record.conditions) else None


@contextmanager
def _claimed(cell: Cell, *, fresh: bool) -> Iterator[None]:
    """The cell's folder, held against other processes, with its configuration in place."""
    folder = cell.folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # The lock is the operating system's: it ends with the process that holds it.
        lock = FileLock(folder.parent / f".seed{cell.seed}.lock").acquire()
    except OSError as error:
        raise cannot_write(folder, error) from None
    with lock:
        if fresh and folder.exists():
            shutil.rmtree(folder)
        if (folder / "config.json").exists():
            _check_config(cell)
        else:
            write_json(folder / "config.json", cell.config | {"seed": cell.seed})
        yield


def _check_config(cell: Cell) -> None:
    path = cell.folder / "config.json"
    if read_json(path, cure=_START_OVER) != cell.config | {"seed": cell.seed}:
        raise UsageError(
            f"{path} was edited: it is not the configuration that its folder is named after; {_START_OVER}"
        )


@dataclass(frozen=True)
class _Work:
    """One cell with its data, on its device."""

    cell: Cell
    dataset: Dataset
    device: torch.device
    progress: Progress

    def network(self, architecture: str | None = None) -> nn.Module:
        """Random weights that depend on the seed alone; of the track's architecture unless another is named."""
        mean, deviation = normalisation_of(self.cell.track.dataset) or (None, None)
        return create_model(
            architecture or self.cell.track.architecture,
            num_classes=self.dataset.num_classes,
            image_shape=self.dataset.image_shape,
            mean=mean,
            std=deviation,
            seed=seed_for(self.cell.seed, "weights"),
        )

    def train(self) -> Training:
        """Train unless it is done; how it went."""
        cell = self.cell
        path = cell.folder / "training.json"
        if path.exists():
            return validated(Training, read_json(path, cure=_START_OVER), place=str(path))
        if cell.composition is None:
            return Training(selected_epoch=cell.start.card.selected_epoch if cell.start.card else 0)
        network = self.network()
        if cell.start.path is not None:
            load_weights(network, cell.start.path)
        recipe = cell.composition.recipe()
        splits = training_splits(self.dataset)
        trainer = Trainer(
            recipe,
            network,
            splits,
            self._plan(),
            cell.folder,
            device=self.device,
            teachers=self._teachers(),
            progress=self.progress,
        )
        outcome = trainer.run()
        training = Training(
            selected_epoch=outcome.selected_epoch,
            epochs=outcome.last_epoch,
            seconds=round(outcome.seconds, 3),
            inner_attack=recipe.method.attack_name,
            hidden_settings=recipe.method.hidden_settings(),
        )
        write_json(path, training.model_dump(mode="json"))
        return training

    def _teachers(self) -> dict[str, nn.Module]:
        networks = {}
        for teacher in self.cell.teachers:
            network = self.network(teacher.architecture)
            load_teacher(network, teacher)
            networks[teacher.role] = network
        return networks

    def record(self, training: Training) -> Record:
        """Evaluate the selected weights, and the last ones under the cheap conditions."""
        cell, network = self.cell, self.network().to(self.device)
        is_base = cell.composition is None
        load_weights(network, (is_base and cell.start.path) or cell.folder / "model.safetensors")
        selected = self._battery(network, cell.track.battery.conditions, cell.folder)
        weights = weights_sha256(network)
        last = None if is_base else self._last(network, training, selected, weights)
        return make_record(
            cell, self.dataset, network, selected=selected, weights=weights, last=last, training=training
        )

    def _plan(self) -> Plan:
        track = self.cell.track
        return Plan(
            schedule=track.schedule,
            augmentation=track.augmentation,
            attack=track.attack,
            selection=track.selection,
            epsilon=track.epsilon,
            from_scratch=self.cell.start.is_scratch,
            seed=self.cell.seed,
        )

    def _battery(self, network: nn.Module, conditions: list[str], out: Path) -> Evaluation:
        battery = self.cell.track.battery
        return evaluate(
            network,
            self.dataset,
            attacks=conditions,
            eps=self.cell.track.epsilon,
            seed=battery.seed,
            subset=battery.subset,
            batch_size=battery.batch_size,
            square_queries=battery.square_queries,
            out=out,
            progress=self.progress,
        )

    def _last(self, network: nn.Module, training: Training, selected: Evaluation, weights: str) -> LastRecord:
        load_weights(network, self.cell.folder / "last.safetensors")
        last_weights = weights_sha256(network)
        cheap = [name for name in CHEAP_CONDITIONS if name in self.cell.track.battery.conditions]
        if last_weights == weights:
            conditions = {name: selected.conditions[name] for name in cheap}
        else:
            conditions = dict(self._battery(network, cheap, self.cell.folder / "last").conditions)
        return LastRecord(epoch=training.epochs, weights_sha256=last_weights, conditions=conditions)
