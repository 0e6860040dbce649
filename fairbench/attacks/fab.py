"""FAB: a fast adaptive boundary attack that looks for the nearest point of another class.

Source: Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (ICML),
Algorithm 1; targeted as in the paper on AutoAttack, section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.balls import Norm, lengths, unit_length
from fairbench.attacks.group import Group, Rows, take
from fairbench.attacks.hyperplanes import project_on_hyperplane
from fairbench.attacks.starts import keyed_normal, keyed_uniform

ITERATIONS = 100
OVERSHOOT = 1.05
"""eta: how far beyond the hyperplane a step goes."""
BACKWARD = 0.9
"""beta: a point of another class is pulled back towards the image to this share of its way."""
LARGEST_BIAS = 0.1
"""alpha_max: the largest weight of the step that starts from the image itself."""


@dataclass
class Walk(Rows):
    """Where the search of each image stands."""

    point: Tensor


Plane = tuple[Tensor, Tensor]
"""Normal (P, D) and value (P,) at the current point of the linear function whose zero is the boundary."""


def walk(
    group: Group, *, eps: float, norm: Norm, seed: int, purpose: str, restart: int = 0, target: int | None = None
) -> None:
    """One run of FAB on every living image of a group.

    Args:
        group: the images; those found to have a boundary point inside the ball leave it.
        eps: radius; only points inside count.
        norm: what is minimised.
        seed: of the evaluation.
        purpose: name of the attack, a key of the start.
        restart: number of the run; the first one starts at the image itself.
        target: rank of the target among the wrong classes; None approaches the nearest linearised boundary.
    """
    plane_at = _nearest_plane if target is None else _target_plane(target)
    state = Walk(_start(group, eps, norm, seed, purpose, restart) if restart else group.images.x)
    living = True
    for _ in range(ITERATIONS):
        if (kept := group.shrink()) is not None:
            state = take(state, kept)
        x = group.images.x
        normal, value = plane_at(group, state.point)
        point = _step(x, state.point, normal, value, norm)
        crossed = group.network.logits(point).argmax(dim=1) != group.images.y
        delta = point - x
        living = group.offer(point, crossed & (lengths(delta, norm) <= eps))
        if not living:
            return
        state.point = torch.where(crossed[:, None, None, None], delta.mul_(BACKWARD).add_(x), point)


def _step(x: Tensor, point: Tensor, normal: Tensor, value: Tensor, norm: Norm) -> Tensor:
    origin, here = x.flatten(1), point.flatten(1)
    at_origin = value + (normal * (origin - here)).sum(dim=1)
    near = project_on_hyperplane(here, normal, value, norm)
    far = project_on_hyperplane(origin, normal, at_origin, norm)
    near_length, far_length = near.length.clamp(min=1e-8), far.length.clamp(min=1e-8)
    bias = (near_length / (near_length + far_length)).clamp_(max=LARGEST_BIAS)[:, None]
    onward = near.movement.mul_(OVERSHOOT).add_(here).mul_(1 - bias)
    homeward = far.movement.mul_(OVERSHOOT).add_(origin).mul_(bias)
    return onward.add_(homeward).clamp_(0, 1).view_as(x)


def _target_plane(rank: int) -> Callable[[Group, Tensor], Plane]:
    def plane_at(group: Group, point: Tensor) -> Plane:
        labels, goals = group.images.y[:, None], group.images.rank_labels[:, rank, None]

        def difference(logits: Tensor, rows: slice) -> Tensor:
            return (logits.gather(1, goals[rows]) - logits.gather(1, labels[rows])).squeeze(1)

        gradient, _, value = group.network.gradient(point, difference)
        return gradient.flatten(1), value

    return plane_at


def _nearest_plane(group: Group, point: Tensor) -> Plane:
    raise NotImplementedError


def _start(group: Group, eps: float, norm: Norm, seed: int, purpose: str, restart: int) -> Tensor:
    x = group.images.x
    draw = keyed_uniform if norm == "linf" else keyed_normal
    noise = draw(x, seed=seed, indices=group.images.index, purpose=purpose, restart=restart)
    return (x + unit_length(noise, norm) * (eps / 2)).clamp_(0, 1)
