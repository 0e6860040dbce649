"""The network under attack, asked in micro-batches whose sizes do not change what an image gets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fairbench.attacks.ascent import Logits
from fairbench.attacks.search_copy import SearchCopy
from fairbench.attacks.shapes import sizes_for
from fairbench.attacks.square_query import query

RowLoss = Callable[[Tensor], Tensor]
"""Logits (B, K) -> losses (B,)."""


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
    """spent inside the network, by all threads together, by Square with its bookkeeping; on a GPU only the time to
    launch."""


@dataclass
class Network:
    """Two views of one network: the one under attack gives verdicts, the other one is searched with."""

    model: Logits
    search: Logits
    shapes: tuple[int, ...]
    """sizes that a pass of a search may have, rising; the last one is the micro-batch."""
    verdict_shapes: tuple[int, ...] = ()
    """sizes that a verdict may have; empty for whole micro-batches."""
    transformations: int = 1
    """passes that a gradient is averaged over, for networks that draw random numbers (EOT)."""
    passes: Passes = field(default_factory=Passes)

    @property
    def micro_batch(self) -> int:
        """The size of a whole pass."""
        return self.shapes[-1]

    def verdict_logits(self, x: Tensor) -> Tensor:
        """What the network under attack answers: (N, C, H, W) -> (N, K), any N above 0."""
        began = time.perf_counter()
        sizes = sizes_for(len(x), self.verdict_shapes or self.shapes[-1:])
        extra = sum(sizes) - len(x)
        filled = torch.cat([x, x[:1].expand(extra, *x.shape[1:])]) if extra else x
        with torch.no_grad():
            answers = torch.cat([self.model(part) for part in filled.split(sizes)])
        self.passes.verdict += len(filled)
        self.passes.seconds += time.perf_counter() - began
        return answers[: len(x)]

    def verdict(self, x: Tensor) -> Tensor:
        """The labels that the network under attack answers: (N,) int64; ties go to the lowest label."""
        return self.verdict_logits(x).argmax(dim=1)

    def logits(self, x: Tensor) -> Tensor:
        """Logits for the search: (B, C, H, W) -> (B, K), B one of the shapes."""
        began = time.perf_counter()
        with torch.no_grad():
            answers = self.search(x)
        self.passes.forward += len(x)
        self.passes.seconds += time.perf_counter() - began
        return answers

    def query(self, points: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        """A query of Square, arguments and results as :func:`fairbench.attacks.square_query.query` has them.

        Args:
            points: (B, C, H, W), B one of the shapes; changed.
            rest: the other tensors.
        """
        began = time.perf_counter()
        with torch.no_grad():
            if isinstance(self.search, SearchCopy):
                answer = self.search.query(points, *rest)
            else:
                answer = query(self.search, points, *rest)
        self.passes.forward += len(points)
        self.passes.seconds += time.perf_counter() - began
        return answer

    def gradient(self, x: Tensor, loss: RowLoss) -> tuple[Tensor, Tensor, Tensor]:
        """The gradient of a loss with respect to the images, for the search.

        Args:
            x: (B, C, H, W), B one of the shapes.
            loss: of each row, from the logits.

        Returns:
            gradient (B, C, H, W), logits (B, K) and losses (B,), all detached; means over the transformations.
        """
        began = time.perf_counter()
        passes = [self._one_gradient(x, loss) for _ in range(self.transformations)]
        self.passes.gradient += len(x) * self.transformations
        self.passes.seconds += time.perf_counter() - began
        if len(passes) == 1:
            return passes[0]
        gradient, logits, losses = (torch.stack(parts).mean(dim=0) for parts in zip(*passes, strict=True))
        return gradient, logits, losses

    def _one_gradient(self, x: Tensor, loss: RowLoss) -> tuple[Tensor, Tensor, Tensor]:
        images = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self.search(images)
            losses = loss(logits)
            (gradient,) = torch.autograd.grad(losses.sum(), images)
        return gradient.contiguous(), logits.detach(), losses.detach()

    def jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of all logits with respect to the images, for the search.

        Args:
            x: (B, C, H, W), B one of the shapes.

        Returns:
            gradients (B, K, C * H * W) and logits (B, K), detached.
        """
        began = time.perf_counter()
        images = x.detach().requires_grad_()
        with torch.enable_grad():
            logits = self.search(images)
            rows = [
                torch.autograd.grad(logits[:, label].sum(), images, retain_graph=True)[0].flatten(1)
                for label in range(logits.shape[1])
            ]
        self.passes.gradient += len(x) * len(rows)
        self.passes.seconds += time.perf_counter() - began
        return torch.stack(rows, dim=1), logits.detach()


def choose_micro_batch(model: Logits, example: Tensor, precision: str = "float32") -> int:
    """A micro-batch that depends on the cost of the network and on nothing else.

    Args:
        model: the network.
        example: (1, C, H, W).
        precision: of the search; a bfloat16 pass needs twice the work to be worth its start.

    Returns:
        a power of two: about 50 GFLOP of forward pass on a CPU, 4 to 256 images; some 10 times the work on a GPU.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(example)
    on_cpu = example.device.type == "cpu"
    budget, lowest, highest = (50e9, 4, 256) if on_cpu else (640e9, 64, 1024)
    if precision == "bfloat16":
        budget *= 2
    images = budget / max(counter.get_total_flops(), 1)
    return int(min(max(2 ** int(torch.tensor(images).log2().floor()), lowest), highest))
