"""The network that a search asks: a private copy, folded and rounded for speed.

The attacked network is never touched, and it alone gives verdicts.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from fairbench.attacks.ascent import Logits
from fairbench.attacks.folding import drop_identities, flatten_channels_last, fold_batch_norm, rectify_in_place
from fairbench.attacks.search_copy import Precision, SearchCopy
from fairbench.attacks.steady_linear import SteadyLinear
from fairbench.attacks.strided import PhaseConv

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
"""largest accepted difference of logits between copy and network, as a share of the largest logit (or of 1)."""


def search_network(model: Logits, precision: Precision, example: Tensor) -> tuple[Logits, list[str]]:
    """A faster copy of a network for the search, or the network itself where no copy agrees with it.

    Args:
        model: the network under attack; only ``torch.nn.Module`` in eval mode throughout can be copied.
        precision: ``float32``, or ``bfloat16`` for weights and activations of all but the last linear layer.
        example: (B, C, H, W), images on which copy and network must agree.

    Returns:
        the network to search with, and notes for the log.
    """
    if precision not in TOLERANCE:
        raise ValueError(f"expected search_precision to be float32 or bfloat16, got {precision!r}.")
    if not isinstance(model, nn.Module) or any(part.training for part in model.modules()):
        return model, ["searched with the network itself: not a module in eval mode"]
    if len(list(model.parameters())) == 0 or next(model.parameters()).dtype != torch.float32:
        return model, ["searched with the network itself: its weights are not float32"]
    try:
        candidate = SearchCopy(_folded(copy.deepcopy(model).requires_grad_(False), example[:1]), precision)
        difference = _difference(candidate, model, example)
    except torch.OutOfMemoryError:
        raise
    except Exception as problem:  # foreign networks fail to copy, trace or round in ways that cannot be listed
        return model, [f"searched with the network itself: {type(problem).__name__}: {problem}"]
    if not difference <= TOLERANCE[precision]:
        return model, [
            f"searched with the network itself: a {precision} copy differs by {difference:.2g} of the logits"
        ]
    if example.device.type == "cpu":
        candidate.become_programs(example)
    return candidate, []


def _folded(module: nn.Module, example: Tensor) -> nn.Module:
    try:
        graph = fx.symbolic_trace(module)
    except Exception:  # a network whose Python branches on its input stays as it is
        return _with_own_layers(module)
    drop_identities(graph)
    fold_batch_norm(graph)
    flatten_channels_last(graph, example)
    rectify_in_place(graph)
    return _with_own_layers(graph)


def _with_own_layers(module: nn.Module) -> nn.Module:
    for name, layer in list(module.named_modules()):
        if name and PhaseConv.fits(layer):
            module.set_submodule(name, PhaseConv(layer))  # pyright: ignore[reportArgumentType]
        elif name and type(layer) is nn.Linear:
            module.set_submodule(name, SteadyLinear(layer))
    return module


def _difference(candidate: Logits, model: Logits, example: Tensor) -> float:
    with torch.no_grad():
        expected = model(example)
        return float((candidate(example) - expected).abs().max() / expected.abs().max().clamp(min=1))
