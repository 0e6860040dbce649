"""FAB: a fast adaptive boundary attack that looks for the nearest point of another class.

Source: Croce & Hein 2020, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (ICML),
Algorithm 1; targeted as in the paper on AutoAttack, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fairbench.attacks.balls import Norm, lengths, unit_length
from fairbench.attacks.hyperplanes import project_on_hyperplane
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows
from fairbench.attacks.starts import keyed_normal, keyed_uniform
from fairbench.losses.per_sample import margin

ITERATIONS = 100
OVERSHOOT = 1.05
"""eta: how far beyond the hyperplane a step goes."""
BACKWARD = 0.9
"""beta: a point of another class is pulled back towards the image to this share of its way."""
NEARLY = 1.02
"""points inside so many radii may, without rounding, have led to one inside the radius."""
LARGEST_BIAS = 0.1
"""alpha_max: the largest weight of the step that starts from the image itself."""


@dataclass
class Walk(Rows):
    """Where the search of each image stands."""

    point: Tensor
    nearly: Tensor
    """(B,) bool: a point about as near as the radius may have been of another class."""


@dataclass
class Walker:
    """One run of FAB."""

    eps: float
    """only points inside this radius count."""
    norm: Norm
    seed: int
    purpose: str
    """name of the attack, a key of the start."""
    restart: int = 0
    """number of the run; the first one starts at the image itself."""
    targeted: bool = False
    """whether each row goes for its own target; else for the nearest linearised boundary."""
    targets: int = 1
    """so many of the likeliest wrong classes."""
    iterations: int = ITERATIONS
    stretch: int = 1

    def begin(self, images: Images) -> Walk:
        """At the image, or in later runs at a random point half the radius away."""
        x, nowhere = images.x, torch.zeros_like(images.alive)
        if not self.restart:
            return Walk(x, nowhere)
        draw = keyed_uniform if self.norm == "linf" else keyed_normal
        noise = draw(x, seed=self.seed, indices=images.index, purpose=self.purpose, restart=self.restart)
        return Walk((x + unit_length(noise, self.norm) * (self.eps / 2)).clamp_(0, 1), nowhere)

    def advance(self, network: Network, images: Images, state: Walk, iteration: int) -> tuple[Tensor, Tensor]:
        """A step over the linearised boundary, and back towards the image once that is crossed."""
        normal, value = self._boundary(network, images, state.point)
        point = step(images.x, state.point, normal, value, self.norm)
        logits = network.logits(point)
        crossed, length = logits.argmax(dim=1) != images.y, lengths(point - images.x, self.norm)
        state.nearly |= (margin(logits, images.y) >= -images.doubt) & (length <= NEARLY * self.eps)
        share = torch.where(crossed, BACKWARD, 1.0).to(point.dtype)[:, None, None, None]
        state.point = torch.lerp(images.x, point, share)
        return point, crossed & (length <= self.eps)

    def last_points(self, images: Images, state: Walk) -> None:
        """None: every point was judged on the way."""

    def in_doubt(self, images: Images, state: Walk) -> Tensor:
        """Where a point near enough was almost or just of another class."""
        return state.nearly

    def _boundary(self, network: Network, images: Images, point: Tensor) -> tuple[Tensor, Tensor]:
        """Normal (B, D) and value (B,) at the point of the linear function whose zero is the boundary."""
        labels = images.y[:, None]
        if not self.targeted:
            return _nearest_boundary(*network.jacobian(point), images.y, self.norm)
        goals = images.ranking.gather(1, images.target[:, None])
        gradient, _, value = network.gradient(
            point, lambda logits: (logits.gather(1, goals) - logits.gather(1, labels)).squeeze(1)
        )
        return gradient.flatten(1), value


def step(x: Tensor, point: Tensor, normal: Tensor, value: Tensor, norm: Norm) -> Tensor:
    """A step over the boundary, from the point and a little from the image, clipped to the unit box (Eq. 9).

    Args:
        x: (B, C, H, W), the images.
        point: (B, C, H, W), where the boundary was linearised.
        normal: (B, D), gradient there.
        value: (B,), value there.
        norm: of the projections.
    """
    origin, here = x.flatten(1), point.flatten(1)
    at_origin = value + torch.linalg.vecdot(normal, origin - here)
    near = project_on_hyperplane(here, normal, value, norm)
    far = project_on_hyperplane(origin, normal, at_origin, norm)
    near_length, far_length = near.length.clamp(min=1e-8), far.length.clamp(min=1e-8)
    bias = (near_length / (near_length + far_length)).clamp_(max=LARGEST_BIAS)[:, None]
    onward = torch.add(here, near.movement, alpha=OVERSHOOT, out=near.movement)
    homeward = torch.add(origin, far.movement, alpha=OVERSHOOT, out=far.movement)
    return onward.lerp_(homeward, bias).clamp_(0, 1).view_as(x)


def _nearest_boundary(gradients: Tensor, logits: Tensor, y: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    rows = torch.arange(len(y), device=y.device)
    values = logits - logits[rows, y, None]
    normals = gradients - gradients[rows, y, None]
    distances = (values.abs() / (_dual_lengths(normals, norm) + 1e-12)).scatter(1, y[:, None], torch.inf)
    nearest = distances.argmin(dim=1)
    return normals[rows, nearest], values[rows, nearest]


def _dual_lengths(normals: Tensor, norm: Norm) -> Tensor:
    """How fast linear functions with normals (B, K, D) rise along a movement of length 1: (B, K)."""
    if norm == "linf":
        return normals.abs().sum(dim=2)
    return normals.abs().amax(dim=2) if norm == "l1" else (normals * normals).sum(dim=2).sqrt()
