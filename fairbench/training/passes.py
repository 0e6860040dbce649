"""How the network in training answers inside a step: rounded, rewritten and compiled as the run's numerics say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fairbench.attacks.ascent import Logits
from fairbench.training.modes import attacking, statistics_kept
from fairbench.training.numerics import Numerics
from fairbench.training.precision import in_precision
from fairbench.training.rewrite import Twin

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1}
"""largest accepted difference of logits to the network's, as a share of the largest one (or of 1)."""


class Passes:
    """The same network, asked in one way during the attack and in another for the losses.

    Methods go on calling ``network(x)``. Outside the two blocks the network answers as it is.
    """

    def __init__(
        self,
        network: nn.Module,
        numerics: Numerics,
        *,
        example: Tensor,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare both ways.

        Args:
            network: in training, on its device.
            numerics: what the run computes in.
            example: (B, C, H, W), a batch as most will be.
            say: takes a line where something has to be given up.
        """
        self.network, self.batch_size, self.say = network, len(example), say
        self.is_compiled = numerics.compiled
        self.twin: Twin | None = None
        is_plain = numerics == Numerics()
        self._attack = network if is_plain else self._compiled(self._for_attacks(numerics.attack, example))
        self._outer = network if is_plain else self._compiled(in_precision(network, numerics.outer))

    @contextmanager
    def attack(self) -> Iterator[None]:
        """The network answers as the attack wants it; its weights must stay as they are inside the block."""
        if self.twin is not None:
            self.twin.refresh()
        with self._answered_by(self._attack):
            yield

    @contextmanager
    def outer(self) -> Iterator[None]:
        """The network answers as the losses want it."""
        with self._answered_by(self._outer):
            yield

    @contextmanager
    def _answered_by(self, logits_of: Logits) -> Iterator[None]:
        if logits_of is self.network:
            yield
            return
        # Where torch keeps a module's compiled form; unlike a ``forward`` of its own, a copy of the module is without.
        self.network._compiled_call_impl = logits_of
        try:
            yield
        finally:
            self.network._compiled_call_impl = None

    def _for_attacks(self, dtype: torch.dtype, example: Tensor) -> Logits:
        rounded = in_precision(self.network, dtype)
        if example.device.type != "cpu":
            return rounded
        try:
            with attacking(self.network, "eval"), torch.no_grad():
                twin = Twin(self.network, dtype, example[:1])
                expected = self.network(example)
                difference = float((twin(example) - expected).abs().max() / expected.abs().max().clamp(min=1))
        except Exception:  # foreign networks fail to trace in ways that cannot be listed
            return rounded
        if not difference <= TOLERANCE[dtype]:
            return rounded
        self.twin = twin
        return twin

    def _compiled(self, eager: Logits) -> Logits:
        plain = self.network.forward if eager is self.network else eager
        if not self.is_compiled:
            return eager
        fast = torch.compile(eager.graph if isinstance(eager, Twin) else plain, dynamic=False)
        is_tried = False

        def either(x: Tensor) -> Tensor:
            nonlocal is_tried
            # Each shape and each mode of autograd is compiled anew: only the one that comes back is worth it.
            if not (self.is_compiled and len(x) == self.batch_size and torch.is_grad_enabled()):
                return plain(x)
            if not is_tried:
                is_tried = True
                self._try_out(fast, x)
            return fast(x) if self.is_compiled else plain(x)

        return either

    def _try_out(self, fast: Logits, x: Tensor) -> None:
        """Go forward and backward once, which leaves nothing behind; the backward pass is compiled when it is asked."""
        images = x.detach().requires_grad_(x.requires_grad)
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        wanted = [images] if images.requires_grad else learning
        try:
            with statistics_kept(self.network):
                logits = fast(images)
                if wanted:
                    torch.autograd.grad(logits.sum(), wanted, allow_unused=True)
        except Exception as problem:  # compilers fail in ways that cannot be listed
            self.is_compiled = False
            reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
            self.say(f"computing without compilation ({reason:.100})")
