"""What the members of an unpacked bundle say, once each has been read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairbench.errors import UsageError
from fairbench.evaluation.records import record_of
from fairbench.protocol.record import SCHEMA_VERSION, Record
from fairbench.protocol.schema import AnyModel, validated
from fairbench.protocol.versions import RECORD_UPGRADES, upgraded
from fairbench.submissions.card import CARD_NAME, MethodCard
from fairbench.submissions.checks import FailedCheckError, require
from fairbench.submissions.config import Config
from fairbench.submissions.content import read_plain_yaml, read_strict_json
from fairbench.submissions.environment import ENVIRONMENT_NAME, PackedOn

CONFIG_NAME, RECORD_NAME = "config.json", "record.json"
WEIGHTS_NAME, LAST_WEIGHTS_NAME = "model.safetensors", "last.safetensors"
PREDICTIONS_NAME, LAST_PREDICTIONS_NAME = "predictions.npz", "last_predictions.npz"
CODE_NAME = "network.py"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An unpacked bundle in its temporary folder."""

    folder: Path
    names: list[str]
    record: Record
    card: MethodCard
    config: Config
    raw_config: dict[str, Any]
    """the same with keys that this version does not know."""
    packed_on: PackedOn

    def has(self, name: str) -> bool:
        """Whether the bundle has a member of that name."""
        return name in self.names


def read_card(folder: Path) -> MethodCard:
    """The method card.

    Raises:
        FailedCheckError: ``card``.
    """
    return _schema("card", MethodCard, read_plain_yaml(folder / CARD_NAME, "card"), CARD_NAME)


def read_bundle_record(folder: Path) -> Record:
    """The record.

    Raises:
        FailedCheckError: ``record``.
    """
    values = read_strict_json(folder / RECORD_NAME, "record")

    def read() -> Record:
        current = upgraded(values, current=SCHEMA_VERSION, upgrades=RECORD_UPGRADES, place=RECORD_NAME)
        record = record_of(current, place=RECORD_NAME)
        # A schema reads "3" as 3; a bundle says what it says in one way.
        require(_is_part(current, record.model_dump(mode="json")), "record", "a value is written in another way")
        return record

    return _or_failed("record", read)


def read_config(folder: Path) -> tuple[Config, dict[str, Any]]:
    """The configuration, and all its keys as they came.

    Raises:
        FailedCheckError: ``config``.
    """
    values = read_strict_json(folder / CONFIG_NAME, "config")
    return _schema("config", Config, values, CONFIG_NAME), values


def read_environment(folder: Path) -> PackedOn:
    """The environment.

    Raises:
        FailedCheckError: ``record``.
    """
    return _schema("record", PackedOn, read_strict_json(folder / ENVIRONMENT_NAME, "record"), ENVIRONMENT_NAME)


def _is_part(came: Any, whole: Any) -> bool:
    """Whether values are those of a whole, of the same types; keys that have a default may be left out."""
    if isinstance(came, dict) and isinstance(whole, dict):
        return all(key in whole and _is_part(value, whole[key]) for key, value in came.items())
    if isinstance(came, list) and isinstance(whole, list):
        return len(came) == len(whole) and all(map(_is_part, came, whole))
    return type(came) is type(whole) and came == whole


def _schema(check: str, model: type[AnyModel], values: Any, place: str) -> AnyModel:
    return _or_failed(check, lambda: validated(model, values, place=place))


def _or_failed(check: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except UsageError as error:
        raise FailedCheckError(check, str(error)) from None
