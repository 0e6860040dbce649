"""What other packages add by entry points: listed without importing them, loaded when one is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from fairbench.errors import FairbenchError, UsageError

METHODS, DATASETS, ATTACKS, METRICS = (f"fairbench.{kind}" for kind in ("methods", "datasets", "attacks", "metrics"))
"""The groups of entry points."""
BUILT_IN = "built-in"
"""origin of what comes with this package"""

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Extension:
    """One entry point of another package."""

    name: str
    origin: str
    """package, version and object, for listings and records."""
    load: Callable[[], Any]


@cache
def extensions(group: str) -> dict[str, Extension]:
    """What other packages add to a group, by name.

    Args:
        group: ``METHODS``, ``DATASETS``, ``ATTACKS`` or ``METRICS``.

    Raises:
        UsageError: if two packages add the same name.
    """
    found: dict[str, Extension] = {}
    for point in entry_points(group=group):
        extension = Extension(point.name, _origin(point), point.load)
        if point.name in found and found[point.name].origin != extension.origin:
            raise UsageError(
                f"{point.name!r} of {group} is added by {found[point.name].origin} and by {extension.origin}; "
                "uninstall one of them"
            )
        found[point.name] = extension
    return dict(sorted(found.items()))


def load_extension(group: str, name: str, kind: type[Loaded]) -> Loaded:
    """The object behind an entry point; its package is imported.

    Args:
        group: of the entry point.
        name: a key of ``extensions(group)``.
        kind: what it must be.

    Raises:
        UsageError: if it cannot be imported, or is something else.
    """
    extension = extensions(group)[name]
    try:
        loaded = extension.load()
    except FairbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{extension.origin} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(loaded, kind):
        raise UsageError(
            f"{extension.origin} is a {type(loaded).__name__}, {group} expects a {kind.__module__}.{kind.__name__}"
        )
    return loaded


def _origin(point: EntryPoint) -> str:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
    return f"entry point {point.value}{package}"
