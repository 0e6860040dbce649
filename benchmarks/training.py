"""One training step here against the usual code for it, in one process, one right after the other.

    python -m benchmarks.training cnn_small [--methods pgd_at,trades,faal] [--precisions float32,mixed,bfloat16]
    python -m benchmarks.training prn18 --methods faal --rounds 1

Prints step time, images a second, GFLOP/s, its share of a matrix product's, and the ratio to the plain step. GFLOP/s
count what the algorithm needs: forward, and backward to the images in the attack, to images and weights in the losses.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.plain import PlainTraining
from fairbench.compose import compose
from fairbench.data import Split, TrainingSplits, to_unit
from fairbench.models import create_model
from fairbench.protocol.track import Augmentation, Compute, Schedule, Selection, TrainingAttack
from fairbench.training.plan import Plan
from fairbench.training.precision import in_precision
from fairbench.training.seams import Batch, Clock
from fairbench.training.statistics import EpochStatistics
from fairbench.training.trainer import Trainer

SHAPES = {"cnn_small": (1, 28, 28)}
EPOCH_IMAGES = {"cnn_small": 60_000}
ATTACK_STEPS = 10
FORWARDS = {"pgd_at": 2 * ATTACK_STEPS + 3, "trades": 1 + 2 * ATTACK_STEPS + 6, "faal": 2 * ATTACK_STEPS + 4}
"""forward passes that one step costs; a backward pass to images alone or to weights alone counts as one."""


@dataclass(frozen=True)
class Case:
    """One network with data that look like images."""

    architecture: str
    splits: TrainingSplits
    epsilon: float
    batch_size: int

    def network(self) -> nn.Module:
        """The same start for both sides."""
        shape = tuple(self.splits.train.images.shape[1:])
        return create_model(self.architecture, num_classes=10, image_shape=shape, seed=0)  # pyright: ignore[reportArgumentType]

    def forward_flops(self) -> int:
        """Operations of one forward pass of a batch."""
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.network().eval()(to_unit(self.splits.train.images[:1]))
        return counter.get_total_flops() * self.batch_size

    def trainer(self, written: str, compute: Compute, folder: Path) -> Trainer:
        """A trainer as a run would have it."""
        plan = Plan(
            schedule=Schedule(epochs=1, batch_size=self.batch_size, learning_rate=0.01),
            augmentation=Augmentation(),
            attack=TrainingAttack(steps=ATTACK_STEPS),
            selection=Selection(),
            epsilon=self.epsilon,
            from_scratch=False,
            seed=0,
            compute=compute,
        )
        return Trainer(compose(written).recipe(), self.network(), self.splits, plan, folder, device=torch.device("cpu"))


def main() -> None:
    """Run the comparison and print a line per way of making a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("architecture")
    parser.add_argument("--methods", default="pgd_at,trades,faal")
    parser.add_argument("--precisions", default="float32,mixed,bfloat16")
    parser.add_argument("--compile", choices=("no", "yes", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    case = _case(options.architecture, options.batch_size)
    peak = {name: _matrix_peak(dtype) for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))}
    print(f"{case.architecture}, batch {case.batch_size}, PGD-{ATTACK_STEPS}, {torch.get_num_threads()} threads")
    print(f"matrix product: {peak['float32']:.0f} GFLOP/s in float32, {peak['bfloat16']:.0f} in bfloat16")
    for method in options.methods.split(","):
        _compare(case, method, options, peak)


def _compare(case: Case, method: str, options: argparse.Namespace, peak: dict[str, float]) -> None:
    steps: dict[str, Callable[[], None]] = {"plain": _plain_step(case, method)}
    trainers: dict[str, Trainer] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in options.precisions.split(","):
            for compiled in {"no": (False,), "yes": (True,), "both": (False, True)}[options.compile]:
                name = f"{precision}{' compiled' if compiled else ''}"
                trainers[name] = case.trainer(method, Compute(precision=precision, compile=compiled), Path(folder))
                steps[name] = _own_step(case, trainers[name])
        for name, step in steps.items():
            if name != "plain" or case.architecture in SHAPES:
                began = time.perf_counter()
                step()
                print(f"  {name}: first step {time.perf_counter() - began:.1f} s", flush=True)
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(options.rounds):
            for name, step in steps.items():
                times[name].append(_seconds(step, at_least=1.0))
        medians = {name: statistics.median(values) for name, values in times.items()}
        flops = case.forward_flops() * FORWARDS[method]
        for name, seconds in medians.items():
            best = peak["float32" if name.startswith(("plain", "float32")) else "bfloat16"]
            speed = flops / seconds / 1e9
            line = (
                f"{method:7s} {name:18s} {1e3 * seconds:9.1f} ms {case.batch_size / seconds:8.0f} images/s "
                f"{speed:7.0f} GFLOP/s ({speed / best:4.0%} of the product)  {medians['plain'] / seconds:5.2f} x plain"
            )
            if case.architecture in EPOCH_IMAGES:
                line += f"  epoch {EPOCH_IMAGES[case.architecture] / case.batch_size * seconds:5.1f} s"
            print(line, flush=True)
        _print_parts(case, method, trainers, medians)


