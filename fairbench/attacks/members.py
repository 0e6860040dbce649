"""The members of AutoAttack: what each runs on a group of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks import apgd as climbing
from fairbench.attacks import fab as walking
from fairbench.attacks import square_search
from fairbench.attacks.balls import Norm
from fairbench.attacks.group import Group


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the members share."""

    eps: float
    norm: Norm
    seed: int
    classes: int
    square_queries: int = 5000
    restarts: int = 1
    """of the untargeted gradient attacks."""
    targets: int = 9


@dataclass
class Findings:
    """What a member noticed on its way, besides what it broke."""

    notes: list[str] = field(default_factory=list)
    zero_gradient: list[Tensor] = field(default_factory=list)
    """rows of images whose first gradient was zero."""


def _apgd_ce(group: Group, settings: Settings, findings: Findings) -> None:
    _climb(group, settings, findings, "ce", "apgd-ce")


def _apgd_dlr(group: Group, settings: Settings, findings: Findings) -> None:
    _climb(group, settings, findings, "dlr", "apgd-dlr")


def _climb(group: Group, settings: Settings, findings: Findings, loss: climbing.LossName, name: str) -> None:
    for restart in range(settings.restarts):
        if not _living(group):
            return
        zero = climbing.climb(
            group, loss=loss, eps=settings.eps, norm=settings.norm, seed=settings.seed, purpose=name, restart=restart
        )
        findings.zero_gradient.append(zero)


def _apgd_t(group: Group, settings: Settings, findings: Findings) -> None:
    for target in range(min(settings.targets, settings.classes - 1)):
        if not _living(group):
            return
        zero = climbing.climb(
            group,
            loss="dlr-targeted",
            eps=settings.eps,
            norm=settings.norm,
            seed=settings.seed,
            purpose="apgd-t",
            restart=target,
            target=target,
        )
        findings.zero_gradient.append(zero)


def _fab(group: Group, settings: Settings, findings: Findings) -> None:
    for restart in range(settings.restarts):
        if not _living(group):
            return
        walking.walk(
            group, eps=settings.eps, norm=settings.norm, seed=settings.seed, purpose="fab", restart=restart
        )


def _fab_t(group: Group, settings: Settings, findings: Findings) -> None:
    for target in range(min(settings.targets, settings.classes - 1)):
        if not _living(group):
            return
        walking.walk(
            group, eps=settings.eps, norm=settings.norm, seed=settings.seed, purpose="fab-t", target=target
        )


def _square(group: Group, settings: Settings, findings: Findings) -> None:
    square_search.search_linf(group, eps=settings.eps, queries=settings.square_queries, seed=settings.seed)


def _living(group: Group) -> bool:
    group.shrink()
    return bool(group.images.alive.any())


MEMBERS: dict[str, Callable[[Group, Settings, Findings], None]] = {
    "apgd-ce": _apgd_ce,
    "apgd-dlr": _apgd_dlr,
    "apgd-t": _apgd_t,
    "fab": _fab,
    "fab-t": _fab_t,
    "square": _square,
}
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
"""classes that the loss of a member needs: the difference of logits ratio sorts three logits, the targeted one four."""


def class_counts(y: Tensor, rows: list[Tensor], classes: int) -> list[int]:
    """How many different images of each class are among some rows: K integers."""
    if not rows:
        return [0] * classes
    return torch.bincount(y[torch.cat(rows).unique()], minlength=classes).tolist()
