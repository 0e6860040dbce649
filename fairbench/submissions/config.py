"""``config.json`` as a schema: the parts that a record must agree with; further keys may follow."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from fairbench.protocol.track import Battery, Schedule, Selection


class TrackConfig(BaseModel):
    """The track with all changes in place."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    name: str
    dataset: str
    architecture: str
    epsilon: float
    schedule: Schedule
    selection: Selection
    battery: Battery


class Config(BaseModel):
    """The fully resolved configuration of a run."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    method: str
    objective: str | None
    modifiers: list[str]
    options: dict[str, dict[str, Any]]
    origin: str
    track: TrackConfig
    init: str
    init_sha256: str | None
    departures: list[str]
    seed: int
