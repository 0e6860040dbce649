"""Attacks: pure functions on tensors.

They take the network as it is: they set no mode, no flags and no device, and leave no gradients behind.
"""

from fairbench.attacks.battery import autoattack
from fairbench.attacks.carlini_wagner import cw_l2
from fairbench.attacks.iterative import cw, fgsm, pgd
from fairbench.attacks.meeting import Prepared, prepare_search
from fairbench.attacks.result import AttackResult
from fairbench.attacks.single import apgd, fab, square

__all__ = [
    "AttackResult",
    "Prepared",
    "apgd",
    "autoattack",
    "cw",
    "cw_l2",
    "fab",
    "fgsm",
    "pgd",
    "prepare_search",
    "square",
]
