"""``fairbench methods new`` and ``check``: a method of one's own, from the first file to the first trial."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairbench.cli import options


def new_method(
    name: Annotated[str, typer.Argument(help="Name of the method: small letters, digits, underscores.")],
    package: Annotated[bool, typer.Option("--package", help="A package to install, instead of one file.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; ./methods, or ./fairbench-NAME for a package.")] = None,
) -> None:
    """Write a working method to start from, with a test that passes."""
    from fairbench.registry import is_built_in_folder
    from fairbench.submissions.scaffold import write_method

    folder = out or Path(f"fairbench-{name}" if package else "methods")
    method, *_, test = paths = write_method(name, folder, package=package)
    for path in paths:
        typer.echo(f"wrote {path}")
    if package:
        typer.echo(f"Install it with: pip install -e {folder}")
    plugin = "" if package or is_built_in_folder(folder) else f" --plugin {method}"
    typer.echo(f"Try it with: fairbench methods check {name}{plugin}\nRun its test with: pytest {test}")


def check_method(
    name: Annotated[str, typer.Argument(help="A name or written form.")],
    plugin: options.Plugins = None,
    local_methods: options.LocalMethods = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Train two steps and say whether the method can be trusted with more: under a minute on a CPU."""
    from fairbench.cli.arguments import load_methods
    from fairbench.cli.output import print_json, print_table
    from fairbench.errors import WorkError
    from fairbench.submissions.trial import TRIALS, try_method

    load_methods(plugin, local=local_methods)
    checks = try_method(name, progress=lambda line: typer.echo(line, err=True))
    if as_json:
        print_json([check.model_dump(mode="json") for check in checks])
    else:
        rows = [[check.name, check.outcome, check.detail or TRIALS[check.name]] for check in checks]
        print_table(["check", "outcome", "detail"], rows)
    failed = [check.name for check in checks if check.outcome == "failed"]
    if failed:
        raise WorkError(f"{name} failed: {', '.join(failed)}")
    files = "".join(f" --plugin {path}" for path in plugin or []) + (" --local-methods" if local_methods else "")
    typer.echo(f"{name} is ready to run: fairbench run --methods {name},pgd_at --track digits{files}", err=as_json)
