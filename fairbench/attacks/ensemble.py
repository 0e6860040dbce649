"""The members of AutoAttack one after the other, each on the images that the ones before it left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from fairbench.attacks.ascent import Logits
from fairbench.attacks.balls import Norm, lengths
from fairbench.attacks.checks import square_is_better, square_suspicion
from fairbench.attacks.crew import Crew
from fairbench.attacks.effort import Effort, Report
from fairbench.attacks.meeting import Prepared, meet, prepare_search
from fairbench.attacks.members import LEAST_CLASSES, Settings, Stage, Version, class_counts, stages
from fairbench.attacks.network import Network
from fairbench.attacks.result import AttackResult
from fairbench.attacks.rows import Images, take
from fairbench.attacks.search import Outcome, in_batches, in_groups, run
from fairbench.attacks.search_copy import Precision
from fairbench.attacks.validation import check_answer

DOUBT = 1 / 64
"""what rounding may do to a margin, as a share of the image's largest logit: numbers of bfloat16 have 8 digits."""
CONTAINMENT = 1e-6
"""how far an adversarial example may lie outside ball or box: rounding, nothing more."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is asked for; the fields are those of ``autoattack``."""

    composition: Version
    eps: float
    norm: Norm
    seed: int
    batch_size: int
    square_queries: int
    search_precision: Precision
    micro_batch: int
    prepared: Prepared | None
    report: Report


def attack(call: Call, model: Logits, x: Tensor, y: Tensor, indices: Tensor | None) -> AttackResult:
    """One call of AutoAttack.

    Args:
        call: what is asked for.
        model: the network under attack.
        x: (N, C, H, W) in [0, 1], in the type of the network's weights, N above 0.
        y: (N,) int64.
        indices: (N,) int64, keys of the noise; 0..N-1 when None.

    Raises:
        ValueError: the network's answers are not as expected.
        ArithmeticError: an adversarial example left the ball or the box.
    """
    # A network that draws random numbers draws from a stream of its own, which begins with the seed.
    with torch.random.fork_rng([x.device] if x.is_cuda else []):
        torch.manual_seed(call.seed)
        prepared = call.prepared or prepare_search(
            model, x, precision=call.search_precision, micro_batch=call.micro_batch
        )
        checks = meet(model, x, prepared)
        with ExitStack() as stack:
            both = [one for one in (prepared, prepared.exact) if one is not None]
            crews = [
                stack.enter_context(one.crew(model, transformations=call.composition.transformations)) for one in both
            ]
            crew = crews[0]
            logits = crew.lead.verdict_logits(x)
            check_answer(logits, len(x), int(y.max()))
            predicted = logits.argmax(dim=1)
            outcome = Outcome.before(x, predicted == y)
            images = _images(x, y, logits, indices, doubt=DOUBT if prepared.exact else 0.0)
            log = _all_members(call, crews, outcome, images)
            broken = ((predicted == y) & ~outcome.robust).nonzero().squeeze(1)
            if len(broken):
                predicted[broken] = crew.lead.verdict(outcome.x_adv[broken])
    by_member = {name: entry["broken"] for name, entry in log.items()}
    checks |= {
        "classes": logits.shape[1],
        "logits_range": [float(logits.min()), float(logits.max())],
        "square_better": square_is_better(by_member, len(x)),
        "suspicion": square_suspicion(by_member, len(x)),
        "farthest": _farthest(outcome.x_adv[broken], x[broken], call.eps, call.norm),
    }
    return AttackResult(outcome.x_adv, outcome.robust, predicted, log, checks)


def _images(x: Tensor, y: Tensor, logits: Tensor, indices: Tensor | None, *, doubt: float) -> Images:
    rows = torch.arange(len(x), device=x.device)
    others = logits.scatter(1, y[:, None], -torch.inf)
    return Images(
        x=x,
        y=y,
        index=rows if indices is None else indices.to(rows),
        row=rows,
        ranking=others.argsort(dim=1, descending=True, stable=True),
        target=torch.zeros_like(rows),
        alive=torch.ones_like(rows, dtype=torch.bool),
        doubt=doubt * logits.abs().amax(dim=1).float(),
    )