def _print_parts(case: Case, method: str, trainers: dict[str, Trainer], medians: dict[str, float]) -> None:
    x, y = _batch(case)
    for name, trainer in trainers.items():
        batch = Batch(x, y, _clock())
        recipe, passes = trainer.recipe, trainer.passes
        attack = _seconds(lambda: trainer.step._attacked(batch), at_least=1.0)  # noqa: B023
        bare = _seconds(_bare_gradient(case, trainer), at_least=1.0)
        with passes.outer():
            terms = recipe.method.losses(batch, trainer.step._attacked(batch))
        weigh = _seconds(lambda: recipe.method.weigh(terms, batch), at_least=0.2)  # noqa: B023
        print(
            f"  {name}: attack {1e3 * attack:.1f} ms, a bare input gradient {1e3 * bare:.2f} ms: the attack reaches "
            f"{ATTACK_STEPS * bare / attack:.0%} of its speed; weighing {1e3 * weigh:.2f} ms, "
            f"{weigh / medians[name]:.2%} of the step",
            flush=True,
        )


def _bare_gradient(case: Case, trainer: Trainer) -> Callable[[], object]:
    """Forward and input gradient of the network alone, compiled, in a loop's body."""
    x, y = _batch(case)
    network = case.network().train(trainer.recipe.method.attack_bn == "train").requires_grad_(False)
    logits_of = in_precision(network, trainer.numerics.attack)
    ask = torch.compile(logits_of, dynamic=False)

    def gradient() -> object:
        images = x.detach().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(ask(images), y, reduction="sum"), images)

    gradient()
    return gradient


def _plain_step(case: Case, method: str) -> Callable[[], None]:
    network, (x, y) = case.network(), _batch(case)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    plain = PlainTraining(network, optimizer, case.epsilon, ATTACK_STEPS)
    return lambda: getattr(plain, method)(x, y)


def _own_step(case: Case, trainer: Trainer) -> Callable[[], None]:
    batch, seen = Batch(*_batch(case), _clock()), EpochStatistics(10)

    def step() -> None:
        trainer.step(batch, seen)

    return step


def _seconds(step: Callable[[], object], *, at_least: float) -> float:
    """Seconds of one call, over as many as fill the time."""
    began, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - began < at_least:
        step()
        calls += 1
    return (time.perf_counter() - began) / calls


def _batch(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    train = case.splits.train
    return to_unit(train.images[: case.batch_size]), train.labels[: case.batch_size]


def _clock() -> Clock:
    return Clock(epoch=0, step=0, epochs=1, steps_per_epoch=1, learning_rate_factor=1.0)


def _case(architecture: str, batch_size: int) -> Case:
    shape, generator = SHAPES.get(architecture, (3, 32, 32)), torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch_size, *shape), dtype=torch.uint8, generator=generator)
    split = Split(images, torch.arange(batch_size) % 10)
    classes = tuple(str(label) for label in range(10))
    splits = TrainingSplits("noise", classes, split, split, split, "")
    return Case(architecture, splits, 0.1 if shape[0] == 1 else 8 / 255, batch_size)


def _matrix_peak(dtype: torch.dtype, size: int = 2048) -> float:
    left, right = (torch.rand(size, size).to(dtype) for _ in range(2))
    _seconds(lambda: left @ right, at_least=0.1)
    return 2 * size**3 / _seconds(lambda: left @ right, at_least=0.5) / 1e9


if __name__ == "__main__":
    main()
