"""The nearest point of a hyperplane inside the unit box, for a whole batch at once.

Source: Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (ICML),
section 3.1 and supplement A. There the breakpoints of a monotone, piecewise linear function are sorted; here, in
L-infinity and L2, its root is found by Newton's method, which needs no sort and ends exactly after a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.balls import Norm

MOST_ROUNDS = 40
LEAST_SLOPE = 1e-8


@dataclass
class Projection:
    """A movement to the hyperplane and its length."""

    movement: Tensor
    """(B, D)."""
    length: Tensor
    """(B,) in the norm asked for."""


def project_on_hyperplane(points: Tensor, normal: Tensor, excess: Tensor, norm: Norm) -> Projection:
    """The shortest movement from points of the unit box to a hyperplane, staying in the box.

    Where the hyperplane does not meet the box, the movement goes to the box's nearest corner to it.

    Args:
        points: (B, D) in [0, 1].
        normal: (B, D), the gradient of the linear function.
        excess: (B,), the linear function's value at the points; its zero is sought.
        norm: in which the movement is shortest.
    """
    # Masks are slow on a CPU, so choices are made by numbers that are exactly -1, 0 or 1; new tensors are too, so one
    # is written over where it has been read for the last time.
    heading = torch.sign(normal).mul_(torch.where(excess >= 0, -1.0, 1.0).to(normal.dtype)[:, None])
    room = heading.clamp(min=0).addcmul_(heading, points, value=-1)
    slope = normal.abs()
    amount = excess.abs()
    if norm == "l1":
        movement = _steepest_first(slope, room, amount)
        length = movement.sum(dim=1)
    elif norm == "linf":
        movement = torch.minimum(room, _root(slope, room, amount)[:, None], out=room)
        length = movement.amax(dim=1)
    else:
        # In L2 each coordinate moves by slope * scale until its room is used up.
        reach = room.div_(slope.clamp(min=LEAST_SLOPE))
        scale = _root(slope * slope, reach, amount)
        movement = torch.minimum(reach, scale[:, None], out=reach).mul_(slope)
        length = (movement * movement).sum(dim=1).sqrt()
    return Projection(movement.mul_(heading), length)


def _steepest_first(slope: Tensor, room: Tensor, amount: Tensor) -> Tensor:
    """In L1 the coordinate of the largest slope moves as far as it can, then the next one, until the amount is made."""
    steepest, order = slope.sort(dim=1, descending=True)
    space = room.gather(1, order)
    gains = steepest * space
    missing = amount[:, None] - (gains.cumsum(dim=1) - gains)
    movement = torch.minimum(missing.clamp_(min=0) / steepest.clamp(min=LEAST_SLOPE), space)
    return torch.empty_like(movement).scatter_(1, order, movement)


def _root(weight: Tensor, reach: Tensor, amount: Tensor) -> Tensor:
    """The least t >= 0 with sum_i weight_i min(t, reach_i) = amount, or a t beyond all reach where there is none.

    Newton from the left: on its way t only grows, and it stands still once the set of coordinates that are used up is
    right. A row that stands still is left alone, so that more rounds for the sake of other rows change nothing in it.
    """
    # At first all are free that have room, and nothing is reached.
    numbers = torch.sign(reach)
    steepness = numbers.mul_(weight).sum(dim=1)
    t = torch.where(steepness > 0, amount / steepness, torch.inf)
    for _ in range(MOST_ROUNDS):
        free = torch.gt(reach, t[:, None], out=numbers)
        before, steepness = steepness, free.mul_(weight).sum(dim=1)
        if torch.equal(steepness, before):
            break
        reached = torch.minimum(reach, t[:, None], out=numbers).mul_(weight).sum(dim=1)
        onward = t + torch.where(steepness > 0, ((amount - reached) / steepness).clamp(min=0), torch.inf)
        t = torch.where(steepness == before, t, onward)
    return t
