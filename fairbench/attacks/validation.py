"""What an attack accepts, and the sentences for what it does not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.balls import NORMS


def checked_batch(
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    norms: tuple[str, ...] = NORMS,
    indices: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The images and labels, detached, or a ValueError that says what is wrong with them.

    Args:
        x: (N, C, H, W) floating point in [0, 1]; N may be 0.
        y: (N,) integers, at least 0.
        eps: radius, finite and at least 0.
        norm: one of ``norms``.
        norms: that the attack knows.
        indices: (N,) integers or None.
    """
    if norm not in norms:
        elsewhere = "; autoattack, apgd, fab and square know it" if norm in NORMS else ""
        raise ValueError(f"expected norm to be one of {', '.join(norms)}, got {norm!r}{elsewhere}.")
    if not (math.isfinite(eps) and eps >= 0):
        raise ValueError(f"expected eps to be finite and at least 0, got {eps}.")
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"expected x to be (N, C, H, W) floating point, got {tuple(x.shape)} {x.dtype}.")
    if y.shape != x.shape[:1] or y.is_floating_point() or y.dtype == torch.bool:
        raise ValueError(f"expected y to be ({len(x)},) integers like x, got {tuple(y.shape)} {y.dtype}.")
    if indices is not None and (indices.shape != y.shape or indices.is_floating_point()):
        raise ValueError(f"expected indices to be ({len(x)},) integers, got {tuple(indices.shape)} {indices.dtype}.")
    if len(x) and not bool(((x >= 0) & (x <= 1)).all()):
        raise ValueError(f"expected images in [0, 1], got {float(x.min()):g}..{float(x.max()):g}.")
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"expected labels of at least 0, got {int(y.min())}.")
    return x.detach(), y.detach().long()


def checked_logits(model: Logits, y: Tensor) -> Logits:
    """The network, with its first answer checked: (N, K) floating point, finite, K above every label.

    Args:
        model: the network.
        y: (N,) int64 labels.

    Raises:
        ValueError: at the first call, if the answer is not as said.
    """
    highest = int(y.max()) if len(y) else 0
    unchecked = True

    def logits_of(x: Tensor) -> Tensor:
        nonlocal unchecked
        logits = model(x)
        if unchecked:
            check_answer(logits, len(x), highest)
            unchecked = False
        return logits

    return logits_of


def check_answer(logits: Tensor, images: int, highest_label: int) -> None:
    """Refuse an answer that cannot be logits for these labels.

    Args:
        logits: what the network answered.
        images: how many images it was asked about.
        highest_label: the largest label.

    Raises:
        ValueError: shape, number of classes, or values that are not finite.
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != images or logits.shape[1] < 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"expected the network to answer ({images}, K) logits with K at least 2, got {shape}.")
    if highest_label >= logits.shape[1]:
        raise ValueError(f"expected labels in 0..{logits.shape[1] - 1} for this network, got {highest_label}.")
    if not bool(torch.isfinite(logits.detach()).all()):
        raise ValueError("the network answered NaN or infinite logits; no attack can judge it.")
