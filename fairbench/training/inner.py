"""The inner attacks that the papers share, as settings of the one ascent."""

from __future__ import annotations

import torch
from torch import Tensor

from fairbench.attacks.ascent import Ascent, EarlyStop, projected_ascent
from fairbench.attacks.starts import TRADES_NOISE, gaussian_start, uniform_start
from fairbench.losses import cross_entropy, kl_divergence
from fairbench.training.seams import Batch, Inner, Setting


def cross_entropy_attack(setting: Setting, batch: Batch, inner: Inner, early_stop: EarlyStop | None = None) -> Ascent:
    """PGD on the cross-entropy from a uniform start (Madry et al. 2018).

    With ``inner.targets`` it descends the cross-entropy to those classes instead (FAIR-TAT, Algorithm 1; its Eq. 4
    prints the other sign, which would move away from the target).
    """

    def untargeted(_: Tensor, logits: Tensor) -> Tensor:
        return cross_entropy(logits, batch.y)

    def targeted(_: Tensor, logits: Tensor) -> Tensor:
        assert inner.targets is not None
        return -cross_entropy(logits, inner.targets)

    return projected_ascent(
        setting.network,
        batch.x,
        untargeted if inner.targets is None else targeted,
        start=uniform_start(batch.x, inner.epsilon, setting.generator),
        epsilon=inner.epsilon,
        step_size=inner.step_size,
        steps=setting.steps,
        early_stop=early_stop,
    )


def kl_attack(setting: Setting, batch: Batch, inner: Inner, early_stop: EarlyStop | None = None) -> Ascent:
    """PGD on KL(p(x) || p(x_adv)) from a small Gaussian start (TRADES, Zhang et al. 2019)."""
    with torch.no_grad():
        clean_logits = setting.network(batch.x)
    return projected_ascent(
        setting.network,
        batch.x,
        lambda _, logits: kl_divergence(clean_logits, logits),
        start=gaussian_start(batch.x, TRADES_NOISE, setting.generator),
        epsilon=inner.epsilon,
        step_size=inner.step_size,
        steps=setting.steps,
        early_stop=early_stop,
    )
