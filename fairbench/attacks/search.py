"""The loop that every search shares: advance all images, judge what fools them, drop what is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from fairbench.attacks.crew import Crew
from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows, regroup, take
from fairbench.attacks.shapes import sizes_for

State = TypeVar("State", bound=Rows)


class Search(Protocol[State]):
    """One run of an attack, written for one batch of images; a batch never looks at another one."""

    iterations: int
    """how often every image is advanced."""
    targets: int
    """how many rows an image has, one for each class that it is driven to."""
    stretch: int
    """iterations before finds are judged: more where little is found, so that threads seldom wait for each other."""

    def begin(self, images: Images) -> State:
        """The state before the first iteration."""
        ...

    def advance(self, network: Network, images: Images, state: State, iteration: int) -> tuple[Tensor, Tensor]:
        """Move every image once, in place of its state.

        Returns:
            points (B, C, H, W) inside ball and box, and (B,) bool, which of them seem to fool the network.
        """
        ...

    def last_points(self, images: Images, state: State) -> Tensor | None:
        """Points (B, C, H, W) to be judged after the last iteration, whatever the search thinks of them."""
        ...

    def in_doubt(self, images: Images, state: State) -> Tensor | None:
        """(B,) bool, where a network that rounds may have missed a break; None if that hardly happens."""
        ...


@dataclass
class Outcome:
    """What is known of all images of a call; searches write here as they break them."""

    x_adv: Tensor
    robust: Tensor
    doubtful: Tensor
    """(N,) bool: the last search came so near that one that does not round may break the image."""
    stopped: Tensor
    """(N, C, H, W), where the last search that has such a point stopped."""


@dataclass
class _Part(Generic[State]):
    images: Images
    state: State


class _Found(NamedTuple):
    """Points that seem to fool the network."""

    points: Tensor
    """(n, C, H, W)."""
    labels: Tensor
    """(n,) of their images."""
    row: Tensor
    """(n,) positions of these in the outcome."""


def in_groups(rows: Tensor, most: int, shares: int) -> list[Tensor]:
    """Groups that are searched side by side, so that all threads end at about the same time.

    Args:
        rows: (B,) int64, images.
        most: images of a group.
        shares: so many threads take one group after the other.

    Returns:
        full groups, then what is left in equal parts.
    """
    full = len(rows) // (most * shares) * most * shares
    groups = (*rows[:full].split(most), *rows[full:].tensor_split(shares))
    return [group for group in groups if len(group)]


def in_batches(images: Images, rows: Tensor, shapes: tuple[int, ...], *, targets: int) -> list[Images]:
    """Batches as a network takes them, the last one padded.

    Args:
        images: all of them.
        rows: (B,) int64, which ones; B above 0.
        shapes: sizes that a pass may have.
        targets: an image is there so often, in a row, with targets of falling rank.
    """
    count = len(rows) * targets
    sizes = sizes_for(count, shapes)
    repeated = rows.repeat_interleave(targets)
    padded = take(images, torch.cat([repeated, rows[-1:].expand(sum(sizes) - count)]))
    padded.target[:count] = torch.arange(targets, device=rows.device).repeat(len(rows))
    padded.alive[count:] = False
    return regroup([padded], torch.arange(len(padded.row), device=rows.device), sizes)


def run(search: Search[State], crew: Crew, network: Network, outcome: Outcome, batches: list[Images]) -> None:
    """Run a search on a group of images until all are broken or its iterations are over.

    All rows of an image advance together, and the first one that breaks it, in case of a tie the one of the likeliest
    target, is its adversarial example.

    Args:
        search: the attack.
        crew: judges what is found, in the thread that waits for all groups.
        network: advances the batches.
        outcome: where broken images are written.
        batches: of the group, as :func:`in_batches` makes them.
    """
    parts = [_Part(images, search.begin(images)) for images in batches]
    for first in range(0, search.iterations, search.stretch):
        crew.go_on()
        stretch = range(first, min(first + search.stretch, search.iterations))
        finds = [
            [_found(part.images, *search.advance(network, part.images, part.state, at)) for at in stretch]
            for part in parts
        ]
        if _judge([found for moment in zip(*finds, strict=True) for found in moment], crew, outcome):
            for part in parts:
                part.images.alive &= outcome.robust[part.images.row]
            parts = _without_broken(parts, network.shapes)
            if not parts:
                return
    last = [(part.images, search.last_points(part.images, part.state)) for part in parts]
    _judge([_found(images, points, images.alive) for images, points in last if points is not None], crew, outcome)
    for part, (images, points) in zip(parts, last, strict=True):
        doubt = search.in_doubt(images, part.state)
        if doubt is not None:
            outcome.doubtful[images.row[doubt & images.alive]] = True
        if points is not None:
            outcome.stopped[images.row[images.alive]] = points[images.alive]


def _found(images: Images, points: Tensor, fools: Tensor) -> _Found | None:
    rows = (fools & images.alive).nonzero().squeeze(1)
    return _Found(points[rows], images.y[rows], images.row[rows]) if len(rows) else None


def _judge(finds: list[_Found | None], crew: Crew, outcome: Outcome) -> bool:
    """Whether an image was broken; of several points that break it the first one counts."""
    found = [found for found in finds if found is not None]
    if not found:
        return False
    candidates = _Found(*(torch.cat(parts) for parts in zip(*found, strict=True)))
    return crew.by_caller(lambda: _broken(candidates, crew.lead, outcome))


def _broken(found: _Found, network: Network, outcome: Outcome) -> bool:
    candidates, labels, row = found
    broken = (network.verdict(candidates) != labels).nonzero().squeeze(1)
    if not len(broken):
        return False
    nobody = len(candidates)
    first = torch.full(outcome.robust.shape, nobody, device=broken.device)
    first.scatter_reduce_(0, row[broken], broken, "amin")
    hit = (first < nobody).nonzero().squeeze(1)
    outcome.x_adv[hit] = candidates[first[hit]]
    outcome.robust[hit] = False
    return True


def _without_broken(parts: list[_Part[State]], shapes: tuple[int, ...]) -> list[_Part[State]]:
    """The same parts until fewer rows hold all that are left."""
    alive = torch.cat([part.images.alive for part in parts])
    keep = alive.nonzero().squeeze(1)
    if not len(keep):
        return []
    sizes = sizes_for(len(keep), shapes)
    extra = sum(sizes) - len(keep)
    if sum(sizes) == len(alive):
        return parts
    index = torch.cat([keep, keep[-1:].expand(extra)])
    images = regroup([part.images for part in parts], index, sizes)
    states = regroup([part.state for part in parts], index, sizes)
    images[-1].alive[sizes[-1] - extra :] = False
    return [_Part(*pair) for pair in zip(images, states, strict=True)]
