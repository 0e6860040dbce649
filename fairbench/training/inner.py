"""The inner attacks that the papers share, as settings of the one ascent."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.ascent import Ascent, EarlyStop, projected_ascent
from fairbench.attacks.starts import TRADES_NOISE, gaussian_start, uniform_start
from fairbench.losses import cross_entropy, kl_divergence
from fairbench.training.seams import Batch, Inner, Setting

CROSS_ENTROPY_ATTACK = "pgd on the cross-entropy"
KL_ATTACK = "pgd on KL(clean || adversarial)"
TARGETED_ATTACK = "pgd towards target classes"


def cross_entropy_attack(
    setting: Setting,
    batch: Batch,
    inner: Inner,
    early_stop: EarlyStop | None = None,
    *,
    start: Literal["uniform", "gaussian"] = "uniform",
    jitter: float = 0.0,
) -> Ascent:
    """PGD on the cross-entropy (Madry et al. 2018).

    With ``inner.targets`` it descends the cross-entropy to those classes instead (FAIR-TAT, Algorithm 1; its Eq. 4
    prints the other sign, which would move away from the target).

    Args:
        setting: network, steps and generator.
        batch: images and labels.
        inner: radius, step, and targets if it is a targeted attack.
        early_stop: when a sample stops; None lets all of them run.
        start: uniform in the ball, or TRADES' small Gaussian one (MART).
        jitter: standard deviation of the noise inside each step, in pixel units (omega of Friendly AT).
    """

    def untargeted(_: Tensor, logits: Tensor) -> Tensor:
        return cross_entropy(logits, batch.y)

    def targeted(_: Tensor, logits: Tensor) -> Tensor:
        assert inner.targets is not None
        return -cross_entropy(logits, inner.targets)

    is_uniform = start == "uniform"
    return projected_ascent(
        setting.network,
        batch.x,
        untargeted if inner.targets is None else targeted,
        start=uniform_start(batch.x, inner.epsilon, setting.generator)
        if is_uniform
        else _small_start(setting, batch, early_stop),
        epsilon=inner.epsilon,
        step_size=inner.step_size,
        steps=setting.steps,
        early_stop=early_stop,
        jitter=(lambda x_adv: gaussian_start(x_adv, jitter, setting.generator)) if jitter else None,
    )


def kl_attack(setting: Setting, batch: Batch, inner: Inner, early_stop: EarlyStop | None = None) -> Ascent:
    """PGD on KL(p(x) || p(x_adv)) from a small Gaussian start (TRADES, Zhang et al. 2019)."""
    with torch.no_grad():
        clean_logits = setting.network(batch.x)
    return projected_ascent(
        setting.network,
        batch.x,
        lambda _, logits: kl_divergence(clean_logits, logits),
        start=_small_start(setting, batch, early_stop),
        epsilon=inner.epsilon,
        step_size=inner.step_size,
        steps=setting.steps,
        early_stop=early_stop,
    )


def _small_start(setting: Setting, batch: Batch, early_stop: EarlyStop | None) -> Tensor:
    # Who stops early may return the start itself, so those codes clip it; TRADES and MART leave that to the first step.
    start = gaussian_start(batch.x, TRADES_NOISE, setting.generator)
    return start if early_stop is None else start.clamp(0, 1)
