"""The first look at a network: what it is searched with, in which sizes, and what makes it suspect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.checks import inspect
from fairbench.attacks.network import Network
from fairbench.attacks.prepare import Precision, search_network
from fairbench.attacks.shapes import exact_shapes
from fairbench.attacks.validation import check_answer


def meet(
    model: Logits, x: Tensor, *, precision: Precision, micro_batch: int, transformations: int
) -> tuple[Network, dict[str, Any]]:
    """The network as the searches ask it, and the checks of an AttackResult that need one look.

    Args:
        model: the network under attack.
        x: (N, C, H, W), N above 0.
        precision: of the search.
        micro_batch: images of a whole pass.
        transformations: passes that a gradient is averaged over.

    Raises:
        ValueError: the network does not answer logits.
    """
    sample = x[torch.arange(micro_batch, device=x.device) % len(x)]
    with torch.no_grad():
        check_answer(model(sample), micro_batch, 0)
    search, notes = search_network(model, precision, sample)
    # Noise, always the same: which sizes are exact must not depend on the images of a call.
    noise = torch.rand(sample.shape, generator=torch.Generator().manual_seed(0)).to(sample)
    shapes = exact_shapes(_everything(model, search), noise)
    checks = {
        **inspect(model, sample),
        "micro_batch": micro_batch,
        "shapes": list(shapes),
        "search_precision": precision,
        "threads": torch.get_num_threads(),
        "notes": notes,
    }
    return Network(model, search, shapes, transformations), checks


def _everything(model: Logits, search: Logits) -> Callable[[Tensor], list[Tensor]]:
    """All that searches and verdicts ask of a network, at some images."""

    def compute(x: Tensor) -> list[Tensor]:
        images = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = search(images)
            answers = [logits.detach()]
            if logits.requires_grad:  # Square also attacks what has no gradient
                answers += torch.autograd.grad(logits.square().sum(), images, materialize_grads=True)
        with torch.no_grad():
            return [*answers, search(x), model(x)]

    return compute
