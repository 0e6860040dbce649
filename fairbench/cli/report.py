"""``fairbench report``: records to a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    track: Annotated[
        str | None, typer.Option(help="Tracks, separated by commas; all that have runs if left out.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("checkpoints"),
    out: Annotated[Path, typer.Option(help="Where pages go.")] = Path("reports"),
) -> None:
    """Write the leaderboard page and its table as CSV."""
    from fairbench.cli.arguments import comma_list
    from fairbench.errors import UsageError
    from fairbench.leaderboard.records import load_runs
    from fairbench.report.render import write_report

    wanted = comma_list(track) if track else None
    present = sorted({found.record.track for found in load_runs(runs) if found.record.track})
    if not (wanted or present):
        raise UsageError(f"the records in {runs} belong to no track; a page needs a track")
    for name in wanted or present:
        page = write_report(runs, out, name)
        typer.echo(f"The page is {page}")
