"""What passes between the seams of one training step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

BatchNormMode = Literal["eval", "train"]


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Where training stands."""

    epoch: int
    """epochs done, so 0 in the first."""
    step: int
    """steps done in this epoch."""
    epochs: int
    steps_per_epoch: int
    learning_rate_factor: float
    """the schedule's factor on the learning rate in this epoch."""

    @property
    def fraction(self) -> float:
        """The share of all steps that is done, in [0, 1]."""
        return (self.epoch + self.step / max(1, self.steps_per_epoch)) / max(1, self.epochs)

    @property
    def epoch_fraction(self) -> float:
        """The share of all epochs that is done, in [0, 1]; what schedules look at."""
        return self.epoch / max(1, self.epochs)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a method works on; bound once, before the first step."""

    network: nn.Module
    num_classes: int
    epsilon: float
    """radius of the track, in pixel units of [0, 1]."""
    step_size: float
    steps: int
    """steps of the inner maximisation."""
    epochs: int
    from_scratch: bool
    """whether training starts from random weights; some schedules depend on it."""
    generator: torch.Generator
    """the noise of training attacks, on the device of the network."""
    teachers: Mapping[str, nn.Module] = field(default_factory=dict)
    """frozen networks by role, in eval mode."""


@dataclass(frozen=True)
class Batch:
    """One augmented batch."""

    x: Tensor
    """(B, C, H, W) float in [0, 1]."""
    y: Tensor
    """(B,) int64."""
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class Inner:
    """What the inner maximisation is asked to do."""

    epsilon: float | Tensor
    """radius, scalar or (B,)."""
    step_size: float | Tensor
    """step, scalar or (B,)."""
    targets: Tensor | None = None
    """(B,) classes to be driven to, for targeted attacks."""
    soft_labels: Mapping[str, Tensor] = field(default_factory=dict)
    """(B, K) logits of a teacher, by role."""


@dataclass(frozen=True)
class Views:
    """The perturbed batches, and what was noticed on the way."""

    x: Mapping[str, Tensor]
    """name -> (B, C, H, W); most methods have ``adversarial`` alone."""
    traces: Mapping[str, Tensor] = field(default_factory=dict)
    """name -> (B,) float, for instance the step counts of Fair-ARD; summed by class over the epoch."""
    soft_labels: Mapping[str, Tensor] = field(default_factory=dict)
    """name -> (B, K) logits of a teacher, handed on to the losses."""


@dataclass(frozen=True)
class Terms:
    """The loss before any reduction."""

    per_sample: Mapping[str, Tensor]
    """name -> (B,); ``natural`` and ``boundary`` for TRADES."""
    coefficients: Mapping[str, float]
    """name -> factor of the term in the objective; beta of TRADES stands here."""
    logits: Mapping[str, Tensor]
    """view (``adversarial``, ``clean``) -> (B, K), from the train-mode forward at the (perturbed) weights."""

    def base_loss(self) -> Tensor:
        """The objective without class weights: a scalar."""
        parts = [self.coefficients[name] * values.mean() for name, values in self.per_sample.items()]
        return torch.stack(parts).sum()
