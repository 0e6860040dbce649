"""fairbench: the benchmark and leaderboard for robust fairness.

Names are resolved on first use, so that ``import fairbench`` and ``fairbench --help`` do not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairbench.lazy import resolver

if TYPE_CHECKING:
    from fairbench.evaluation.evaluator import evaluate as evaluate
    from fairbench.evaluation.result import Evaluation as Evaluation
    from fairbench.leaderboard.results import load_results as load_results
    from fairbench.registry import register as register
    from fairbench.training.method import Method as Method
    from fairbench.training.method import Objective as Objective

__version__ = "0.1.0"

_HOMES = {
    "Evaluation": "fairbench.evaluation.result",
    "Method": "fairbench.training.method",
    "Objective": "fairbench.training.method",
    "evaluate": "fairbench.evaluation.evaluator",
    "load_results": "fairbench.leaderboard.results",
    "register": "fairbench.registry",
}

__all__ = ["Evaluation", "Method", "Objective", "__version__", "evaluate", "load_results", "register"]

__getattr__ = resolver(__name__, _HOMES)
