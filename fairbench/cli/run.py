"""``fairbench run``: train, evaluate, record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairbench.cli import options

if TYPE_CHECKING:
    from fairbench.launch.cells import Cell
    from fairbench.launch.grid import Job, Surroundings
    from fairbench.launch.tasks import Outcome, Place
    from fairbench.protocol.record import Record


def run(
    methods: options.Methods,
    track: options.Tracks = "digits",
    seeds: options.Seeds = "0",
    init: options.Init = None,
    teacher: options.Teachers = None,
    assignments: options.Assignments = None,
    dataset: options.OtherData = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    out: options.Out = Path("checkpoints"),
    plugin: options.Plugins = None,
    local_methods: options.LocalMethods = False,
    train_bases: options.TrainBases = False,
    jobs: options.Jobs = None,
    threads: options.Threads = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same weights again on a GPU too; slower. A CPU always does.")
    ] = False,
    launcher: Annotated[str, typer.Option(help="local, or slurm to submit job arrays.")] = "local",
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="With --launcher slurm: partition=gpu, time=12:00:00, gpus=1, ... May be given again."),
    ] = None,
    tracker: Annotated[str | None, typer.Option(help="Also tell each epoch to tensorboard, wandb or mlflow.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what these cells have and start over.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records' main numbers as JSON.")] = False,
) -> None:
    """Train methods on a track and put each through the standard battery of attacks.

    What is finished is not done again; an interrupted run goes on where it stopped. A cell that fails is written down
    with the command that repeats it, and the others go on.
    """
    from fairbench.cli.arguments import all_plugins, data_folder
    from fairbench.cli.output import print_json
    from fairbench.launch.cells import resolve
    from fairbench.launch.device import resolve_device
    from fairbench.launch.grid import Surroundings, jobs_of, places_for
    from fairbench.launch.status import write_grid
    from fairbench.launch.trackers import check_tracker

    plugin = all_plugins(plugin, local=local_methods)
    request = options.make_request(
        methods=methods,
        track=track,
        seeds=seeds,
        init=init,
        teacher=teacher,
        assignments=assignments,
        dataset=dataset,
        out=out,
        plugin=plugin,
        train_bases=train_bases,
    )
    cells = resolve(request)
    resolve_device(device)
    check_tracker(tracker)
    surroundings = Surroundings(
        data_dir=data_folder(data_dir),
        plugins=tuple(plugin or ()),
        fresh=fresh,
        deterministic=deterministic,
        tracker=tracker,
    )
    if dry_run:
        _print_plan(cells, as_json=as_json)
        return
    grid = jobs_of(cells)
    if len(grid) > 1:  # a single cell that is refused leaves nothing; its folder tells of it once it has one
        write_grid(grid, out)
    if launcher != "local":
        _submit(grid, launcher, slurm or [], surroundings, device, out)
        return
    outcome = _run(grid, places_for(device, jobs, threads), device, threads, surroundings)
    records = _records(cells, outcome)
    if as_json:
        print_json([_main_numbers(cell, record) for cell, record in records])
    elif records:
        _print_results([record for _, record in records])
        _print_looks([record for _, record in records])
        typer.echo(f"Runs are in {out}. See the page with: fairbench report --runs {out}")
    _report_failures(grid, outcome, surroundings)


def _submit(
    grid: Sequence[Job], launcher: str, pairs: list[str], surroundings: Surroundings, device: str, out: Path
) -> None:
    from fairbench.errors import UsageError
    from fairbench.launch.slurm import ClusterOptions, submit

    if launcher != "slurm":
        raise UsageError(f"unknown launcher {launcher!r}: use local or slurm")
    ids = submit(grid, surroundings, ClusterOptions.parse(pairs), out / ".cluster", device=device)
    for job in grid:
        typer.echo(f"{ids.get(job.key, 'done'):<12} {job.title}")
    typer.echo(f"{len(ids)} cells submitted. Follow them with: fairbench status --watch --runs {out}")


def _run(
    grid: Sequence[Job], places: Sequence[Place], device: str, threads: int | None, surroundings: Surroundings
) -> Outcome:
    from fairbench.cli.grid_view import watching
    from fairbench.cli.output import make_progress
    from fairbench.launch.device import resolve_device
    from fairbench.launch.grid import run_in_turn, run_side_by_side

    workers = places[: len(grid)]
    if len(workers) == 1:
        if threads:
            import torch

            torch.set_num_threads(threads)
        return run_in_turn(grid, resolve_device(device), surroundings, make_progress())
    with watching({job.key: job.title for job in grid}, len(workers)) as watcher:
        return run_side_by_side(grid, workers, surroundings, watcher)


def _records(cells: Sequence[Cell], outcome: Outcome) -> list[tuple[Cell, Record]]:
    from fairbench.evaluation import read_record

    return [(cell, read_record(cell.folder)) for cell in cells if str(cell.folder) not in outcome.failures]


def _report_failures(grid: Sequence[Job], outcome: Outcome, surroundings: Surroundings) -> None:
    from fairbench.launch.failures import command_for

    failed = [job for job in grid if job.key in outcome.failures]
    for job in failed:
        typer.echo(f"failed: {job.title}: {outcome.failures[job.key].message}", err=True)
        typer.echo(f"  again: {command_for(job.cell.request, surroundings.plugins)}", err=True)
    if failed:
        typer.echo(f"{len(failed)} of {len(grid)} cells failed; the traceback is in failure.json of each", err=True)
        raise typer.Exit(1)


def _print_plan(cells: list[Cell], *, as_json: bool) -> None:
    from fairbench.cli.output import print_json, print_table
    from fairbench.launch.done import is_done

    rows = [
        {
            "track": cell.track.name,
            "method": cell.written,
            "init": cell.start.name,
            "teacher": cell.config.get("teacher", ""),
            "seed": cell.seed,
            "epochs": cell.track.schedule.epochs if cell.composition else 0,
            "folder": str(cell.folder),
            "done": is_done(cell.folder, cell.conditions, only_train=False),
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


def _print_looks(records: list[Record]) -> None:
    from fairbench.leaderboard.ledger import evaluations_by_method

    looks = ", ".join(f"{name} {count}" for name, count in evaluations_by_method(records).items())
    typer.echo(f"Networks scored on test images, by method: {looks}")


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
