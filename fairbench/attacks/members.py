"""The members of AutoAttack: which searches each of them makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks.apgd import Climber
from fairbench.attacks.balls import Norm
from fairbench.attacks.fab import Walker
from fairbench.attacks.search import Search
from fairbench.attacks.square_l2 import SquareL2
from fairbench.attacks.square_search import SquareLinf


@dataclass(frozen=True)
class Version:
    """A composition of members."""

    members: tuple[str, ...]
    restarts: int = 1
    """of the untargeted gradient attacks."""
    transformations: int = 1
    """passes that a gradient is averaged over."""


VERSIONS = {
    "standard": Version(("apgd-ce", "apgd-t", "fab-t", "square")),
    "plus": Version(("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"), restarts=5),
    "rand": Version(("apgd-ce", "apgd-dlr"), transformations=20),
}


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


def searches(name: str, settings: Settings) -> Iterator[Search[Any]]:
    """The runs of a member, one after the other.

    Args:
        name: one of ``MEMBERS``.
        settings: of the evaluation.
    """
    ball = {"eps": settings.eps, "norm": settings.norm, "seed": settings.seed, "purpose": name}
    targets = min(settings.targets, settings.classes - 1)
    restarts = range(settings.restarts)
    if name == "apgd-ce":
        yield from (Climber(loss="ce", restart=restart, **ball) for restart in restarts)
    elif name == "apgd-dlr":
        yield from (Climber(loss="dlr", restart=restart, **ball) for restart in restarts)
    elif name == "apgd-t":
        yield Climber(loss="dlr-targeted", targets=targets, **ball)
    elif name == "fab":
        yield from (Walker(restart=restart, **ball) for restart in restarts)
    elif name == "fab-t":
        yield Walker(targeted=True, targets=targets, **ball)
    else:
        square = SquareLinf if settings.norm == "linf" else SquareL2
        yield square(settings.eps, settings.seed, settings.square_queries + 1)


MEMBERS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
"""classes that the loss of a member needs: the difference of logits ratio sorts three logits, the targeted one four."""


def class_counts(y: Tensor, rows: list[Tensor], classes: int) -> list[int]:
    """How many different images of each class are among some rows: K integers."""
    if not rows:
        return [0] * classes
    return torch.bincount(y[torch.cat(rows).unique()], minlength=classes).tolist()
