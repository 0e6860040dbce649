"""What was done with a cell, as a record."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import nn

from fairbench.data import Dataset, training_splits
from fairbench.evaluation import Evaluation, environment
from fairbench.files import sha256_file
from fairbench.launch.cells import Cell
from fairbench.protocol.conditions import battery_departure
from fairbench.protocol.ledger import BoughtGain, SelectionLedger
from fairbench.protocol.masking import MaskingVerdict
from fairbench.protocol.record import DataRecord, LastRecord, ModelRecord, Record, TrainingRecord
from fairbench.protocol.schema import Schema


class Training(Schema):
    """How the training of a cell went; kept in training.json."""

    selected_epoch: int
    epochs: int = 0
    seconds: float = 0.0
    inner_attack: str = "none"
    hidden_settings: dict[str, Any] = Field(default_factory=dict)
    peeks: int = 0
    """epochs whose weights were scored on test images, for ``selection: test``."""
    gain: BoughtGain | None = None
    """what that bought."""


def data_record(dataset: Dataset, *, with_splits: bool) -> DataRecord:
    """What the record says of the data; the hash of the held-out parts only where they were held out."""
    return DataRecord(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        classes=list(dataset.classes),
        image_shape=list(dataset.image_shape),
        splits_sha256=training_splits(dataset).sha256 if with_splits else None,
    )


def model_record(architecture: str, network: nn.Module, weights: str) -> ModelRecord:
    """What the record says of the network."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return ModelRecord(architecture=architecture, parameters=parameters, weights_sha256=weights)


def make_record(
    cell: Cell,
    dataset: Dataset,
    network: nn.Module,
    *,
    selected: Evaluation,
    weights: str,
    last: LastRecord | None,
    training: Training,
    masking: MaskingVerdict | None = None,
) -> Record:
    """The record of a finished cell.

    Args:
        cell: what was run.
        dataset: what it was run on.
        network: on the device that computed.
        selected: the battery on the selected weights.
        weights: hash of the selected weights.
        last: the cheap conditions on the last weights; None for a base that was not trained further.
        training: how the training went.
        masking: what the probes for masked gradients found.
    """
    entry = cell.composition.entry if cell.composition else None
    departures = [*cell.departures, *battery_departure(cell.track.battery.conditions, selected.conditions)]
    return Record(
        protocol="modified" if departures else "standard",
        departures=departures,
        method=cell.written,
        title=entry.title if entry else f"{cell.start.name}, the base as it is",
        paper=entry.paper if entry else None,
        link=entry.link if entry else None,
        origin=entry.origin if entry else "built-in",
        track=cell.track.name,
        seed=cell.seed,
        init=cell.start.name,
        selected_on=cell.track.selection.rule,
        selected_epoch=training.selected_epoch,
        epsilon=cell.track.epsilon,
        data=data_record(dataset, with_splits=True),
        model=model_record(cell.track.architecture, network, weights),
        conditions=dict(selected.conditions),
        last=last,
        masking=masking,
        ledger=SelectionLedger(
            selected_on=cell.track.selection.rule,
            test_evaluations=training.peeks + len({weights, last.weights_sha256 if last else weights}),
            gain=training.gain,
        ),
        training=_training_record(cell, training) if cell.composition else None,
        environment=environment(next(network.parameters()).device),
    )


def _training_record(cell: Cell, training: Training) -> TrainingRecord | None:
    composition, track = cell.composition, cell.track
    if composition is None:
        return None
    return TrainingRecord(
        epochs=training.epochs,
        seconds=training.seconds,
        init=cell.start.name,
        init_sha256=sha256_file(cell.start.path) if cell.start.path else None,
        objective=composition.objective,
        modifiers=list(composition.modifiers),
        inner_attack=training.inner_attack,
        config=cell.config,
        hidden_settings={
            "nesterov": track.schedule.nesterov,
            "weight_decay": track.schedule.weight_decay,
            "padding_mode": track.augmentation.padding_mode if track.augmentation.crop_padding else "no crop",
            **training.hidden_settings,
        },
    )
