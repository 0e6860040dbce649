"""Auto-PGD: projected ascent with momentum that halves its own step size.

Source: Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks" (ICML), Algorithm 1 and section 4; constants of the published standard version.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fairbench.attacks.ascent import ball_bounds
from fairbench.attacks.balls import DenseNorm, project, step_direction, unit_length
from fairbench.attacks.climb_losses import LossName, row_loss, rows_without_gradient
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows, choose
from fairbench.attacks.starts import keyed_normal, keyed_uniform

ITERATIONS = 100
INCREASE_SHARE = 0.75
"""rho: a step size stays while at least this share of the steps increased the loss."""
MOMENTUM = 0.75
"""alpha: the weight of the new step; the rest is the last movement."""


@dataclass
class Climb(Rows):
    """Where the ascent of each image stands."""

    lower: Tensor
    """lowest and highest pixels in ball and box; empty for L2."""
    upper: Tensor
    x_adv: Tensor
    previous: Tensor
    """the iterate before."""
    direction: Tensor
    """of the next step, of length 1."""
    best: Tensor
    """the point of the highest loss, with its loss and direction."""
    best_direction: Tensor
    best_loss: Tensor
    last_loss: Tensor
    step_size: Tensor
    """(B,)."""
    increases: Tensor
    """(B,) steps that increased the loss since the last checkpoint."""
    checkpoint_loss: Tensor
    """best loss at the last checkpoint."""
    halved: Tensor
    """(B,) bool: the step size was halved at the last checkpoint."""


def checkpoints(iterations: int) -> dict[int, int]:
    """The iterations after which step sizes are reviewed, and how many steps lie before each.

    The first stretch is 0.22 of the iterations, each later one 0.03 shorter, but at least 0.06.
    """
    length, shortest, shrink = (max(int(share * iterations), 1) for share in (0.22, 0.06, 0.03))
    reviews, at = {}, length
    while at <= iterations:
        reviews[at] = length
        length = max(length - shrink, shortest)
        at += length
    return reviews


REVIEWS = checkpoints(ITERATIONS)


@dataclass
class Climber:
    """One run of Auto-PGD: iteration 0 looks at the start, every later one makes a step."""

    loss: LossName
    eps: float
    norm: DenseNorm
    seed: int
    purpose: str
    """name of the attack, a key of the start."""
    restart: int = 0
    """number of the run, a key of the start; each target has its own as well."""
    targets: int = 1
    """for ``dlr-targeted``: so many of the likeliest wrong classes."""
    zero_gradient: list[Tensor] = field(default_factory=list)
    """positions in the outcome of images whose gradient at the start is zero."""
    iterations: int = ITERATIONS + 1
    stretch: int = 1

    def begin(self, images: Images) -> Climb:
        """Every image at its keyed start."""
        x = images.x
        draw = keyed_uniform if self.norm == "linf" else keyed_normal
        restart = images.target + self.restart * self.targets
        noise = draw(x, seed=self.seed, indices=images.index, purpose=self.purpose, restart=restart)
        start = unit_length(noise, self.norm).mul_(self.eps).add_(x).clamp_(0, 1)
        lowest = torch.full(x.shape[:1], -torch.finfo(x.dtype).max, dtype=x.dtype, device=x.device)
        lower, upper = ball_bounds(x, self.eps) if self.norm == "linf" else (x[:, :0], x[:, :0])
        return Climb(
            lower=lower,
            upper=upper,
            x_adv=start,
            previous=start,
            direction=torch.zeros_like(x),
            best=start,
            best_direction=torch.zeros_like(x),
            best_loss=lowest,
            last_loss=lowest,
            step_size=torch.full_like(lowest, 2 * self.eps),
            increases=torch.zeros_like(lowest),
            checkpoint_loss=lowest,
            halved=torch.ones_like(images.alive),
        )

    def advance(self, network: Network, images: Images, state: Climb, iteration: int) -> tuple[Tensor, Tensor]:
        """One step, and a review of the step size at the checkpoints."""
        if iteration:
            self._move(images.x, state, first=iteration == 1)
        points = state.x_adv
        gradient, logits, losses = network.gradient(points, row_loss(self.loss, images))
        if not iteration:
            self.zero_gradient.append(rows_without_gradient(images, gradient))
        record(state, step_direction(gradient, self.norm), losses, first=not iteration)
        if iteration in REVIEWS:
            review_step_size(state, REVIEWS[iteration])
        return points, logits.argmax(dim=1) != images.y

    def last_points(self, images: Images, state: Climb) -> Tensor:
        """The points of the highest loss."""
        return state.best

    def in_doubt(self, images: Images, state: Climb) -> None:
        """None: many steps go on through points of another class, and the points of the highest loss are judged."""

    def _move(self, x: Tensor, state: Climb, *, first: bool) -> None:
        here = state.x_adv
        ahead = self._project(torch.addcmul(here, state.direction, state.step_size[:, None, None, None]), x, state)
        if not first:
            # here + alpha (ahead - here) + (1 - alpha) (here - previous), collected by points.
            ahead = ahead.mul_(MOMENTUM).add_(here, alpha=2 * (1 - MOMENTUM)).sub_(state.previous, alpha=1 - MOMENTUM)
            ahead = self._project(ahead, x, state)
        state.previous, state.x_adv = here, ahead

    def _project(self, point: Tensor, x: Tensor, state: Climb) -> Tensor:
        if self.norm == "linf":
            return point.clamp_(state.lower, state.upper)
        return project(point, x, self.eps, self.norm)


def record(state: Climb, direction: Tensor, losses: Tensor, *, first: bool = False) -> None:
    """Count an increase, keep the best point.

    Args:
        state: where the ascents stand; changed.
        direction: (B, C, H, W) of the next step, at ``state.x_adv``.
        losses: (B,) there.
        first: the start: nothing can have increased.
    """
    if not first:
        state.increases = state.increases + (losses > state.last_loss)
    better = losses > state.best_loss
    state.best = choose(better, state.x_adv, state.best)
    state.best_direction = choose(better, direction, state.best_direction)
    state.best_loss = torch.where(better, losses, state.best_loss)
    state.last_loss, state.direction = losses, direction
    if first:
        state.checkpoint_loss = state.best_loss


def review_step_size(state: Climb, steps: int) -> None:
    """Halve the step size of the images that do not get on, and send them back to their best point.

    Conditions 1 and 2 of section 3: too few of the steps since the last checkpoint increased the loss; or the step
    size was kept there and the best loss is still the same.

    Args:
        state: where the ascents stand; changed.
        steps: how many were made since the last checkpoint.
    """
    stuck = state.increases <= INCREASE_SHARE * steps
    stalled = ~state.halved & (state.checkpoint_loss >= state.best_loss)
    halve = stuck | stalled
    state.step_size = torch.where(halve, state.step_size / 2, state.step_size)
    state.x_adv = choose(halve, state.best, state.x_adv)
    state.direction = choose(halve, state.best_direction, state.direction)
    state.halved = halve
    state.checkpoint_loss = state.best_loss
    state.increases = torch.zeros_like(state.increases)
