"""The loop that every search shares: advance all images, judge what fools them, drop what is broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from fairbench.attacks.network import Network
from fairbench.attacks.rows import Images, Rows, regroup, take

State = TypeVar("State", bound=Rows)


class Search(Protocol[State]):
    """One run of an attack, written for one batch of images; a batch never looks at another one."""

    iterations: int
    """how often every image is advanced."""

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


@dataclass
class Outcome:
    """What is known of all images of a call; searches write here as they break them."""

    x_adv: Tensor
    robust: Tensor


@dataclass
class _Part(Generic[State]):
    images: Images
    state: State


def in_batches(images: Images, rows: Tensor, size: int) -> list[Images]:
    """Padded batches of one size.

    Args:
        images: all of them.
        rows: (B,) int64, which ones; B above 0.
        size: rows of each batch.
    """
    extra = -len(rows) % size
    padded = take(images, torch.cat([rows, rows[-1:].expand(extra)]))
    padded.alive[len(rows) :] = False
    return regroup([padded], torch.arange(len(rows) + extra, device=rows.device), size)


def run(search: Search[State], network: Network, outcome: Outcome, batches: list[Images]) -> None:
    """Run a search on batches of images until all are broken or its iterations are over.

    Args:
        search: the attack.
        network: asked in batches of its fixed size.
        outcome: where broken images are written.
        batches: as :func:`in_batches` makes them.
    """
    parts = [_Part(images, search.begin(images)) for images in batches]
    for iteration in range(search.iterations):
        parts = _without_broken(parts, network.micro_batch)
        if not parts:
            return
        found = []
        for part in parts:
            points, fools = search.advance(network, part.images, part.state, iteration)
            found.append((points, fools & part.images.alive))
        _judge(parts, found, network, outcome)
    found = []
    for part in parts:
        if (points := search.last_points(part.images, part.state)) is not None:
            found.append((points, part.images.alive))
    if found:
        _judge(parts, found, network, outcome)


def _judge(parts: list[_Part[State]], found: list[tuple[Tensor, Tensor]], network: Network, outcome: Outcome) -> None:
    flags = torch.cat([fools for _, fools in found])
    rows = flags.nonzero().squeeze(1)
    if not len(rows):
        return
    size = network.micro_batch
    candidates = torch.cat([points[fools] for points, fools in found])
    labels = torch.cat([part.images.y for part in parts])[rows]
    places = torch.cat([part.images.row for part in parts])[rows]
    broken = network.verdict(candidates) != labels
    for number, part in enumerate(parts):
        here = broken & (rows // size == number)
        part.images.alive[rows[here] % size] = False
    outcome.x_adv[places[broken]] = candidates[broken]
    outcome.robust[places[broken]] = False


def _without_broken(parts: list[_Part[State]], size: int) -> list[_Part[State]]:
    alive = torch.cat([part.images.alive for part in parts])
    living = int(alive.sum())
    if -(-living // size) == len(parts):
        return parts
    if not living:
        return []
    keep = alive.nonzero().squeeze(1)
    index = torch.cat([keep, keep[-1:].expand(-living % size)])
    images = regroup([part.images for part in parts], index, size)
    states = regroup([part.state for part in parts], index, size)
    images[-1].alive[size - (-living % size) :] = False
    return [_Part(*pair) for pair in zip(images, states, strict=True)]
