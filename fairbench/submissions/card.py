"""The method card: who, which paper, which data, how the epoch was chosen, and what it cost."""

from __future__ import annotations

import re
from typing import Literal

import yaml
from pydantic import Field

from fairbench.protocol.record import Record
from fairbench.protocol.schema import Schema

CARD_NAME = "card.yaml"
CARD_VERSION = 1
LINK = r"^https?://\S+$"


class DataUsed(Schema):
    """What the weights have seen."""

    training: str = Field(min_length=1, max_length=500)
    """data set that was trained on."""
    extra: str | None = Field(default=None, max_length=500)
    """further real or generated data, in training or in a start or teacher; None is none."""


class Compute(Schema):
    """What training took."""

    hardware: str = Field(min_length=1, max_length=500)
    hours: float = Field(ge=0)


class MethodCard(Schema):
    """What a reader must know about a row and cannot see in its numbers."""

    schema_version: Literal[1] = CARD_VERSION
    method: str = Field(min_length=1, max_length=500)
    """written form, as in the record."""
    title: str = Field(min_length=1, max_length=500)
    authors: list[str] = Field(max_length=200)
    """of the submission; empty if they are not stated."""
    paper: str | None = Field(default=None, max_length=1000)
    link: str | None = Field(default=None, max_length=1000, pattern=LINK)
    code: str | None = Field(default=None, max_length=1000, pattern=LINK)
    """where the method's source can be read."""
    data: DataUsed
    selection: Literal["select", "last", "test", "unknown"]
    """on what the epoch was chosen; as in the record."""
    compute: Compute
    notes: str | None = Field(default=None, max_length=5000)


def card_of(record: Record, *, authors: list[str] | None = None) -> MethodCard:
    """A card with everything that the record knows.

    Args:
        record: of the run.
        authors: of the submission.
    """
    seconds = record.training.seconds if record.training else 0.0
    return MethodCard(
        method=record.method,
        title=record.title,
        authors=authors or [],
        paper=record.paper,
        link=record.link if record.link and re.match(LINK, record.link) else None,
        data=DataUsed(training=record.data.name),
        selection=record.selected_on,
        compute=Compute(hardware=record.environment.device, hours=round(seconds / 3600, 4)),
    )


def card_text(card: MethodCard) -> str:
    """A card as YAML, keys in the order of the schema."""
    return yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
