"""A private copy of a network in the form and the precision of a search."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, fx, nn

from fairbench.attacks.programs import TensorFunction, program_of
from fairbench.attacks.square_query import query
from fairbench.attacks.steady_linear import LEAST_ROWS, SteadyLinear

Precision = Literal["float32", "bfloat16"]


class SearchCopy:
    """A network in its faster form; can be copied, so that threads do not share one."""

    def __init__(self, module: nn.Module, precision: Precision) -> None:
        self.module = module.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
        self.programs: dict[str, TensorFunction] = {}
        self.module.to(self.dtype)
        last = [layer for layer in self.module.modules() if isinstance(layer, nn.Linear)][-1:]
        for layer in last if self.dtype == torch.bfloat16 else ():
            # Logits rounded to 8 bits would hide the small improvements that a search lives on.
            layer.float()
            if not isinstance(layer, SteadyLinear):
                layer.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K) float32 logits."""
        if "logits" in self.programs and len(x) >= LEAST_ROWS and not (x.requires_grad and torch.is_grad_enabled()):
            return self.programs["logits"](x)
        return self._logits(x)

    def query(self, points: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        """A query of Square, as :func:`fairbench.attacks.square_query.query`."""
        if "query" in self.programs and len(points) >= LEAST_ROWS:
            return self.programs["query"](points, *rest)
        return query(self._logits, points, *rest)

    def become_programs(self, example: Tensor) -> None:
        """Run without Python's lock from now on where no gradient is asked for, if that is possible.

        Args:
            example: (B, C, H, W), of which a few are used.
        """
        # A graph has no branches left that an example could hide.
        if not isinstance(self.module, fx.GraphModule) or len(example) < 2 * LEAST_ROWS:
            return
        example = example[: 2 * LEAST_ROWS]
        labels = torch.zeros(len(example), dtype=torch.long)
        score = torch.full(example.shape[:1], -torch.inf)
        pixels = torch.arange(4).repeat(len(example), 1)
        arguments = (example, labels, score, pixels, torch.zeros(pixels.shape))
        self.programs["logits"] = program_of(self._logits, example)
        self.programs["query"] = program_of(partial(query, self._logits), *arguments)

    def _logits(self, x: Tensor) -> Tensor:
        module = self.module
        # A traced network needs none of the preparations of a module's call.
        ask = module.forward if isinstance(module, fx.GraphModule) else module
        logits = ask(x.to(self.dtype, memory_format=torch.channels_last))
        return logits if logits.dtype == torch.float32 else logits.float()
