"""The metrics of this package and those that other packages add."""

from __future__ import annotations

from fairbench.errors import UsageError
from fairbench.extensions import BUILT_IN, extensions, load_extension
from fairbench.extensions import METRICS as GROUP
from fairbench.metrics.catalogue import METRICS, Metric


def all_metrics() -> dict[str, Metric]:
    """Every metric by name; the packages of others are imported.

    Raises:
        UsageError: as ``added_metrics``.
    """
    return dict(METRICS) | added_metrics()


def added_metrics() -> dict[str, Metric]:
    """The metrics of other packages by name; those packages are imported.

    Raises:
        UsageError: if an entry point cannot be loaded, is no ``Metric``, or has another name than its metric.
    """
    added = {name: load_extension(GROUP, name, Metric) for name in extensions(GROUP) if name not in METRICS}
    for name, metric in added.items():
        if metric.name != name:
            raise UsageError(f"{extensions(GROUP)[name].origin} adds {name!r}, its metric is called {metric.name!r}")
    return added


def metric_origin(name: str) -> str:
    """Where a metric comes from: ``built-in`` or an entry point."""
    return extensions(GROUP)[name].origin if name not in METRICS and name in extensions(GROUP) else BUILT_IN
