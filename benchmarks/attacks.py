"""AutoAttack here against the reference package, in one process: verdicts, seconds, and passes through the network.

For instance::

    python -m benchmarks.attacks fmnist --weights small.safetensors --images 1000 --together
    python -m benchmarks.attacks prn18 --weights prn18.safetensors --data cifar10-jpeg/test --images 16 --queries 500

All sides attack the same images, one right after the other, so that load from elsewhere meets them alike. Two clocks:
elapsed seconds, and processor seconds of this process. ``--keep FILE`` keeps what was measured, and a call with that
file measures only what is missing, so that a long comparison fits into several short calls.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.attack_cases import Case, case_of_track, reference_robust
from fairbench.attacks import AttackResult, autoattack
from fairbench.models import create_model, load_weights

MEMBERS = ("apgd-ce", "apgd-t", "fab-t", "square")
SIDES = ("reference", "float32", "bfloat16")


@dataclass
class Side:
    """One implementation: what it left robust and what it cost."""

    robust: list[bool]
    elapsed: float
    processor: float
    forward: int
    """images that went through the network forward only, verdicts and padding included."""
    gradient: int
    in_network: float
    """seconds there; for the reference estimated from the time of bare passes."""


class Counted(nn.Module):
    """Counts the images that go through a network, forward only or for a gradient."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.forwards, self.gradients = network, 0, 0

    def forward(self, x: Tensor) -> Tensor:
        """Ask the network."""
        if x.requires_grad:
            self.gradients += len(x)
        else:
            self.forwards += len(x)
        return self.network(x)


def main() -> None:
    """Run the comparison and print a line per member and side."""
    options = _options()
    torch.set_num_threads(options.threads)
    case = _case(options)
    with torch.no_grad():
        correct = int((case.network(case.x).argmax(dim=1) == case.y).sum())
    print(
        f"{options.case}: {len(case.x)} images, {correct} answered correctly, eps {case.eps:.4f}, "
        f"{options.threads} threads, torch {torch.__version__}"
    )
    members = options.members.split(",")
    kept = Kept(options.keep, f"{options.case} {options.weights} {options.images} {options.queries} {options.threads}")
    totals: dict[str, list[float]] = {}
    for names in [members] if options.together else [[name] for name in members]:
        sides: dict[str, Side] = {}
        for who in options.sides.split(","):
            measure = _reference if who == "reference" else _own
            sides[who] = kept.get(
                f"{'+'.join(names)} {who}",
                lambda measure=measure, who=who, names=names: measure(case, names, who, options),
            )
            _print(names, who, sides[who], sides.get("reference"))
            total = totals.setdefault(who, [0.0, 0.0])
            total[0] += sides[who].elapsed
            total[1] += sides[who].processor
    for who, total in totals.items():
        ratios = [there / here for there, here in zip(totals.get("reference", total), total, strict=True)]
        print(f"total {who:10s} {total[0]:8.1f} s, ratio {ratios[0]:.2f} elapsed, {ratios[1]:.2f} processor")


class Kept:
    """What was measured before, in a file."""

    def __init__(self, path: Path | None, about: str) -> None:
        self.path, self.about = path, about
        self.found: dict[str, Any] = json.loads(path.read_text()) if path is not None and path.exists() else {}

    def get(self, name: str, measure: Callable[[], Side]) -> Side:
        """From the file, or measured now."""
        key = f"{self.about} {name}"
        if key not in self.found:
            side = measure()
            if self.path is None:
                return side
            self.found[key] = asdict(side)
            self.path.write_text(json.dumps(self.found))
        return Side(**self.found[key])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("case", choices=("digits", "fmnist", "prn18"))
    parser.add_argument("--weights", required=True, help="safetensors file")
    parser.add_argument("--data", help="prn18: folder of test images, one folder per class")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--members", default=",".join(MEMBERS))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--together", action="store_true", help="the ensemble as one, each member on the survivors")
    parser.add_argument("--keep", type=Path, help="JSON file of what was measured")
    return parser.parse_args()


