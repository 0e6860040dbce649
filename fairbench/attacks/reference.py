"""The published reference implementation behind the interface of this room."""

from __future__ import annotations

import time

import torch
from pyautoattack import AutoAttack
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.result import AttackResult


def reference_autoattack(
    model: Logits,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    norm: str,
    attacks: list[str],
    seed: int,
    batch_size: int,
    square_queries: int,
) -> AttackResult:
    """AutoAttack by the reference package, one member after the other on what is still robust."""
    names = {"linf": "Linf", "l2": "L2", "l1": "L1"}
    log = {}
    with torch.random.fork_rng():
        runner = AutoAttack(
            model, eps=eps, norm=names[norm], version="custom", attacks=attacks, seed=seed, device=x.device
        )
        runner.verbose = False
        runner.square.n_queries = square_queries
        runner.fab.n_restarts = runner.apgd.n_restarts = 1
        x_adv = x.clone()
        with torch.no_grad():
            predicted = torch.cat([model(part).argmax(dim=1) for part in x.split(batch_size)])
        robust = predicted == y
        for name in attacks:
            left = robust.nonzero().squeeze(1)
            began = time.perf_counter()
            broken = 0
            if len(left):
                runner.attacks_to_run = [name]
                adversarial, answers = runner.run_standard_evaluation(x[left], y[left], batch_size=batch_size)
                fooled = answers != y[left]
                broken = int(fooled.sum())
                x_adv[left[fooled]] = adversarial[fooled]
                predicted[left] = answers
                robust[left] = ~fooled
            log[name] = {
                "attacked": len(left),
                "broken": broken,
                "seconds": time.perf_counter() - began,
                "notes": [],
            }
    return AttackResult(x_adv, robust, predicted, log)
