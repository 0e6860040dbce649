"""AutoAttack and its members, image by image, exact and keyed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from fairbench.allocator import keep_freed_memory
from fairbench.attacks.ascent import Logits
from fairbench.attacks.balls import Norm
from fairbench.attacks.effort import Report, silent
from fairbench.attacks.ensemble import Call, attack
from fairbench.attacks.meeting import Prepared
from fairbench.attacks.members import MEMBERS, SPARSE_RESTARTS, VERSIONS, Version
from fairbench.attacks.network import choose_micro_batch
from fairbench.attacks.result import AttackResult
from fairbench.attacks.search_copy import Precision
from fairbench.attacks.validation import checked_batch


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
    prepared: Prepared | None = None,
    report: Report = silent,
) -> AttackResult:
    """The worst case over an ensemble: each member attacks what the ones before it left.

    What is found for an image depends on (seed, its index, the network, the micro-batch, the number of threads) and,
    on a CPU, on nothing else: not on the batch size, the order, or the other images. A network that draws random
    numbers is the exception: what it draws depends on the seed and on all that is asked.

    Args:
        model: (B, C, H, W) -> (B, K) logits, in the mode that the caller wants. It gives every verdict; the search
            may ask a folded, rounded copy of it.
        x: (N, C, H, W) float in [0, 1].
        y: (N,) int64 labels.
        eps: radius, at least 0.
        norm: ``linf``, ``l2`` or ``l1``. In L1 APGD comes through balls of 3 and 2 times the radius, APGD-T
            has 5 targets, and in the standard version APGD-CE runs 5 times.
        version: ``standard``; ``plus``, with more members and restarts; or ``rand``, for networks that draw random
            numbers: APGD on two losses, each gradient the mean of 20.
        seed: of the evaluation.
        batch_size: images in flight at a time: memory, not results.
        indices: (N,) int64, positions in the whole split, the keys of the noise; 0..N-1 when None.
        attacks: names of members in order, instead of those of the version.
        square_queries: of Square.
        search_precision: ``bfloat16`` searches with a rounded copy.
        micro_batch: images of a whole pass. When None it follows the cost of the network, and is halved, with a
            note, where memory does not suffice.
        prepared: the network as :func:`prepare_search` made it ready, with its precision and micro-batch: it spares
            many calls from doing that again, and threads from doing it at the same time.
        report: told now and then which share of the work is done, 0 to 1, from any thread, one at a time.

    Returns:
        an AttackResult.

    Raises:
        ValueError: shapes, ranges, names or the network's answers are not as said.

    Source: Croce & Hein 2020, "Reliable evaluation of adversarial robustness" (ICML), with the constants of the
    published standard version.
    """
    given, (x, y) = x, checked_batch(x, y, eps=eps, norm=norm, indices=indices)
    composition = _composition(version, attacks, norm)
    if not len(x):
        return AttackResult(given.clone(), torch.zeros_like(y, dtype=torch.bool), y.clone())
    keep_freed_memory()
    if prepared is not None:
        search_precision, micro_batch = prepared.precision, prepared.shapes[-1]
    x = x.to(_dtype_of(model, x))
    call = Call(
        composition=composition,
        eps=eps,
        norm=norm,
        seed=seed,
        batch_size=batch_size,
        square_queries=square_queries,
        search_precision=search_precision,
        micro_batch=micro_batch or choose_micro_batch(model, x[:1], search_precision),
        prepared=prepared,
        report=report,
    )
    result = attack(call, model, x, y, indices) if micro_batch else _within_memory(call, model, x, y, indices)
    return replace(result, x_adv=result.x_adv.to(given.dtype))


def _composition(version: str, attacks: Sequence[str] | None, norm: Norm) -> Version:
    if attacks is None and version not in VERSIONS:
        raise ValueError(f"expected version to be one of {', '.join(VERSIONS)}, got {version!r}.")
    composition = VERSIONS[version] if attacks is None else Version(tuple(attacks))
    for name in composition.members:
        if name not in MEMBERS:
            raise ValueError(f"expected attacks among {', '.join(MEMBERS)}, got {name!r}.")
    if norm == "l1" and attacks is None and version == "standard":
        return replace(composition, restarts=SPARSE_RESTARTS)
    return composition


def _dtype_of(model: Logits, x: Tensor) -> torch.dtype:
    weights = [p for p in model.parameters() if p.is_floating_point()] if isinstance(model, nn.Module) else []
    return weights[0].dtype if weights else x.dtype


def _within_memory(call: Call, model: Logits, x: Tensor, y: Tensor, indices: Tensor | None) -> AttackResult:
    """From the beginning with half the images to a pass, as often as memory does not suffice."""
    notes: list[str] = []
    while True:
        try:
            result = attack(call, model, x, y, indices)
        except torch.OutOfMemoryError:
            if call.micro_batch == 1:
                raise
            call = replace(call, micro_batch=call.micro_batch // 2, batch_size=max(call.batch_size // 2, 1))
            notes.append(
                f"out of memory: begun again with {call.micro_batch} images to a pass and {call.batch_size} in flight"
            )
            torch.cuda.empty_cache()
        else:
            result.checks["notes"].extend(notes)
            return result
