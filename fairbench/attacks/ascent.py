"""The one inner loop: projected sign-gradient ascent in an L-infinity ball.

FGSM, PGD, the KL attack of TRADES, targeted and early-stopped attacks are settings of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Logits = Callable[[Tensor], Tensor]
"""A network: (B, C, H, W) float in [0, 1] -> (B, K) logits."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""What is ascended: (x_adv, logits) -> (B,)."""
Jitter = Callable[[Tensor], Tensor]
"""What moves an iterate after its step and before the projection: (B, C, H, W) -> (B, C, H, W)."""


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Freeze a sample once it has been misclassified long enough (Friendly AT, BAT).

    Every iterate before a step is checked. A misclassified sample whose counter is used up is frozen; otherwise
    its counter falls by one and it steps on.
    """

    labels: Tensor
    """(B,) int64; the sample counts as misclassified when its prediction differs."""
    tau: int = 0
    """steps that a sample still makes after it was first seen misclassified."""
    emit: Literal["current", "previous"] = "current"
    """return the iterate that was checked last, or the one before it."""
    rearm: bool = True
    """True: freeze at a misclassified check once the counter is used up (Friendly AT). False: freeze as soon as
    ``tau`` checks were misclassified, whatever the prediction is now; tau 0 makes no step (CFA)."""


@dataclass(frozen=True)
class Ascent:
    """Where the ascent ended."""

    x_adv: Tensor
    """(B, C, H, W), inside the ball and the unit box."""
    steps: Tensor
    """(B,) int64, the steps that each sample made."""
    correct_steps: Tensor | None = None
    """(B,) int64, iterates before a step that were still classified correctly (Fair-ARD's kappa); needs labels."""


def per_sample(value: float | Tensor, like: Tensor) -> float | Tensor:
    """A radius or step that broadcasts over images: a float as it is, (B,) as (B, 1, 1, 1).

    Args:
        value: one float, or (B,).
        like: (B, ...) tensor to broadcast against.
    """
    return value.reshape(-1, *[1] * (like.ndim - 1)) if isinstance(value, Tensor) and value.ndim else value


def ball_bounds(x: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest pixel values inside both the epsilon ball and the unit box.

    Args:
        x: (B, C, H, W) in [0, 1].
        epsilon: radius, scalar or (B,).
    """
    radius = per_sample(epsilon, x)
    return (x - radius).clamp_(min=0), (x + radius).clamp_(max=1)


def input_gradient(logits_of: Logits, x: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """The gradient of the summed loss with respect to the images alone.

    Args:
        logits_of: the network; its parameters receive no gradient.
        x: (B, C, H, W).
        loss: (x, logits) -> (B,).

    Returns:
        the gradient (B, C, H, W) and the logits (B, K), both detached.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = logits_of(x)
        (gradient,) = torch.autograd.grad(loss(x, logits).sum(), x)
    return gradient, logits.detach()


def projected_ascent(
    logits_of: Logits,
    x: Tensor,
    loss: Loss,
    *,
    start: Tensor,
    epsilon: float | Tensor,
    step_size: float | Tensor,
    steps: int,
    labels: Tensor | None = None,
    early_stop: EarlyStop | None = None,
    jitter: Jitter | None = None,
) -> Ascent:
    """The last iterate of ``steps`` sign-gradient steps, each projected to the ball and the unit box.

    Args:
        logits_of: the network, in the mode that the caller wants.
        x: (B, C, H, W) float in [0, 1], the centre of the ball.
        loss: what is ascended; negate it to descend towards a target.
        start: (B, C, H, W), the first iterate; it may leave the box a little, as TRADES' Gaussian start does.
        epsilon: radius in pixel units of [0, 1], scalar or (B,).
        step_size: same units, scalar or (B,).
        steps: number of steps, at least 0.
        labels: (B,) int64, to count correct iterates; ``early_stop`` brings its own.
        early_stop: when a sample stops; None lets all of them run.
        jitter: noise inside each step (Friendly AT's omega); None makes none.

    Returns:
        an Ascent, without gradients.

    Source: Madry et al. 2018, Eq. 3; Zhang et al. 2020 (Friendly AT), Algorithm 1 for the early stop.
    """
    lower, upper = ball_bounds(x, epsilon)
    step = _Step(per_sample(step_size, x), lower, upper, jitter)
    x_adv = start.detach()
    made = torch.zeros(len(x), dtype=torch.long, device=x.device)
    if early_stop is not None:
        return _stopping_ascent(logits_of, x_adv, loss, early_stop, step=step, steps=steps, made=made)
    correct = torch.zeros_like(made)
    for _ in range(steps):
        gradient, logits = input_gradient(logits_of, x_adv, loss)
        if labels is not None:
            correct += logits.argmax(dim=1) == labels
        x_adv = step(x_adv, gradient)
    return Ascent(x_adv.clamp(lower, upper) if steps == 0 else x_adv, made + steps, None if labels is None else correct)


@dataclass(frozen=True)
class _Step:
    size: float | Tensor
    lower: Tensor
    upper: Tensor
    jitter: Jitter | None

    def __call__(self, x_adv: Tensor, gradient: Tensor) -> Tensor:
        # In place on the one new tensor: on a small network the update costs as much as a layer.
        moved = gradient.sign().mul_(self.size).add_(x_adv)
        moved = moved if self.jitter is None else self.jitter(moved)
        return torch.clamp_(moved, self.lower, self.upper)


def _stopping_ascent(
    logits_of: Logits,
    x_adv: Tensor,
    loss: Loss,
    stop: EarlyStop,
    *,
    step: _Step,
    steps: int,
    made: Tensor,
) -> Ascent:
    # Every sample stays in the batch and the frozen ones are masked: no shape depends on the data, nothing waits
    # for the device. In eval mode this equals a shrinking batch.
    previous = x_adv
    counter = torch.full_like(made, stop.tau)
    active = torch.ones_like(made, dtype=torch.bool)
    correct = torch.zeros_like(made)
    emitted = x_adv
    for _ in range(steps):
        gradient, logits = input_gradient(logits_of, x_adv, loss)
        wrong = logits.argmax(dim=1) != stop.labels
        counter = counter - (active & wrong).long()
        freezing = active & (counter < 0 if stop.rearm else counter <= 0)
        frozen_at = previous if stop.emit == "previous" else x_adv
        emitted = torch.where(_mask(freezing, x_adv), frozen_at, emitted)
        active = active & ~freezing
        correct += active & ~wrong
        previous = torch.where(_mask(active, x_adv), x_adv, previous)
        x_adv = torch.where(_mask(active, x_adv), step(x_adv, gradient), x_adv)
        made = made + active
    end = torch.where(_mask(active, x_adv), x_adv, emitted)
    return Ascent(torch.clamp(end, step.lower, step.upper), made, correct)  # a start that was returned may lie outside


def _mask(flags: Tensor, like: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (like.ndim - 1))
