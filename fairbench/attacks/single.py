"""The members of AutoAttack on their own."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.balls import Norm
from fairbench.attacks.battery import autoattack
from fairbench.attacks.result import AttackResult
from fairbench.attacks.search_copy import Precision

DEFAULT_BATCH = 500


def apgd(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    loss: Literal["ce", "dlr", "targeted-dlr"] = "ce",
    seed: int = 0,
    indices: Tensor | None = None,
    batch_size: int | None = None,
    search_precision: Precision = "float32",
    micro_batch: int | None = None,
) -> AttackResult:
    """Auto-PGD with 100 iterations on one loss; ``targeted-dlr`` goes through the 9 likeliest wrong classes.

    The other arguments are those of :func:`autoattack`.
    """
    names = {"ce": "apgd-ce", "dlr": "apgd-dlr", "targeted-dlr": "apgd-t"}
    if loss not in names:
        raise ValueError(f"expected loss to be one of {', '.join(names)}, got {loss!r}.")
    return autoattack(
        model,
        x,
        y,
        eps=eps,
        norm=norm,
        seed=seed,
        indices=indices,
        batch_size=batch_size or DEFAULT_BATCH,
        attacks=[names[loss]],
        search_precision=search_precision,
        micro_batch=micro_batch,
    )


def fab(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    targeted: bool = True,
    seed: int = 0,
    indices: Tensor | None = None,
    batch_size: int | None = None,
    search_precision: Precision = "float32",
    micro_batch: int | None = None,
) -> AttackResult:
    """FAB with 100 iterations; the targeted form goes through the 9 likeliest wrong classes.

    The other arguments are those of :func:`autoattack`.
    """
    return autoattack(
        model,
        x,
        y,
        eps=eps,
        norm=norm,
        seed=seed,
        indices=indices,
        batch_size=batch_size or DEFAULT_BATCH,
        attacks=["fab-t" if targeted else "fab"],
        search_precision=search_precision,
        micro_batch=micro_batch,
    )


def square(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: Norm = "linf",
    queries: int = 5000,
    seed: int = 0,
    indices: Tensor | None = None,
    batch_size: int | None = None,
    search_precision: Precision = "float32",
    micro_batch: int | None = None,
) -> AttackResult:
    """Square, a random search that sees the logits and no gradient, with so many ``queries`` per image (at least 0).

    The other arguments are those of :func:`autoattack`.
    """
    return autoattack(
        model,
        x,
        y,
        eps=eps,
        norm=norm,
        seed=seed,
        indices=indices,
        batch_size=batch_size or DEFAULT_BATCH,
        attacks=["square"],
        square_queries=queries,
        search_precision=search_precision,
        micro_batch=micro_batch,
    )
