"""``fairbench data``: what is here, what is whole, and how to get the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Find, fetch and check data sets.", no_args_is_help=True, rich_markup_mode=None)

_Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_DataDir = Annotated[Path | None, typer.Option(help="Folder of the data sets (or FAIRBENCH_DATA).")]


@app.command("list")
def list_data(data_dir: _DataDir = None, as_json: _Json = False) -> None:
    """All data sets, and where each was found."""
    from fairbench.cli.arguments import data_folder
    from fairbench.cli.output import print_json, print_table
    from fairbench.data import dataset_names, dataset_title, find_dataset
    from fairbench.data.catalogue import dataset_origin

    folder = data_folder(data_dir)
    found = {name: find_dataset(name, folder) for name in dataset_names()}
    if as_json:
        values = [
            {"name": name, "title": dataset_title(name), "place": str(place) if place else None}
            | {"origin": dataset_origin(name)}
            for name, place in found.items()
        ]
        print_json(values)
        return
    rows = [
        [name, dataset_title(name), str(place) if place else "not found", dataset_origin(name)]
        for name, place in found.items()
    ]
    print_table(["name", "title", "place", "origin"], rows)


@app.command("fetch")
def fetch_data(name: Annotated[str, typer.Argument(help="Name of the data set.")], data_dir: _DataDir = None) -> None:
    """Download a data set; the only command that uses the network."""
    from fairbench.cli.arguments import data_folder, download_allowed
    from fairbench.data import fetch_dataset

    download_allowed(name)
    place = fetch_dataset(name, data_folder(data_dir))
    typer.echo(f"{name} is in {place}" if place else f"{name} comes with the package, nothing to fetch")


@app.command("corrupt")
def corrupt_data(
    name: Annotated[str, typer.Argument(help="Name of the data set, or folder:PATH.")],
    out: Annotated[Path | None, typer.Option(help="Where the arrays go; default: NAME-C in the data folder.")] = None,
    types: Annotated[str | None, typer.Option(help="Some of the 19 types, separated by commas.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn; evaluation uses seed 0.", min=0)] = 0,
    data_dir: _DataDir = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what an earlier call wrote there.")] = False,
    as_json: _Json = False,
) -> None:
    """Write the test images under the 19 corruptions x 5 severities, in the layout of CIFAR-10-C."""
    from fairbench.cli.arguments import comma_list, data_folder
    from fairbench.cli.output import make_progress, print_json
    from fairbench.data import CORRUPTIONS, load_dataset, write_corrupted, written_folder

    folder = data_folder(data_dir)
    target = out or written_folder(name, folder)
    manifest = write_corrupted(
        load_dataset(name, data_dir=folder),
        target,
        types=comma_list(types) if types else list(CORRUPTIONS),
        seed=seed,
        fresh=fresh,
        progress=make_progress(),
    )
    if as_json:
        print_json({"folder": str(target), **manifest.model_dump(mode="json")})
        return
    done = len(manifest.sha256.keys() - {"labels.npy"})
    typer.echo(f"{target} has {done} of {len(CORRUPTIONS)} types, {5 * manifest.images} images each")


@app.command("check")
def check_data(
    name: Annotated[str, typer.Argument(help="Name of the data set, or folder:PATH.")],
    data_dir: _DataDir = None,
    as_json: _Json = False,
) -> None:
    """Load a data set and count its images."""
    from fairbench.cli.arguments import data_folder
    from fairbench.cli.output import print_fields, print_json
    from fairbench.data import load_dataset, training_splits

    dataset = load_dataset(name, data_dir=data_folder(data_dir))
    splits = training_splits(dataset)
    parts = {"train": splits.train, "select": splits.select, "feedback": splits.feedback, "test": dataset.test}
    counts = {part: split.labels.bincount(minlength=dataset.num_classes).tolist() for part, split in parts.items()}
    if as_json:
        print_json(
            {
                "name": dataset.name,
                "classes": list(dataset.classes),
                "image_shape": list(dataset.image_shape),
                "fingerprint": dataset.fingerprint,
                "splits_sha256": splits.sha256,
                "images_per_class": counts,
            }
        )
        return
    fields = {
        part: f"{sum(of_class)} images, {min(of_class)} to {max(of_class)} a class" for part, of_class in counts.items()
    }
    shape = " x ".join(map(str, dataset.image_shape))
    print_fields(
        {
            "data set": dataset.name,
            "classes": ", ".join(dataset.classes),
            "image": shape,
            **fields,
            "fingerprint": dataset.fingerprint,
            "held-out positions": f"sha256 {splits.sha256}",
        }
    )
