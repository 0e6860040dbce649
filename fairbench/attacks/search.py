"""The loop that every search shares: advance all images, judge what fools them, drop what is broken."""

from __future__ import annotations

from collections.abc import Callable
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


NEVER = torch.iinfo(torch.int64).max
"""the moment of an image that is not broken."""


@dataclass
class Outcome:
    """What is known of all images of a call; searches write here as they break them."""

    x_adv: Tensor
    robust: Tensor
    moment: Tensor
    """(N,) int64, when the last search broke an image: its iteration times the number of targets, plus the target.
    Replaced and never written to, so that threads may look at any time."""
    doubtful: Tensor
    """(N,) bool: the last search came so near that one that does not round may break the image."""
    stopped: Tensor
    """(N, C, H, W), where the last search that has such a point stopped."""

    @classmethod
    def before(cls, x: Tensor, robust: Tensor) -> Outcome:
        """Nothing was searched yet: x (N, C, H, W) are the images, robust (N,) bool the right answers."""
        never = torch.full(robust.shape, NEVER, device=robust.device)
        return cls(x.clone(), robust, never, torch.zeros_like(robust), x.clone())

    def begin_search(self) -> None:
        """Forget when the search before broke its images."""
        self.moment = torch.full_like(self.moment, NEVER)


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
    moment: Tensor
    """(n,) when they were found, as :attr:`Outcome.moment`."""


def in_groups(rows: Tensor, most: int, shares: int) -> list[Tensor]:
    """Groups that are searched side by side, so that all threads end at about the same time.

    Args:
        rows: (B,) int64, whatever is searched.
        most: of them in a group.
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
        rows: (B,) int64, B above 0: image times ``targets`` plus target. The targets of an image may lie in several
            groups.
        shapes: sizes that a pass may have.
        targets: how many an image has.
    """
    count = len(rows)
    sizes = sizes_for(count, shapes)
    filled = torch.cat([rows, rows[-1:].expand(sum(sizes) - count)])
    padded = take(images, filled // targets)
    padded.target.copy_(filled % targets)
    padded.alive[count:] = False
    return regroup([padded], torch.arange(len(padded.row), device=rows.device), sizes)


def run(
    search: Search[State],
    crew: Crew,
    network: Network,
    outcome: Outcome,
    batches: list[Images],
    *,
    advanced: Callable[[int], None],
) -> None:
    """Run a search on a group of rows until all their images are broken or its iterations are over.

    Of the rows of an image the one that breaks it in the earliest iteration, in case of a tie the one of the likeliest
    target, gives its adversarial example, whichever thread comes first.

    Args:
        search: the attack.
        crew: judges what is found, in the thread that waits for all groups.
        network: advances the batches.
        outcome: where broken images are written.
        batches: of the group, as :func:`in_batches` makes them.
        advanced: told how many iterations have just been made.
    """
    parts = [_Part(images, search.begin(images)) for images in batches]
    seen = None
    for first in range(0, search.iterations, search.stretch):
        crew.go_on()
        stretch = range(first, min(first + search.stretch, search.iterations))
        finds = []
        for part in parts:
            for at in stretch:
                points, fools = search.advance(network, part.images, part.state, at)
                finds.append(_found(part.images, points, fools, at * search.targets))
        _judge(finds, crew, outcome)
        advanced(len(stretch))
        if outcome.moment is not seen:
            seen = outcome.moment
            for part in parts:
                # What another thread found does not end a row that may still find something earlier.
                part.images.alive &= seen[part.images.row] > stretch.stop * search.targets + part.images.target
            parts = _without_broken(parts, network.shapes)
            if not parts:
                return
    last = [(part.images, search.last_points(part.images, part.state)) for part in parts]
    end = search.iterations * search.targets
    _judge([_found(images, points, images.alive, end) for images, points in last if points is not None], crew, outcome)
    for part, (images, points) in zip(parts, last, strict=True):
        doubt = search.in_doubt(images, part.state)
        if doubt is not None:
            outcome.doubtful[images.row[doubt & images.alive]] = True
        if points is not None:
            outcome.stopped[images.row[images.alive]] = points[images.alive]


def _found(images: Images, points: Tensor, fools: Tensor, moment: int) -> _Found | None:
    rows = (fools & images.alive).nonzero().squeeze(1)
    if not len(rows):
        return None
    return _Found(points[rows], images.y[rows], images.row[rows], moment + images.target[rows])


def _judge(finds: list[_Found | None], crew: Crew, outcome: Outcome) -> None:
    """Write down the images that are broken; of several points that break one the first one counts."""
    found = [found for found in finds if found is not None]
    if found:
        candidates = _Found(*(torch.cat(parts) for parts in zip(*found, strict=True)))
        crew.by_caller(lambda: _write_broken(candidates, crew.lead, outcome))


def _write_broken(found: _Found, network: Network, outcome: Outcome) -> None:
    broken = (network.verdict(found.points) != found.labels).nonzero().squeeze(1)
    if not len(broken):
        return
    points, _, row, moment = (tensor[broken] for tensor in found)
    earliest = outcome.moment.scatter_reduce(0, row, moment, "amin")
    first = (moment == earliest[row]).nonzero().squeeze(1)
    outcome.x_adv[row[first]] = points[first]
    outcome.robust[row[first]] = False
    outcome.moment = earliest


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
