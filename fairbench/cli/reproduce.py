"""``fairbench reproduce``: the tables of the papers, measured beside published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from fairbench.launch.cells import Cell
    from fairbench.launch.comparison import Comparison
    from fairbench.launch.reproduction import Wish
    from fairbench.progress import Progress
    from fairbench.protocol.record import Record
    from fairbench.reference.tables import Row


def reproduce(
    paper: Annotated[str, typer.Argument(help="faal, fair_tat or absld.")],
    table: Annotated[str | None, typer.Option(help="As printed; S2 is the second of the supplement.")] = None,
    only: Annotated[str | None, typer.Option(help="One row: faal_at, pgd_at:faal_at, or a written form.")] = None,
    budget: Annotated[
        str, typer.Option(help="quick: two steps and a few images, to see that all runs; full: as published.")
    ] = "quick",
    dataset: Annotated[str | None, typer.Option(help="Other data than the paper's, as in cifar10_jpeg.")] = None,
    teacher: Annotated[list[str] | None, typer.Option(help="[ROLE=]NAME, FILE or ARCH:FILE.")] = None,
    train_bases: Annotated[bool, typer.Option("--train-bases", help="Train bases that are not here, first.")] = False,
    seed: Annotated[int, typer.Option(help="The papers state none.", min=0)] = 0,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("checkpoints"),
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Run the rows of a paper's tables and print what was measured beside what was published.

    What is finished is not done again. A row whose data, base or teacher is missing says what, and how to get it.
    """
    from fairbench.cli.arguments import data_folder
    from fairbench.cli.output import make_progress, print_json
    from fairbench.errors import WorkError, unknown_name
    from fairbench.launch.comparison import compare
    from fairbench.launch.device import resolve_device
    from fairbench.launch.reproduction import Wish, chosen_rows
    from fairbench.launch.teachers import parse_teachers
    from fairbench.reference.tables import published_rows

    if budget not in {"quick", "full"}:
        raise unknown_name("budget", budget, ("quick", "full"))
    rows = chosen_rows(published_rows(paper, table), only)
    wish = Wish(
        budget=budget,  # pyright: ignore[reportArgumentType]
        out=out,
        data_dir=data_folder(data_dir),
        dataset=dataset,
        seed=seed,
        teachers=parse_teachers(teacher or []),
        train_bases=train_bases,
    )
    cells, records, missing = _run(rows, wish, resolve_device(device), make_progress())
    compared = {number: compare(row, records.get(number)) for number, row in enumerate(rows)}
    if as_json:
        print_json([_as_json(row, compared[n], cells.get(n), missing.get(n)) for n, row in enumerate(rows)])
    else:
        _print(rows, compared, cells, missing)
        _print_notes(wish, cells)
    if not records:
        raise WorkError(f"no row of {paper} could be run; each says what is missing")


def _run(
    rows: list[Row], wish: Wish, device: torch.device, progress: Progress
) -> tuple[dict[int, Cell], dict[int, Record], dict[int, str]]:
    """Cell and record of each row by number, and for the others what is missing."""
    from fairbench.errors import FairbenchError
    from fairbench.launch.reproduction import run_row
    from fairbench.launch.run import data_loader

    load = data_loader(wish.data_dir)
    cells: dict[int, Cell] = {}
    records: dict[int, Record] = {}
    missing: dict[int, str] = {}
    for number, row in enumerate(rows):
        progress.say(f"[{number + 1}/{len(rows)}] Table {row.table}, {row.name}: {row.written_form}")
        try:
            cells[number], records[number] = run_row(row, wish, load, device, progress=progress)
        except FairbenchError as error:
            missing[number] = str(error)
    return cells, records, missing


def _as_json(row: Row, compared: list[Comparison], cell: Cell | None, missing: str | None) -> dict[str, Any]:
    return {
        "paper": row.paper,
        "table": row.table,
        "row": row.name,
        "label": row.label,
        "written_form": row.written_form,
        "track": cell.track.name if cell else None,
        "dataset": cell.track.dataset if cell else None,
        "folder": str(cell.folder) if cell else None,
        "departures": list(cell.departures) if cell else [],
        "missing": missing,
        "note": row.note,
        "numbers": [comparison.model_dump(mode="json") for comparison in compared],
    }


def _print(
    rows: list[Row], compared: Mapping[int, list[Comparison]], cells: Mapping[int, Cell], missing: Mapping[int, str]
) -> None:
    from fairbench.cli.output import print_table

    columns = ["row", "condition", "average %", "measured", "difference", "worst %", "measured", "difference", "doubt"]
    for table in dict.fromkeys((row.paper, row.table, row.dataset) for row in rows):
        lines: list[list[str]] = []
        for number, row in enumerate(rows):
            if (row.paper, row.table, row.dataset) == table:
                lines += _lines(row, compared[number])
        paper, name, dataset = table
        measured_on = sorted({cells[n].track.dataset for n, row in enumerate(rows) if n in cells and row.table == name})
        where = f"measured on {', '.join(measured_on)}" if measured_on else "nothing measured"
        print_table(columns, lines, title=f"{paper} Table {name} ({dataset}); {where}")
    for number, reason in missing.items():
        typer.echo(f"missing: Table {rows[number].table}, {rows[number].name}: {reason}")


def _lines(row: Row, compared: list[Comparison]) -> list[list[str]]:
    """One line for each condition of a row."""
    lines = []
    for condition in dict.fromkeys(comparison.condition for comparison in compared):
        of_condition = {c.metric: c for c in compared if c.condition == condition}
        average = of_condition.get("avg")
        worst = of_condition.get("worst") or of_condition.get("worst10pct")
        doubt = " ".join(sorted({c.doubt for c in of_condition.values() if c.doubt}))
        lines.append([row.name, condition, *_numbers(average), *_numbers(worst), doubt])
    return lines


def _numbers(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["", "", ""]
    published = f"{comparison.published:.2f}"
    if comparison.measured is None:
        return [published, "-", "-"]
    return [published, f"{comparison.measured:.2f}", f"{comparison.difference:+.2f}"]


def _print_notes(wish: Wish, cells: Mapping[int, Cell]) -> None:
    if wish.budget == "quick":
        typer.echo(
            "A quick look, two steps and one test image a class: it shows that all runs; no number means anything."
        )
    departures = sorted({line for cell in cells.values() for line in cell.departures})
    if departures:
        typer.echo("modified: " + "; ".join(departures))
    typer.echo(f"Runs are in {wish.out}.")
