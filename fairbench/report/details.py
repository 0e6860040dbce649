"""What stands behind a row: settings that published codes hide, versions, hashes, the whole configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairbench.protocol.record import ConditionRecord, Record
from fairbench.report.command import command_of
from fairbench.report.corruptions import is_single
from fairbench.report.standings import SELECTIONS
from fairbench.report.wording import MISSING, condition_title, count, duration, points, radius, safe_link

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """One run."""

    title: str
    link: str | None
    blocks: tuple[tuple[str, Fields], ...]
    """heading and fields."""
    configuration: str
    """JSON; empty for a network that was trained elsewhere."""


def run_details(record: Record) -> RunDetails:
    """The details of one run."""
    training = record.training
    blocks = [
        ("Run", _run(record)),
        ("Choice of the epoch", _choice(record)),
        ("Training", _training(record)),
        ("Settings that published codes hide", _settings(training.hidden_settings) if training else ()),
        ("Network and data", _network(record)),
        ("Environment", _environment(record)),
        ("Conditions", _conditions(record)),
    ]
    return RunDetails(
        title=record.title,
        link=safe_link(record.link),
        blocks=tuple((title, fields) for title, fields in blocks if fields),
        configuration=json.dumps(training.config, indent=1, ensure_ascii=False) if training else "",
    )


def _run(record: Record) -> Fields:
    return (
        ("method", f"{record.method} ({record.title})"),
        ("seed", _text(record.seed)),
        ("paper", _text(record.paper)),
        ("link", _text(record.link)),
        ("code from", record.origin),
        ("protocol", f"{record.protocol}, version {record.protocol_version}"),
        ("departures", "; ".join(record.departures) or "none"),
        ("command", command_of(record) or MISSING),
        ("perturbation", f"{record.norm}, radius {radius(record.epsilon)}"),
    )


def _choice(record: Record) -> Fields:
    """The selection ledger: who chose, how often the test images were asked, and what a choice on them bought."""
    ledger = record.ledger
    fields = [("selection", f"{SELECTIONS[record.selected_on]}; epoch {_text(record.selected_epoch)}")]
    if ledger is None:
        return (*fields, ("test images", "how often they were asked is not recorded"))
    asked = count(ledger.test_evaluations, "set of weights", "sets of weights")
    fields.append(("test images", f"asked for {asked} of this run, the reported one included"))
    if ledger.gain is not None:
        bought = f"{points(ledger.gain.worst)} points of the worst class, {points(ledger.gain.average)} of the average"
        fields.append(("bought by the choice", f"{bought}, against the honest epoch {ledger.gain.honest_epoch}"))
    return tuple(fields)


def _training(record: Record) -> Fields:
    training = record.training
    if training is None:
        return ()
    return (
        ("start", f"{training.init} (sha256 {_text(training.init_sha256)})"),
        ("epochs", str(training.epochs)),
        ("time", f"{duration(training.seconds)} ({training.seconds} s)"),
        ("objective", training.objective),
        ("modifiers", ", ".join(training.modifiers) or "none"),
        ("inner attack", training.inner_attack),
    )


def _network(record: Record) -> Fields:
    return (
        ("network", f"{record.model.architecture}, {record.model.parameters:,} parameters"),
        ("weights", f"sha256 {record.model.weights_sha256}"),
        ("checkpoint file", MISSING if record.model.file_sha256 is None else f"sha256 {record.model.file_sha256}"),
        ("data", f"{record.data.name}, images {' x '.join(map(str, record.data.image_shape))}"),
        ("fingerprint", record.data.fingerprint),
        ("splits", f"sha256 {_text(record.data.splits_sha256)}"),
    )


def _environment(record: Record) -> Fields:
    environment = record.environment
    peak = environment.peak_memory_bytes
    return (
        ("fairbench", f"{environment.fairbench}, commit {_text(environment.git_commit)}"),
        ("python", environment.python),
        ("torch", environment.torch),
        ("device", f"{environment.device}, {environment.threads} threads"),
        ("peak memory", MISSING if peak is None else f"{peak / 2**20:,.0f} MiB"),
    )


def _conditions(record: Record) -> Fields:
    """Images, time and settings of each condition; of all single corruptions together, with the settings they share."""
    fields = [
        (condition_title(name), _measured(sum(one.class_total), one.seconds, one.settings))
        for name, one in record.conditions.items()
        if not is_single(name)
    ]
    single = [one for name, one in record.conditions.items() if is_single(name)]
    if single:
        shared = {key: value for key, value in single[0].settings.items() if _all_have(single, key, value)}
        images = sum(sum(one.class_total) for one in single)
        together = _measured(images, sum(one.seconds for one in single), shared)
        fields.append((count(len(single), "corruption"), together))
    return tuple(fields)


def _measured(images: int, seconds: float, settings: Mapping[str, Any]) -> str:
    return f"{images:,} images, {duration(seconds)}; {_in_line(settings)}".rstrip("; ")


def _all_have(conditions: Sequence[ConditionRecord], key: str, value: Any) -> bool:
    return all(key in one.settings and one.settings[key] == value for one in conditions)


def _settings(settings: Mapping[str, Any]) -> Fields:
    return tuple((name.replace("_", " "), _text(value)) for name, value in settings.items())


def _in_line(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in settings.items())


def _text(value: Any) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
