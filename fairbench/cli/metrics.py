"""``fairbench metrics``: the formulas behind the numbers."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List and explain the metrics.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_metrics(as_json: _Json = False) -> None:
    """All metrics, a line each."""
    from fairbench.cli.output import print_json, print_table
    from fairbench.metrics import METRICS, PAIR_METRICS

    metrics = [*METRICS.values(), *PAIR_METRICS.values()]
    if as_json:
        print_json([{"name": metric.name, "summary": metric.summary, "source": metric.source} for metric in metrics])
        return
    print_table(["name", "what it is", "source"], [[metric.name, metric.summary, metric.source] for metric in metrics])


@app.command("explain")
def explain_metric(name: Annotated[str, typer.Argument(help="Name of the metric.")], as_json: _Json = False) -> None:
    """Formula and source of one metric."""
    from fairbench.cli.output import print_fields, print_json
    from fairbench.errors import unknown_name
    from fairbench.metrics import METRICS, PAIR_METRICS

    if name not in {**METRICS, **PAIR_METRICS}:
        raise unknown_name("metric", name, {**METRICS, **PAIR_METRICS})
    metric = METRICS.get(name) or PAIR_METRICS[name]
    better = {True: "higher", False: "lower", None: "neither end"}[metric.higher_is_better]
    fields = {"name": name, "what it is": metric.summary, "formula": metric.formula, "source": metric.source}
    fields["better"] = better
    if name in PAIR_METRICS:
        fields["compares"] = " with ".join(PAIR_METRICS[name].matrices) + " (primed)"
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
