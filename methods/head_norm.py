"""Head-norm repair: equalise the rows of the last layer after adversarial training."""

from __future__ import annotations

import torch
from torch import nn

import fairbench
from fairbench.errors import UsageError


@fairbench.register(
    "head_norm",
    title="Head-norm repair",
    paper="HWNwB and DecoSAM, submission to ICLR 2026 (OpenReview df4mr7eQg7)",
    year=2026,
    link="https://openreview.net/forum?id=df4mr7eQg7",
    objectives=("at", "trades", "mart", "friendly"),
)
class HeadNorm(fairbench.Method):
    """Train as the objective does; then give every class the same length of its row in the last layer.

    w_c <- w_c * mean_k |w_k| / |w_c|        b_c stays

    Adversarial training shortens the rows of the classes that it neglects. Known from notes about the paper only: that
    the rows are normalised and the biases kept. That their common length is the mean of the lengths is an assumption.
    The epoch is selected before the repair.
    """

    def finish(self, network: nn.Module) -> None:
        """Rescale the rows of ``network.linear``."""
        head = getattr(network, "linear", None)
        if not isinstance(head, nn.Linear):
            raise UsageError(
                f"head_norm needs a network that ends in a linear layer called 'linear', not {type(network).__name__}"
            )
        equalise_rows(head)


@torch.no_grad()
def equalise_rows(head: nn.Linear) -> None:
    """Scale each row of the weight to the mean of their norms; a row of zeros stays.

    Args:
        head: changed in place; weight (K, D).
    """
    lengths = head.weight.norm(dim=1, keepdim=True)
    head.weight.mul_(torch.where(lengths > 0, lengths.mean() / lengths.clamp(min=1e-12), 1.0))
