"""What a bundle claims about how its numbers came to be, held against its own words and against the track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairbench.compose import compose
from fairbench.errors import FairbenchError
from fairbench.evaluation.battery import condition_of_battery
from fairbench.extensions import BUILT_IN
from fairbench.launch.bases import SCRATCH
from fairbench.launch.cells import NOT_CONFIGURED, Request, resolve
from fairbench.protocol.conditions import battery_departure, in_order, is_battery_departure
from fairbench.protocol.record import ConditionRecord, Record
from fairbench.protocol.track import load_track, track_names
from fairbench.submissions.bundle import Bundle
from fairbench.submissions.checks import FailedCheckError, require
from fairbench.submissions.config import Config

_SHAPE = ("images", "asked_batch_size", "batch_size", "micro_batch", "threads")
"""settings that say how a condition was computed and not what was asked"""
_TEACHER = ("teacher", "teacher_sha256")
"""rows of different teachers are kept apart by their group"""


def check_config(bundle: Bundle) -> str:
    """That configuration, record and card tell one story.

    Raises:
        FailedCheckError: ``config``.
    """
    record, config, track = bundle.record, bundle.config, bundle.config.track
    said = {
        "method": (record.method, config.method),
        "card's method": (bundle.card.method, config.method),
        "card's selection": (bundle.card.selection, record.selected_on),
        "origin": (record.origin, config.origin),
        "seed": (record.seed, config.seed),
        "init": (record.init, config.init),
        "track": (record.track, track.name),
        "architecture": (record.model.architecture, track.architecture),
        "epsilon": (record.epsilon, track.epsilon),
        "selection": (record.selected_on, track.selection.rule),
        "departures": (_of_training(record.departures), config.departures),
        "data": (_folder_name(record.data.name), _folder_name(track.dataset)),
    }
    for name, (first, second) in said.items():
        require(first == second, "config", f"{name} is {ascii(first)[:80]}, config.json says {ascii(second)[:80]}")
    _check_ledger(record)
    training = record.training
    require(training is not None, "config", "the record says nothing about training")
    if training is not None:
        without_seed = {key: value for key, value in bundle.raw_config.items() if key != "seed"}
        require(training.config == without_seed, "config", "the record holds another configuration than config.json")
        start = (training.init, training.init_sha256) == (config.init, config.init_sha256)
        require(start, "config", "the record names another start")
        parts = (training.objective, training.modifiers) == (config.objective, config.modifiers)
        require(parts, "config", "the record names another objective or other modifiers")
    return "the configuration is the record's"


def _check_ledger(record: Record) -> None:
    """The choice is that of the record, and the reported weights were scored; more looks are the author's word."""
    if record.ledger is None:
        raise FailedCheckError("config", "the record has no ledger of how its weights were chosen")
    ledger, last = record.ledger, record.last
    same = ledger.selected_on == record.selected_on
    require(same, "config", f"ledger: selected_on is {ledger.selected_on}, the record says {record.selected_on}")
    scored = len({record.model.weights_sha256, last.weights_sha256 if last else record.model.weights_sha256})
    fewer = f"ledger: test_evaluations is {ledger.test_evaluations}, the record reports {scored}"
    require(ledger.test_evaluations >= scored, "config", fewer)


def check_protocol(bundle: Bundle) -> str:
    """That a run of a track followed it, and was evaluated as its configuration says.

    Raises:
        FailedCheckError: ``protocol``.
    """
    record, config = bundle.record, bundle.config
    is_standard = record.protocol == "standard"
    require(
        is_standard != bool(record.departures), "protocol", f"{record.protocol} with {len(record.departures)} lines"
    )
    detail = f"departs from the track: {'; '.join(record.departures)}"[:200]
    if is_standard:
        require(config.track.name in track_names(), "protocol", f"there is no track {ascii(config.track.name)[:80]}")
        _check_follows_track(bundle)
        detail = f"follows {config.track.name}" + _check_method(bundle)
    lacking = battery_departure(config.track.battery.conditions, record.conditions)
    said = [line for line in record.departures if is_battery_departure(line)]
    require(said == lacking, "protocol", f"the record says {said}, its conditions say {lacking}"[:200])
    _check_settings(record, config, record.conditions, "")
    _check_settings(record, config, record.last.conditions if record.last else {}, "last.")
    return detail


def _of_training(departures: list[str]) -> list[str]:
    """Which conditions were evaluated is no part of a configuration."""
    return [line for line in departures if not is_battery_departure(line)]


def _check_follows_track(bundle: Bundle) -> None:
    offered = load_track(bundle.config.track.name).model_dump(mode="json", exclude=NOT_CONFIGURED)
    came = bundle.raw_config["track"]
    for key in sorted(offered.keys() | came.keys()):
        # A method may bring a schedule of its own; where it is known, the next check compares it.
        if key != "schedule" and came.get(key) != offered.get(key):
            raise FailedCheckError(
                "protocol", f"{key} is {ascii(came.get(key))[:80]}, the track has {ascii(offered.get(key))[:80]}"
            )


def _check_method(bundle: Bundle) -> str:
    """A built-in method from a start that ships has one configuration on a track: it is resolved anew."""
    config = bundle.config
    track = load_track(config.track.name)
    if config.origin != BUILT_IN or config.init not in (SCRATCH, *track.bases):
        return f"; the code of {config.method} ({config.origin}) is not here, its settings are the author's word"
    try:
        written = compose(config.method, track=track.name).written
        require(written == config.method, "protocol", f"{config.method} is written {written}")
        (cell,) = resolve(
            Request(methods=[config.method], tracks=[track.name], seeds=[config.seed], init=config.init, out=Path())
        )
    except FairbenchError as error:
        raise FailedCheckError("protocol", f"{config.method}: {error}") from None
    for key, expected in cell.config.items():
        came = bundle.raw_config.get(key)
        if key not in _TEACHER and came != expected:
            raise FailedCheckError("protocol", f"{key} is {ascii(came)[:80]}, the method has {ascii(expected)[:80]}")
    return f", {config.method} with its own settings"


def _check_settings(record: Record, config: Config, conditions: dict[str, ConditionRecord], where: str) -> None:
    battery = config.track.battery
    for name, condition in conditions.items():
        known = f"{where}{ascii(name)[:40]} is no condition of this fairbench or of a package that is installed"
        require([name] == in_order([name]), "protocol", known)
        asked = condition_of_battery(name, battery, eps=record.epsilon).settings
        came: dict[str, Any] = {key: value for key, value in condition.settings.items() if key not in _SHAPE}
        differ = sorted(key for key in asked.keys() | came.keys() if asked.get(key) != came.get(key))
        if differ:
            key = differ[0]
            raise FailedCheckError(
                "protocol",
                f"{where}{name} was run with {key} = {ascii(came.get(key))[:40]}, the battery has {asked.get(key)}",
            )


def _folder_name(dataset: str) -> str:
    """A record names an image folder by its last part alone."""
    prefix, colon, path = dataset.partition(":")
    return f"{prefix}:{Path(path).name}" if colon else dataset
