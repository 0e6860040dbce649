"""The battery: each condition is what it does to an image, and the settings that say so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fairbench.attacks import autoattack, cw, fgsm, pgd, prepare_search
from fairbench.attacks.foreign import ForeignAttack
from fairbench.attacks.search_copy import Precision
from fairbench.data import CorruptionSource, to_unit
from fairbench.errors import WorkError, unknown_name
from fairbench.evaluation.attack_checks import checks_of
from fairbench.evaluation.network import FixedShape
from fairbench.extensions import ATTACKS, load_extension
from fairbench.protocol.conditions import foreign_conditions
from fairbench.protocol.corruptions import corruption_of, is_corruption
from fairbench.protocol.epsilons import epsilon_of, is_epsilon
from fairbench.protocol.track import Battery


class Perturbed(NamedTuple):
    """What a condition made of a batch."""

    x_adv: Tensor
    """(B, C, H, W)."""
    checks: dict[str, Any] | None = None
    """of a search, as ``attack_checks.checks_of`` gives them."""


Perturb = Callable[[FixedShape, Tensor, Tensor, Tensor], Perturbed]
"""(network, x (B, C, H, W), y (B,), positions in the whole split (B,)) -> what became of x."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What is done to an image before the model is asked."""

    name: str
    epsilon: float
    """radius that the images may move, 0 where they stay."""
    settings: dict[str, Any]
    """all that decides the outcome, apart from model and data."""
    perturb: Perturb
    adversarial: bool = True
    """whether the images are the worst that were found, so that one that is misclassified as it is counts as that."""
    search_precision: Precision | None = None
    """of a search; None where it is none."""

    def network(self, model: nn.Module, micro_batch: int, examples: Tensor) -> FixedShape:
        """The network as this condition asks it, ready for any number of batches and threads.

        Call it while no other thread asks a network.

        Args:
            model: the network.
            micro_batch: images that it is asked about at once.
            examples: (N, C, H, W) in [0, 1], N above 0.

        Raises:
            WorkError: if it is to be searched and does not answer finite logits.
        """
        if self.search_precision is None:
            return FixedShape(model, micro_batch)
        try:
            prepared = prepare_search(model, examples, precision=self.search_precision, micro_batch=micro_batch)
        except ValueError as error:
            raise WorkError(f"{self.name} failed: {error}") from error
        return FixedShape(model, micro_batch, prepared)


def sees_subset(name: str) -> bool:
    """Whether a condition is one of the costly ones, which may see a stratified part of the images."""
    return name in ("aa", "square") or is_corruption(name)


def make_condition(
    name: str,
    *,
    eps: float,
    seed: int = 0,
    square_queries: int = 5000,
    search_precision: Precision = "float32",
    corruptions: CorruptionSource | None = None,
) -> Condition:
    """A condition of the battery with its settings filled in.

    Args:
        name: one of ``protocol.conditions``.
        eps: L-infinity radius in pixel units of [0, 1].
        seed: of everything that is drawn.
        square_queries: of Square, alone and in AutoAttack.
        search_precision: what AutoAttack and Square search with; their verdicts are float32.
        corruptions: gives the corrupted images; None generates them.

    Raises:
        UsageError: for an unknown name.
    """
    makers: dict[str, Callable[[], tuple[dict[str, Any], Perturb]]] = {
        "clean": _unchanged,
        "fgsm": lambda: _single_step(eps),
        "pgd20": lambda: _steps(pgd, eps, 20, seed),
        "cw20": lambda: _steps(cw, eps, 20, seed),
        "cw30": lambda: _steps(cw, eps, 30, seed),
        "aa": lambda: _search(eps, square_queries, seed, search_precision, {"version": "standard"}),
        "square": lambda: _search(eps, square_queries, seed, search_precision, {}, members=["square"]),
    }
    if is_corruption(name):
        return _corruption(name, corruptions or CorruptionSource(seed=seed))
    if name in foreign_conditions():
        return _foreign(name, eps, seed)
    if is_epsilon(name):
        makers[name] = lambda: _steps(pgd, epsilon_of(name), 20, seed)
    if name not in makers:
        raise unknown_name("attack", name, makers)
    settings, perturb = makers[name]()
    return Condition(
        name=name,
        epsilon=settings.get("epsilon", 0.0),
        settings=settings,
        perturb=perturb,
        adversarial=name != "clean",
        search_precision=settings.get("search_precision"),
    )


def condition_of_battery(name: str, battery: Battery, *, eps: float) -> Condition:
    """A condition as the battery of a track runs it.

    Args:
        name: one of ``protocol.conditions``.
        battery: whose settings it gets.
        eps: L-infinity radius in pixel units of [0, 1].

    Raises:
        UsageError: for an unknown name.
    """
    return make_condition(
        name,
        eps=eps,
        seed=battery.seed,
        square_queries=battery.square_queries,
        search_precision=battery.search_precision,
    )


def _unchanged() -> tuple[dict[str, Any], Perturb]:
    return {}, lambda model, x, y, indices: Perturbed(x)


def _corruption(name: str, source: CorruptionSource) -> Condition:
    kind, severity = corruption_of(name)

    def perturb(model: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Perturbed:
        clean = x.mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        corrupted = torch.from_numpy(source.corrupted(kind, severity, indices.cpu().numpy(), clean))
        return Perturbed(to_unit(corrupted.permute(0, 3, 1, 2).contiguous().to(x.device)))

    settings = source.settings(kind, severity)
    return Condition(name=name, epsilon=1.0, settings=settings, perturb=perturb, adversarial=False)


def _foreign(name: str, eps: float, seed: int) -> Condition:
    attack = load_extension(ATTACKS, name, ForeignAttack)

    def perturb(model: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Perturbed:
        return Perturbed(attack(model, x, y, eps=eps, seed=seed, indices=indices))

    settings = {**attack.settings, "epsilon": eps, "seed": seed, "origin": foreign_conditions()[name]}
    return Condition(name=name, epsilon=eps, settings=settings, perturb=perturb)


def _single_step(eps: float) -> tuple[dict[str, Any], Perturb]:
    return {"epsilon": eps}, lambda model, x, y, indices: Perturbed(fgsm(model, x, y, eps=eps))


def _steps(attack: Callable[..., Tensor], eps: float, steps: int, seed: int) -> tuple[dict[str, Any], Perturb]:
    settings = {"epsilon": eps, "steps": steps, "step_size": eps / 4, "start": "uniform", "seed": seed}

    def perturb(model: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Perturbed:
        return Perturbed(attack(model, x, y, eps=eps, steps=steps, step_size=eps / 4, seed=seed, indices=indices))

    return settings, perturb


def _search(
    eps: float,
    queries: int,
    seed: int,
    precision: Precision,
    named: dict[str, Any],
    *,
    members: list[str] | None = None,
) -> tuple[dict[str, Any], Perturb]:
    settings = {"epsilon": eps, **named, "square_queries": queries, "search_precision": precision, "seed": seed}

    def perturb(model: FixedShape, x: Tensor, y: Tensor, indices: Tensor) -> Perturbed:
        # These attacks search with a folded copy of the network, so they get the bare module and its micro-batch.
        result = autoattack(
            model.network,
            x,
            y,
            eps=eps,
            seed=seed,
            batch_size=len(x),
            indices=indices,
            attacks=members,
            square_queries=queries,
            search_precision=precision,
            micro_batch=model.micro_batch,
            prepared=model.prepared,
            report=model.report,
        )
        return Perturbed(result.x_adv, checks_of(result))

    return settings, perturb
