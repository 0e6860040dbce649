"""Small real grids on the digits, for the tests of everything that runs many cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fairbench.launch import bases
from fairbench.launch.cells import Cell, Request, resolve

QUICK = {"epochs": "1", "steps_per_epoch": "2", "steps": "2", "selection.steps": "1", "conditions": "[clean]"}
SAME_EVERYWHERE = ("config.json", "model.safetensors", "last.safetensors", "predictions.npz")
"""What does not hold times."""


def quick_cells(out: Path, *methods: str, seeds: Sequence[int] = (0,), **changes) -> list[Cell]:
    """Cells of one epoch of two steps."""
    overrides = QUICK | changes.pop("overrides", {})
    request = Request(
        methods=list(methods), tracks=["digits"], seeds=list(seeds), out=out, overrides=overrides, **changes
    )
    return resolve(request)


def hide_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no base shipped with the package."""
    monkeypatch.setattr(bases, "_shipped", lambda name, track: Path("/nowhere") / f"{name}.safetensors")


def contents(out: Path) -> dict[str, bytes]:
    """The files of all cells that must be the same however they came to be."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.glob("*/*/seed*/*"))
        if path.name in SAME_EVERYWHERE
    }
