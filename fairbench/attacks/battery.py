"""AutoAttack and its members, image by image, exact and keyed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from fairbench.attacks.ascent import Logits
from fairbench.attacks.balls import Norm, lengths
from fairbench.attacks.checks import inspect, square_is_better, square_suspicion
from fairbench.attacks.members import LEAST_CLASSES, MEMBERS, Settings, class_counts, searches
from fairbench.attacks.network import Network, Passes, choose_micro_batch
from fairbench.attacks.prepare import Precision, search_network
from fairbench.attacks.result import AttackResult
from fairbench.attacks.rows import Images
from fairbench.attacks.search import Outcome, in_batches, run
from fairbench.attacks.validation import check_answer, checked_batch

VERSIONS: dict[str, tuple[str, ...]] = {
    "standard": ("apgd-ce", "apgd-t", "fab-t", "square"),
    "plus": ("apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"),
}
RESTARTS = {"standard": 1, "plus": 5}
CONTAINMENT = 1e-6
"""how far an adversarial example may lie outside ball or box: rounding, nothing more."""


def autoattack(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    version: str = "standard",
    seed: int = 0,
    batch_size: int = 500,
    indices: Tensor | None = None,
    attacks: Sequence[str] | None = None,
    square_queries: int = 5000,
    search_precision: Precision = "float32",
    micro_batch: int | None = None,
) -> AttackResult:
    """The worst case over an ensemble: each member attacks what the ones before it left.

    What is found for an image depends on (seed, its index, the network, the micro-batch, the number of threads) and,
    on a CPU, on nothing else: not on the batch size, the order, or the other images.

    Args:
        model: (B, C, H, W) -> (B, K) logits, in the mode that the caller wants. It gives every verdict; the search
            may ask a folded, rounded copy of it.
        x: (N, C, H, W) float in [0, 1].
        y: (N,) int64 labels.
        eps: radius, at least 0.
        norm: ``linf`` or ``l2``.
        version: ``standard`` or ``plus``.
        seed: of the evaluation.
        batch_size: images in flight at a time: memory, not results.
        indices: (N,) int64, positions in the whole split, the keys of the noise; 0..N-1 when None.
        attacks: names of members in order, instead of those of the version.
        square_queries: of Square.
        search_precision: ``bfloat16`` searches with a rounded copy.
        micro_batch: the one shape of every pass; chosen from the cost of the network when None.

    Returns:
        an AttackResult.

    Raises:
        ValueError: shapes, ranges, names or the network's answers are not as said.

    Source: Croce & Hein 2020, "Reliable evaluation of adversarial robustness" (ICML), with the constants of the
    published standard version.
    """
    x_given, (x, y) = x, checked_batch(x, y, eps=eps, norm=norm, indices=indices)
    names = _names(version, attacks)
    x = x.to(_dtype_of(model, x))
    if not len(x):
        return AttackResult(x_given.clone(), torch.zeros_like(y, dtype=torch.bool), y.clone())
    network, checks = _meet(model, x, search_precision, micro_batch)
    logits = network.verdict_logits(x)
    check_answer(logits, len(x), int(y.max()))
    settings = Settings(
        eps=eps,
        norm=norm,
        seed=seed,
        classes=logits.shape[1],
        square_queries=square_queries,
        restarts=1 if attacks is not None else RESTARTS[version],
    )
    predicted = logits.argmax(dim=1)
    images = _images(x, y, logits, indices)
    outcome = Outcome(x.clone(), predicted == y)
    log = {name: _run(name, network, outcome, images, settings=settings, batch_size=batch_size) for name in names}
    broken = ((predicted == y) & ~outcome.robust).nonzero().squeeze(1)
    farthest = _check_containment(outcome.x_adv[broken], x[broken], eps, norm)
    if len(broken):
        predicted[broken] = network.verdict(outcome.x_adv[broken])
    by_member = {name: entry["broken"] for name, entry in log.items()}
    checks |= {
        "classes": settings.classes,
        "logits_range": [float(logits.min()), float(logits.max())],
        "square_better": square_is_better(by_member, len(x)),
        "suspicion": square_suspicion(by_member, len(x)),
        "farthest": farthest,
    }
    return AttackResult(outcome.x_adv.to(x_given.dtype), outcome.robust, predicted, log, checks)


def _names(version: str, attacks: Sequence[str] | None) -> list[str]:
    if attacks is None and version not in VERSIONS:
        raise ValueError(f"expected version to be one of {', '.join(VERSIONS)}, got {version!r}.")
    names = list(VERSIONS[version] if attacks is None else attacks)
    for name in names:
        if name not in MEMBERS:
            raise ValueError(f"expected attacks among {', '.join(MEMBERS)}, got {name!r}.")
    return names


def _dtype_of(model: Logits, x: Tensor) -> torch.dtype:
    weights = [p for p in model.parameters() if p.is_floating_point()] if isinstance(model, nn.Module) else []
    return weights[0].dtype if weights else x.dtype


def _meet(model: Logits, x: Tensor, precision: Precision, micro_batch: int | None) -> tuple[Network, dict[str, Any]]:
    micro_batch = micro_batch or choose_micro_batch(model, x[:1])
    sample = x[torch.arange(micro_batch, device=x.device) % len(x)]
    with torch.no_grad():
        check_answer(model(sample), micro_batch, 0)
    search, notes = search_network(model, precision, sample)
    checks = {
        **inspect(model, sample),
        "micro_batch": micro_batch,
        "search_precision": precision,
        "threads": torch.get_num_threads(),
        "notes": notes,
    }
    return Network(model, search, micro_batch), checks


def _images(x: Tensor, y: Tensor, logits: Tensor, indices: Tensor | None) -> Images:
    rows = torch.arange(len(x), device=x.device)
    others = logits.scatter(1, y[:, None], -torch.inf)
    return Images(
        x=x,
        y=y,
        index=rows if indices is None else indices.to(rows),
        row=rows,
        ranking=others.argsort(dim=1, descending=True, stable=True),
        alive=torch.ones_like(rows, dtype=torch.bool),
    )


def _run(
    name: str, network: Network, outcome: Outcome, images: Images, *, settings: Settings, batch_size: int
) -> dict[str, Any]:
    began = time.perf_counter()
    network.passes = Passes()
    notes, zero_gradient = [], []
    left = outcome.robust.nonzero().squeeze(1)
    needed = LEAST_CLASSES.get(name, 2)
    if settings.classes < needed:
        notes.append(f"left out: its loss needs {needed} classes, the network has {settings.classes}")
        left = left[:0]
    in_flight = -(-batch_size // network.micro_batch) * network.micro_batch
    for rows in left.split(in_flight) if len(left) else ():
        for search in searches(name, settings):
            living = rows[outcome.robust[rows]]
            if not len(living):
                break
            run(search, network, outcome, in_batches(images, living, network.micro_batch))
            zero_gradient += getattr(search, "zero_gradient", [])
    return {
        "attacked": len(left),
        "attacked_by_class": class_counts(images.y, [left], settings.classes),
        "broken": len(left) - int(outcome.robust[left].sum()),
        "zero_gradient": class_counts(images.y, zero_gradient, settings.classes),
        "seconds": time.perf_counter() - began,
        "passes": asdict(network.passes),
        "notes": notes,
    }


def _check_containment(x_adv: Tensor, x: Tensor, eps: float, norm: Norm) -> float:
    if not len(x):
        return 0.0
    farthest = float(lengths(x_adv - x, norm).max())
    low, high = float(x_adv.min()), float(x_adv.max())
    if not (farthest <= eps + CONTAINMENT and low >= -CONTAINMENT and high <= 1 + CONTAINMENT):
        raise ArithmeticError(
            f"an adversarial example left the ball or the box: distance {farthest:.8g} of {eps:.8g}, "
            f"pixels {low:.8g}..{high:.8g}."
        )
    return farthest
