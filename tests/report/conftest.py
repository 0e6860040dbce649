"""The invented records of the leaderboard's tests serve the report's too; tests of tables need no drawings."""

import sys
from pathlib import Path

import pytest
from markupsafe import Markup

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without their drawings, which take most of the time."""
    monkeypatch.setattr("fairbench.report.gallery.inline_svg", lambda drawing, *, name: Markup("<svg></svg>"))
    for name in ("class_figure", "class_heat_figure", "confusion_figure", "trade_off_figure", "agreement_figure"):
        for room in ("class_views", "page", "sections", "compare_page"):
            monkeypatch.setattr(f"fairbench.report.{room}.{name}", lambda *_, **__: None, raising=False)
