"""``fairbench report``: records to pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.leaderboard.records import Run
    from fairbench.report.render import Wishes

_OWN_RUNS, _PUBLISHED = Path("checkpoints"), Path("reports/boards")
_SECONDS_BETWEEN_LOOKS = 1.0


def report(
    track: Annotated[
        str | None, typer.Option(help="Tracks, separated by commas; all that have runs if left out.")
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(help="Where runs are kept: checkpoints, or reports/boards if that has none.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where pages go.")] = Path("reports"),
    compare: Annotated[str | None, typer.Option(help="Two methods, as in pgd_at,faal: also a page with both.")] = None,
    figures: Annotated[bool, typer.Option("--figures", help="Also each figure as SVG, PDF and PNG.")] = False,
    images: Annotated[
        bool, typer.Option("--images", help="Show images of the weakest classes where the data's licence lets them.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Where data is kept, for --images.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write the pages again whenever records change.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Copy what the runs rest on to <out>/boards, and write the pages there.")
    ] = False,
) -> None:
    """Write the leaderboard page of each track, a page for each run, and the tables as CSV, JSON, Markdown, LaTeX."""
    from fairbench.cli.arguments import data_folder
    from fairbench.errors import FairbenchError
    from fairbench.report.render import Wishes
    from fairbench.report.watch import changes

    pair = _pair(compare)
    source = runs or _where_runs_are()
    wishes = Wishes(figures=figures, images=images, data_dir=data_folder(data_dir))
    if publish:
        _publish(track, source, out, wishes)
        return
    _write(track, source, out, pair, wishes)
    if not watch:
        return
    typer.echo(f"Watching {source}; stop with Ctrl-C")
    try:
        for _ in changes(source, seconds=_SECONDS_BETWEEN_LOOKS):
            try:
                _write(track, source, out, pair, wishes)
            except FairbenchError as error:
                typer.echo(f"The pages stay as they are: {error}", err=True)
    except KeyboardInterrupt:
        typer.echo("Stopped")


def _where_runs_are() -> Path:
    """The folder of own runs; a clone that has none yet shows the published boards."""
    from fairbench.evaluation.records import RECORD_NAME

    has_runs = any(_OWN_RUNS.rglob(RECORD_NAME))
    return _OWN_RUNS if has_runs or not _PUBLISHED.is_dir() else _PUBLISHED


def _publish(track: str | None, runs: Path, out: Path, wishes: Wishes) -> None:
    from fairbench.leaderboard.records import load_runs
    from fairbench.report.boards import BOARDS, publish

    found = load_runs(runs)
    for name in _tracks(track, found):
        typer.echo(f"The board is {publish(found, out / BOARDS, name, wishes, source=runs)}")


def _tracks(wanted: str | None, found: list[Run]) -> list[str]:
    """The tracks that are asked for; all that have runs if none is."""
    from fairbench.cli.arguments import comma_list

    return comma_list(wanted) if wanted else sorted({run.record.track for run in found if run.record.track is not None})


def _write(track: str | None, runs: Path, out: Path, pair: tuple[str, str] | None, wishes: Wishes) -> None:
    from fairbench.leaderboard.records import load_runs
    from fairbench.report.render import write_audits, write_comparison, write_track

    found = load_runs(runs)
    for name in _tracks(track, found):
        page = write_track(found, out, name, wishes, source=runs)
        typer.echo(f"The page is {page}")
        if pair:
            typer.echo(f"The comparison is {write_comparison(found, out, name, *pair)}")
    for page in [] if track else write_audits(found, out, wishes):
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
