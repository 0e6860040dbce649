"""The members of AutoAttack: which searches each of them makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fairbench.attacks.apgd import Climber
from fairbench.attacks.balls import Norm
from fairbench.attacks.climb_losses import LossName
from fairbench.attacks.fab import Walker
from fairbench.attacks.search import Search
from fairbench.attacks.sparse_climb import SparseClimber
from fairbench.attacks.square_bumps import SquareBumps
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
ROUNDED_SHARE = 0.4
"""of the queries of Square; the others are not rounded for images whose margin is near 0."""
SPARSE_RESTARTS = 5
"""of the untargeted gradient attacks of the standard version, in L1."""
SPARSE_TARGETS = 5
"""of APGD-T in L1; FAB-T keeps its nine."""


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


class Stage(NamedTuple):
    """A run of a member."""

    search: Search[Any]
    passes: int
    """that an iteration asks of the network for each row, forward; a gradient counts as three."""
    is_repeat: bool = False
    """only images in doubt are searched, without rounding."""

    @property
    def cost(self) -> int:
        """Passes for an image that does not break."""
        return self.passes * self.search.iterations * self.search.targets


def stages(name: str, settings: Settings, stopped: Tensor | None) -> Iterator[Stage]:
    """The runs of a member, one after the other; images that one leaves in doubt are not rounded in the next.

    Args:
        name: one of ``MEMBERS``.
        settings: of the evaluation.
        stopped: (N, C, H, W), where a run writes its end for the next one to go on; None for searches that do not
            round, and so leave no doubt.

    Returns:
        none where the network has too few classes for the loss of the member.
    """
    passes = 1 if name == "square" else 3
    if settings.classes < LEAST_CLASSES.get(name, 2):
        return
    if stopped is None:
        for search in searches(name, settings):
            yield Stage(search, passes)
    elif name == "square" and settings.norm == "linf":
        # Small improvements decide in the end, and rounding hides them.
        first = round(ROUNDED_SHARE * settings.square_queries)
        last = settings.square_queries - first
        yield Stage(SquareLinf(settings.eps, settings.seed, first + 1), passes)
        yield Stage(SquareLinf(settings.eps, settings.seed, last + 1, asked=first, stopped=stopped), passes)
    else:
        for search, again in zip(searches(name, settings), searches(name, settings), strict=True):
            yield Stage(search, passes)
            yield Stage(again, passes, is_repeat=True)


def searches(name: str, settings: Settings) -> Iterator[Search[Any]]:
    """The runs of a member that does not round, one after the other.

    Args:
        name: one of ``MEMBERS``.
        settings: of the evaluation.
    """
    targets = min(settings.targets, settings.classes - 1)
    restarts = range(settings.restarts)
    if name == "apgd-ce":
        yield from (_climber("ce", name, settings, restart=restart) for restart in restarts)
    elif name == "apgd-dlr":
        yield from (_climber("dlr", name, settings, restart=restart) for restart in restarts)
    elif name == "apgd-t":
        climbed = min(targets, SPARSE_TARGETS) if settings.norm == "l1" else targets
        yield _climber("dlr-targeted", name, settings, targets=climbed)
    elif name == "fab":
        yield from (Walker(settings.eps, settings.norm, settings.seed, name, restart=restart) for restart in restarts)
    elif name == "fab-t":
        yield Walker(settings.eps, settings.norm, settings.seed, name, targeted=True, targets=targets)
    else:
        yield _square(settings)


def _climber(
    loss: LossName, name: str, settings: Settings, *, restart: int = 0, targets: int = 1
) -> Climber | SparseClimber:
    run = {"purpose": name, "restart": restart, "targets": targets}
    if settings.norm == "l1":
        return SparseClimber(loss, settings.eps, settings.seed, **run)
    return Climber(loss, settings.eps, settings.norm, settings.seed, **run)


def _square(settings: Settings) -> SquareLinf | SquareBumps:
    questions = settings.square_queries + 1
    if settings.norm == "linf":
        return SquareLinf(settings.eps, settings.seed, questions)
    return SquareBumps(settings.eps, settings.norm, settings.seed, questions)


MEMBERS = ("apgd-ce", "apgd-dlr", "apgd-t", "fab", "fab-t", "square")
LEAST_CLASSES = {"apgd-dlr": 3, "apgd-t": 4}
"""classes that the loss of a member needs: the difference of logits ratio sorts three logits, the targeted one four."""


def class_counts(y: Tensor, rows: list[Tensor], classes: int) -> list[int]:
    """How many different images of each class are among some rows: K integers."""
    if not rows:
        return [0] * classes
    return torch.bincount(y[torch.cat(rows).unique()], minlength=classes).tolist()
