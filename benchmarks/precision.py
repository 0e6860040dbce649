"""Whether bfloat16 changes what adversarial training learns: robust accuracy against the spread over seeds.

    python -m benchmarks.precision --out precision [--epochs 1] [--seeds 0,1,2] [--methods pgd_at,trades,faal]

Fine-tunes each method on the track ``fmnist`` in each precision with the same schedule and seeds, attacks the float32
weights with PGD-20, and prints average and worst class. What is done already is read, so a killed study goes on.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from fairbench.attacks import pgd
from fairbench.data import to_unit
from fairbench.files import read_json, write_json
from fairbench.launch.cells import Request, resolve
from fairbench.launch.run import LoadData, data_loader, train_cell
from fairbench.metrics import class_accuracy
from fairbench.models import create_model, load_weights
from fairbench.protocol.track import load_track

PRECISIONS = ("float32", "mixed", "bfloat16")
TRACK = "fmnist"


@dataclass(frozen=True)
class Run:
    """One training run of the study."""

    method: str
    precision: str
    seed: int

    @property
    def file(self) -> str:
        """Where its numbers are kept."""
        return f"{self.method}-{self.precision}-seed{self.seed}.json"


def main() -> None:
    """Make the runs that are missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, help="instead of the track's")
    parser.add_argument("--images", type=int, default=2000, help="test images under attack")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default="pgd_at,trades,faal")
    parser.add_argument("--precisions", default=",".join(PRECISIONS))
    parser.add_argument("--limit", type=float, default=float("inf"), help="begin no run after this many seconds")
    options = parser.parse_args()
    # Seeds outermost, so that an unfinished study compares all precisions on the seeds it has.
    runs = [
        Run(method, precision, int(seed))
        for seed, method, precision in itertools.product(
            options.seeds.split(","), options.methods.split(","), options.precisions.split(",")
        )
    ]
    load, began = data_loader(None), time.monotonic()
    for run in runs:
        path = options.out / run.file
        if not path.exists() and time.monotonic() - began < options.limit:
            write_json(path, _measured(run, options, load))
            print(run.file, read_json(path, cure=""), flush=True)
    _print_table(options.out, [run for run in runs if (options.out / run.file).exists()])


def _measured(run: Run, options: argparse.Namespace, load: LoadData) -> dict[str, float]:
    changes = {"precision": run.precision, "compile": "false"}
    if options.epochs is not None:
        changes["epochs"] = str(options.epochs)
    request = Request(
        methods=[run.method], tracks=[TRACK], seeds=[run.seed], out=options.out / "runs", overrides=changes
    )
    (cell,) = resolve(request)
    training = train_cell(cell, load, torch.device("cpu"))
    track, dataset = load_track(TRACK), load(TRACK)
    network = create_model(track.architecture, num_classes=dataset.num_classes, image_shape=dataset.image_shape).eval()
    load_weights(network, cell.folder / "last.safetensors")
    x, y = to_unit(dataset.test.images[: options.images]), dataset.test.labels[: options.images]
    x_adv = pgd(network, x, y, eps=track.epsilon, steps=20, step_size=track.epsilon / 4, seed=0)
    with torch.no_grad():
        answers = network(x_adv).argmax(dim=1)
    by_class = class_accuracy(answers, y, dataset.num_classes)
    return {
        "average": float((answers == y).float().mean()),
        "worst": float(by_class.min()),
        "seconds": training.seconds,
    }


def _print_table(out: Path, runs: list[Run]) -> None:
    print(f"{'method':10s}{'precision':10s}{'seeds':>6s}{'average':>16s}{'worst class':>16s}{'seconds':>9s}   in %")
    for method in dict.fromkeys(run.method for run in runs):
        for precision in PRECISIONS:
            found = [read_json(out / r.file, cure="") for r in runs if (r.method, r.precision) == (method, precision)]
            if found:
                cells = [_mean_and_spread([100 * each[name] for each in found]) for name in ("average", "worst")]
                seconds = statistics.mean(each["seconds"] for each in found)
                print(f"{method:10s}{precision:10s}{len(found):6d}{cells[0]:>16s}{cells[1]:>16s}{seconds:9.0f}")


def _mean_and_spread(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.2f} ± {spread:.2f}"


if __name__ == "__main__":
    main()
