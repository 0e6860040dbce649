"""Auto-PGD in the L1 ball: steps of few pixels through balls that shrink to the one that counts.

Source: Croce & Hein 2021, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers" (ICML),
Algorithm 1 and section 3, with the constants of the published standard version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from fairbench.attacks.balls import project
from fairbench.attacks.climb_losses import LossName, row_loss, rows_without_gradient
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows, choose
from fairbench.attacks.starts import keyed_normal

STAGES = ((3.0, 30), (2.0, 30), (1.0, 40))
"""the radius of each stage as a multiple of the one that counts, and its steps."""
REVIEW_SHARE = 0.04
"""of the steps of a stage: so many lie between two reviews, at least one."""
SPARSER = 1.5
"""a step moves so many times fewer pixels than the best point."""
SETTLED = 0.95
"""the number of moved pixels is still falling while it is below this share of what it was."""
SHRINK = 1.5
LEAST_STEP = 0.1
"""the shortest step, as a share of the radius; the longest is the radius."""


class Moment(NamedTuple):
    """Where in the schedule an iteration is."""

    factor: float
    """the radius as a multiple of the one that counts."""
    step: int
    """0 looks at the start of the stage."""
    is_review: bool


def _schedule() -> tuple[Moment, ...]:
    spans = [(factor, steps, max(int(REVIEW_SHARE * steps), 1)) for factor, steps in STAGES]
    return tuple(
        Moment(factor, step, step > 0 and step % span == 0)
        for factor, steps, span in spans
        for step in range(steps + 1)
    )


SCHEDULE = _schedule()


@dataclass
class SparseClimb(Rows):
    """Where the ascent of each image stands."""

    x_adv: Tensor
    gradient: Tensor
    best: Tensor
    """the point of the highest loss in this stage, with its gradient and loss."""
    best_gradient: Tensor
    best_loss: Tensor
    step_size: Tensor
    """(B,) in L1."""
    moved: Tensor
    """(B,) pixels in which the best point differed from the image at the last review."""


@dataclass
class SparseClimber:
    """One run of Auto-PGD in the L1 ball."""

    loss: LossName
    eps: float
    seed: int
    purpose: str
    """name of the attack, a key of the start."""
    restart: int = 0
    """number of the run, a key of the start; each target has its own as well."""
    targets: int = 1
    """for ``dlr-targeted``: so many of the likeliest wrong classes."""
    zero_gradient: list[Tensor] = field(default_factory=list)
    """positions in the outcome of images whose gradient at the start is zero."""
    iterations: int = len(SCHEDULE)
    stretch: int = 1

    def begin(self, images: Images) -> SparseClimb:
        """Every image with its keyed normal noise; the first stage brings it into its ball."""
        x = images.x
        restart = images.target + self.restart * self.targets
        noise = keyed_normal(x, seed=self.seed, indices=images.index, purpose=self.purpose, restart=restart)
        start, zeros, none = x + noise, torch.zeros_like(x), torch.zeros_like(x[:, 0, 0, 0])
        return SparseClimb(start, zeros, start, zeros, best_loss=none, step_size=none, moved=none)

    def advance(self, network: Network, images: Images, state: SparseClimb, iteration: int) -> tuple[Tensor, Tensor]:
        """One step; in the larger balls of the first stages nothing counts as found."""
        moment = SCHEDULE[iteration]
        radius = moment.factor * self.eps
        if moment.step:
            direction = sparse_direction(state.gradient, state.moved / SPARSER)
            ahead = direction.mul_(state.step_size[:, None, None, None]).add_(state.x_adv)
            state.x_adv = project(ahead, images.x, radius, "l1")
        else:
            enter(images.x, state, radius)
        points = state.x_adv
        gradient, logits, losses = network.gradient(points, row_loss(self.loss, images))
        if not iteration:
            self.zero_gradient.append(rows_without_gradient(images, gradient))
        keep_best(state, gradient, losses)
        if moment.is_review:
            review_sparsity(images.x, state, radius)
        fools = logits.argmax(dim=1) != images.y
        return points, fools if moment.factor == 1 else torch.zeros_like(fools)

    def last_points(self, images: Images, state: SparseClimb) -> Tensor:
        """The points of the highest loss."""
        return state.best

    def in_doubt(self, images: Images, state: SparseClimb) -> None:
        """None: many steps go on through points of another class, and the points of the highest loss are judged."""


def sparse_direction(gradient: Tensor, pixels: Tensor) -> Tensor:
    """Steepest ascent by few pixels: the signs of the largest gradients, of L1 length 1.

    Args:
        gradient: (B, C, H, W).
        pixels: (B,) how many; at least one is taken, and all that are as large as the last one.
    """
    flat = gradient.flatten(1)
    size = flat.abs()
    count = size.shape[1]
    place = (count - pixels).long().clamp_(0, count - 1)
    least = size.sort(dim=1).values.gather(1, place[:, None])
    signs = flat.sign() * (size >= least)
    return (signs / (signs.abs().sum(dim=1, keepdim=True) + 1e-10)).view_as(gradient)


def enter(x: Tensor, state: SparseClimb, radius: float) -> None:
    """Begin a stage at the best point so far, brought into the ball of the stage.

    Args:
        x: (B, C, H, W), the images.
        state: where the ascents stand; changed.
        radius: of the stage.
    """
    state.x_adv = state.best = project(state.best, x, radius, "l1")
    state.best_loss = torch.full_like(state.best_loss, -torch.finfo(x.dtype).max)
    state.step_size = torch.full_like(state.step_size, radius)
    state.moved = pixels_moved(x, state.best)


def keep_best(state: SparseClimb, gradient: Tensor, losses: Tensor) -> None:
    """Remember the point if its loss is the highest.

    Args:
        state: where the ascents stand; changed.
        gradient: (B, C, H, W) at ``state.x_adv``.
        losses: (B,) there.
    """
    better = losses > state.best_loss
    state.gradient = gradient
    state.best = choose(better, state.x_adv, state.best)
    state.best_gradient = choose(better, gradient, state.best_gradient)
    state.best_loss = torch.where(better, losses, state.best_loss)


def review_sparsity(x: Tensor, state: SparseClimb, radius: float) -> None:
    """Long steps again from the best point where that became sparser, and shorter steps elsewhere.

    Args:
        x: (B, C, H, W), the images.
        state: where the ascents stand; changed.
        radius: of the stage.
    """
    moved = pixels_moved(x, state.best)
    falling = moved < SETTLED * state.moved
    shorter = (state.step_size / SHRINK).clamp(min=LEAST_STEP * radius)
    state.step_size = torch.where(falling, radius, shorter)
    state.x_adv = choose(falling, state.best, state.x_adv)
    state.gradient = choose(falling, state.best_gradient, state.gradient)
    state.moved = moved


def pixels_moved(x: Tensor, point: Tensor) -> Tensor:
    """(B,) in how many pixels and channels a point differs from the image, as floats."""
    return torch.count_nonzero((point - x).flatten(1), dim=1).to(x.dtype)
