"""What the searches saw of a network, in words: signs that its robustness may only look like robustness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.masking import SIGNS, MaskingSign, MaskingVerdict
from fairbench.protocol.record import Record
from fairbench.report.wording import MISSING, condition_title, listed

Fields = tuple[tuple[str, str], ...]
_YES_NO = {True: "yes", False: "no", None: MISSING}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The checks of one search, or the probes."""

    title: str
    fields: Fields
    notes: tuple[str, ...]


def diagnoses(record: Record) -> tuple[Diagnosis, ...]:
    """The probes for masked gradients, then the checks of every search that the record has them for."""
    classes = record.data.classes
    probes = [_probes(record.masking, classes)] if record.masking is not None else []
    searches = (
        Diagnosis(title=condition_title(name), fields=_fields(one.checks, classes), notes=tuple(one.checks.notes))
        for name, one in record.conditions.items()
        if one.checks is not None
    )
    return (*probes, *searches)


def _probes(verdict: MaskingVerdict, classes: Sequence[str]) -> Diagnosis:
    """Sign by sign, how many of the images that were looked at show it."""
    signs = [(sign.name.replace("_", " "), _sign(sign, classes)) for sign in verdict.signs]
    left_out = [(name.replace("_", " "), f"not probed: {why}") for name, why in verdict.not_probed.items()]
    found = verdict.in_words(list(classes))
    note = f"It looks masked: {found}." if verdict.flagged else "No sign of masked gradients."
    return Diagnosis(title="Probes for masked gradients", fields=(*signs, *left_out), notes=(note,))


def _sign(sign: MaskingSign, classes: Sequence[str]) -> str:
    holds = f", too many for {listed(classes[c] for c in sign.classes)}" if sign.classes else ""
    return f"{sum(sign.counted):,} of {sum(sign.images):,} images{holds}: {SIGNS[sign.name]}"


def _fields(checks: AttackChecks, classes: Sequence[str]) -> Fields:
    return (
        ("two passes differ", _YES_NO[checks.randomised]),
        ("asks for gradients itself", _YES_NO[checks.dynamic]),
        ("answers probabilities", _YES_NO[checks.probabilities]),
        ("logits of clean images", f"{checks.lowest_logit:.4g} to {checks.highest_logit:.4g}"),
        ("broken, member by member", _members(checks)),
        ("gradients of exactly zero", _zeros(checks, classes)),
        ("Square beats gradients", _YES_NO[checks.square_better]),
        ("farthest example", f"{checks.farthest:.6g}"),
        ("images through the network", ", ".join(f"{name} {count:,}" for name, count in checks.passes.items())),
    )


def _members(checks: AttackChecks) -> str:
    return (
        ", ".join(f"{name} {checks.broken[name]:,} of {count:,}" for name, count in checks.attacked.items()) or MISSING
    )


def _zeros(checks: AttackChecks, classes: Sequence[str]) -> str:
    seen = sum(checks.gradient_seen)
    if not seen:
        return "not looked at"
    found = [
        f"{name} {zero:,} of {total:,}"
        for name, zero, total in zip(classes, checks.gradient_zero, checks.gradient_seen, strict=False)
        if zero
    ]
    return ", ".join(found) or f"none of {seen:,}"
