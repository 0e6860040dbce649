"""``fairbench convert``: a public checkpoint in the form of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="Safetensors, or a state dict without code.")],
    model: Annotated[str, typer.Option(help="Its architecture, as in wrn34_10.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    normalise: Annotated[
        str, typer.Option(help="What it subtracts and divides by if the file does not say: none, cifar10, cifar100.")
    ] = "none",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Write a checkpoint as safetensors under the names used here, with its normalisation, and print its sha256.

    Nothing in the checkpoint is run; one that holds more than tensors is refused.
    """
    from fairbench.cli.output import print_json
    from fairbench.errors import unknown_name
    from fairbench.models import NORMALISATIONS, convert_checkpoint

    if normalise not in NORMALISATIONS:
        raise unknown_name("normalisation", normalise, NORMALISATIONS)
    sha256 = convert_checkpoint(checkpoint, out, architecture=model, normalisation=NORMALISATIONS[normalise])
    if as_json:
        print_json({"file": str(out), "sha256": sha256})
    else:
        typer.echo(f"{sha256}  {out}")
