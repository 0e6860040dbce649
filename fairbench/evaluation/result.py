"""What an evaluation returns, put together from the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fairbench.evaluation.attack_checks import merged
from fairbench.evaluation.journal import ConditionLog
from fairbench.evaluation.material import Material
from fairbench.evaluation.predictions import NOT_EVALUATED, Predictions
from fairbench.evaluation.summary import summarise
from fairbench.protocol.conditions import in_order
from fairbench.protocol.record import ConditionRecord, DataRecord, ModelRecord

Logs = Mapping[str, ConditionLog]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a model answered, and how each class fared."""

    labels: NDArray[np.int16]
    """(N,)."""
    predictions: Mapping[str, NDArray[np.int16]]
    """condition -> (N,) answers on the perturbed images, -1 where an image was not evaluated."""
    conditions: Mapping[str, ConditionRecord]
    epsilon: float
    seed: int
    data: DataRecord
    model: ModelRecord

    def average(self, condition: str) -> float:
        """The fraction of images that are classified correctly under a condition."""
        return self.conditions[condition].average

    def worst(self, condition: str) -> float:
        """The lowest class accuracy under a condition."""
        return self.conditions[condition].worst

    @property
    def seconds(self) -> float:
        """What all conditions took together."""
        return sum(record.seconds for record in self.conditions.values())


def evaluation_of(model: nn.Module, material: Material, logs: Logs, identity: dict[str, Any]) -> Evaluation:
    """The evaluation so far: every finished condition with its record.

    Args:
        model: the network.
        material: the images.
        logs: condition -> what the journal knows about it.
        identity: what the journal is about.
    """
    predictions = predictions_of(material, logs)
    records = {
        name: summarise(
            log.predicted,
            material.labels.numpy()[positions],
            material.num_classes,
            settings={**log.settings, "images": len(positions), **log.shape},
            seconds=log.seconds,
            checks=merged(log.checks),
        )
        for name, (positions, log) in _finished(material, logs).items()
    }
    return Evaluation(
        labels=predictions.labels,
        predictions=predictions.by_condition,
        conditions=records,
        epsilon=identity["epsilon"],
        seed=identity["seed"],
        data=DataRecord(
            name=material.name,
            fingerprint=material.fingerprint,
            classes=list(material.classes),
            image_shape=list(material.images.shape[1:]),
        ),
        model=ModelRecord(
            architecture=type(model).__name__,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            weights_sha256=identity["weights_sha256"],
        ),
    )


def predictions_of(material: Material, logs: Logs) -> Predictions:
    """The answers under every finished condition, image by image.

    Args:
        material: the images.
        logs: condition -> what the journal knows about it.
    """
    by_condition = {}
    for name, (positions, log) in _finished(material, logs).items():
        by_condition[name] = np.full(len(material.labels), NOT_EVALUATED, dtype=np.int16)
        by_condition[name][positions] = log.predicted
    return Predictions(material.labels.numpy().astype(np.int16), by_condition)


def _finished(material: Material, logs: Logs) -> dict[str, tuple[NDArray[np.int64], ConditionLog]]:
    """The conditions that are done, in the order of the tables, each with the positions of its images."""
    done = {}
    for name in in_order(logs):
        indices = logs[name].indices
        positions = np.arange(len(material.labels)) if indices is None else np.array(indices)
        if len(logs[name].predicted) == len(positions):
            done[name] = positions, logs[name]
    return done
