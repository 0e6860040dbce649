"""The first look at a network: what it is searched with, in which sizes, and what makes it suspect."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.checks import inspect
from fairbench.attacks.crew import Crew
from fairbench.attacks.network import Network, choose_micro_batch
from fairbench.attacks.prepare import search_network
from fairbench.attacks.search_copy import Precision, SearchCopy
from fairbench.attacks.shapes import exact_shapes, search_sizes, verdict_sizes
from fairbench.attacks.validation import check_answer

MOST_WORKERS = 8
"""threads that search side by side, each with memory for a micro-batch; more cores are shared out among them."""


@dataclass(frozen=True)
class Prepared:
    """What searches ask in the place of a network, for as long as its weights stay as they are."""

    searches: tuple[Logits, ...]
    """equal networks, each for a thread of its own; a single one is asked in the calling thread."""
    precision: Precision
    shapes: tuple[int, ...]
    """sizes that a pass of a search may have, rising; the last one is the micro-batch."""
    verdict_shapes: tuple[int, ...]
    """the same for passes of the network under attack."""
    notes: tuple[str, ...] = ()
    """for the log."""
    exact: Prepared | None = None
    """the same without rounding, for images where rounding decides; None where a search does not round."""

    def crew(self, model: Logits, *, transformations: int = 1) -> Crew:
        """Those who ask for one call; used as a context.

        Args:
            model: the network under attack, which gives the verdicts.
            transformations: passes that a gradient is averaged over.
        """
        sizes = self.shapes, self.verdict_shapes
        return Crew([Network(model, search, *sizes, transformations) for search in self.searches])


def prepare_search(model: Logits, x: Tensor, *, precision: Precision, micro_batch: int) -> Prepared:
    """The network as the searches ask it.

    Where several threads attack, call it while no other one asks a network: tracing is seen by all threads.

    Args:
        model: the network under attack.
        x: (N, C, H, W), N above 0, examples of what it will be asked about.
        precision: of the search.
        micro_batch: images of a whole pass.

    Raises:
        ValueError: the network does not answer logits.
    """
    sample = _repeated(x, micro_batch)
    with torch.no_grad():
        check_answer(model(sample), micro_batch, 0)
    verdict_shapes = exact_shapes(lambda parts: _verdicts(model, parts), _noise(sample), verdict_sizes(micro_batch))
    prepared = _prepared(model, sample, precision, verdict_shapes)
    if precision == "float32" or not isinstance(prepared.searches[0], SearchCopy):
        return prepared
    # What does not round costs more, and has few images to ask about.
    few = min(micro_batch, choose_micro_batch(model, x[:1], "float32"))
    return replace(prepared, exact=_prepared(model, sample[:few], "float32", verdict_shapes))


def _prepared(model: Logits, sample: Tensor, precision: Precision, verdict_shapes: tuple[int, ...]) -> Prepared:
    search, notes = search_network(model, precision, sample)
    searches = _one_for_each_thread(search, sample) if isinstance(search, SearchCopy) else (search,)
    with Prepared(searches, precision, (len(sample),), verdict_shapes).crew(model) as crew:
        shapes = exact_shapes(
            lambda parts: crew.each(_search_answers, parts), _noise(sample), search_sizes(len(sample))
        )
    return Prepared(searches, precision, shapes, verdict_shapes, tuple(notes))


def meet(model: Logits, x: Tensor, prepared: Prepared) -> dict[str, Any]:
    """The checks of an AttackResult that need one look.

    Args:
        model: the network under attack.
        x: (N, C, H, W), N above 0.
        prepared: how it is searched.
    """
    micro_batch = prepared.shapes[-1]
    return {
        **inspect(model, x[:micro_batch]),
        "micro_batch": micro_batch,
        "shapes": list(prepared.shapes),
        "search_precision": prepared.precision,
        "threads": torch.get_num_threads(),
        "workers": len(prepared.searches),
        "notes": list(prepared.notes),
    }


def _noise(like: Tensor) -> Tensor:
    # Always the same: which sizes are exact must not depend on the images of a call.
    return torch.rand(like.shape, generator=torch.Generator().manual_seed(0)).to(like)


def _repeated(x: Tensor, count: int) -> Tensor:
    return x[torch.arange(count, device=x.device) % len(x)]


def _one_for_each_thread(search: SearchCopy, sample: Tensor) -> tuple[Logits, ...]:
    with torch.no_grad():
        draws = not torch.equal(search(sample), search(sample))
    # Several threads would draw from one stream in an order that nobody knows.
    if draws or sample.device.type != "cpu":
        return (search,)
    # Whatever a module notes while it computes is its own; weights and programs are never written and stay shared.
    tensors = (*search.module.parameters(), *search.module.buffers())
    shared = {id(item): item for item in (search.programs, *tensors)}
    others = range(min(torch.get_num_threads(), MOST_WORKERS) - 1)
    return search, *(copy.deepcopy(search, dict(shared)) for _ in others)


def _search_answers(network: Network, x: Tensor) -> list[Tensor]:
    images = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = network.search(images)
        answers = [logits.detach()]
        if logits.requires_grad:  # Square also attacks what has no gradient
            answers += torch.autograd.grad(logits.square().sum(), images, materialize_grads=True)
    with torch.no_grad():
        return [*answers, network.search(x)]


def _verdicts(model: Logits, parts: list[Tensor]) -> list[list[Tensor]]:
    with torch.no_grad():
        return [[model(part)] for part in parts]
