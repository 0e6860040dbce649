"""``fairbench doctor``: what works here, what is missing, and how to get it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

_PACKAGES = ("torch", "torchvision", "robustbench", "pyautoattack", "cvxpy", "pandas", "matplotlib", "safetensors")


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Versions, devices, data and bases found, and what to do about the rest."""
    import platform

    import torch

    from fairbench import __version__
    from fairbench.cli.arguments import data_folder
    from fairbench.cli.output import print_fields, print_json
    from fairbench.data import dataset_names, find_dataset

    folder = data_folder(data_dir)
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    report = {
        "fairbench": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": ["cpu", *devices],
        "threads": torch.get_num_threads(),
        "data": {name: str(place) if (place := find_dataset(name, folder)) else None for name in dataset_names()},
        "bases": _bases(),
    }
    if as_json:
        print_json(report)
        return
    data = report["data"]
    print_fields(
        {
            "fairbench": __version__,
            "python": report["python"],
            **{name: version or f"missing; pip install {name}" for name, version in report["packages"].items()},
            "devices": ", ".join(report["devices"]),
            "threads": str(report["threads"]),
            **{f"data {name}": place or f"not found; fairbench data fetch {name}" for name, place in data.items()},
            **{f"bases of {track}": ", ".join(names) or "none ship" for track, names in report["bases"].items()},
        }
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _bases() -> dict[str, list[str]]:
    from fairbench.errors import UsageError
    from fairbench.launch.bases import find_start
    from fairbench.protocol.track import load_track, track_names

    found: dict[str, list[str]] = {}
    for name in track_names():
        track = load_track(name)
        found[name] = []
        for base in track.bases:
            try:
                find_start(base, track)
            except UsageError:
                continue
            found[name].append(base)
    return found
