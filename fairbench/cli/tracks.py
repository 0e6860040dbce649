"""``fairbench tracks``: what is held equal in each comparison."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="List and explain the tracks.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_tracks(as_json: _Json = False) -> None:
    """All tracks."""
    from fairbench.cli.output import print_json, print_table
    from fairbench.protocol.track import load_track, track_names

    tracks = [load_track(name) for name in track_names()]
    if as_json:
        print_json([track.model_dump(mode="json") for track in tracks])
        return
    rows = [[t.name, t.dataset, t.architecture, f"{t.epsilon:.4g}", t.init, t.summary] for t in tracks]
    print_table(["name", "data", "network", "epsilon", "start", "what for"], rows)


@app.command("show")
def show_track(name: Annotated[str, typer.Argument(help="Name of the track.")], as_json: _Json = False) -> None:
    """Everything that a track fixes."""
    import yaml

    from fairbench.cli.output import print_json
    from fairbench.protocol.track import load_track

    values = load_track(name).model_dump(mode="json")
    if as_json:
        print_json(values)
    else:
        typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True).rstrip())
