"""Attacks: pure functions on tensors.

They take the network as it is: they set no mode, no flags and no device, and leave no gradients behind.
"""

from fairbench.attacks.battery import autoattack
from fairbench.attacks.iterative import cw, fgsm, pgd
from fairbench.attacks.result import AttackResult
from fairbench.attacks.single import apgd, fab, square

__all__ = ["AttackResult", "apgd", "autoattack", "cw", "fab", "fgsm", "pgd", "square"]