def _case(options: argparse.Namespace) -> Case:
    if options.case != "prn18":
        return case_of_track(options.case, Path(options.weights), options.images)
    network = create_model("prn18", num_classes=10)
    load_weights(network, Path(options.weights))
    return Case(network.eval(), *_folder(options), 8 / 255)


def _folder(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    classes = sorted(entry for entry in Path(options.data).iterdir() if entry.is_dir())
    per_class = [sorted(entry.iterdir()) for entry in classes]
    chosen = [(per_class[n % len(classes)][n // len(classes)], n % len(classes)) for n in range(options.images)]
    x = np.stack([np.asarray(Image.open(path).convert("RGB")) for path, _ in chosen])
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    return pixels.float() / 255, torch.tensor([label for _, label in chosen])


def _timed(run: Callable[[], Tensor]) -> tuple[list[bool], float, float]:
    elapsed, processor = time.perf_counter(), time.process_time()
    robust = run()
    return robust.tolist(), time.perf_counter() - elapsed, time.process_time() - processor


def _reference(case: Case, names: list[str], who: str, options: argparse.Namespace) -> Side:
    counted = Counted(case.network)
    attacked = replace(case, network=counted)
    robust, elapsed, processor = _timed(
        lambda: reference_robust(attacked, attacks=names, queries=options.queries, batch_size=options.batch_size)
    )
    forward, gradient = _bare_seconds(case, max(sum(robust), 1))
    return Side(
        robust,
        elapsed,
        processor,
        counted.forwards,
        counted.gradients,
        in_network=counted.forwards * forward + counted.gradients * gradient,
    )


def _bare_seconds(case: Case, images: int) -> tuple[float, float]:
    """Seconds per image of a forward pass and of a pass with gradient, in batches of so many images."""
    x = case.x[:images]

    def forward() -> None:
        with torch.no_grad():
            case.network(x)

    def gradient() -> None:
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(case.network(leaf).sum(), leaf)

    found = []
    for run in (forward, gradient):
        run()
        times = []
        for _ in range(5):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        found.append(sorted(times)[2] / len(x))
    return found[0], found[1]


def _own(case: Case, names: list[str], who: str, options: argparse.Namespace) -> Side:
    results: list[AttackResult] = []

    def attack() -> Tensor:
        result = autoattack(
            case.network,
            case.x,
            case.y,
            eps=case.eps,
            attacks=names,
            batch_size=options.batch_size,
            square_queries=options.queries,
            search_precision=who,  # pyright: ignore[reportArgumentType]
        )
        results.append(result)
        return result.robust

    robust, elapsed, processor = _timed(attack)
    (result,) = results
    passes: list[dict[str, Any]] = []
    for name, entry in result.log.items():
        # Threads side by side spend their seconds at the same time.
        passes.append({**entry["passes"], "seconds": entry["passes"]["seconds"] / result.checks["workers"]})
        print(f"    {name:8s} {entry['seconds']:7.1f} s, network {passes[-1]['seconds']:7.1f} s", flush=True)
    print(f"    passes of {result.checks['shapes']} images by {result.checks['workers']} threads", flush=True)
    forward = sum(entry["forward"] + entry["verdict"] for entry in passes)
    gradient = sum(entry["gradient"] for entry in passes)
    return Side(robust, elapsed, processor, forward, gradient, sum(entry["seconds"] for entry in passes))


def _print(names: list[str], who: str, side: Side, reference: Side | None) -> None:
    line = (
        f"{'+'.join(names):10s} {who:10s} {side.elapsed:8.1f} s elapsed {side.processor:8.1f} s processor, "
        f"{sum(side.robust)} robust, image passes {side.forward} forward {side.gradient} gradient, "
        f"network {side.in_network / side.elapsed:.0%}"
    )
    if reference is not None and reference is not side:
        pairs = list(zip(reference.robust, side.robust, strict=True))
        stronger, weaker = pairs.count((True, False)), pairs.count((False, True))
        line += f", ratio {reference.elapsed / side.elapsed:.2f}, broken only here {stronger}, only there {weaker}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
