"""Who is flagged for masked gradients: planted defences must be, honest networks must not.

    python -m benchmarks.masking_verdicts [RUN ...]

Prints the verdict on each planted defence around a classifier of digits, and on the selected weights of each run:
folders that are searched for ``record.json``, such as the output of

    fairbench run --track digits,fmnist --methods pgd_at,trades,faal --seeds 0-2 --out checkpoints
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from benchmarks import planted_defences as planted
from fairbench.data import Dataset, load_dataset, to_unit
from fairbench.evaluation.probes import probe_masking
from fairbench.launch.run import data_loader
from fairbench.launch.subjects import Audit, subject_of
from fairbench.protocol.masking import MaskingVerdict

EPSILON = 0.2
MASKED_CLASS = 3


def planted_networks(dataset: Dataset) -> dict[str, Callable[[], nn.Module]]:
    """The defences by name, each made when it is called.

    Args:
        dataset: the digits.
    """
    x, y = to_unit(dataset.train.images), dataset.train.labels
    plain = planted.fitted(planted.plain_network(), x, y)
    return {
        "gradient killer": lambda: planted.GradientKiller(plain),
        "input quantiser": lambda: planted.InputQuantiser(plain),
        "logit temperature": lambda: planted.LogitTemperature(plain),
        "input noise": lambda: planted.InputNoise(plain),
        "k-winners-take-all": lambda: planted.fitted(
            planted.plain_network(planted.WinnersTakeAll), x, y, epsilon=EPSILON
        ),
        f"class {MASKED_CLASS} scrambled": lambda: planted.OneClassMasked(plain, MASKED_CLASS),
        f"class {MASKED_CLASS} killed": lambda: planted.OneClassKilled(plain, MASKED_CLASS),
        "none: a plain network": lambda: plain,
    }


def verdict_on_run(folder: Path, load: Callable[[str], Dataset]) -> tuple[str, MaskingVerdict]:
    """What is probed, in words, and the verdict on its selected weights.

    Args:
        folder: of a finished run.
        load: gives data sets by name.
    """
    subject = subject_of(Audit(run=folder))
    dataset = load(subject.dataset)
    seed = subject.of_run.seed if subject.of_run else None
    verdict = probe_masking(subject.network(dataset), dataset, subject.epsilon, seed=subject.battery.seed)
    return f"{subject.track} {subject.title} seed {seed}", verdict


def row(name: str, verdict: MaskingVerdict) -> str:
    """A line: whether it is flagged, for which classes, and the highest count of any class for each sign."""
    highest = {sign.name: max(sign.counted) for sign in verdict.signs if any(sign.counted)}
    signs = ", ".join(f"{sign} {count}" for sign, count in highest.items()) or "no image shows any sign"
    flag = "FLAGGED " + ",".join(map(str, verdict.classes)) if verdict.flagged else "-"
    return f"{name:28s}{flag:30s}{signs}"


def main() -> None:
    """Print the table."""
    print(f"{'network':28s}{'flagged for classes':30s}highest count of any class, by sign")
    digits = load_dataset("digits")
    for name, make in planted_networks(digits).items():
        print(row(name, probe_masking(make(), digits, EPSILON)), flush=True)
    load = data_loader(None)
    for folder in sorted({path.parent for root in sys.argv[1:] for path in Path(root).rglob("record.json")}):
        print(row(*verdict_on_run(folder, load)), flush=True)


if __name__ == "__main__":
    main()
