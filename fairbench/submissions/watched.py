"""A composition whose seams are watched while it trains: shapes, finite numbers, and the ball."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fairbench.compose import Composition
from fairbench.training.method import Method
from fairbench.training.seams import Batch, Inner, Terms, Views
from fairbench.training.trainer import Recipe

_ROUNDING = 1e-5


@dataclass
class Findings:
    """What the watched seams did."""

    steps: int = 0
    problems: dict[str, str] = field(default_factory=dict)
    """``shapes`` or ``finite losses`` -> the first problem."""

    def expect(self, holds: bool, kind: str, problem: str) -> None:
        """Note a problem, the first of its kind."""
        if not holds:
            self.problems.setdefault(kind, problem)


@dataclass(frozen=True)
class Watched(Composition):
    """The same composition; its method tells ``findings`` what passes through it."""

    findings: Findings = field(default_factory=Findings)

    def recipe(self) -> Recipe:
        """Fresh parts whose seams are watched."""
        recipe = super().recipe()
        _watch(recipe.method, self.findings)
        return recipe


def watched(composition: Composition) -> Watched:
    """A composition like the given one, with its seams watched."""
    return Watched(
        composition.form, composition.entry, composition.objective, composition.modifiers, composition.options
    )


def _watch(method: Method, findings: Findings) -> None:
    prepare, perturb, losses, weigh, combine = (
        method.prepare,
        method.perturb,
        method.losses,
        method.weigh,
        method.combine,
    )

    def watched_prepare(batch: Batch) -> Inner:
        inner = prepare(batch)
        for name in ("epsilon", "step_size"):
            value = getattr(inner, name)
            is_scalar = not isinstance(value, Tensor) or value.ndim == 0
            findings.expect(
                is_scalar or value.shape == batch.y.shape, "shapes", f"prepare: {name} is {_shape(value)}, not (B,)"
            )
        return inner

    def watched_perturb(batch: Batch, inner: Inner) -> Views:
        views = perturb(batch, inner)
        for name, x in views.x.items():
            _check_view(findings, name, x, batch, inner)
        return views

    def watched_losses(batch: Batch, views: Views) -> Terms:
        terms = losses(batch, views)
        _check_terms(findings, terms, batch)
        return terms

    def watched_weigh(terms: Terms, batch: Batch) -> dict[str, Tensor]:
        weights = weigh(terms, batch)
        absent = sorted(set(terms.per_sample) - set(weights))
        findings.expect(not absent, "shapes", f"weigh: no weights for {', '.join(absent)}")
        for name, value in weights.items():
            findings.expect(bool(torch.isfinite(value).all()), "finite losses", f"weigh: {name} is not finite")
        return weights

    def watched_combine(terms: Terms, weights: Mapping[str, Tensor]) -> Tensor:
        loss = combine(terms, weights)
        findings.steps += 1
        findings.expect(loss.ndim == 0, "shapes", f"combine: the loss is {_shape(loss)}, not a scalar")
        findings.expect(
            bool(torch.isfinite(loss).all()), "finite losses", f"combine: the loss is {float(loss.detach().mean())}"
        )
        return loss

    replaced: dict[str, Callable[..., Any]] = {
        "prepare": watched_prepare,
        "perturb": watched_perturb,
        "losses": watched_losses,
        "weigh": watched_weigh,
        "combine": watched_combine,
    }
    for name, function in replaced.items():
        setattr(method, name, function)


def _check_view(findings: Findings, name: str, x: Tensor, batch: Batch, inner: Inner) -> None:
    if x.shape != batch.x.shape:
        findings.expect(False, "shapes", f"perturb: {name} is {_shape(x)}, the batch is {_shape(batch.x)}")
        return
    radius = inner.epsilon if isinstance(inner.epsilon, Tensor) else torch.tensor(inner.epsilon)
    moved = (x - batch.x).abs().flatten(1).amax(dim=1)
    inside = (
        bool((moved <= radius + _ROUNDING).all()) and -_ROUNDING <= float(x.min()) <= float(x.max()) <= 1 + _ROUNDING
    )
    findings.expect(inside, "shapes", f"perturb: {name} leaves the ball or the unit box")


def _check_terms(findings: Findings, terms: Terms, batch: Batch) -> None:
    for name, values in terms.per_sample.items():
        findings.expect(
            values.shape == batch.y.shape, "shapes", f"losses: {name} is {_shape(values)}, not ({len(batch.y)},)"
        )
        findings.expect(bool(torch.isfinite(values).all()), "finite losses", f"losses: {name} is not finite")
    absent = sorted(set(terms.per_sample) ^ set(terms.coefficients))
    findings.expect(not absent, "shapes", f"losses: terms and coefficients differ in {', '.join(absent)}")
    for name, logits in terms.logits.items():
        findings.expect(
            logits.ndim == 2 and len(logits) == len(batch.y),
            "shapes",
            f"losses: the logits {name} are {_shape(logits)}",
        )


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else repr(value)
