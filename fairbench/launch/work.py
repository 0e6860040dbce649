"""What there is to do for one cell: build the networks, train, evaluate, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from fairbench.data import Dataset, TrainingSplits, training_splits
from fairbench.data.dataset import test_split_closed
from fairbench.evaluation import Evaluation, evaluate, masking_of
from fairbench.files import read_json, write_json
from fairbench.launch.cells import Cell
from fairbench.launch.done import TRAINING_NAME
from fairbench.launch.peek import bought_gain, judge_for
from fairbench.launch.recording import Training, make_record
from fairbench.launch.teachers import load_teacher
from fairbench.models import create_model, load_weights, normalisation_of, weights_sha256
from fairbench.progress import Progress
from fairbench.protocol.conditions import CHEAP_CONDITIONS
from fairbench.protocol.record import LastRecord, Record
from fairbench.protocol.schema import validated
from fairbench.training.plan import Plan, Recipe
from fairbench.training.seeds import seed_for
from fairbench.training.trainer import SAVE_SECONDS, Trainer

START_OVER = "start over with --fresh, or choose another --out"


@dataclass(frozen=True)
class CellWork:
    """One cell with its data, on its device."""

    cell: Cell
    dataset: Dataset
    device: torch.device
    progress: Progress
    save_seconds: float = SAVE_SECONDS

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
        path = cell.folder / TRAINING_NAME
        if path.exists():
            return validated(Training, read_json(path, cure=START_OVER), place=str(path))
        if cell.composition is None:
            return Training(selected_epoch=self._selected_epoch_of_start())
        recipe = cell.composition.recipe()
        # The judge of ``selection: test``, if there is one, is made before the test split is closed.
        trainer = self.trainer(recipe, training_splits(self.dataset), self.plan(), cell.folder)
        with test_split_closed():
            outcome = trainer.run()
        peeks, gain = bought_gain(cell.folder / "log.jsonl")
        training = Training(
            selected_epoch=outcome.selected_epoch,
            epochs=outcome.last_epoch,
            seconds=round(outcome.seconds, 3),
            inner_attack=recipe.method.attack_name,
            hidden_settings=recipe.method.hidden_settings()
            | {"precision": outcome.precision, "compiled": outcome.compiled},
            peeks=peeks,
            gain=gain,
        )
        write_json(path, training.model_dump(mode="json"))
        return training

    def trainer(self, recipe: Recipe, splits: TrainingSplits, plan: Plan, folder: Path) -> Trainer:
        """A trainer at the cell's start, with its teachers."""
        network = self.network()
        if self.cell.start.path is not None:
            load_weights(network, self.cell.start.path, normalisation=self.cell.start.normalisation)
        return Trainer(
            recipe,
            network,
            splits,
            plan,
            folder,
            device=self.device,
            teachers=self._teachers(),
            peek=judge_for(plan, self.dataset),
            progress=self.progress,
            save_seconds=self.save_seconds,
        )

    def _selected_epoch_of_start(self) -> int:
        start = self.cell.start
        if start.trained_by and start.path:
            path = start.path.with_name(TRAINING_NAME)
            return validated(Training, read_json(path, cure=START_OVER), place=str(path)).selected_epoch
        return start.card.selected_epoch if start.card else 0

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
        weights_file = (is_base and cell.start.path) or cell.folder / "model.safetensors"
        load_weights(network, weights_file, normalisation=cell.start.normalisation)
        selected = self._battery(network, cell.conditions, cell.folder)
        masking = masking_of(network, self.dataset, selected, progress=self.progress)
        weights = weights_sha256(network)
        last = None if is_base else self._last(network, training, selected, weights)
        return make_record(
            cell,
            self.dataset,
            network,
            selected=selected,
            weights=weights,
            last=last,
            training=training,
            masking=masking,
        )

    def plan(self) -> Plan:
        """How the cell is trained."""
        track = self.cell.track
        return Plan(
            schedule=track.schedule,
            augmentation=track.augmentation,
            attack=track.attack,
            selection=track.selection,
            epsilon=track.epsilon,
            from_scratch=self.cell.start.is_scratch,
            seed=self.cell.seed,
            compute=track.compute,
        )

    def _battery(self, network: nn.Module, conditions: Sequence[str], out: Path) -> Evaluation:
        battery = self.cell.track.battery
        return evaluate(
            network,
            self.dataset,
            attacks=conditions,
            eps=self.cell.track.epsilon,
            **battery.settings,
            out=out,
            progress=self.progress,
        )

    def _last(self, network: nn.Module, training: Training, selected: Evaluation, weights: str) -> LastRecord:
        load_weights(network, self.cell.folder / "last.safetensors")
        last_weights = weights_sha256(network)
        cheap = [name for name in CHEAP_CONDITIONS if name in selected.conditions]
        if last_weights == weights:
            conditions = {name: selected.conditions[name] for name in cheap}
        else:
            conditions = dict(self._battery(network, cheap, self.cell.folder / "last").conditions)
        return LastRecord(epoch=training.epochs, weights_sha256=last_weights, conditions=conditions)
