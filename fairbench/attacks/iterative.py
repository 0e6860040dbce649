"""The cheap attacks of an evaluation: FGSM, PGD and PGD on the logit margin."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits, Loss, ball_bounds, input_gradient
from fairbench.attacks.balls import DENSE_NORMS, DenseNorm, project, step_direction
from fairbench.attacks.starts import keyed_start, uniform_start
from fairbench.attacks.validation import checked_batch, checked_logits
from fairbench.losses.per_sample import cross_entropy, margin

Emit = Literal["success", "last"]


def fgsm(model: Logits, x: Tensor, y: Tensor, *, eps: float) -> Tensor:
    """One step of full length along the sign of the gradient, from the image itself.

    Args:
        model: the network, in the mode that the caller wants.
        x: (N, C, H, W) float in [0, 1].
        y: (N,) int64 labels.
        eps: L-infinity radius in pixel units of [0, 1], at least 0.

    Returns:
        (N, C, H, W) like x.

    Raises:
        ValueError: shapes, range, radius or the network's answer are not as said.

    Source: Goodfellow et al. 2015, section 4.
    """
    x, y = checked_batch(x, y, eps=eps)
    if not len(x):
        return x.clone()
    gradient, _ = input_gradient(checked_logits(model, y), x, _on_logits(cross_entropy, y))
    return torch.clamp(x + eps * gradient.sign(), *ball_bounds(x, eps))


def pgd(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    steps: int = 20,
    step_size: float | None = None,
    norm: DenseNorm = "linf",
    generator: torch.Generator | None = None,
    seed: int = 0,
    indices: Tensor | None = None,
    emit: Emit = "success",
) -> Tensor:
    """Projected gradient ascent on the cross-entropy from a random point of the ball.

    Args:
        model: the network, in the mode that the caller wants.
        x: (N, C, H, W) float in [0, 1].
        y: (N,) int64 labels.
        eps: radius in pixel units of [0, 1], at least 0.
        steps: number of steps, at least 0.
        step_size: length of a step; ``eps / 4`` when None.
        norm: ``linf`` or ``l2``.
        generator: draws the start of the whole batch; when None the start of an image is keyed.
        seed: the seed of the evaluation, for keyed starts.
        indices: (N,) int64, positions in the whole split; 0..N-1 when None.
        emit: ``success`` returns the first point that fools the network, the image itself and the last
            iterate included, and else the last iterate; ``last`` returns the last iterate.

    Returns:
        (N, C, H, W) like x.

    Raises:
        ValueError: shapes, range, radius or the network's answer are not as said.

    Source: Madry et al. 2018, section 2.
    """
    return _ascend(
        "pgd",
        cross_entropy,
        model,
        x,
        y,
        eps=eps,
        steps=steps,
        step_size=step_size,
        norm=norm,
        generator=generator,
        seed=seed,
        indices=indices,
        emit=emit,
    )


def cw(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    steps: int = 30,
    step_size: float | None = None,
    norm: DenseNorm = "linf",
    generator: torch.Generator | None = None,
    seed: int = 0,
    indices: Tensor | None = None,
    emit: Emit = "success",
) -> Tensor:
    """PGD on the logit margin, which robust-fairness papers report as the attack of Carlini and Wagner.

    Args and returns are those of :func:`pgd`.

    Source: Carlini & Wagner 2017, objective f6 with zero confidence; Madry et al. 2018 for the steps.
    """
    return _ascend(
        "cw",
        margin,
        model,
        x,
        y,
        eps=eps,
        steps=steps,
        step_size=step_size,
        norm=norm,
        generator=generator,
        seed=seed,
        indices=indices,
        emit=emit,
    )


def _ascend(
    purpose: str,
    loss: Loss,
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    steps: int,
    step_size: float | None,
    norm: DenseNorm,
    generator: torch.Generator | None,
    seed: int,
    indices: Tensor | None,
    emit: Emit,
) -> Tensor:
    x, y = checked_batch(x, y, eps=eps, norm=norm, norms=DENSE_NORMS, indices=indices)
    if steps < 0:
        raise ValueError(f"expected at least 0 steps, got {steps}.")
    if emit not in ("success", "last"):
        raise ValueError(f"expected emit to be 'success' or 'last', got {emit!r}.")
    if not len(x):
        return x.clone()
    logits_of = checked_logits(model, y)
    step = eps / 4 if step_size is None else step_size
    if generator is not None and norm == "linf":
        x_adv = uniform_start(x, eps, generator)
    else:
        x_adv = keyed_start(x, eps, norm=norm, seed=seed, indices=indices, purpose=purpose, generator=generator)
    kept, fooled = x, torch.zeros_like(y, dtype=torch.bool)
    if emit == "success":
        with torch.no_grad():
            fooled = logits_of(x).argmax(dim=1) != y
    for _ in range(steps):
        gradient, logits = input_gradient(logits_of, x_adv, _on_logits(loss, y))
        kept, fooled = _keep_first(kept, fooled, x_adv, logits.argmax(dim=1) != y)
        x_adv = project(x_adv + step * step_direction(gradient, norm), x, eps, norm)
    if emit == "last":
        return x_adv
    with torch.no_grad():
        kept, fooled = _keep_first(kept, fooled, x_adv, logits_of(x_adv).argmax(dim=1) != y)
    return torch.where(fooled[:, None, None, None], kept, x_adv)


def _on_logits(loss: Loss, y: Tensor) -> Loss:
    return lambda _, logits: loss(logits, y)


def _keep_first(kept: Tensor, fooled: Tensor, x_adv: Tensor, fools: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where((fools & ~fooled)[:, None, None, None], x_adv, kept), fooled | fools
