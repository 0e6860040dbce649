"""How long the pages of a large board take, how large they are, and how soon one can work with them.

100 methods x 100 classes x 30 conditions, invented. The aims: rendered in under 10 s, the leaderboard page under 3 MB,
interactive in under 1 s in Chromium.

    python -m benchmarks.report [--methods 100] [--classes 100] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from fairbench.report.render import write_report

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "leaderboard"), str(TESTS / "report")]
# The tests' own, from the line above.
from browser import chromium, open_page  # noqa: E402 # pyright: ignore[reportMissingImports]
from synthetic import make_values, write_values  # noqa: E402 # pyright: ignore[reportMissingImports]

KINDS = ("gaussian_noise", "fog", "brightness", "pixelate", "snow")
CORRUPTIONS = tuple(f"corruptions.{kind}.{severity}" for kind in KINDS for severity in range(1, 6))
CONDITIONS = ("clean", "fgsm", "pgd20", "aa", "square", *CORRUPTIONS)
TRACK = "digits"
OPENINGS = 7
BROWSER_STARTS_MS = 2000
CLICK = """() => {
    const start = performance.now();
    document.querySelector('#g0-standings th[data-column="aa.average"] button').click();
    document.body.getBoundingClientRect();
    return performance.now() - start;
}"""


def main() -> None:
    """Make the records, write the pages, open one, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", type=int, default=100)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="say where the time goes; adds to it")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fairbench-") as name:
        folder = Path(name)
        _make_records(folder / "records", methods=wanted.methods, classes=wanted.classes)
        with _profiled(wanted=wanted.profile):
            wall, processor = time.perf_counter(), time.process_time()
            page = write_report(folder / "records", folder / "out", TRACK)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
        runs = sum(path.stat().st_size for path in (page.parent / "runs").iterdir())
        print(f"{wanted.methods} methods x {wanted.classes} classes x {len(CONDITIONS)} conditions")
        print(f"read and rendered in {wall:.1f} s ({processor:.1f} s of processor time)")
        print(f"leaderboard page {page.stat().st_size / 1e6:.2f} MB, pages of the runs {runs / 1e6:.1f} MB")
        print(_in_browser(page))


def _make_records(folder: Path, *, methods: int, classes: int) -> None:
    names = [f"class {c}" for c in range(classes)]
    for index in range(methods):
        write_values(folder, make_values(f"method_{index}", classes=names, conditions=CONDITIONS))


def _in_browser(page: Path) -> str:
    """The page in fresh windows of a browser that has started: the time that this takes is not the page's."""
    try:
        with chromium() as browser:
            browser.new_page().wait_for_timeout(BROWSER_STARTS_MS)
            times = [_opened(browser, page) for _ in range(OPENINGS)]
    except pytest.skip.Exception as reason:
        return f"not opened: {reason}"
    ready, sorting = (sorted(one) for one in zip(*times, strict=True))
    return (
        f"interactive after {median(ready):.0f} ms ({ready[0]:.0f} to {ready[-1]:.0f} in {OPENINGS} openings), "
        f"sorted by another column in {median(sorting):.0f} ms ({sorting[0]:.0f} to {sorting[-1]:.0f})"
    )


def _opened(browser: Any, page: Path) -> tuple[float, float]:
    """Milliseconds until one can work with the page, and until it is sorted and laid out by another column."""
    tab = open_page(browser, page).tab
    ready = tab.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    sorting = tab.evaluate(CLICK)
    tab.context.close()
    return ready, sorting


@contextmanager
def _profiled(*, wanted: bool) -> Iterator[None]:
    profile = cProfile.Profile()
    if wanted:
        profile.enable()
    yield
    if wanted:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumtime").print_stats(40)


if __name__ == "__main__":
    main()
