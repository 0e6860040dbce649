"""The record of one cell: what was trained, how, and how each class fared under each condition."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from fairbench.protocol.attack_checks import AttackChecks
from fairbench.protocol.ledger import SelectionLedger
from fairbench.protocol.masking import MaskingVerdict
from fairbench.protocol.schema import Schema

SCHEMA_VERSION = 1
PROTOCOL_VERSION = 1


class ConditionRecord(Schema):
    """How the classes fared under one condition; every rate follows from the integers."""

    average: float = Field(ge=0, le=1)
    """fraction of images that are classified correctly."""
    balanced: float = Field(ge=0, le=1)
    """mean of the class accuracies."""
    worst: float = Field(ge=0, le=1)
    """lowest class accuracy."""
    worst_class: int
    """index of the class with the lowest accuracy, the first on ties."""
    worst_tenth: float = Field(ge=0, le=1)
    """mean accuracy of the lowest ceil(K / 10) classes."""
    overall: float = Field(ge=0, le=1)
    """mean of average and worst."""
    class_correct: list[int]
    class_total: list[int]
    class_false_positive_score: list[float] | None
    """FAIR-TAT Eq. 8; null, with a reason in ``undefined``, when no image is misclassified."""
    confusion: list[list[int]]
    """images by true class (row) and answer (column)."""
    undefined: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Any]
    seconds: float
    checks: AttackChecks | None = None
    """of the searches, ``aa`` and ``square``; null for the other conditions."""

    @model_validator(mode="after")
    def _counts_agree(self) -> ConditionRecord:
        if any(len(row) != len(self.confusion) for row in self.confusion):
            raise ValueError("confusion is not square")
        if [sum(row) for row in self.confusion] != self.class_total:
            raise ValueError("class_total is not the row sum of confusion")
        if [row[c] for c, row in enumerate(self.confusion)] != self.class_correct:
            raise ValueError("class_correct is not the diagonal of confusion")
        return self


class DataRecord(Schema):
    """The data that was used."""

    name: str
    fingerprint: str
    """sha256 over pixels and labels of all splits."""
    classes: list[str]
    image_shape: list[int]
    splits_sha256: str | None = None


class ModelRecord(Schema):
    """The network that was evaluated."""

    architecture: str
    parameters: int
    weights_sha256: str
    """over names, types, shapes and bytes of the weights as they were evaluated."""
    file_sha256: str | None = None
    """of the checkpoint file that was audited; null for runs of this project and for models without a file."""


class LastRecord(Schema):
    """The last epoch's weights under the cheap conditions."""

    epoch: int
    weights_sha256: str
    conditions: dict[str, ConditionRecord]


class TrainingRecord(Schema):
    """How the weights came to be."""

    epochs: int
    seconds: float
    init: str
    init_sha256: str | None
    objective: str
    modifiers: list[str]
    inner_attack: str
    config: dict[str, Any]
    """the fully resolved configuration, as in config.json."""
    hidden_settings: dict[str, Any]
    """settings that published codes hide: batch-norm mode of the attack, Nesterov, padding, ..."""


class Environment(Schema):
    """Where the numbers were made."""

    fairbench: str
    git_commit: str | None
    python: str
    torch: str
    device: str
    threads: int
    peak_memory_bytes: int | None = None


class Record(Schema):
    """One cell: a method, a seed, a track; or a foreign model under audit."""

    schema_version: Literal[1] = SCHEMA_VERSION
    protocol_version: int = Field(default=PROTOCOL_VERSION, ge=1, le=PROTOCOL_VERSION)
    """what the numbers mean; records of different meaning are read alike and never share a ranking."""
    protocol: Literal["standard", "modified"]
    departures: list[str] = Field(default_factory=list)
    """what departs from the track, one line each."""
    method: str
    """written form."""
    title: str
    paper: str | None = None
    link: str | None = None
    origin: str = "built-in"
    """where the method's code came from: built-in, an entry point, or a plug-in file."""
    track: str | None
    seed: int | None
    init: str
    selected_on: Literal["select", "last", "test", "unknown"]
    selected_epoch: int | None
    epsilon: float
    norm: Literal["linf"] = "linf"
    data: DataRecord
    model: ModelRecord
    conditions: dict[str, ConditionRecord]
    last: LastRecord | None = None
    masking: MaskingVerdict | None = None
    """signs of masked gradients; null where they were not probed."""
    ledger: SelectionLedger | None = None
    """how the weights were chosen, and how often test images were asked for it; null in records of before."""
    training: TrainingRecord | None = None
    environment: Environment
