"""The command ``fairbench``. Commands import what they need when they run, so that --help is quick."""

from __future__ import annotations

import os
import sys

import typer

from fairbench import __version__
from fairbench.cli import (
    authoring,
    compare,
    convert,
    data,
    doctor,
    evaluate,
    grid,
    methods,
    metrics,
    plan,
    report,
    reproduce,
    run,
    submit,
    tracks,
)
from fairbench.errors import FairbenchError

app = typer.Typer(
    name="fairbench",
    help="The benchmark and leaderboard for robust fairness.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("report")(report.report)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("convert")(convert.convert)
app.command("plan")(plan.plan)
app.command("status")(grid.status)
app.command("merge")(grid.merge)
methods.app.command("new")(authoring.new_method)
methods.app.command("check")(authoring.check_method)
app.add_typer(methods.app, name="methods")
app.add_typer(tracks.app, name="tracks")
app.add_typer(data.app, name="data")
app.add_typer(metrics.app, name="metrics")
app.command("reproduce")(reproduce.reproduce)
app.add_typer(submit.app, name="submit")
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fairbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """The benchmark and leaderboard for robust fairness."""


def main() -> None:
    """Run the command line; errors that people can act on are printed without a traceback."""
    try:
        app()
    except FairbenchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe has gone; stdout must not be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
