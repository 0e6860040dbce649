"""Ask a network again about some of its images, exactly as an evaluation did: the basis of every spot check.

Noise is keyed by image and every pass has the recorded shape, so an honest answer comes back bit for bit on the same
kind of machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fairbench.data import Dataset, to_unit
from fairbench.errors import UsageError
from fairbench.evaluation.battery import Condition
from fairbench.evaluation.network import FixedShape, borrowed
from fairbench.evaluation.runner import verdicts
from fairbench.progress import PartOfBar, Progress, Silent
from fairbench.protocol.record import ConditionRecord
from fairbench.threads import computing_threads

_LARGEST_MICRO_BATCH = 4096
_MOST_THREADS = 256


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a recorded evaluation computed."""

    batch_size: int
    micro_batch: int
    threads: int


def recorded_shape(condition: ConditionRecord) -> Shape:
    """The shape that a condition's record claims.

    Raises:
        UsageError: if it is missing or absurd; a record from elsewhere must not exhaust the memory.
    """
    limits = {"batch_size": 2**20, "micro_batch": _LARGEST_MICRO_BATCH, "threads": _MOST_THREADS}
    values: dict[str, int] = {}
    for name, most in limits.items():
        value = condition.settings.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise UsageError(f"settings.{name} = {value!r}: expected a whole number from 1 to {most}")
        values[name] = value
    return Shape(**values)


def perturbed(
    model: nn.Module, dataset: Dataset, condition: Condition, positions: Tensor, shape: Shape, *, device: torch.device
) -> Tensor:
    """The adversarial versions of some test images.

    Args:
        model: the network; borrowed.
        dataset: of which the test split is meant.
        condition: what is done to the images.
        positions: (n,) int64, which test images.
        shape: as recorded.
        device: where to compute.

    Returns:
        (n, C, H, W) float32 on the CPU.
    """

    def perturb(logits_of: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Tensor:
        return condition.perturb(logits_of, x, y, indices).x_adv.detach()

    return _batch_by_batch(perturb, model, dataset, condition, positions, shape=shape, device=device)


def ask_again(
    model: nn.Module,
    dataset: Dataset,
    condition: Condition,
    positions: Tensor,
    shape: Shape,
    *,
    device: torch.device,
    progress: Progress | None = None,
) -> NDArray[np.int16]:
    """What the network answers under a condition: (n,), attack and verdict as in an evaluation.

    Args:
        model: the network; borrowed.
        dataset: of which the test split is meant.
        condition: what is done to the images.
        positions: (n,) int64, which test images.
        shape: as recorded.
        device: where to compute.
        progress: who is told how it goes.

    Raises:
        WorkError: if the model answers NaN, or an attack leaves its ball.
    """

    def answer(logits_of: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Tensor:
        return verdicts(condition, logits_of, x, y, indices).answers

    found = _batch_by_batch(answer, model, dataset, condition, positions, shape=shape, device=device, progress=progress)
    return found.numpy().astype(np.int16)


def answers_to(model: nn.Module, images: Tensor, shape: Shape, *, device: torch.device) -> NDArray[np.int16]:
    """What the network answers to images as they are.

    Args:
        model: the network; borrowed.
        images: (n, C, H, W) float in [0, 1].
        shape: as recorded.
        device: where to compute.
    """
    with borrowed(model, device) as place, computing_threads(shape.threads), torch.no_grad():
        logits_of = FixedShape(model, shape.micro_batch)
        answers = [logits_of(part.to(place)).argmax(dim=1).cpu() for part in images.split(shape.batch_size)]
    return torch.cat(answers).numpy().astype(np.int16)


def _batch_by_batch(
    work: Callable[[FixedShape, Tensor, Tensor, Tensor], Tensor],
    model: nn.Module,
    dataset: Dataset,
    condition: Condition,
    positions: Tensor,
    *,
    shape: Shape,
    device: torch.device,
    progress: Progress | None = None,
) -> Tensor:
    """What comes of the images, in the batches of the evaluation; on the CPU."""
    parts = []
    with borrowed(model, device) as place, computing_threads(shape.threads):
        examples = to_unit(dataset.test.images[: shape.micro_batch].to(place))
        logits_of = condition.network(model, shape.micro_batch, examples)
        with (progress or Silent()).bar(condition.name, len(positions)) as bar:
            for batch in positions.split(shape.batch_size):
                test = dataset.test.take(batch)
                x, y = to_unit(test.images.to(place)), test.labels.to(place)
                logits_of.report = part = PartOfBar(bar, len(batch))
                parts.append(work(logits_of, x, y, batch.to(place)).cpu())
                bar.advance(part.left)
    return torch.cat(parts)
