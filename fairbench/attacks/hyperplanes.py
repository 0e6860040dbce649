"""The nearest point of a hyperplane inside the unit box, for a whole batch at once.

Source: Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (ICML),
section 3.1 and supplement A. There the breakpoints of a monotone, piecewise linear function are sorted; here its root
is found by Newton's method, which needs no sort and ends exactly after a few rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.balls import Norm

MOST_ROUNDS = 40


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
        norm: ``linf`` or ``l2``.
    """
    # Move against the sign of the excess: along -normal where the function is positive.
    downhill = torch.where(excess >= 0, -1.0, 1.0).to(normal.dtype)[:, None]
    direction = normal * downhill
    room = torch.where(direction > 0, 1 - points, points)
    slope = direction.abs()
    if norm == "linf":
        reach = room.masked_fill_(slope == 0, 0)
        scale = _root(slope, reach, excess.abs())
        movement = torch.minimum(reach, scale[:, None])
        return Projection(movement * direction.sign(), movement.amax(dim=1))
    # In L2 each coordinate moves by slope * scale until its room is used up.
    usable = slope > 1e-8
    reach = torch.where(usable, room / slope, 0)
    scale = _root(torch.where(usable, slope * slope, 0), reach, excess.abs())
    movement = torch.minimum(reach, scale[:, None]) * slope
    return Projection(movement * direction.sign(), (movement * movement).sum(dim=1).sqrt())


def _root(weight: Tensor, reach: Tensor, amount: Tensor) -> Tensor:
    """The least t >= 0 with sum_i weight_i min(t, reach_i) = amount, or a t beyond all reach where there is none.

    Newton from the left: on its way t only grows, and it stands still once the set of coordinates that are used up is
    right. So more rounds for the sake of other rows change nothing in a row that is done.
    """
    used = reach <= 0
    t = torch.zeros_like(amount)
    stored = weight * reach
    for _ in range(MOST_ROUNDS):
        left = amount - stored.masked_fill(~used, 0).sum(dim=1)
        steepness = weight.masked_fill(used, 0).sum(dim=1)
        t = torch.maximum(t, torch.where(steepness > 0, left / steepness, torch.inf))
        now = reach <= t[:, None]
        if torch.equal(now, used):
            break
        used = now
    return t
