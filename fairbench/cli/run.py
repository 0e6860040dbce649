"""``fairbench run``: train, evaluate, record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.launch.cells import Cell
    from fairbench.protocol.record import Record


def run(
    methods: Annotated[str, typer.Option(help="Written forms, separated by commas: pgd_at,faal@trades?tau=0.3")],
    track: Annotated[str, typer.Option(help="Tracks, separated by commas.")] = "digits",
    seeds: Annotated[str, typer.Option(help="0,1,2 or 0-4.")] = "0",
    init: Annotated[str | None, typer.Option(help="scratch, a base of the track, or a checkpoint file.")] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="[ROLE=]NAME, FILE or ARCH:FILE; roles: robust, clean. May be given again.")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Depart from the track: epochs=1. May be given again.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Other data: a name or folder:PATH.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("checkpoints"),
    plugin: Annotated[list[Path] | None, typer.Option(help="A Python file with more methods; its code runs.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what these cells have and start over.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records' main numbers as JSON.")] = False,
) -> None:
    """Train methods on a track and put each through the standard battery of attacks.

    What is finished is not done again; an interrupted run goes on where it stopped.
    """
    from fairbench.cli.arguments import comma_list, data_folder, seed_list
    from fairbench.cli.output import make_progress, print_json
    from fairbench.launch.cells import Request, resolve
    from fairbench.launch.device import resolve_device
    from fairbench.launch.overrides import parse_assignments
    from fairbench.launch.run import data_loader, run_cell
    from fairbench.launch.teachers import parse_teachers
    from fairbench.registry import load_plugin
    from fairbench.written_form import split_written_forms

    for path in plugin or []:
        load_plugin(path)
    request = Request(
        methods=split_written_forms(methods),
        tracks=comma_list(track),
        seeds=seed_list(seeds),
        out=out,
        init=init,
        overrides=parse_assignments(assignments or []),
        dataset=dataset,
        teachers=parse_teachers(teacher or []),
    )
    cells = resolve(request)
    where = resolve_device(device)
    if dry_run:
        _print_plan(cells, as_json=as_json)
        return
    progress, load = make_progress(), data_loader(data_folder(data_dir))
    records = []
    for number, cell in enumerate(cells, start=1):
        progress.say(f"[{number}/{len(cells)}] {cell.track.name}: {cell.written}, seed {cell.seed}")
        records.append(run_cell(cell, load, where, fresh=fresh, progress=progress))
    if as_json:
        print_json([_main_numbers(cell, record) for cell, record in zip(cells, records, strict=True)])
        return
    _print_results(records)
    typer.echo(f"Runs are in {out}. See the page with: fairbench report --runs {out}")


def _print_plan(cells: list[Cell], *, as_json: bool) -> None:
    from fairbench.cli.output import print_json, print_table

    rows = [
        {
            "track": cell.track.name,
            "method": cell.written,
            "init": cell.start.name,
            "teacher": cell.config.get("teacher", ""),
            "seed": cell.seed,
            "epochs": cell.track.schedule.epochs if cell.composition else 0,
            "folder": str(cell.folder),
            "done": (cell.folder / "record.json").exists(),
        }
        for cell in cells
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])


def _main_numbers(cell: Cell, record: Record) -> dict[str, object]:
    return {
        "method": record.method,
        "track": record.track,
        "seed": record.seed,
        "folder": str(cell.folder),
        "protocol": record.protocol,
        "selected_epoch": record.selected_epoch,
        "conditions": {
            name: {"average": condition.average, "worst": condition.worst}
            for name, condition in record.conditions.items()
        },
    }


def _print_results(records: list[Record]) -> None:
    from fairbench.cli.output import print_table
    from fairbench.protocol.corruptions import is_corruption

    for track in dict.fromkeys(record.track for record in records):
        of_track = [record for record in records if record.track == track]
        names = [n for n in dict.fromkeys(n for record in of_track for n in record.conditions) if not is_corruption(n)]
        rows = []
        for record in of_track:
            cells = [record.conditions.get(name) for name in names]
            numbers = [f"{100 * cell.average:.1f} / {100 * cell.worst:.1f}" if cell else "-" for cell in cells]
            rows.append([record.method, str(record.seed), *numbers])
        print_table(["method", "seed", *names], rows, title=f"{track}: average / worst class, %")
