"""The network under attack, asked in micro-batches of one fixed shape.

Libraries round differently for batches of different size, and a search amplifies the last bit. Every pass therefore
has the same shape, padded where images are missing; then what is computed for an image depends on that image alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fairbench.attacks.ascent import Logits

SliceLoss = Callable[[Tensor, slice], Tensor]
"""(logits of some rows, which rows) -> (rows,)."""


@dataclass
class Passes:
    """What the network was asked, in images (padding included) and seconds."""

    forward: int = 0
    """images that went forward only, in the search."""
    gradient: int = 0
    """images that went forward and back, in the search."""
    verdict: int = 0
    """images that were judged by the network under attack."""
    seconds: float = 0.0
    """spent inside the network; on a GPU only the time to launch."""


@dataclass
class Network:
    """Two views of one network: the one under attack gives verdicts, the other one is searched with."""

    model: Logits
    search: Logits
    micro_batch: int
    passes: Passes = field(default_factory=Passes)

    def padded(self, rows: int) -> int:
        """The smallest multiple of the micro-batch that holds so many rows."""
        return -(-rows // self.micro_batch) * self.micro_batch

    def verdict_logits(self, x: Tensor) -> Tensor:
        """What the network under attack answers: (N, C, H, W) -> (N, K), any N above 0."""
        began = time.perf_counter()
        extra = self.padded(len(x)) - len(x)
        filled = torch.cat([x, x[:1].expand(extra, *x.shape[1:])]) if extra else x
        with torch.no_grad():
            answers = torch.cat([self.model(part) for part in filled.split(self.micro_batch)])
        self.passes.verdict += len(filled)
        self.passes.seconds += time.perf_counter() - began
        return answers[: len(x)]

    def verdict(self, x: Tensor) -> Tensor:
        """The labels that the network under attack answers: (N,) int64; ties go to the lowest label."""
        return self.verdict_logits(x).argmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits for the search: (P, C, H, W) with P a multiple of the micro-batch -> (P, K)."""
        began = time.perf_counter()
        with torch.no_grad():
            parts = [self.search(part) for part in x.split(self.micro_batch)]
        self.passes.forward += len(x)
        self.passes.seconds += time.perf_counter() - began
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def gradient(self, x: Tensor, loss: SliceLoss) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of a loss with respect to the images, for the search.

        Args:
            x: (P, C, H, W), P a multiple of the micro-batch.
            loss: per row, from the logits of a slice of the rows.

        Returns:
            gradient (P, C, H, W), logits (P, K) and losses (P,), all detached.
        """
        began = time.perf_counter()
        gradient = torch.empty_like(x)
        answers, losses = [], []
        for begin in range(0, len(x), self.micro_batch):
            rows = slice(begin, begin + self.micro_batch)
            images = x[rows].detach().requires_grad_()
            with torch.enable_grad():
                logits = self.search(images)
                values = loss(logits, rows)
                gradient[rows] = torch.autograd.grad(values.sum(), images)[0]
            answers.append(logits.detach())
            losses.append(values.detach())
        self.passes.gradient += len(x)
        self.passes.seconds += time.perf_counter() - began
        return gradient, torch.cat(answers), torch.cat(losses)


def choose_micro_batch(model: Logits, example: Tensor) -> int:
    """A micro-batch that depends on the cost of the network and on nothing else.

    Args:
        model: the network.
        example: (1, C, H, W).

    Returns:
        a power of two: about 20 GFLOP of forward pass on a CPU, 8 to 128 images; 64 times the work on a GPU.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(example)
    on_cpu = example.device.type == "cpu"
    budget, lowest, highest = (20e9, 8, 128) if on_cpu else (1280e9, 64, 1024)
    images = budget / max(counter.get_total_flops(), 1)
    return int(min(max(2 ** int(torch.tensor(images).log2().floor()), lowest), highest))


def cross_entropy_of(y: Tensor) -> SliceLoss:
    """The cross-entropy against these labels."""
    return lambda logits, rows: F.cross_entropy(logits, y[rows], reduction="none")
