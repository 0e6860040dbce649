"""The nearest point that lies in an L1 ball and in the unit box, for a whole batch at once.

Source: Croce & Hein 2021, "Mind the box: l1-APGD for sparse adversarial attacks on image classifiers" (ICML),
section 2. There the breakpoints of a monotone, piecewise linear function are sorted; here its root is found by Newton's
method inside a shrinking bracket, which needs no sort.
"""

from __future__ import annotations

import torch
from torch import Tensor

SLACK = 1e-6
"""share of the radius that is not used, so that rounding never carries a point out of the ball."""
PRECISION = 1e-6
"""a length that falls short of the radius by this share is as good as the radius."""
MOST_ROUNDS = 60


def project_on_l1_ball(movement: Tensor, points: Tensor, radius: float) -> Tensor:
    """The movement nearest to a given one in L2 that stays in the ball, and whose end stays in the unit box.

    Each coordinate keeps its direction, loses the same amount of its size, and stops at 0 and at the box.

    Args:
        movement: (B, D), any.
        points: (B, D) in [0, 1], from where it is made.
        radius: of the L1 ball around the points, at least 0.

    Returns:
        (B, D).
    """
    heading = torch.sign(movement)
    room = heading.clamp(min=0).addcmul_(heading, points, value=-1)
    size = movement.abs()
    loss = _least_loss(size, room, radius * (1 - SLACK))
    return torch.minimum((size - loss[:, None]).clamp_(min=0), room).mul_(heading)


def _least_loss(size: Tensor, room: Tensor, radius: float) -> Tensor:
    """The least t >= 0 with sum_i min(max(size_i - t, 0), room_i) <= radius, up to ``PRECISION`` of the radius.

    Newton's steps end exactly once the set of coordinates that move is right; halving the bracket in every other round
    brings that about. A row that is done is left alone, so that more rounds for the sake of other rows change nothing.
    """
    t = torch.zeros_like(size[:, 0])
    low, high = t, size.amax(dim=1)
    for number in range(MOST_ROUNDS):
        left = (size - t[:, None]).clamp_(min=0)
        length = torch.minimum(left, room).sum(dim=1)
        fits = length <= radius
        low, high = torch.where(fits, low, t), torch.where(fits, t, high)
        done = fits & ((t == 0) | (length >= radius * (1 - PRECISION)))
        if bool(done.all()):
            break
        onward = (low + high) / 2
        if number % 2 == 0:
            free = torch.count_nonzero((left > 0) & (left < room), dim=1)
            newton = t + (length - radius * (1 - PRECISION / 2)) / free
            onward = torch.where((newton > low) & (newton < high), newton, onward)
        t = torch.where(done, t, onward)
    return high
