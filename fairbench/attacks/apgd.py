"""Auto-PGD: projected ascent with momentum that halves its own step size.

Source: Croce & Hein 2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
attacks" (ICML), Algorithm 1 and section 4; constants of the published standard version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.balls import Norm, project, step_direction, unit_length
from fairbench.attacks.group import Group, Rows, take
from fairbench.attacks.network import SliceLoss, cross_entropy_of
from fairbench.attacks.starts import keyed_normal, keyed_uniform

LossName = Literal["ce", "dlr", "dlr-targeted"]
ITERATIONS = 100
INCREASE_SHARE = 0.75
"""rho: a step size stays while at least this share of the steps increased the loss."""
MOMENTUM = 0.75
"""alpha: the weight of the new step; the rest is the last movement."""


@dataclass
class Climb(Rows):
    """Where the ascent of each image stands."""

    x_adv: Tensor
    previous: Tensor
    """the iterate before."""
    gradient: Tensor
    """direction of the next step."""
    best: Tensor
    """the point of the highest loss, with its loss and direction."""
    best_gradient: Tensor
    best_loss: Tensor
    last_loss: Tensor
    step_size: Tensor
    """(P,)."""
    increases: Tensor
    """(P,) steps that increased the loss since the last checkpoint."""
    checkpoint_loss: Tensor
    """best loss at the last checkpoint."""
    halved: Tensor
    """(P,) bool: the step size was halved at the last checkpoint."""


def checkpoints(iterations: int) -> list[int]:
    """The iterations after which step sizes are reviewed: p_0 = 0, p_1 = 0.22, then 0.03 shorter each, at least 0.06."""
    length, shortest, shrink = (max(int(share * iterations), 1) for share in (0.22, 0.06, 0.03))
    reviews, at = [], length
    while at <= iterations:
        reviews.append(at)
        length = max(length - shrink, shortest)
        at += length
    return reviews


def review_step_size(state: Climb, steps: int) -> Climb:
    """Halve the step size of the images that do not get on, and send them back to their best point.

    Conditions 1 and 2 of section 3: too few of the steps since the last checkpoint increased the loss; or the step
    size was kept there and the best loss is still the same.

    Args:
        state: where the ascents stand.
        steps: how many were made since the last checkpoint.
    """
    stuck = state.increases <= INCREASE_SHARE * steps
    stalled = ~state.halved & (state.checkpoint_loss >= state.best_loss)
    halve = stuck | stalled
    wide = halve[:, None, None, None]
    state.step_size = torch.where(halve, state.step_size / 2, state.step_size)
    state.x_adv = torch.where(wide, state.best, state.x_adv)
    state.gradient = torch.where(wide, state.best_gradient, state.gradient)
    state.halved = halve
    state.checkpoint_loss = state.best_loss
    state.increases = torch.zeros_like(state.increases)
    return state


def climb(
    group: Group, *, loss: LossName, eps: float, norm: Norm, seed: int, purpose: str, restart: int = 0, target: int = 0
) -> Tensor:
    """One run of Auto-PGD on every living image of a group.

    Args:
        group: the images; broken ones leave it.
        loss: what is ascended.
        eps: radius.
        norm: of the ball.
        seed: of the evaluation.
        purpose: name of the attack, a key of the start.
        restart: number of the run, a key of the start.
        target: for ``dlr-targeted``, rank of the target among the wrong classes.

    Returns:
        (P,) positions in the outcome of the images whose first gradient is zero, for the log.
    """
    x = group.images.x
    loss_of = _loss(group, loss, target)
    start = _start(group, eps, norm, seed, purpose, restart)
    gradient, logits, losses = group.network.gradient(start, loss_of)
    flat = group.images.row[group.images.alive & (gradient.flatten(1).abs().amax(dim=1) == 0)]
    living = group.offer(start, logits.argmax(dim=1) != group.images.y)
    direction = step_direction(gradient, norm)
    state = Climb(
        x_adv=start,
        previous=start,
        gradient=direction,
        best=start,
        best_gradient=direction,
        best_loss=losses,
        last_loss=losses,
        step_size=torch.full_like(losses, 2 * eps),
        increases=torch.zeros_like(losses),
        checkpoint_loss=losses,
        halved=torch.ones_like(group.images.alive),
    )
    reviews, reviewed = set(checkpoints(ITERATIONS)), 0
    for iteration in range(1, ITERATIONS + 1):
        if not living:
            break
        if (kept := group.shrink()) is not None:
            state, x = take(state, kept), group.images.x
            loss_of = _loss(group, loss, target)
        state = _move(state, x, eps, norm, first=iteration == 1)
        gradient, logits, losses = group.network.gradient(state.x_adv, loss_of)
        living = group.offer(state.x_adv, logits.argmax(dim=1) != group.images.y)
        state = _record(state, step_direction(gradient, norm), losses)
        if iteration in reviews:
            state, reviewed = review_step_size(state, iteration - reviewed), iteration
    if living:
        group.offer(state.best, torch.ones_like(group.images.alive))
    return flat


def _move(state: Climb, x: Tensor, eps: float, norm: Norm, *, first: bool) -> Climb:
    here = state.x_adv
    ahead = project(here + state.gradient * state.step_size[:, None, None, None], x, eps, norm)
    if not first:
        ahead = ahead.sub_(here).mul_(MOMENTUM).add_((here - state.previous).mul_(1 - MOMENTUM)).add_(here)
        ahead = project(ahead, x, eps, norm)
    state.previous, state.x_adv = here, ahead
    return state


def _record(state: Climb, direction: Tensor, losses: Tensor) -> Climb:
    state.increases = state.increases + (losses > state.last_loss)
    better = losses > state.best_loss
    wide = better[:, None, None, None]
    state.best = torch.where(wide, state.x_adv, state.best)
    state.best_gradient = torch.where(wide, direction, state.best_gradient)
    state.best_loss = torch.where(better, losses, state.best_loss)
    state.last_loss, state.gradient = losses, direction
    return state


def _start(group: Group, eps: float, norm: Norm, seed: int, purpose: str, restart: int) -> Tensor:
    x = group.images.x
    draw = keyed_uniform if norm == "linf" else keyed_normal
    noise = draw(x, seed=seed, indices=group.images.index, purpose=purpose, restart=restart)
    return (x + unit_length(noise, norm) * eps).clamp_(0, 1)


def _loss(group: Group, name: LossName, target: int) -> SliceLoss:
    y = group.images.y
    if name == "ce":
        return cross_entropy_of(y)
    if name == "dlr":
        return lambda logits, rows: dlr(logits, y[rows])
    goal = group.images.rank_labels[:, target]
    return lambda logits, rows: targeted_dlr(logits, y[rows], goal[rows])


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    """The difference of logits ratio, Eq. 6: blind to shift and scale of the logits.

    Args:
        logits: (B, K), K at least 3.
        y: (B,) int64.

    Returns:
        (B,), above 0 when misclassified.
    """
    top, classes = logits.topk(3, dim=1)
    of_truth = logits.gather(1, y[:, None]).squeeze(1)
    best_other = torch.where(classes[:, 0] == y, top[:, 1], top[:, 0])
    return (best_other - of_truth) / (top[:, 0] - top[:, 2] + 1e-12)


def targeted_dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    """The targeted difference of logits ratio, Eq. 7.

    Args:
        logits: (B, K), K at least 4.
        y: (B,) int64, the class to leave.
        target: (B,) int64, the class to reach.

    Returns:
        (B,), above 0 when the target's logit is above the label's.
    """
    top = logits.topk(4, dim=1).values
    difference = logits.gather(1, target[:, None]) - logits.gather(1, y[:, None])
    return difference.squeeze(1) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12)

