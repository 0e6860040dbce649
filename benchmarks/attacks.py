"""AutoAttack here against the reference package, member by member, in one process.

For instance::

    python benchmarks/attacks.py fmnist --weights small.safetensors --images 1000
    python benchmarks/attacks.py prn18 --weights prn18.safetensors --data cifar10-jpeg/test --images 16 --queries 500

Both sides attack the same images, each member alone, one side right after the other, so that load from elsewhere
meets both. Two clocks: elapsed seconds, and processor seconds of this process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pyautoattack import AutoAttack
from torch import Tensor, nn

from fairbench.attacks import autoattack
from fairbench.data import load_dataset
from fairbench.models import create_model, load_weights

MEMBERS = ("apgd-ce", "apgd-t", "fab-t", "square")


@dataclass
class Side:
    """One implementation: what it left robust and what it cost."""

    robust: Tensor
    elapsed: float
    processor: float
    forward: int = 0
    gradient: int = 0
    in_network: float | None = None


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


@dataclass
class Totals:
    """Sums over members."""

    elapsed: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, side: Side) -> None:
        """Add one member's cost."""
        self.elapsed[name] = self.elapsed.get(name, 0) + side.elapsed
        self.processor[name] = self.processor.get(name, 0) + side.processor


def main() -> None:
    """Run the comparison and print a line per member and side."""
    options = _options()
    torch.set_num_threads(options.threads)
    network, x, y, eps = _case(options)
    with torch.no_grad():
        correct = int((network(x).argmax(dim=1) == y).sum())
    print(f"{options.case}: {len(x)} images, {correct} answered correctly, eps {eps:.4f}, {options.threads} threads")
    members = [(name,) for name in options.members.split(",")]
    if options.together:
        members = [tuple(options.members.split(","))]
    totals = Totals()
    for names in members:
        reference = _reference(network, x, y, eps, names=names, options=options)
        _print(names, "reference", reference, None)
        totals.add("reference", reference)
        for precision in options.precisions.split(","):
            own = _own(network, x, y, eps, names=names, options=options, precision=precision)
            _print(names, precision, own, reference)
            totals.add(precision, own)
    for name in totals.elapsed:
        ratios = [spent["reference"] / spent[name] for spent in (totals.elapsed, totals.processor)]
        print(
            f"total {name:10s} {totals.elapsed[name]:8.1f} s, ratio {ratios[0]:.2f} elapsed, {ratios[1]:.2f} processor"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("case", choices=("fmnist", "prn18"))
    parser.add_argument("--weights", required=True, help="safetensors file")
    parser.add_argument("--data", help="prn18: folder of test images, one folder per class")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--members", default=",".join(MEMBERS))
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--together", action="store_true", help="the ensemble as one, each member on the survivors")
    return parser.parse_args()


def _case(options: argparse.Namespace) -> tuple[nn.Module, Tensor, Tensor, float]:
    if options.case == "fmnist":
        network = create_model("cnn_small", num_classes=10, image_shape=(1, 28, 28))
        test = load_dataset("fmnist").test
        x, y = test.images[: options.images].float() / 255, test.labels[: options.images]
        eps = 0.1
    else:
        network = create_model("prn18", num_classes=10)
        x, y = _folder(Path(options.data), options.images)
        eps = 8 / 255
    load_weights(network, Path(options.weights))
    return network.eval(), x, y, eps


def _folder(folder: Path, images: int) -> tuple[Tensor, Tensor]:
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    per_class = [sorted(entry.iterdir()) for entry in classes]
    chosen = [(per_class[n % len(classes)][n // len(classes)], n % len(classes)) for n in range(images)]
    x = np.stack([np.asarray(Image.open(path).convert("RGB")) for path, _ in chosen])
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    return pixels.float() / 255, torch.tensor([label for _, label in chosen])


def _timed(run: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    elapsed, processor = time.perf_counter(), time.process_time()
    robust = run()
    return robust, time.perf_counter() - elapsed, time.process_time() - processor


def _reference(
    network: nn.Module, x: Tensor, y: Tensor, eps: float, *, names: tuple[str, ...], options: argparse.Namespace
) -> Side:
    counted = Counted(network)
    runner = AutoAttack(counted, eps=eps, version="custom", attacks=list(names), seed=0, device="cpu")  # pyright: ignore[reportArgumentType]
    runner.verbose = False
    runner.square.n_queries = options.queries
    runner.fab.n_restarts = runner.apgd.n_restarts = 1

    def attack() -> Tensor:
        _, answers = runner.run_standard_evaluation(x, y, batch_size=options.batch_size)
        return answers == y

    with torch.random.fork_rng():
        robust, elapsed, processor = _timed(attack)
    return Side(robust, elapsed, processor, counted.forwards, counted.gradients)


def _own(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    eps: float,
    *,
    names: tuple[str, ...],
    options: argparse.Namespace,
    precision: str,
) -> Side:
    passes = []

    def attack() -> Tensor:
        result = autoattack(
            network,
            x,
            y,
            eps=eps,
            attacks=names,
            batch_size=options.batch_size,
            square_queries=options.queries,
            search_precision=precision,  # pyright: ignore[reportArgumentType]
        )
        passes.extend(entry["passes"] for entry in result.log.values())
        return result.robust

    robust, elapsed, processor = _timed(attack)
    forward = sum(entry["forward"] + entry["verdict"] for entry in passes)
    gradient = sum(entry["gradient"] for entry in passes)
    return Side(robust, elapsed, processor, forward, gradient, sum(entry["seconds"] for entry in passes))


def _print(names: tuple[str, ...], who: str, side: Side, reference: Side | None) -> None:
    line = (
        f"{'+'.join(names):10s} {who:10s} {side.elapsed:8.1f} s elapsed {side.processor:8.1f} s processor, "
        f"{int(side.robust.sum())} robust, image passes {side.forward} forward {side.gradient} gradient"
    )
    if side.in_network is not None:
        line += f", network {side.in_network / side.elapsed:.0%}"
    if reference is not None:
        stronger = int((reference.robust & ~side.robust).sum())
        weaker = int((~reference.robust & side.robust).sum())
        line += f", ratio {reference.elapsed / side.elapsed:.2f}, broken only here {stronger}, only there {weaker}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
