"""The outer losses that the papers share, per sample and named, from train-mode forwards."""

from __future__ import annotations

from torch import Tensor, nn

from fairbench.losses import boosted_cross_entropy, cross_entropy, kl_divergence
from fairbench.training.seams import Batch, Terms


def adversarial_terms(network: nn.Module, batch: Batch, x_adv: Tensor) -> Terms:
    """CE(f(x'), y): adversarial training.

    Args:
        network: in train mode.
        batch: images x and labels y.
        x_adv: (B, C, H, W), x'.
    """
    logits = network(x_adv)
    return Terms({"adversarial": cross_entropy(logits, batch.y)}, {"adversarial": 1.0}, {"adversarial": logits})


def trades_terms(network: nn.Module, batch: Batch, x_adv: Tensor, *, beta: float) -> Terms:
    """CE(f(x), y) and beta KL(p(x) || p(x')): TRADES; gradients flow through both arguments of the KL.

    Args:
        network: in train mode.
        batch: images x and labels y.
        x_adv: (B, C, H, W), x'.
        beta: coefficient of the boundary term.
    """
    clean, adversarial = network(batch.x), network(x_adv)
    return Terms(
        per_sample={"natural": cross_entropy(clean, batch.y), "boundary": kl_divergence(clean, adversarial)},
        coefficients={"natural": 1.0, "boundary": beta},
        logits={"clean": clean, "adversarial": adversarial},
    )


def mart_terms(network: nn.Module, batch: Batch, x_adv: Tensor, *, beta: float) -> Terms:
    """BCE(f(x'), y) and beta (1 - p_y(x)) KL(p(x) || p(x')): MART; the factor 1 - p_y keeps its gradient.

    Args:
        network: in train mode.
        batch: images x and labels y.
        x_adv: (B, C, H, W), x'.
        beta: coefficient of the boundary term.
    """
    clean, adversarial = network(batch.x), network(x_adv)
    doubt = 1.0000001 - clean.softmax(dim=1).gather(1, batch.y[:, None]).squeeze(1)
    return Terms(
        per_sample={
            "boosted": boosted_cross_entropy(adversarial, batch.y),
            "boundary": doubt * kl_divergence(clean, adversarial),
        },
        coefficients={"boosted": 1.0, "boundary": beta},
        logits={"clean": clean, "adversarial": adversarial},
    )
