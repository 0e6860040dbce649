"""``fairbench submit``: results of one place become a row of another, without trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.protocol.verdict import Verdict

app = typer.Typer(help="Pack, verify and add submissions.", no_args_is_help=True, rich_markup_mode=None)

_DataDir = Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
_Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_Bundle = Annotated[Path, typer.Argument(help="A zip file that `submit pack` wrote.")]
_Images = Annotated[int, typer.Option(help="Images per condition that are attacked again.")]
_Full = Annotated[bool, typer.Option("--full", help="Attack all images again.")]
_Seed = Annotated[int | None, typer.Option(help="Draws the images; by default a new one, as it should be.")]
_ExamplesSeed = Annotated[int | None, typer.Option(help="The seed that the author was asked to draw examples with.")]
_AllowCode = Annotated[bool, typer.Option("--allow-code", help="Run the bundle's network.py; read it first.")]


@app.command("pack")
def pack_run(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out: Annotated[Path | None, typer.Option(help="The bundle; ./<method>-seed<k>.zip if left out.")] = None,
    card: Annotated[Path | None, typer.Option(help="The method card; see `submit card`.")] = None,
    code: Annotated[Path | None, typer.Option(help="Code of a network that fairbench does not know.")] = None,
    examples_seed: Annotated[int | None, typer.Option(help="Draw the examples with this seed, when asked to.")] = None,
    data_dir: _DataDir = None,
    device: _Device = "auto",
) -> None:
    """Write a bundle: card, configuration, weights, answers, examples, record, and a manifest of hashes."""
    from fairbench.cli.arguments import data_folder
    from fairbench.launch.device import resolve_device
    from fairbench.launch.run import data_loader
    from fairbench.submissions.pack import pack

    written = pack(
        run,
        out,
        data_loader(data_folder(data_dir)),
        card=card,
        code=code,
        examples_seed=examples_seed,
        device=resolve_device(device),
    )
    typer.echo(f"The bundle is {written}. See what a maintainer will see with: fairbench submit verify {written}")


@app.command("card")
def print_card(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    author: Annotated[list[str] | None, typer.Option(help="An author of the submission. May be given again.")] = None,
) -> None:
    """Print a method card to fill in: save it as card.yaml in the run's folder."""
    from fairbench.evaluation.records import read_record
    from fairbench.submissions.card import card_of, card_text

    typer.echo(card_text(card_of(read_record(run), authors=author)).rstrip())


@app.command("verify")
def verify_bundle(
    bundle: _Bundle,
    images: _Images = 300,
    full: _Full = False,
    seed: _Seed = None,
    examples_seed: _ExamplesSeed = None,
    allow_code: _AllowCode = False,
    out: Annotated[Path | None, typer.Option(help="Also write the verdict here, as JSON.")] = None,
    data_dir: _DataDir = None,
    device: _Device = "auto",
    as_json: _Json = False,
) -> None:
    """Check a bundle from anybody: nothing of it is trusted, none of its code runs."""
    from fairbench.cli.output import print_json
    from fairbench.errors import WorkError
    from fairbench.files import write_json

    verdict = _verdict(
        bundle,
        images=images,
        full=full,
        seed=seed,
        examples_seed=examples_seed,
        allow_code=allow_code,
        data_dir=data_dir,
        device=device,
    )
    if out is not None:
        write_json(out, verdict.model_dump(mode="json"))
    if as_json:
        print_json(verdict.model_dump(mode="json"))
    else:
        _print_verdict(verdict)
    if not verdict.verified:
        failure = verdict.failure
        reason = f"{failure.name}: {failure.detail}" if failure else "no image was asked again"
        raise WorkError(f"{bundle} is not verified: {reason}")


@app.command("add")
def add_bundle(
    bundle: _Bundle,
    board: Annotated[Path, typer.Option(help="The leaderboard folder.")] = Path("reports/boards"),
    unverified: Annotated[bool, typer.Option("--unverified", help="Attack nothing again, and mark the row.")] = False,
    images: _Images = 300,
    full: _Full = False,
    seed: _Seed = None,
    examples_seed: _ExamplesSeed = None,
    allow_code: _AllowCode = False,
    data_dir: _DataDir = None,
    device: _Device = "auto",
) -> None:
    """Verify a bundle, put it into a leaderboard folder, and write that board's page anew."""
    from fairbench.leaderboard.records import RECORDS_FOLDER
    from fairbench.report.render import write_report
    from fairbench.submissions.add import add_entry

    verdict = _verdict(
        bundle,
        images=0 if unverified else images,
        full=full and not unverified,
        seed=seed,
        examples_seed=examples_seed,
        allow_code=allow_code,
        data_dir=data_dir,
        device=device,
    )
    folder = add_entry(bundle, board, verdict, unverified=unverified)
    track = folder.parent.parent.name
    page = write_report(board / track / RECORDS_FOLDER, board, track)
    typer.echo(f"The entry is {folder}\nThe page is {page}")


def _verdict(
    bundle: Path,
    *,
    images: int,
    full: bool,
    seed: int | None,
    examples_seed: int | None,
    allow_code: bool,
    data_dir: Path | None,
    device: str,
) -> Verdict:
    from fairbench.cli.arguments import data_folder
    from fairbench.cli.output import make_progress
    from fairbench.launch.device import resolve_device
    from fairbench.launch.run import data_loader
    from fairbench.submissions.verify import Request, verify

    request = Request(
        load=data_loader(data_folder(data_dir)),
        device=resolve_device(device),
        images=images,
        full=full,
        seed=seed,
        examples_seed=examples_seed,
        allow_code=allow_code,
        progress=make_progress(),
    )
    return verify(bundle, request)


def _print_verdict(verdict: Verdict) -> None:
    from fairbench.cli.output import print_table
    from fairbench.submissions.checks import CHECKS

    reached = [check for check in verdict.checks if check.outcome != "skipped"]
    rows = [[check.name, check.outcome, check.detail or CHECKS[check.name]] for check in reached]
    print_table(["check", "outcome", "detail"], rows)
    left = len(verdict.checks) - len(reached)
    after = f"; {left} checks were not reached" if left else ""
    typer.echo(f"{'verified' if verdict.verified else 'not verified'} (seed {verdict.seed}){after}")
