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
    from fairbench.metrics import PAIR_METRICS
    from fairbench.metrics.foreign import all_metrics, metric_origin

    metrics = [*all_metrics().values(), *PAIR_METRICS.values()]
    rows = [[metric.name, metric.summary, metric.source, metric_origin(metric.name)] for metric in metrics]
    if as_json:
        print_json([dict(zip(("name", "summary", "source", "origin"), row, strict=True)) for row in rows])
        return
    print_table(["name", "what it is", "source", "origin"], rows)


@app.command("explain")
def explain_metric(name: Annotated[str, typer.Argument(help="Name of the metric.")], as_json: _Json = False) -> None:
    """Formula and source of one metric."""
    from fairbench.cli.output import print_fields, print_json
    from fairbench.errors import unknown_name
    from fairbench.metrics import PAIR_METRICS
    from fairbench.metrics.foreign import all_metrics, metric_origin

    metrics = all_metrics()
    if name not in {**metrics, **PAIR_METRICS}:
        raise unknown_name("metric", name, {**metrics, **PAIR_METRICS})
    metric = metrics.get(name) or PAIR_METRICS[name]
    better = {True: "higher", False: "lower", None: "neither end"}[metric.higher_is_better]
    fields = {"name": name, "what it is": metric.summary, "formula": metric.formula, "source": metric.source}
    fields |= {"better": better, "origin": metric_origin(name)}
    if name in PAIR_METRICS:
        fields["compares"] = " with ".join(PAIR_METRICS[name].matrices) + " (primed)"
    if as_json:
        print_json(fields)
    else:
        print_fields(fields)
