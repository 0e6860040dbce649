"""The options by which ``run`` and ``plan`` ask for the same cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fairbench.launch.cells import Request

Methods = Annotated[str, typer.Option(help="Written forms, separated by commas: pgd_at,faal@trades?tau=0.3")]
Tracks = Annotated[str, typer.Option(help="Tracks, separated by commas.")]
Seeds = Annotated[str, typer.Option(help="0,1,2 or 0-4.")]
Init = Annotated[str | None, typer.Option(help="scratch, a base of the track, or a checkpoint file.")]
Teachers = Annotated[
    list[str] | None, typer.Option(help="[ROLE=]NAME, FILE or ARCH:FILE; roles: robust, clean. May be given again.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Depart from the track: epochs=1. May be given again.")
]
OtherData = Annotated[str | None, typer.Option(help="Other data: a name or folder:PATH.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Out = Annotated[Path, typer.Option(help="Where runs are kept.")]
Plugins = Annotated[list[Path] | None, typer.Option(help="A Python file with more methods; its code runs.")]
LocalMethods = Annotated[bool, typer.Option("--local-methods", help="Load the folder methods/ here; its code runs.")]
TrainBases = Annotated[
    bool, typer.Option("--train-bases", help="Train starts and teachers that the track names and does not ship.")
]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Cells at a time, each in a process; one for each visible GPU, or one, if left out."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of each process; the cores, shared out.")]


def make_request(
    *,
    methods: str,
    track: str,
    seeds: str,
    init: str | None,
    teacher: list[str] | None,
    assignments: list[str] | None,
    dataset: str | None,
    out: Path,
    plugin: list[Path] | None,
    train_bases: bool,
) -> Request:
    """What the options ask for; plug-ins are loaded on the way.

    Raises:
        UsageError: for an option that cannot be read.
    """
    from fairbench.cli.arguments import comma_list, seed_list
    from fairbench.launch.cells import Request
    from fairbench.launch.overrides import parse_assignments
    from fairbench.launch.teachers import parse_teachers
    from fairbench.registry import load_plugin
    from fairbench.written_form import split_written_forms

    for path in plugin or []:
        load_plugin(path)
    return Request(
        methods=split_written_forms(methods),
        tracks=comma_list(track),
        seeds=seed_list(seeds),
        out=out,
        init=init,
        overrides=parse_assignments(assignments or []),
        dataset=dataset,
        teachers=parse_teachers(teacher or []),
        train_bases=train_bases,
    )
