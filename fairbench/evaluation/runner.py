"""Runs one condition over its images, batch by batch, from where the journal ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fairbench.data import to_unit
from fairbench.errors import WorkError
from fairbench.evaluation.battery import Condition
from fairbench.evaluation.journal import ConditionLog, Journal
from fairbench.evaluation.material import Material
from fairbench.evaluation.network import FixedShape
from fairbench.progress import Bar, Progress

_TOLERANCE = 1e-6


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

    model: nn.Module
    material: Material
    device: torch.device
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
                        f"{condition.name}: not even one image at a time fits into the memory of {self.device}; "
                        "use another device with --device"
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
        logits_of = FixedShape(self.model, shape.micro_batch)
        labels = self.material.labels[positions].numpy()
        with self.progress.bar(condition.name, len(positions)) as bar:
            _advance(bar, len(log.predicted), log.predicted, labels)
            for start in range(len(log.predicted), len(positions), shape.batch_size):
                batch = positions[start : start + shape.batch_size]
                began = time.perf_counter()
                answers, checks = self._answers(condition, logits_of, batch)
                self.journal.add_batch(condition.name, answers.tolist(), time.perf_counter() - began, checks)
                _advance(bar, len(batch), log.predicted, labels)

    def _answers(self, condition: Condition, logits_of: FixedShape, batch: Tensor) -> Verdicts:
        seed = int(condition.settings.get("seed", 0)) + int(batch[0])
        x = to_unit(self.material.images[batch.to(self.material.images.device)].to(self.device))
        y = self.material.labels[batch].to(self.device)
        torch.manual_seed(seed)  # for networks that draw; attacks are keyed by image
        return verdicts(condition, logits_of, x, y, batch.to(self.device))


class Verdicts(NamedTuple):
    """What the model answers to a batch under a condition."""

    answers: Tensor
    """(B,) int64."""
    checks: dict[str, Any] | None = None
    """of a search."""


def verdicts(condition: Condition, logits_of: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Verdicts:
    """What the float32 model answers to each image under a condition.

    An image that is misclassified as it is counts as misclassified under every attack, with that answer; not so under
    a corruption, which nobody chose.

    Args:
        condition: what is done to the images.
        logits_of: the network.
        x: (B, C, H, W) in [0, 1].
        y: (B,) int64.
        indices: (B,) int64, positions in the whole split.

    Raises:
        WorkError: if the answer is not finite, or an image left the epsilon ball or the unit box.
    """
    unchanged = _answer(condition, logits_of, x) if condition.adversarial else None
    try:
        x_adv, checks = condition.perturb(logits_of, x, y, indices)
    except (ValueError, ArithmeticError) as error:
        raise WorkError(f"{condition.name} failed: {error}") from error
    _check_containment(condition, x, x_adv)
    answers = _answer(condition, logits_of, x_adv)
    return Verdicts(answers if unchanged is None else torch.where(unchanged == y, answers, unchanged), checks)


def _answer(condition: Condition, logits_of: FixedShape, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits = logits_of(x)
    if not torch.isfinite(logits).all():
        raise WorkError(f"the model answers NaN or infinite logits under {condition.name}; its verdicts mean nothing")
    return logits.argmax(dim=1)


def _check_containment(condition: Condition, x: Tensor, x_adv: Tensor) -> None:
    if x_adv.shape != x.shape:
        raise WorkError(f"{condition.name} returned images of shape {tuple(x_adv.shape)}, expected {tuple(x.shape)}")
    outside = torch.stack([(x_adv - x).abs().amax() - condition.epsilon, -x_adv.amin(), x_adv.amax() - 1]).amax()
    if not outside <= _TOLERANCE:
        raise WorkError(
            f"{condition.name} left the epsilon ball or the unit box by {float(outside):.2g}; "
            "its adversarial examples do not count"
        )


def _advance(bar: Bar, amount: int, predicted: list[int], labels: np.ndarray) -> None:
    if amount:
        accuracy = np.mean(np.array(predicted) == labels[: len(predicted)])
        bar.advance(amount, note=f"{accuracy:.1%}")
