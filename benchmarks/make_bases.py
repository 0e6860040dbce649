"""Train the base checkpoints of the CPU tracks anew and put them, with their cards, into checkpoints/bases/.

    python -m benchmarks.make_bases [track ...]

Runs resume, and what is trained already is only copied.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import torch

from fairbench.cli.output import make_progress
from fairbench.evaluation import environment
from fairbench.files import read_json, sha256_file, write_json
from fairbench.launch.bases import SCRATCH, BaseCard
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import data_loader, train_cell
from fairbench.protocol.track import load_track

TRACKS = ("digits", "fmnist")
RECIPES = {
    "natural": ("natural", {"selection.rule": "last"}),
    "robust_teacher": ("trades", {"learning_rate": "0.05"}),
}
"""How teachers differ from the bases: the clean one is not chosen by its robustness, and at five times the rate
the network of fmnist ends far more robust. The bases keep the low rate, whose unfairness the track is about."""
SEED = 0
ROOT = Path(__file__).parent.parent
BASES = ROOT / "checkpoints" / "bases"


def make_base(track: str, name: str) -> BaseCard:
    """Train one base or teacher and put its weights and card in place."""
    method, overrides = RECIPES.get(name, (name, {}))
    request = Request(
        methods=[method], tracks=[track], seeds=[SEED], out=ROOT / "checkpoints", init=SCRATCH, overrides=overrides
    )
    (cell,) = resolve(request)
    device = torch.device("cpu")
    training = train_cell(cell, data_loader(None), device, progress=make_progress())
    target = BASES / track / f"{name}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cell.folder / "model.safetensors", target)
    card = BaseCard(
        track=track,
        method=method,
        epochs=training.epochs,
        selected_on=cell.track.selection.rule,
        selected_epoch=training.selected_epoch,
        seed=SEED,
        seconds=training.seconds,
        commit=environment(device).git_commit,
        config=read_json(cell.folder / "config.json", cure="train it again"),
        sha256=sha256_file(target),
    )
    write_json(target.with_suffix(".json"), card.model_dump(mode="json"))
    return card


def main() -> None:
    """Make all bases and teachers of the tracks named on the command line."""
    for track in sys.argv[1:] or TRACKS:
        settings = load_track(track)
        for name in dict.fromkeys([*settings.bases, *settings.teachers.values()]):
            card = make_base(track, name)
            print(f"{track} {name}: epoch {card.selected_epoch} of {card.epochs}, {card.sha256[:12]}")


if __name__ == "__main__":
    main()
