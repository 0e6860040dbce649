"""``fairbench status`` and ``fairbench merge``: a grid while it runs, and results of several machines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.launch.status import CellStatus

_SECONDS_BETWEEN_LOOKS = 2.0


def status(
    runs: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("checkpoints"),
    track: Annotated[str | None, typer.Option(help="Tracks, separated by commas; all if left out.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until nothing is left to do.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """Say where each cell of the grids in a folder stands."""
    from fairbench.cli.arguments import comma_list
    from fairbench.cli.output import print_json
    from fairbench.launch.status import planned_cells, statuses

    tracks = comma_list(track) if track else None
    planned = [cell for cell in planned_cells(runs) if tracks is None or cell.track in tracks]
    while True:
        found = statuses(runs, planned)
        if as_json:
            print_json([{**each.planned.model_dump(), **_changing(each)} for each in found])
        else:
            _print(found, with_done=not watch)
        if not watch or all(each.state in ("done", "failed") for each in found):
            return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _changing(status: CellStatus) -> dict[str, object]:
    return {"state": status.state.value, "epoch": status.epoch, "doing": status.doing}


def _print(found: Sequence[CellStatus], *, with_done: bool) -> None:
    from fairbench.cli.output import print_table

    shown = [each for each in found if with_done or each.state != "done"]
    rows = [
        [
            each.planned.track,
            each.planned.method,
            str(each.planned.seed),
            each.state.value,
            f"{each.epoch} of {each.planned.epochs}",
            each.doing,
        ]
        for each in shown
    ]
    if rows:
        print_table(["track", "method", "seed", "state", "epoch", "doing"], rows)
    counts = Counter(each.state.value for each in found)
    typer.echo(f"{len(found)} cells: " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Folders of runs, as fairbench run --out wrote them.")],
    out: Annotated[Path, typer.Option(help="The folder they are brought into.")] = Path("checkpoints"),
    as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """Bring the finished runs of several machines together; nothing is overwritten, what differs is named."""
    from dataclasses import asdict

    from fairbench.cli.output import make_progress, print_json
    from fairbench.launch.merge import merge as merge_runs

    progress = make_progress()
    merged = {str(source): merge_runs(source, out, progress=progress) for source in sources}
    conflicts = [conflict for each in merged.values() for conflict in each.conflicts]
    if as_json:
        print_json({source: asdict(each) for source, each in merged.items()})
    else:
        for source, each in merged.items():
            typer.echo(
                f"{source}: {len(each.copied)} copied, {len(each.extended)} with more conditions, "
                f"{len(each.present)} already here, "
                f"{len(each.unfinished)} not finished there, {len(each.conflicts)} in conflict"
            )
        for conflict in conflicts:
            typer.echo(
                f"conflict: {conflict.cell}: {conflict.file} has {conflict.here[:64]} here and {conflict.there[:64]} "
                f"there; {conflict.cure}",
                err=True,
            )
    if conflicts:
        raise typer.Exit(1)
