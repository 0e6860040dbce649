"""Runs one condition over its images, batch by batch, from where the journal ends."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fairbench.data import to_unit
from fairbench.errors import WorkError
from fairbench.evaluation.battery import Condition
from fairbench.evaluation.journal import ConditionLog, Journal
from fairbench.evaluation.material import Material
from fairbench.evaluation.network import FixedShape
from fairbench.evaluation.replicas import Replica, share
from fairbench.evaluation.verdicts import Verdicts, verdicts
from fairbench.progress import Bar, PartOfBar, Progress, SharedBar


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many images are attacked together, and how many the network is asked about at once."""

    batch_size: int
    micro_batch: int

    @classmethod
    def at_least(cls, batch_size: int, micro_batch: int) -> Shape:
        """Whole micro-batches, together at least ``batch_size``."""
        return cls(batch_size=-(-batch_size // micro_batch) * micro_batch, micro_batch=micro_batch)

    def halved(self) -> Shape:
        """Half as many of both; a batch stays a multiple of its micro-batches."""
        micro = max(1, self.micro_batch // 2)
        return Shape(batch_size=self.batch_size // self.micro_batch * micro, micro_batch=micro)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Everything that the conditions of one evaluation share."""

    replicas: tuple[Replica, ...]
    """the model on each device; they share the images."""
    material: Material
    shape: Shape
    journal: Journal
    progress: Progress

    def known(self, condition: Condition, positions: Tensor) -> ConditionLog | None:
        """What the journal has of a condition, None if nothing.

        Raises:
            UsageError: if it was begun with other settings or images.
        """
        indices = self._indices(positions)
        return self.journal.log_for(condition.name, settings=condition.settings, indices=indices)

    def run(self, condition: Condition, positions: Tensor) -> ConditionLog:
        """All answers under a condition; what the journal has is not computed again.

        Args:
            condition: what is done to the images.
            positions: (n,) int64, which images.

        Raises:
            UsageError: if the journal has the condition with other settings, or cannot be written.
            WorkError: if the model answers NaN, an attack leaves its ball, or memory does not suffice.
        """
        indices = self._indices(positions)
        log = self.known(condition, positions)
        # The shape that was asked for: a smaller one may have been settled for since.
        asked = {"asked_batch_size": self.shape.batch_size}
        if log is None or (len(log.predicted) < len(positions) and not asked.items() <= log.shape.items()):
            log = self._open(condition, indices, self.shape)
        while len(log.predicted) < len(positions):
            shape = Shape(batch_size=log.shape["batch_size"], micro_batch=log.shape["micro_batch"])
            try:
                self._finish(condition, positions, shape, log)
            except torch.OutOfMemoryError as error:
                if shape.micro_batch == 1:
                    raise WorkError(
                        f"{condition.name}: not even one image at a time fits into the memory of "
                        f"{self.replicas[0].device}; use another device with --device"
                    ) from error
                log = self._open(condition, indices, shape.halved())
                self.progress.say(
                    f"{condition.name}: out of memory, again with {log.shape['batch_size']} images at a time"
                )
                torch.cuda.empty_cache()
        return log

    def _indices(self, positions: Tensor) -> list[int] | None:
        return None if len(positions) == len(self.material.labels) else positions.tolist()

    def _open(self, condition: Condition, indices: list[int] | None, shape: Shape) -> ConditionLog:
        described = {
            "asked_batch_size": self.shape.batch_size,
            "batch_size": shape.batch_size,
            "micro_batch": shape.micro_batch,
            "threads": torch.get_num_threads(),
        }
        return self.journal.open_condition(
            condition.name, settings=condition.settings, indices=indices, shape=described
        )

    def _finish(self, condition: Condition, positions: Tensor, shape: Shape, log: ConditionLog) -> None:
        labels = self.material.labels[positions].numpy()
        left = positions[len(log.predicted) :]
        batches = left.split(shape.batch_size) if len(left) else ()
        networks = {
            replica: condition.network(
                replica.model, shape.micro_batch, self._images(slice(shape.micro_batch), replica)
            )
            for replica in self.replicas[: len(batches)]
        }

        with self.progress.bar(condition.name, len(positions)) as of_images:
            bar = SharedBar(of_images)

            def attack(replica: Replica, batch: Tensor) -> tuple[Verdicts, float, int]:
                began = time.perf_counter()
                networks[replica].report = part = PartOfBar(bar, len(batch))
                found = self._verdicts(condition, networks[replica], replica, batch)
                return found, time.perf_counter() - began, part.left

            if log.predicted:
                _advance(bar, len(log.predicted), log.predicted, labels)
            for (answers, checks), seconds, left in share(tuple(networks), batches, attack):
                self.journal.add_batch(condition.name, answers.tolist(), seconds, checks)
                _advance(bar, left, log.predicted, labels)

    def _verdicts(self, condition: Condition, network: FixedShape, replica: Replica, batch: Tensor) -> Verdicts:
        seed = int(condition.settings.get("seed", 0)) + int(batch[0])
        x = self._images(batch.to(self.material.images.device), replica)
        y = self.material.labels[batch].to(replica.device)
        torch.manual_seed(seed)  # for networks that draw; attacks are keyed by image
        return verdicts(condition, network, x, y, batch.to(replica.device))

    def _images(self, rows: Tensor | slice, replica: Replica) -> Tensor:
        return to_unit(self.material.images[rows].to(replica.device))


def _advance(bar: Bar, amount: int, predicted: list[int], labels: np.ndarray) -> None:
    accuracy = np.mean(np.array(predicted) == labels[: len(predicted)])
    bar.advance(amount, note=f"{accuracy:.1%}")
