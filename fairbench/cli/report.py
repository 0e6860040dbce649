"""``fairbench report``: records to pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.report.render import Wishes

_SECONDS_BETWEEN_LOOKS = 1.0


def report(
    track: Annotated[
        str | None, typer.Option(help="Tracks, separated by commas; all that have runs if left out.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("checkpoints"),
    out: Annotated[Path, typer.Option(help="Where pages go.")] = Path("reports"),
    compare: Annotated[str | None, typer.Option(help="Two methods, as in pgd_at,faal: also a page with both.")] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Also each figure as SVG, PDF and PNG.")] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Show images of the weakest classes where the data's licence lets them.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where data is kept, for --images.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write the pages again whenever records change.")] = False,
) -> None:
    """Write the leaderboard page of each track, a page for each run, and the tables as CSV, JSON, Markdown, LaTeX."""
    from fairbench.cli.arguments import data_folder
    from fairbench.errors import FairbenchError
    from fairbench.report.render import Wishes
    from fairbench.report.watch import changes

    pair = _pair(compare)
    wishes = Wishes(figures=figures, images=images, data_dir=data_folder(data_dir))
    _write(track, runs, out, pair, wishes)
    if not watch:
        return
    typer.echo(f"Watching {runs}; stop with Ctrl-C")
    try:
        for _ in changes(runs, seconds=_SECONDS_BETWEEN_LOOKS):
            try:
                _write(track, runs, out, pair, wishes)
            except FairbenchError as error:
                typer.echo(f"The pages stay as they are: {error}", err=True)
    except KeyboardInterrupt:
        typer.echo("Stopped")


def _write(track: str | None, runs: Path, out: Path, pair: tuple[str, str] | None, wishes: Wishes) -> None:
    from fairbench.cli.arguments import comma_list
    from fairbench.leaderboard.records import load_runs
    from fairbench.report.render import write_audits, write_comparison, write_track

    wanted = comma_list(track) if track else None
    found = load_runs(runs)
    for name in wanted or sorted({run.record.track for run in found if run.record.track is not None}):
        page = write_track(found, out, name, wishes, source=runs)
        typer.echo(f"The page is {page}")
        if pair:
            typer.echo(f"The comparison is {write_comparison(found, out, name, *pair)}")
    for page in [] if wanted else write_audits(found, out, wishes):
        typer.echo(f"The audit is {page}")


def _pair(text: str | None) -> tuple[str, str] | None:
    from fairbench.cli.arguments import comma_list
    from fairbench.errors import UsageError

    if text is None:
        return None
    names = comma_list(text)
    if len(names) != 2:
        raise UsageError(f"--compare {text} does not name two methods; write them as in pgd_at,faal")
    return names[0], names[1]
