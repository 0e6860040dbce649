"""Evaluation: the battery of attacks, its resumable runner, and the record it writes.

Names are resolved on first use, so that reading records does not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairbench.lazy import resolver

if TYPE_CHECKING:
    from fairbench.evaluation.corruption_groups import corruption_means as corruption_means
    from fairbench.evaluation.corruption_groups import merged_severities as merged_severities
    from fairbench.evaluation.corruption_groups import pooled_severities as pooled_severities
    from fairbench.evaluation.evaluator import evaluate as evaluate
    from fairbench.evaluation.predictions import Predictions as Predictions
    from fairbench.evaluation.predictions import read_predictions as read_predictions
    from fairbench.evaluation.probes import masking_of as masking_of
    from fairbench.evaluation.provenance import environment as environment
    from fairbench.evaluation.records import read_record as read_record
    from fairbench.evaluation.records import write_record as write_record
    from fairbench.evaluation.result import Evaluation as Evaluation

_HOMES = {
    "Evaluation": "fairbench.evaluation.result",
    "Predictions": "fairbench.evaluation.predictions",
    "corruption_means": "fairbench.evaluation.corruption_groups",
    "environment": "fairbench.evaluation.provenance",
    "evaluate": "fairbench.evaluation.evaluator",
    "masking_of": "fairbench.evaluation.probes",
    "merged_severities": "fairbench.evaluation.corruption_groups",
    "pooled_severities": "fairbench.evaluation.corruption_groups",
    "read_predictions": "fairbench.evaluation.predictions",
    "read_record": "fairbench.evaluation.records",
    "write_record": "fairbench.evaluation.records",
}

__all__ = [
    "Evaluation",
    "Predictions",
    "corruption_means",
    "environment",
    "evaluate",
    "masking_of",
    "merged_severities",
    "pooled_severities",
    "read_predictions",
    "read_record",
    "write_record",
]

__getattr__ = resolver(__name__, _HOMES)
