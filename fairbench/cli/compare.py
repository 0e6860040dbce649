"""``fairbench compare``: two methods on the same images, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder, or a method's folder with several seeds.")],
    second: Annotated[Path, typer.Argument(help="The other one.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say whether two methods differ by more than chance, on average and in the worst class.

    Paired exact tests on the same images, corrected for their number (Holm).
    """
    from dataclasses import asdict

    from fairbench.cli.output import print_json
    from fairbench.leaderboard.duel import compare_runs, in_words
    from fairbench.leaderboard.records import load_runs

    duel = compare_runs(load_runs(first), load_runs(second))
    if as_json:
        print_json(asdict(duel))
        return
    names = duel.first, duel.second
    typer.echo(f"{duel.first} ({_networks(duel.seeds[0])}) against {duel.second} ({_networks(duel.seeds[1])})")
    if duel.caution:
        typer.echo(duel.caution)
    for row in duel.rows:
        typer.echo(f"\n{row.condition}, {row.images} images:")
        for test, gain in ((row.average, row.average_gain), (row.weakest, row.weakest_gain)):
            typer.echo(f"  {in_words(test, names, duel.classes)}")
            typer.echo(
                f"    {100 * gain.value:+.1f} points for {duel.first}, 95 % interval {100 * gain.low:+.1f} to "
                f"{100 * gain.high:+.1f}; right only for {duel.first}: {test.only_first}, only for {duel.second}: "
                f"{test.only_second}"
            )
    typer.echo(f"\n{duel.verdict}")
    if 1 in duel.seeds:
        typer.echo("One network is one seed: another seed may turn a small difference round.")


def _networks(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"
