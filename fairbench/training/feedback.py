"""The look back at an epoch: training statistics, and attacks on the held-out feedback split when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fairbench.attacks.ascent import Logits, Loss, projected_ascent
from fairbench.attacks.starts import TRADES_NOISE, keyed_normal, keyed_uniform
from fairbench.data import Split, to_unit
from fairbench.losses import class_counts, class_sums, cross_entropy, kl_divergence
from fairbench.training.modes import attacking
from fairbench.training.precision import in_precision
from fairbench.training.seams import Clock
from fairbench.training.statistics import EpochStatistics


@dataclass(frozen=True, kw_only=True)
class HeldOutAttack:
    """An attack on a held-out split; equal attacks on equal weights are made once."""

    loss: Literal["cross_entropy", "kl"] = "cross_entropy"
    """cross-entropy from a uniform start, or KL from TRADES' Gaussian start."""
    steps: int = 20
    epsilon: float
    step_size: float
    seed: int = 0


@dataclass(frozen=True)
class HeldOutResult:
    """Class-wise sums on a held-out split; all (K,) float."""

    total: Tensor
    clean_correct: Tensor
    adversarial_correct: Tensor
    cross_entropy: Tensor
    """sum of the clean cross-entropy."""
    adversarial_cross_entropy: Tensor
    kl: Tensor
    """sum of KL(p(x) || p(x_adv))."""

    @property
    def clean_accuracy(self) -> Tensor:
        """(K,) fractions."""
        return self.clean_correct / self.total

    @property
    def adversarial_accuracy(self) -> Tensor:
        """(K,) fractions."""
        return self.adversarial_correct / self.total


def attack_split(
    network: nn.Module,
    split: Split,
    attack: HeldOutAttack,
    *,
    num_classes: int,
    batch_size: int = 500,
    attack_dtype: torch.dtype = torch.float32,
) -> HeldOutResult:
    """Attack a held-out split in eval mode, last iterate, with noise keyed by image.

    The answers are those of the float32 network, in whatever precision the attack searched.

    Args:
        network: attacked as it is, in eval mode, parameters out of the graph; put back afterwards.
        split: (N, C, H, W) uint8 images and (N,) labels.
        attack: loss, steps, radius, step and seed.
        num_classes: K.
        batch_size: images at a time; does not change the noise.
        attack_dtype: precision of the search.
    """
    device = next(network.parameters()).device
    sums = torch.zeros(6, num_classes, device=device)
    searched = in_precision(network, attack_dtype)
    with attacking(network, "eval"):
        for begin in range(0, len(split.labels), batch_size):
            x = to_unit(split.images[begin : begin + batch_size].to(device))
            y = split.labels[begin : begin + batch_size].to(device)
            sums += _class_sums(network, x, y, _attacked(searched, x, y, attack, begin), num_classes)
    return HeldOutResult(*sums)


def _attacked(network: Logits, x: Tensor, y: Tensor, attack: HeldOutAttack, begin: int) -> Tensor:
    keys = {"seed": attack.seed, "indices": torch.arange(begin, begin + len(y)), "purpose": "held-out"}
    loss: Loss
    if attack.loss == "cross_entropy":
        start = (x + attack.epsilon * keyed_uniform(x, **keys)).clamp(0, 1)
        loss = lambda _, logits: cross_entropy(logits, y)  # noqa: E731
    else:
        start = x + TRADES_NOISE * keyed_normal(x, **keys)
        with torch.no_grad():
            clean = network(x)
        loss = lambda _, logits: kl_divergence(clean, logits)  # noqa: E731
    return projected_ascent(
        network,
        x,
        loss,
        start=start,
        epsilon=attack.epsilon,
        step_size=attack.step_size,
        steps=attack.steps,
    ).x_adv


@torch.no_grad()
def _class_sums(network: nn.Module, x: Tensor, y: Tensor, x_adv: Tensor, num_classes: int) -> Tensor:
    """The fields of HeldOutResult for one batch, in their order: (6, K)."""
    clean, adversarial = network(x), network(x_adv)
    per_sample = [
        (clean.argmax(dim=1) == y).float(),
        (adversarial.argmax(dim=1) == y).float(),
        cross_entropy(clean, y),
        cross_entropy(adversarial, y),
        kl_divergence(clean, adversarial),
    ]
    return torch.stack([class_counts(y, num_classes), *(class_sums(values, y, num_classes) for values in per_sample)])


class Feedback:
    """What a method may look at between epochs."""

    def __init__(
        self,
        network: nn.Module,
        split: Split,
        num_classes: int,
        images_again: Callable[[int], Iterator[Tensor]] = lambda _: iter(()),
        attack_dtype: torch.dtype = torch.float32,
    ) -> None:
        self.clock: Clock
        self.train: EpochStatistics | None = None
        """the epoch that was trained last; None before the first."""
        self._network, self._split, self._num_classes = network, split, num_classes
        self._images_again, self._attack_dtype = images_again, attack_dtype
        self._cache: dict[HeldOutAttack, HeldOutResult] = {}

    def at(self, clock: Clock, train: EpochStatistics | None) -> Feedback:
        """The same feedback after the weights have changed: results made before are forgotten."""
        self.clock, self.train = clock, train
        self._cache.clear()
        return self

    def validate(self, attack: HeldOutAttack) -> HeldOutResult:
        """The raw network under attack on the feedback split; made once per epoch and attack."""
        if attack not in self._cache:
            self._cache[attack] = attack_split(
                self._network, self._split, attack, num_classes=self._num_classes, attack_dtype=self._attack_dtype
            )
        return self._cache[attack]

    def training_images(self) -> Iterator[Tensor]:
        """The augmented training images once more, batch by batch, for statistics such as those of batch norms."""
        return self._images_again(self.clock.epoch)
