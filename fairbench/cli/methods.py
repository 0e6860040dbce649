"""``fairbench methods``: what is in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fairbench.registry import Entry

app = typer.Typer(help="List and explain the methods.", no_args_is_help=True, rich_markup_mode=None)

_Plugins = Annotated[list[Path] | None, typer.Option(help="A Python file with more methods; its code runs.")]
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_methods(plugin: _Plugins = None, as_json: _Json = False) -> None:
    """All methods, with paper and needs."""
    from fairbench.cli.output import print_json, print_table
    from fairbench.registry import entries, load_plugin

    for path in plugin or []:
        load_plugin(path)
    described = [_described(entry) for entry in entries().values()]
    if as_json:
        print_json(described)
        return
    rows = [
        [d["name"], d["title"], d["family"], str(d["year"] or ""), ", ".join(d["needs"]), " ".join(d["objectives"])]
        for d in described
    ]
    print_table(["name", "title", "family", "year", "needs", "works on"], rows)


@app.command("show")
def show_method(
    name: Annotated[str, typer.Argument(help="A name or written form.")],
    track: Annotated[str | None, typer.Option(help="Show the settings scaled to this track.")] = None,
    plugin: _Plugins = None,
    as_json: _Json = False,
) -> None:
    """The equations and settings of one method."""
    import inspect

    from fairbench.cli.output import print_fields, print_json
    from fairbench.compose import compose, track_defaults
    from fairbench.registry import load_plugin

    for path in plugin or []:
        load_plugin(path)
    composition = compose(name, track=track)
    entry = composition.entry
    details = _described(entry) | {
        "written": composition.written,
        "objective": composition.objective,
        "modifiers": list(composition.modifiers),
        "options": {part: dict(values) for part, values in composition.options.items()},
        "schedule": track_defaults(entry, track, "schedule"),
    }
    if as_json:
        print_json(details)
        return
    typer.echo(f"{entry.title} ({entry.name})\n{entry.paper}\n{entry.link or ''}\n".replace("\n\n\n", "\n\n"))
    typer.echo(inspect.cleandoc(entry.part.__doc__ or "") + "\n")
    print_fields(
        {
            "written form": composition.written,
            "objective": f"{composition.objective} (works on {', '.join(entry.objectives)})",
            "modifiers": ", ".join(composition.modifiers) or "none",
            "needs": ", ".join(entry.needs) or "nothing",
            "origin": entry.origin,
        }
    )
    for part, values in composition.options.items():
        for option, value in values.items():
            typer.echo(f"  {part}.{option} = {value}")


def _described(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family,
        "summary": entry.summary,
        "paper": entry.paper,
        "year": entry.year,
        "link": entry.link,
        "needs": list(entry.needs),
        "objectives": list(entry.objectives),
        "defaults": {track: dict(values) for track, values in entry.defaults.items()},
        "origin": entry.origin,
    }
