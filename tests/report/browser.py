"""Debian's Chromium, driven by playwright: a page as a reader gets it, and what it asked for or complained about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@dataclass
class Sheet:
    """A browser tab and what it was seen to do."""

    tab: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def methods(self, table: str = "g0-standings") -> list[str]:
        """The methods of the rows that can be seen, from top to bottom."""
        return self.tab.eval_on_selector_all(
            f"#{table} tbody tr:not([hidden]):not(.divider) th code", "all => all.map((one) => one.textContent)"
        )

    def column(self, name: str, table: str = "g0-standings") -> list[float]:
        """The numbers below a header, from top to bottom."""
        script = """([table, name]) => {
            const element = document.getElementById(table);
            const place = columnOf(element.querySelector(`th[data-column="${name}"]`));
            const rows = dataRows(element).filter((row) => !row.hidden);
            return rows.map((row) => parseFloat(row.cells[place].dataset.value));
        }"""
        return self.tab.evaluate(script, [table, name])


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install playwright")
    if not CHROMIUM:
        pytest.skip("no chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def open_page(browser: Any, path: Path, *, fragment: str = "", **context: Any) -> Sheet:
    """A page in a fresh context."""
    tab = browser.new_context(**({"viewport": {"width": 1400, "height": 900}} | context)).new_page()
    sheet = Sheet(tab)
    tab.on("request", lambda request: sheet.requests.append(request.url))
    tab.on("console", lambda message: sheet.complaints.append(message.text))
    tab.on("pageerror", lambda error: sheet.complaints.append(str(error)))
    tab.on("dialog", lambda dialog: (sheet.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    tab.goto(path.as_uri() + fragment)
    return sheet