def _all_members(call: Call, crews: Sequence[Crew], outcome: Outcome, images: Images) -> dict[str, dict[str, Any]]:
    settings = Settings(
        eps=call.eps,
        norm=call.norm,
        seed=call.seed,
        classes=images.ranking.shape[1],
        square_queries=call.square_queries,
        restarts=call.composition.restarts,
    )
    stopped = outcome.stopped if len(crews) > 1 else None
    plans = {name: list(stages(name, settings, stopped)) for name in call.composition.members}
    costs = [stage.cost for plan in plans.values() for stage in plan if not stage.is_repeat]
    effort = Effort(costs, call.report)
    ensemble = _Ensemble(crews, outcome, images, call.batch_size, effort)
    return {name: ensemble.member(name, plan) for name, plan in plans.items()}


@dataclass(frozen=True)
class _Ensemble:
    """What the members of a call share."""

    crews: Sequence[Crew]
    """those who search, and behind them those who do not round."""
    outcome: Outcome
    images: Images
    batch_size: int
    effort: Effort

    def member(self, name: str, plan: Sequence[Stage]) -> dict[str, Any]:
        """One member, on the images that are left; what there is to tell of it."""
        began = time.perf_counter()
        for crew in self.crews:
            crew.take_passes()
        outcome, labels, classes = self.outcome, self.images.y, self.images.ranking.shape[1]
        notes = []
        attacked = outcome.robust.nonzero().squeeze(1)
        if not plan:
            notes.append(f"left out: its loss needs {LEAST_CLASSES[name]} classes, the network has {classes}")
            attacked = attacked[:0]
        outcome.doubtful.fill_(False)
        zero_gradient, unrounded = [], 0
        for stage in plan:
            living = attacked[outcome.robust[attacked]]
            doubtful = outcome.doubtful[living]
            outcome.doubtful.fill_(False)
            if not stage.is_repeat:
                self.effort.begin(len(living))
                self._search(stage, self.crews[0], living[~doubtful])
                zero_gradient += getattr(stage.search, "zero_gradient", [])
            self._search(stage, self.crews[-1], living[doubtful])
            unrounded += int(doubtful.sum())
        passes = [asdict(crew.take_passes()) for crew in self.crews]
        return {
            "attacked": len(attacked),
            "attacked_by_class": class_counts(labels, [attacked], classes),
            "broken": len(attacked) - int(outcome.robust[attacked].sum()),
            "unrounded": unrounded,
            "zero_gradient": class_counts(labels, zero_gradient, classes),
            "seconds": time.perf_counter() - began,
            "passes": {kind: sum(one[kind] for one in passes) for kind in passes[0]},
            "notes": notes,
        }

    def _search(self, stage: Stage, crew: Crew, rows: Tensor) -> None:
        """One run on some images, in groups that are in flight together."""
        search, images = stage.search, take(self.images, rows)

        def attack_group(network: Network, rows: Tensor) -> None:
            left = search.iterations

            def advanced(iterations: int) -> None:
                nonlocal left
                left -= iterations
                self.effort.advance(0 if stage.is_repeat else iterations * len(rows) * stage.passes)

            batches = in_batches(images, rows, network.shapes, targets=search.targets)
            run(search, crew, network, self.outcome, batches, advanced=advanced)
            advanced(left)  # which images that are all broken do not need

        self.outcome.begin_search()
        shares = len(crew.networks)
        in_flight = -(-self.batch_size // crew.lead.micro_batch) * crew.lead.micro_batch
        everything = torch.arange(len(rows) * search.targets, device=rows.device)
        most = max(in_flight // shares // search.targets, 1) * search.targets
        crew.each(attack_group, in_groups(everything, most, shares))


def _farthest(x_adv: Tensor, x: Tensor, eps: float, norm: Norm) -> float:
    if not len(x):
        return 0.0
    farthest = float(lengths(x_adv - x, norm).max())
    low, high = float(x_adv.min()), float(x_adv.max())
    if not (farthest <= eps + CONTAINMENT and low >= -CONTAINMENT and high <= 1 + CONTAINMENT):
        raise ArithmeticError(
            f"an adversarial example left the ball or the box: distance {farthest:.8g} of {eps:.8g}, "
            f"pixels {low:.8g}..{high:.8g}."
        )
    return farthest
