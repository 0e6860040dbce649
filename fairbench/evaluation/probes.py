"""Probes for masked gradients: a few cheap attacks on a few images of each class, for every evaluated network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fairbench.attacks import autoattack, cw, fgsm, pgd
from fairbench.attacks.ascent import Logits, input_gradient
from fairbench.attacks.effort import Report
from fairbench.attacks.network import choose_micro_batch
from fairbench.data import Dataset, Split, to_unit
from fairbench.data.held_out import class_ranks
from fairbench.evaluation.masking import ProbeOutcomes, judge
from fairbench.evaluation.material import material_of
from fairbench.evaluation.network import FixedShape, borrowed
from fairbench.evaluation.result import Evaluation
from fairbench.evaluation.surrogate import plain_network
from fairbench.losses import cross_entropy
from fairbench.progress import Bar, PartOfBar, Progress, Silent
from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.conditions import CONDITIONS
from fairbench.protocol.masking import MaskingVerdict
from fairbench.protocol.record import ConditionRecord

IMAGES_OF_A_CLASS = 20
_CANDIDATES = 4
"""times as many images are asked first, since only those that are classified correctly tell something."""
STEPS, FEWER_STEPS = 50, 20
"""of PGD, and of all other gradient attacks."""
SQUARE_QUERIES = 300
LARGE_EPSILON = 0.75
RANDOM_TOLERANCE = 1e-4
_GRADIENTS = STEPS + 3 * FEWER_STEPS + 2
"""of each image: PGD; CW, and far away PGD and CW; FGSM, and the one that may be zero."""
_SEARCHED = SQUARE_QUERIES // 3
"""what Square costs in gradients."""
_NO_TRAINING_IMAGES = "no training images were given for a plain network"


def probe_masking(
    model: nn.Module,
    dataset: Dataset | Split,
    eps: float,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    checks: AttackChecks | None = None,
    progress: Progress | None = None,
) -> MaskingVerdict:
    """Look for signs of masked gradients, class by class.

    The model is borrowed as by ``evaluate``. It costs some 130 gradients and 300 answers for each of 20 images of a
    class.

    Args:
        model: images (B, C, H, W) float in [0, 1] -> logits (B, K).
        dataset: a data set, of which the test split is probed; or a split, without the sign ``transfer``.
        eps: L-infinity radius in pixel units of [0, 1].
        seed: of all random starts and searches.
        device: where to compute; None is where the model is.
        checks: of AutoAttack in the battery, whose zero gradients count as well.
        progress: who is told how it goes.
    """
    began = time.perf_counter()
    material = material_of(dataset)
    settings = {
        "images_of_a_class": IMAGES_OF_A_CLASS,
        "epsilon": eps,
        "large_epsilon": max(LARGE_EPSILON, eps),
        "square_queries": SQUARE_QUERIES,
        "seed": seed,
    }
    with borrowed(model, device) as place:
        torch.manual_seed(seed)  # for networks that draw; attacks are keyed by image
        logits_of = FixedShape(model, choose_micro_batch(model, to_unit(material.images[:1].to(place))))
        positions = torch.from_numpy(
            np.flatnonzero(class_ranks(material.labels.numpy()) < _CANDIDATES * IMAGES_OF_A_CLASS)
        )
        x = to_unit(material.images[positions.to(material.images.device)].to(place))
        kept = _first_correct(logits_of, x, material.labels[positions])
        images = _Images(
            x=x[kept.to(place)],
            y=material.labels[positions][kept].to(place),
            indices=positions[kept].to(place),
            num_classes=material.num_classes,
        )
        source = None
        if isinstance(dataset, Dataset):
            with torch.enable_grad():
                source = plain_network(dataset, place)
        with (progress or Silent()).bar("masking", _GRADIENTS + _SEARCHED) as bar:
            outcomes = _outcomes(logits_of, images, source, settings, bar)
    return judge(
        outcomes,
        settings=settings,
        seconds=round(time.perf_counter() - began, 3),
        checks=checks,
        not_probed={} if source is not None else {"transfer": _NO_TRAINING_IMAGES},
    )


def masking_of(
    model: nn.Module, dataset: Dataset | Split, evaluation: Evaluation, *, progress: Progress | None = None
) -> MaskingVerdict | None:
    """The verdict on a model that was just evaluated, with its radius and seed; otherwise :func:`probe_masking`.

    A model that nobody attacked has no robustness to doubt, and is not probed.

    Args:
        model: the evaluated model.
        dataset: what it was evaluated on.
        evaluation: what came of it.
        progress: who is told how it goes, and if a sign is found.
    """
    if not is_probed(evaluation.conditions):
        return None
    checks = searched_checks(evaluation.conditions)
    verdict = probe_masking(model, dataset, evaluation.epsilon, seed=evaluation.seed, checks=checks, progress=progress)
    if verdict.flagged and progress is not None:
        progress.say(f"gradients look masked: {verdict.in_words(list(evaluation.data.classes))}")
    return verdict


def is_probed(conditions: Mapping[str, ConditionRecord]) -> bool:
    """Whether an evaluation under these conditions has a verdict: whether any of them is an attack."""
    return bool((set(CONDITIONS) - {"clean"}) & set(conditions))


def searched_checks(conditions: Mapping[str, ConditionRecord]) -> AttackChecks | None:
    """What AutoAttack saw; None where it was not run."""
    return conditions["aa"].checks if "aa" in conditions else None


@dataclass(frozen=True, kw_only=True)
class _Images:
    x: Tensor
    y: Tensor
    indices: Tensor
    """(n,) int64, positions in the whole split."""
    num_classes: int


def _first_correct(logits_of: FixedShape, x: Tensor, labels: Tensor) -> Tensor:
    """Positions among the candidates of the first images of each class that are classified correctly, (n,) int64."""
    with torch.no_grad():
        correct = np.flatnonzero((logits_of(x).argmax(dim=1).cpu() == labels).numpy())
    chosen = correct[class_ranks(labels.numpy()[correct]) < IMAGES_OF_A_CLASS] if len(correct) else correct
    return torch.from_numpy(chosen)


def _outcomes(
    network: FixedShape, images: _Images, source: nn.Module | None, settings: dict[str, Any], bar: Bar
) -> ProbeOutcomes:
    x, y, indices = images.x, images.y, images.indices
    eps, far = settings["epsilon"], settings["large_epsilon"]
    keys = {"seed": settings["seed"], "indices": indices}
    step = {"eps": eps, "step_size": eps / 4, **keys}
    logits_of = _Counted(network, bar)
    watched = _Watched(logits_of, y)
    perturbed = {
        "fgsm": fgsm(logits_of, x, y, eps=eps),
        "pgd_last": pgd(watched, x, y, steps=STEPS, emit="last", **step),
        "cw": cw(logits_of, x, y, steps=FEWER_STEPS, **step),
        "square": _searched(network, images, settings, PartOfBar(bar, _SEARCHED)),
    }
    if source is not None:
        perturbed["transfer"] = cw(source, x, y, steps=FEWER_STEPS, emit="last", **step)
    fooled = {name: _is_fooled(logits_of, x_adv, y) for name, x_adv in perturbed.items()}
    reached = watched.reached.cpu().numpy()
    fooled["pgd"] = fooled["pgd_last"] | (reached != y.cpu().numpy())
    # Both losses, because so far away the cross-entropy of an honest network can saturate.
    far_away = [attack(logits_of, x, y, eps=far, steps=FEWER_STEPS, step_size=far / 10, **keys) for attack in (pgd, cw)]
    fooled["large_epsilon"] = np.logical_or(*(_is_fooled(logits_of, x_adv, y) for x_adv in far_away))
    return ProbeOutcomes(
        labels=y.cpu().numpy(),
        num_classes=images.num_classes,
        fooled=fooled,
        reached=reached,
        gradient_is_zero=_gradient_is_zero(logits_of, x, y),
        differs=_differs(logits_of, x),
    )


class _Counted:
    """A network whose gradients move a bar."""

    def __init__(self, logits_of: Logits, bar: Bar) -> None:
        self.logits_of, self.bar = logits_of, bar

    def __call__(self, x: Tensor) -> Tensor:
        """The logits, (B, C, H, W) -> (B, K), of all images at once."""
        if torch.is_grad_enabled():
            self.bar.advance()
        return self.logits_of(x)


class _Watched:
    """A network that remembers the first wrong class of each image, over all iterates that it is asked about."""

    def __init__(self, logits_of: Logits, y: Tensor) -> None:
        self.logits_of, self.y, self.reached = logits_of, y, y.clone()

    def __call__(self, x: Tensor) -> Tensor:
        """The logits, (B, C, H, W) -> (B, K), of all images at once."""
        logits = self.logits_of(x)
        self.reached = torch.where(self.reached == self.y, logits.detach().argmax(dim=1), self.reached)
        return logits


def _searched(logits_of: FixedShape, images: _Images, settings: dict[str, Any], report: Report) -> Tensor:
    if not len(images.x):
        return images.x
    return autoattack(
        logits_of.network,
        images.x,
        images.y,
        eps=settings["epsilon"],
        attacks=["square"],
        square_queries=SQUARE_QUERIES,
        seed=settings["seed"],
        indices=images.indices,
        batch_size=len(images.x),
        micro_batch=logits_of.micro_batch,
        report=report,
    ).x_adv


@torch.no_grad()
def _is_fooled(logits_of: Logits, x_adv: Tensor, y: Tensor) -> np.ndarray:
    return (logits_of(x_adv).argmax(dim=1) != y).cpu().numpy() if len(y) else np.zeros(0, dtype=bool)


def _gradient_is_zero(logits_of: Logits, x: Tensor, y: Tensor) -> np.ndarray:
    if not len(y):
        return np.zeros(0, dtype=bool)
    gradient, _ = input_gradient(logits_of, x, lambda _, logits: cross_entropy(logits, y))
    return (gradient.flatten(1).abs().amax(dim=1) == 0).cpu().numpy()


@torch.no_grad()
def _differs(logits_of: Logits, x: Tensor) -> np.ndarray:
    if not len(x):
        return np.zeros(0, dtype=bool)
    first, second = logits_of(x), logits_of(x)
    scale = first.norm(dim=1).clamp(min=1e-10)
    return ((first - second).norm(dim=1) / scale > RANDOM_TOLERANCE).cpu().numpy()
