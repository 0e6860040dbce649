"""``fairbench methods``: what is in the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fairbench.cli import options

if TYPE_CHECKING:
    from fairbench.compose import Composition
    from fairbench.registry import Entry

app = typer.Typer(help="List and explain the methods.", no_args_is_help=True, rich_markup_mode=None)

_Plugins = Annotated[list[Path] | None, typer.Option(help="A Python file with more methods; its code runs.")]
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_methods(plugin: _Plugins = None, local_methods: options.LocalMethods = False, as_json: _Json = False) -> None:
    """All methods: family, paper, what they need, where they run."""
    from fairbench.cli.arguments import load_methods
    from fairbench.cli.output import print_json, print_table
    from fairbench.protocol.track import track_names
    from fairbench.registry import entries

    load_methods(plugin, local=local_methods)
    described = [_described(entry) for entry in entries().values()]
    if as_json:
        print_json(described)
        return
    rows = [
        [
            d["name"],
            d["family"],
            _cited(d["paper"]),
            ", ".join(d["needs"]),
            " ".join(d["objectives"]),
            "all" if d["tracks"] == track_names() else ", ".join(d["tracks"]) or "with --teacher",
            d["origin"],
        ]
        for d in described
    ]
    print_table(["name", "family", "paper", "needs", "works on", "tracks", "origin"], rows)


@app.command("show")
def show_method(
    name: Annotated[str, typer.Argument(help="A name or written form.")],
    track: Annotated[str | None, typer.Option(help="Show the settings scaled to this track.")] = None,
    plugin: _Plugins = None,
    local_methods: options.LocalMethods = False,
    as_json: _Json = False,
) -> None:
    """The equations, the settings with their sources, and the written forms of one method."""
    import inspect

    from fairbench.cli.arguments import load_methods
    from fairbench.cli.option_docs import option_docs
    from fairbench.cli.output import print_fields, print_json
    from fairbench.compose import compose, options_of, track_defaults
    from fairbench.protocol.track import load_track

    load_methods(plugin, local=local_methods)
    if track:
        load_track(track)  # refuses a name that is none
    composition = compose(name, track=track)
    entry = composition.entry
    details = _described(entry) | {
        "written": composition.written,
        "objective": composition.objective,
        "modifiers": list(composition.modifiers),
        "needs": list(composition.needs),
        "options": {part: dict(values) for part, values in composition.options.items()},
        "schedule": track_defaults(entry, track, "schedule"),
        "augmentation": track_defaults(entry, track, "augmentation"),
        "option_docs": {part: option_docs(options_of(composition, part)) for part in composition.options},
    }
    if as_json:
        print_json(details)
        return
    typer.echo(f"{entry.title} ({entry.name})\n{entry.paper}\n{entry.link or ''}\n".replace("\n\n\n", "\n\n"))
    typer.echo(inspect.cleandoc(entry.part.__doc__ or "") + "\n")
    own = [f"{key} = {value}" for section in ("schedule", "augmentation") for key, value in details[section].items()]
    print_fields(
        {
            "written form": composition.written,
            "objective": f"{composition.objective} (works on {', '.join(entry.objectives)})",
            "modifiers": ", ".join(composition.modifiers) or "none",
            "needs": ", ".join(composition.needs) or "nothing",
            "own settings": f"{', '.join(own) or 'none'} ({f'on {track}' if track else 'on any track'})",
            "origin": entry.origin,
        }
    )
    typer.echo("\nsettings")
    for line in _settings(composition, name, details["option_docs"]):
        typer.echo(line)
    typer.echo("\nwritten forms, each also with +awp and one of +ema, +swa, +fawa")
    for form, tables in details["written_forms"].items():
        typer.echo(f"  {form}" + (f"    ({'; '.join(tables)})" if tables else ""))


def _settings(composition: Composition, name: str, docs: dict[str, dict[str, str]]) -> Iterator[str]:
    from fairbench.compose import compose

    published, method = compose(name).options, composition.recipe().method
    for part, values in composition.options.items():
        for option, value in values.items():
            note = "" if value == published[part][option] else f" (scaled to the track from {published[part][option]})"
            if value is None and option in ("attack_bn", "extra_clean_forwards"):
                note = f" (here {getattr(method, option)})"
            yield f"  {part}.{option} = {value}{note}"
            if docs[part].get(option):
                yield f"      {docs[part][option]}"


def _described(entry: Entry) -> dict[str, Any]:
    from fairbench.compose import compose

    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family,
        "summary": entry.summary,
        "paper": entry.paper,
        "year": entry.year,
        "link": entry.link,
        "needs": list(compose(entry.name).needs),
        "objectives": list(entry.objectives),
        "tracks": _tracks(compose(entry.name).needs),
        "written_forms": _written_forms(entry),
        "defaults": {track: dict(values) for track, values in entry.defaults.items()},
        "origin": entry.origin,
    }


def _tracks(needs: tuple[str, ...]) -> list[str]:
    """The tracks that have what the method needs; a teacher can also be given by hand."""
    from fairbench.launch.teachers import ROLE_OF_NEED
    from fairbench.protocol.track import load_track, track_names

    roles = {role for need, role in ROLE_OF_NEED.items() if need in needs}
    tracks = [load_track(name) for name in track_names()]
    return [t.name for t in tracks if roles <= set(t.teachers) and ("base checkpoint" not in needs or t.bases)]


def _written_forms(entry: Entry) -> dict[str, list[str]]:
    """Every objective of the method, and every form of a published table -> the tables that it is in."""
    from fairbench.reference.tables import PAPERS, published_rows
    from fairbench.training.method import Method
    from fairbench.written_form import parse_written_form

    others = [name for name in entry.objectives if name != entry.objective] if issubclass(entry.part, Method) else []
    forms: dict[str, list[str]] = {name: [] for name in (entry.name, *(f"{entry.name}@{name}" for name in others))}
    for row in (row for paper in PAPERS for row in published_rows(paper)):
        form = row.written_form.removeprefix("base:")
        if parse_written_form(form).method == entry.name:
            table = f"{row.paper} table {row.table}"
            tables = forms.setdefault(form, [])
            if table not in tables:
                tables.append(table)
    return forms


def _cited(paper: str) -> str:
    """Authors and venue of a citation: its first and last part."""
    authors, *_, venue = [*paper.split(", "), ""] if ", " not in paper else paper.split(", ")
    return f"{authors}, {venue}".removesuffix(", ")
