"""``fairbench evaluate``: the standard battery on weights from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path | None, typer.Option(help="The folder of a run of this project.")] = None,
    model: Annotated[str | None, typer.Option(help="Architecture of --checkpoint, as in prn18.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights: safetensors, or a state dict without code.")] = None,
    track: Annotated[str | None, typer.Option(help="Take data, radius and battery from a track.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A data set or folder:PATH.")] = None,
    attacks: Annotated[str | None, typer.Option(help="Conditions, separated by commas: clean,pgd20,aa")] = None,
    eps: Annotated[str | None, typer.Option(help="Radius, as in 0.1 or 8/255.")] = None,
    subset: Annotated[int | None, typer.Option(help="Images for AutoAttack and Square, stratified.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Where record.json and predictions.npz go.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what --out has and start over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the conditions as JSON.")] = False,
) -> None:
    """Attack a model and count, class by class, what is left.

    Either --run DIR, or --model NAME with --checkpoint FILE and a --track or --dataset.
    """
    from fairbench.cli.arguments import comma_list, data_folder, radius
    from fairbench.cli.output import make_progress, print_json, print_table
    from fairbench.launch.audit import Audit, audit
    from fairbench.launch.device import resolve_device

    request = Audit(
        run=run,
        model=model,
        checkpoint=checkpoint,
        track=track,
        dataset=dataset,
        conditions=comma_list(attacks) if attacks else None,
        epsilon=radius(eps) if eps else None,
        subset=subset,
        out=out,
    )
    record = audit(request, data_folder(data_dir), resolve_device(device), fresh=fresh, progress=make_progress())
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    classes = record.data.classes
    rows = [
        [
            name,
            f"{100 * cell.average:.1f}",
            f"{100 * cell.worst:.1f}",
            classes[cell.worst_class],
            str(sum(cell.class_total)),
        ]
        for name, cell in record.conditions.items()
    ]
    print_table(["condition", "average %", "worst class %", "weakest class", "images"], rows, title=record.method)
    if out is not None:
        typer.echo(f"The record is {out / 'record.json'}")
