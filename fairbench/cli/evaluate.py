"""``fairbench evaluate``: the standard battery on weights from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.launch.findings import Finding
    from fairbench.protocol.record import Record


def evaluate(
    run: Annotated[Path | None, typer.Option(help="The folder of a run of this project.")] = None,
    robustbench: Annotated[str | None, typer.Option(help="An entry of RobustBench's zoo: NAME or L2/NAME.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Architecture of --checkpoint, as in prn18, or package.module:function.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights: safetensors, or a state dict without code.")] = None,
    normalise: Annotated[
        str,
        typer.Option(help="What --model subtracts and divides by if the weights do not say: none, cifar10, cifar100."),
    ] = "auto",
    download: Annotated[bool, typer.Option("--download", help="Allow RobustBench to download the weights.")] = False,
    track: Annotated[str | None, typer.Option(help="Take data, radius and battery from a track.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A data set or folder:PATH.")] = None,
    attacks: Annotated[str | None, typer.Option(help="Conditions by commas: clean,pgd20,aa,corruptions")] = None,
    eps: Annotated[str | None, typer.Option(help="Radius, as in 0.1 or 8/255.")] = None,
    subset: Annotated[int | None, typer.Option(help="Images for AutoAttack, Square, corruptions; stratified.")] = None,
    adversarial: Annotated[
        Path | None,
        typer.Option(help="Adversarial examples made elsewhere (.npz, .npy, .safetensors): checked, and merged."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Where record.json and predictions.npz go.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what --out has and start over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print record and findings as JSON.")] = False,
) -> None:
    """Attack a model and count, class by class, what is left.

    The model is --run DIR, --robustbench NAME, or --model with --checkpoint FILE; the data is --track or --dataset.
    """
    from fairbench.cli.arguments import comma_list, data_folder, download_allowed, radius
    from fairbench.cli.output import make_progress, print_json
    from fairbench.launch.audit import Audit, audit
    from fairbench.launch.device import resolve_device
    from fairbench.launch.findings import findings
    from fairbench.protocol.corruptions import is_corruption

    request = Audit(
        run=run,
        robustbench=robustbench,
        model=model,
        checkpoint=checkpoint,
        normalise=normalise,
        download=download and download_allowed(robustbench or "anything"),
        track=track,
        dataset=dataset,
        conditions=comma_list(attacks) if attacks else None,
        epsilon=radius(eps) if eps else None,
        subset=subset,
        adversarial=adversarial,
        out=out,
    )
    record = audit(request, data_folder(data_dir), resolve_device(device), fresh=fresh, progress=make_progress())
    found = findings(record)
    if as_json:
        dumped = {name: finding.model_dump(mode="json") for name, finding in found.items()}
        print_json(record.model_dump(mode="json") | {"findings": dumped})
        return
    _print(record, {name: finding for name, finding in found.items() if not is_corruption(name)})
    _print_corruptions(record)
    if out is not None:
        typer.echo(f"The record is {out / 'record.json'}")


def _print(record: Record, found: dict[str, Finding]) -> None:
    from fairbench.cli.output import print_table

    if not found:
        return
    rows = []
    for name, finding in found.items():
        weakest, strongest = finding.weakest[0], finding.strongest
        rows.append(
            [
                name,
                _percent(finding.average, finding.average_low, finding.average_high),
                weakest.name,
                _percent(weakest.accuracy, finding.worst_low, finding.worst_high),
                ", ".join(finding.not_told_apart) or "-",
                f"{strongest.name} {100 * strongest.accuracy:.1f}",
                str(sum(record.conditions[name].class_total)),
            ]
        )
    columns = ["condition", "average % (95 %)", "weakest", "its % (95 %)", "not told apart from it", "strongest %", "n"]
    print_table(columns, rows, title=f"{record.title}, {record.data.name}")
    for name, finding in found.items():
        if finding.confusions:
            pairs = ", ".join(f"{c.true} as {c.answered} {100 * c.share:.1f} %" for c in finding.confusions)
            typer.echo(f"{name}: {pairs}")


def _print_corruptions(record: Record) -> None:
    """Each type with its severities pooled, and the means over the groups of types."""
    from fairbench.cli.output import print_table
    from fairbench.evaluation import corruption_means, merged_severities
    from fairbench.protocol.corruptions import is_corruption

    rows = [
        [name, f"{100 * one.average:.1f}", f"{100 * one.worst:.1f}", record.data.classes[one.worst_class]]
        for name, one in merged_severities(record.conditions).items()
        if is_corruption(name)
    ]
    rows += [
        [name, f"{100 * mean.average:.1f}", f"{100 * mean.worst:.1f}", f"mean of {len(mean.types)} types"]
        for name, mean in corruption_means(record.conditions).items()
    ]
    if rows:
        title = f"{record.title}, {record.data.name}, severities pooled"
        print_table(["condition", "average %", "worst class %", "weakest"], rows, title=title)


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f} ({100 * low:.1f}-{100 * high:.1f})"
