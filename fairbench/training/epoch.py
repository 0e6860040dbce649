"""One epoch under way: its order, what it has shown so far, and its losses. A run can stop and go on inside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from fairbench.training.statistics import EpochStatistics


@dataclass
class Losses:
    """The losses of an epoch, summed on the device; the first that is not finite is remembered there."""

    total: Tensor
    """sum over images."""
    images: int
    first_bad_step: Tensor
    """-1 as long as all are finite."""
    bad_value: Tensor

    @classmethod
    def none_yet(cls, device: torch.device) -> Self:
        """Before the first step."""
        return cls(torch.zeros((), device=device), 0, torch.tensor(-1, device=device), torch.zeros((), device=device))

    def add(self, loss: Tensor, images: int, step: int) -> None:
        """Take in the mean loss of one batch, a scalar without gradient."""
        is_first_bad = ~torch.isfinite(loss) & (self.first_bad_step < 0)
        self.first_bad_step = torch.where(is_first_bad, step, self.first_bad_step)
        self.bad_value = torch.where(is_first_bad, loss, self.bad_value)
        self.total += loss * images
        self.images += images

    def first_not_finite(self) -> tuple[int, float] | None:
        """Step (from 0) and value of the first loss that is not finite; waits for the device."""
        step = int(self.first_bad_step)
        return None if step < 0 else (step, float(self.bad_value))

    @property
    def mean(self) -> float:
        """Over the images; waits for the device."""
        return float(self.total) / self.images


@dataclass
class EpochUnderWay:
    """What has to be kept to go on in the middle of an epoch, besides weights, method and generators."""

    order: Tensor
    """(N,) int64, the permutation of the training images."""
    statistics: EpochStatistics
    losses: Losses

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers."""
        return {"order": self.order, "statistics": self.statistics.state_dict(), "losses": vars(self.losses)}

    @classmethod
    def from_state_dict(cls, num_classes: int, state: Mapping[str, Any], device: torch.device) -> Self:
        """The inverse of ``state_dict``, on a device."""
        losses: dict[str, Any] = {
            name: value.to(device) if isinstance(value, Tensor) else value for name, value in state["losses"].items()
        }
        statistics = {name: value.to(device) for name, value in state["statistics"].items()}
        return cls(
            state["order"].to(device),
            EpochStatistics.from_state_dict(num_classes, statistics),
            Losses(**losses),
        )
